"""Whose series the rows read: the scrape jobs chosen, and the programs of the monitoring."""

from __future__ import annotations

import parts
from dashboards.promql import series
from facts import NAMESPACE

JOB = 'job=~"$job"'
PROMETHEUS = f'job="{parts.PROMETHEUS.job}"'  # Loki exports some series of the same names
ALERTMANAGER = f'job="{parts.ALERTMANAGER.job}"'
OURS = f'namespace="{NAMESPACE}"'

CHANNEL = 'integration=~"slack|pagerduty|email|webhook"'
"""The integrations in use; the heartbeat is the webhook. Alertmanager counts for all those that it knows."""

SAMPLES = f"sum by (pod) (rate({series('prometheus_tsdb_head_samples_appended_total', PROMETHEUS)}[$__rate_interval]))"
