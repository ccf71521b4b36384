"""What components, dashboards, the rehearsal and `make verify` have to agree on, each stated once."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent
"""The project's directory."""

NAMESPACE = "monitoring"
"""Namespace of everything that the program deploys."""

SAMPLE_LIMIT = 50_000
"""A fuse of each scrape of a service, far above normal use: beyond it all of it fails, and nothing is measured."""

BURN_RATES = {"30m": 14, "3h": 7, "12h": 2}
"""How many times too fast an error budget is spent over each window when someone is told of it: by a page, a page, a
warning. The rules in alerts/ state the numbers; a test compares them."""

LOKI_MEGABYTES_A_SECOND = 16
"""Log lines that Loki takes, in MiB a second; what is above it is refused, and sent again."""

LOKI_STREAMS = 5_000
"""Streams beyond which Loki refuses new ones."""

SLOW_MILLISECONDS = 250
"""From how long on the trace of a request is always kept, and shown as slow."""

BUSYBOX = "docker.io/library/busybox:1.37.0-uclibc"
"""Linked statically, so that its shell also runs in an image without libraries."""
PYTHON = "docker.io/library/python:3.13.7-alpine3.22"
"""For the programs of ours that run in a container."""

CHART_ALERTS_RUNBOOK = "charts/README.md"
"""The one runbook of all alerts that charts bring, below the runbooks of ours."""

GRAFANA_DATA_SOURCES = "grafana-datasources"
"""The ConfigMap with Grafana's data sources."""
GRAFANA_FOLDER = "Order processor"
"""Where Grafana has the dashboards."""
GRAFANA_HOME = "system-health"
"""Uid of the dashboard that Grafana opens with."""
