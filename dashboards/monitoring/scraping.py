"""Are all targets scraped, in time and in full?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.monitoring.selectors import JOB, PROMETHEUS
from dashboards.panels import Query, above, below, states, table, timeseries
from dashboards.promql import series

JOBS = 20
"""About as many as a stack with everything has."""


def row() -> Row:
    """Targets by job, and the time and the samples of their scrapes."""
    return board.row(
        "Scraping",
        states(
            "Targets up by job",
            Query(f"avg by (job) ({series('up', JOB)})", "{{job}}"),
            shows="Share of each job's targets that could be scraped.",
            wrong="One job: its pods, port or network policy. All jobs at once: Prometheus itself was cut off.",
            unit=units.PercentUnit,
            limits=below(1, 0.5),
            bands=JOBS,
            width=12,
        ),
        table(
            "Scrapes",
            Query(f"count by (job) ({series('up', JOB)})", "Targets"),
            Query(f"sum by (job) ({series('up', JOB)})", "Up"),
            Query(f"max by (job) (time() - timestamp({series('up', JOB)}))", "Last scrape"),
            Query(f"max by (job) ({series('scrape_duration_seconds', JOB)})", "Duration"),
            Query(f"sum by (job) ({series('scrape_samples_post_metric_relabeling', JOB)})", "Samples"),
            by=["job"],
            units={"Last scrape": units.Seconds, "Duration": units.Seconds},
            shows="Every job: its targets, those up, the time since the oldest last scrape, the slowest, its samples.",
            wrong="A last scrape older than twice the interval: Prometheus is overloaded, or the target hangs.",
            unit=units.Short,
            order=[("Last scrape", True)],
            width=12,
        ),
        timeseries(
            "Scrape duration by job",
            Query(f"topk(10, max by (job) ({series('scrape_duration_seconds', JOB)}))", "{{job}}"),
            shows="Time that the slowest target of a job takes to answer, for the ten slowest jobs.",
            wrong="At the timeout of 10 s scrapes fail and leave gaps: the target is starved, or its page too large.",
            unit=units.Seconds,
            limits=above(5, 10),
        ),
        timeseries(
            "Scrape intervals kept",
            Query(
                "max by (interval) "
                f"({series('prometheus_target_interval_length_seconds', PROMETHEUS, quantile='0.99')}) >= 0",
                "of {{interval}}",
            ),
            shows="Real time between two scrapes of a target, 99th percentile, for each interval that is configured.",
            wrong="Longer than its name says: Prometheus lacks CPU, and rates over few scrapes turn imprecise.",
            unit=units.Seconds,
        ),
        timeseries(
            "Samples and scrapes refused",
            *(
                Query(
                    f"max(increase({series(f'prometheus_target_scrapes_{what}_total', PROMETHEUS)}[$__rate_interval]))",
                    legend,
                )
                for what, legend in (
                    ("exceeded_sample_limit", "scrapes above the sample limit"),
                    ("sample_duplicate_timestamp", "samples given twice"),
                    ("sample_out_of_order", "samples out of order"),
                    ("sample_out_of_bounds", "samples out of bounds"),
                )
            ),
            shows="Scrapes and samples that Prometheus did not store; with several, the one that refused most.",
            wrong="Twice or out of order: two targets have the same labels. Out of bounds: a clock is wrong.",
            unit=units.Short,
            limits=above(1, 100),
        ),
    )
