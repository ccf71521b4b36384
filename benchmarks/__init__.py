"""What the rules cost as services are added, measured on a real Prometheus: `make bench-rules`."""
