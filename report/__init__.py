"""What the dashboards show, without Grafana: reads their JSON, asks what Grafana would ask, draws what it would draw.

`board` reads a dashboard, `variables` puts its variables into queries as Grafana does, `sources` asks Prometheus and
Loki. For `make report`, `gather` asks for every panel, `draw` draws it, and `page` puts all on one page.
"""
