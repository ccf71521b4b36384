"""Panels as Grafana's own library shows them: sample data, what is shown of it, and what an eye must find there."""
