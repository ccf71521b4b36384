"""The application's telemetry with the instrumentation package: one call for each service, and what it then does."""
