"""What rules, dashboards, logs and instrumentation cost, measured on the real parts: `make bench-…`."""
