"""What looks at rules, routes, dashboards and charts without running a stack, for lint, tests and benchmarks."""
