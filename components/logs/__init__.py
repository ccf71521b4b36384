"""Loki, the log agent and what it makes of a line."""
