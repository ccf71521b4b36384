"""The log agent and Loki, and the ways in which they are broken, for tests and benchmarks."""
