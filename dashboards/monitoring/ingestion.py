"""How much does Prometheus take in, and from which job?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.monitoring.selectors import JOB, PROMETHEUS, SAMPLES
from dashboards.panels import NEUTRAL, Query, above, bars, timeseries
from dashboards.promql import series
from facts import SAMPLE_LIMIT


def row() -> Row:
    """Samples and series, in all and by job."""
    return board.row(
        "Ingestion and cardinality",
        timeseries(
            "Samples ingested",
            Query(SAMPLES, "{{pod}}"),
            shows="Samples that Prometheus stores each second, recorded ones included.",
            wrong="A step up is a new target or a label with many values; a fall to nothing: Prometheus hangs.",
            unit=units.CountsPerSecond,
        ),
        timeseries(
            "Active series",
            Query(f"max by (pod) ({series('prometheus_tsdb_head_series', PROMETHEUS)})", "{{pod}}"),
            shows="Series in memory. Each takes a few kilobytes of it.",
            wrong="Growth without new services: see which job's samples grow, and which label has too many values.",
            unit=units.Short,
        ),
        timeseries(
            "Series created and removed",
            *(
                Query(
                    "sum by (pod) "
                    f"(rate({series(f'prometheus_tsdb_head_series_{what}_total', PROMETHEUS)}[$__rate_interval]))",
                    "{{pod}} " + what,
                )
                for what in ("created", "removed")
            ),
            shows="Series that appear each second, and those that go when the head is truncated every two hours.",
            wrong="Steady creation without rollouts is churn: a label that changes with every request or pod.",
            unit=units.CountsPerSecond,
        ),
        bars(
            "Samples by job",
            Query(
                f"sort_desc(topk(15, sum by (job) ({series('scrape_samples_post_metric_relabeling', JOB)})))", "{{job}}"
            ),
            shows="Samples in one scrape of all targets of a job, after relabelling: the fifteen largest jobs.",
            wrong="The longest bar is where dropping series pays: look for its metric with the most label values.",
            unit=units.Short,
            limits=NEUTRAL,
        ),
        timeseries(
            "Series added by job",
            Query(f"topk(10, sum by (job) (sum_over_time({series('scrape_series_added', JOB)}[1h])))", "{{job}}"),
            shows="Series new to Prometheus in the last hour, for the ten jobs with most. After it starts, all are "
            "new.",
            wrong="Far more than the job has samples: its label values do not repeat, as raw paths or ids.",
            unit=units.Short,
        ),
        bars(
            "Sample limit used",
            Query(
                f"""
                sort_desc(topk(15, max by (service) (
                  scrape_samples_post_metric_relabeling and on (service) service:expected:info
                ) / {SAMPLE_LIMIT}))
                """,
                "{{service}}",
            ),
            shows=f"""
                Samples of a service's scrape as a share of the {SAMPLE_LIMIT:,} it may have, whatever job is chosen.
                Above the limit its scrapes fail as a whole.
            """,
            wrong="Above 80 % CardinalityNearLimit warns: bound the label that grows, usually the raw path.",
            unit=units.PercentUnit,
            limits=above(0.5, 0.8),
            maximum=1,
        ),
    )
