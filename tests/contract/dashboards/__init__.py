"""The dashboards against their contract."""
