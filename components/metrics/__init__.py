"""Prometheus with its operator and exporters: what is scraped, and how it is named."""
