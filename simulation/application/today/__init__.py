"""The application's telemetry as it is today, written by hand: metrics, log lines, ids; no business metrics."""
