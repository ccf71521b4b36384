"""Monitoring itself: does it see everything, does what it sees arrive, and how long will its room last?"""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from catalogue import Catalogue
from dashboards import board
from dashboards.board import Row, row
from dashboards.panels import NEUTRAL, Limits, Query, above, bars, below, stat, states, table, timeseries
from facts import LOKI_MEGABYTES_A_SECOND, LOKI_STREAMS, NAMESPACE, SAMPLE_LIMIT

JOB = 'job=~"$job"'
PROMETHEUS = 'job="kube-prometheus-stack-prometheus"'  # Loki exports some series of the same names
ALERTMANAGER = 'job="kube-prometheus-stack-alertmanager"'
OURS = f'namespace="{NAMESPACE}"'

API = PROMETHEUS + ', handler=~"/api/v1/.+"'
HEARTBEAT = ALERTMANAGER + ', integration="webhook"'
HEARTBEAT_SECONDS: Limits = [(None, "blue"), (0, "green"), (120, "orange"), (180, "red")]
"""Blue where there is none."""
CHANNEL = 'integration=~"slack|pagerduty|email|webhook"'
"""The integrations in use; the heartbeat is the webhook. Alertmanager counts for all those that it knows."""

LOKI_ROUTE = 'route=~"loki_api_v1_.+|otlp_v1_logs"'
"""Loki's routes for writing and reading logs, as the recorded series of its requests have them."""

LOKI_BYTES = LOKI_MEGABYTES_A_SECOND * 2**20

SAMPLE_BYTES = 2
"""Bytes that a stored sample takes with its share of the index: the upper end of 1 to 2 in Prometheus' own guide."""

# What counts against the size limit: the blocks, the write-ahead logs and the head's chunks.
STORED = f"""
(
  prometheus_tsdb_storage_blocks_bytes{{{PROMETHEUS}}}
    + prometheus_tsdb_wal_storage_size_bytes{{{PROMETHEUS}}}
    + prometheus_tsdb_out_of_order_wbl_storage_size_bytes{{{PROMETHEUS}}}
    + prometheus_tsdb_head_chunks_storage_size_bytes{{{PROMETHEUS}}}
)
"""

SAMPLES = f"sum by (pod) (rate(prometheus_tsdb_head_samples_appended_total{{{PROMETHEUS}}}[$__rate_interval]))"
SIZE_LIMIT = f"max by (pod) (prometheus_tsdb_retention_limit_bytes{{{PROMETHEUS}}} > 0)"
TIME_LIMIT = f"max by (pod) (prometheus_tsdb_retention_limit_seconds{{{PROMETHEUS}}})"


def build(catalogue: Catalogue) -> Dashboard:
    """The dashboard; it is about the monitoring alone, so the catalogue is not used."""
    del catalogue
    return board.dashboard(
        "monitoring",
        "Monitoring itself",
        "Scraping, rules, queries, storage, notifications and logs: whether the monitoring works.",
        variables=[board.datasource(), board.choice("job", "Scrape job", "label_values(up, job)")],
        rows=[
            _summary(),
            _ingestion(),
            _scraping(),
            _rules(),
            _queries(),
            _storage(),
            _resources(),
            _notifications(),
            _log_agent(),
            _loki(),
            _tools(),
        ],
        since="now-3h",
    )


def _summary() -> Row:
    return row(
        "Does it work?",
        stat(
            "Targets down",
            Query(f"count(up{{{JOB}}} == 0) or vector(0)", "down"),
            shows="Targets whose last scrape failed.",
            wrong="See in the table of scrapes below which job they belong to, then its pod's log.",
            unit=units.Short,
            limits=above(1, 3),
            width=4,
            height=5,
        ),
        stat(
            "Jobs without targets",
            Query(
                f"count(monitoring:expected_job:info{{{JOB}}} unless on (job) up{{{JOB}}}) or vector(0)",
                "missing",
            ),
            shows="Infrastructure jobs that should be scraped but have no target.",
            wrong="TargetMissing names the job: its ServiceMonitor is gone, or selects no Service.",
            unit=units.Short,
            limits=above(1, 1),
            width=4,
            height=5,
        ),
        stat(
            "Rules failed",
            Query(
                f"max(sum by (pod) (increase(prometheus_rule_evaluation_failures_total{{{PROMETHEUS}}}[$__range])))",
                "failed",
            ),
            shows="Failed rule evaluations in the chosen time range, of the Prometheus with the most. Their alerts "
            "could not fire there.",
            wrong="Prometheus' page of rules has the error of each: often two series where one is expected.",
            unit=units.Short,
            decimals=0,
            limits=above(1, 10),
            width=4,
            height=5,
        ),
        stat(
            "Notifications lost",
            Query(
                f"""
                sum(increase(alertmanager_notifications_failed_total{{{ALERTMANAGER}, {CHANNEL}}}[$__range]))
                  +
                max(increase(prometheus_notifications_dropped_total{{{PROMETHEUS}}}[$__range]))
                """,
                "lost",
            ),
            shows="Notifications that Alertmanager gave up, and alerts dropped by the Prometheus that dropped most, in "
            "the time range.",
            wrong="The notification graphs below show which channel failed. Until it works again, watch the alerts "
            "directly.",
            unit=units.Short,
            decimals=0,
            limits=above(1, 10),
            width=4,
            height=5,
        ),
        stat(
            "Log lines lost",
            Query(
                """
                sum(increase(instance:log_agent_lines_lost:sum[$__range]))
                  +
                sum(increase(instance:loki_lines_refused:sum[$__range]))
                """,
                "lost",
            ),
            shows="Lines that the agents dropped and lines that Loki permanently refused. Lines in both are counted "
            "twice.",
            wrong="See the lines discarded by reason below: a limit of Loki's, or lines that are too old or too long.",
            unit=units.Short,
            decimals=0,
            limits=above(1, 1000),
            width=4,
            height=5,
        ),
        stat(
            "Last heartbeat",
            Query(
                # A window of 2 m holds two of them. Where none went out for an hour there is no series; where none was
                # tried for a day, there is nothing to call.
                f"""
                time() - max_over_time(
                  timestamp(
                    sum(increase(alertmanager_notifications_total{{{HEARTBEAT}}}[2m]))
                    - sum(increase(alertmanager_notifications_failed_total{{{HEARTBEAT}}}[2m]))
                    > 0
                  )[1h:30s]
                )
                or
                vector(3600) and (sum(increase(alertmanager_notifications_total{{{HEARTBEAT}}}[1d])) > 0)
                or
                vector(-1)
                """,
                "ago",
            ),
            shows="""
                Time since Alertmanager last reached the dead man's switch, minus 2 minutes; capped at an hour.
                None: no webhook was called for a day, as in a stack without such a switch.
            """,
            wrong="The switch alarms when this shows 3 minutes (actual age: 5 minutes): see the failed notifications "
            "of the webhook below.",
            unit=units.Seconds,
            decimals=0,
            limits=HEARTBEAT_SECONDS,
            words={-1: "None"},
            width=4,
            height=5,
        ),
    )


def _ingestion() -> Row:
    return row(
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
            Query(f"max by (pod) (prometheus_tsdb_head_series{{{PROMETHEUS}}})", "{{pod}}"),
            shows="Series in memory. Each takes a few kilobytes of it.",
            wrong="Growth without new services: see which job's samples grow, and which label has too many values.",
            unit=units.Short,
        ),
        timeseries(
            "Series created and removed",
            *(
                Query(
                    f"sum by (pod) (rate(prometheus_tsdb_head_series_{what}_total{{{PROMETHEUS}}}[$__rate_interval]))",
                    f"{{{{pod}}}} {what}",
                )
                for what in ("created", "removed")
            ),
            shows="Series that appear each second, and those that go when the head is truncated every two hours.",
            wrong="Steady creation without rollouts is churn: a label that changes with every request or pod.",
            unit=units.CountsPerSecond,
        ),
        bars(
            "Samples by job",
            Query(f"sort_desc(topk(15, sum by (job) (scrape_samples_post_metric_relabeling{{{JOB}}})))", "{{job}}"),
            shows="Samples in one scrape of all targets of a job, after relabelling: the fifteen largest jobs.",
            wrong="The longest bar is where dropping series pays: look for its metric with the most label values.",
            unit=units.Short,
            limits=NEUTRAL,
        ),
        timeseries(
            "Series added by job",
            Query(f"topk(10, sum by (job) (sum_over_time(scrape_series_added{{{JOB}}}[1h])))", "{{job}}"),
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


def _scraping() -> Row:
    return row(
        "Scraping",
        states(
            "Targets up by job",
            Query(f"avg by (job) (up{{{JOB}}})", "{{job}}"),
            shows="Share of each job's targets that could be scraped.",
            wrong="One job: its pods, port or network policy. All jobs at once: Prometheus itself was cut off.",
            unit=units.PercentUnit,
            limits=below(1, 0.5),
            width=12,
        ),
        table(
            "Scrapes",
            Query(f"count by (job) (up{{{JOB}}})", "Targets"),
            Query(f"sum by (job) (up{{{JOB}}})", "Up"),
            Query(f"max by (job) (time() - timestamp(up{{{JOB}}}))", "Last scrape"),
            Query(f"max by (job) (scrape_duration_seconds{{{JOB}}})", "Duration"),
            Query(f"sum by (job) (scrape_samples_post_metric_relabeling{{{JOB}}})", "Samples"),
            by=["job"],
            units={"Last scrape": units.Seconds, "Duration": units.Seconds},
            shows="Every job: its targets, those up, the time since the oldest last scrape, the slowest, its samples.",
            wrong="A last scrape older than twice the interval: Prometheus is overloaded, or the target hangs.",
            unit=units.Short,
            width=12,
        ),
        timeseries(
            "Scrape duration by job",
            Query(f"topk(10, max by (job) (scrape_duration_seconds{{{JOB}}}))", "{{job}}"),
            shows="Time that the slowest target of a job takes to answer, for the ten slowest jobs.",
            wrong="At the timeout of 10 s scrapes fail and leave gaps: the target is starved, or its page too large.",
            unit=units.Seconds,
            limits=above(5, 10),
        ),
        timeseries(
            "Scrape intervals kept",
            Query(
                f'max by (interval) (prometheus_target_interval_length_seconds{{{PROMETHEUS}, quantile="0.99"}})',
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
                    f"max(increase(prometheus_target_scrapes_{series}_total{{{PROMETHEUS}}}[$__rate_interval]))",
                    legend,
                )
                for series, legend in (
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


def _rules() -> Row:
    return row(
        "Rules",
        _by_group(
            timeseries(
                "Rule evaluation time of the interval",
                Query(
                    f"""
                    topk(10, max by (rule_group) (
                      prometheus_rule_group_last_duration_seconds{{{PROMETHEUS}}}
                      / prometheus_rule_group_interval_seconds{{{PROMETHEUS}}}
                    ))
                    """,
                    "{{rule_group}}",
                ),
                shows="Share of its interval that a group of rules needs, for the ten groups that need most.",
                wrong="At 100 % evaluations are skipped and alerts come late: record what the group's rules share.",
                unit=units.PercentUnit,
                limits=above(0.5, 0.9),
            )
        ),
        timeseries(
            "Rule evaluations missed and failed",
            Query(
                "sum by (pod) "
                f"(increase(prometheus_rule_group_iterations_missed_total{{{PROMETHEUS}}}[$__rate_interval]))",
                "{{pod}} groups missed",
            ),
            Query(
                f"sum by (pod) (increase(prometheus_rule_evaluation_failures_total{{{PROMETHEUS}}}[$__rate_interval]))",
                "{{pod}} rules failed",
            ),
            shows="Skipped evaluations of groups, and failed evaluations of single rules.",
            wrong="Missed: too slow, see beside it. Failed: Prometheus' page of rules shows the error.",
            unit=units.Short,
            limits=above(1, 10),
        ),
        _by_group(
            bars(
                "Samples by rule group",
                Query(
                    "sort_desc(topk(10, max by (rule_group) "
                    f"(prometheus_rule_group_last_evaluation_samples{{{PROMETHEUS}}})))",
                    "{{rule_group}}",
                ),
                shows="Samples that the last evaluation of a group gave: recorded series and active alerts.",
                wrong="A group that grows by itself records a label without bounds.",
                unit=units.Short,
                limits=NEUTRAL,
            )
        ),
    )


def _by_group(panel: model.Panel) -> model.Panel:
    """Name series by the rule group alone: its label starts with the path of a file."""
    rename = {"regex": ".*;(.*)", "renamePattern": "$1"}
    panel.transformations = [model.DataTransformerConfig("renameByRegex", options=rename)]
    return panel


def _queries() -> Row:
    return row(
        "Queries",
        timeseries(
            "Query duration P99 by phase",
            Query(
                "max by (slice) (prometheus_engine_query_duration_seconds"
                f'{{{PROMETHEUS}, quantile="0.99", slice=~"inner_eval|prepare_time|queue_time"}})',
                "{{slice}}",
            ),
            shows="99th percentile of the time that queries, including those of rules, wait, select series and "
            "calculate.",
            wrong="Waiting: too many at a time. Calculating: a query over many series; the query log names it.",
            unit=units.Seconds,
            limits=above(1, 5),
            width=6,
        ),
        timeseries(
            "API latency P99 by endpoint",
            Query(
                f"""
                topk(8, histogram_quantile(0.99, sum by (le, handler) (
                  rate(prometheus_http_request_duration_seconds_bucket{{{API}}}[$__rate_interval])
                )))
                """,
                "{{handler}}",
            ),
            shows="Time within which Prometheus answers 99 % of the requests to its API, for the eight slowest.",
            wrong="query and query_range: a dashboard that costs too much. otlp: the log agents' counters come late.",
            unit=units.Seconds,
            limits=above(2, 10),
            width=6,
        ),
        timeseries(
            "Queries at a time",
            Query(
                f"""
                max by (pod) (prometheus_engine_queries{{{PROMETHEUS}}})
                  / max by (pod) (prometheus_engine_queries_concurrent_max{{{PROMETHEUS}}})
                """,
                "{{pod}}",
            ),
            shows="Queries that run or wait, as a share of those that Prometheus runs at a time.",
            wrong="Above 100 % queries wait, those of rules too: close dashboards that refresh, or add a replica.",
            unit=units.PercentUnit,
            limits=above(0.8, 1),
            width=6,
        ),
        timeseries(
            "Samples read by queries",
            Query(
                f"sum by (pod) (rate(prometheus_engine_query_samples_total{{{PROMETHEUS}}}[$__rate_interval]))",
                "{{pod}}",
            ),
            shows="Samples that queries and rules load each second: what they cost.",
            wrong="A step up is a new rule or a dashboard left open; compare with the samples ingested.",
            unit=units.CountsPerSecond,
            width=6,
        ),
    )


def _storage() -> Row:
    return row(
        "Storage, retention and forecast",
        stat(
            "History kept",
            Query(
                f"(time() - min by (pod) (prometheus_tsdb_lowest_timestamp_seconds{{{PROMETHEUS}}})) / 86400",
                "{{pod}}",
            ),
            Query(f"max({TIME_LIMIT}) / 86400", "wanted"),
            Query(f"min({SIZE_LIMIT} / ({SAMPLES} * {SAMPLE_BYTES})) / 86400", "fit"),
            shows=f"""
                Days back to the oldest sample, days that are to be kept, and days that fit into the size limit at
                today's rate, at {SAMPLE_BYTES} bytes a sample. Without a size limit the last has no value.
            """,
            wrong="If fewer fit than are wanted, the oldest are deleted early: enlarge the volume, or drop series.",
            unit=units.Days,
            decimals=1,
            limits=NEUTRAL,
        ),
        timeseries(
            "Size against the limit",
            Query(f"max by (pod) ({STORED}) / {SIZE_LIMIT}", "{{pod}} now"),
            Query(f"{SAMPLES} * {SAMPLE_BYTES} * {TIME_LIMIT} / {SIZE_LIMIT}", "{{pod}} when all days are kept"),
            shows=f"""
                Stored bytes as a share of the size limit, now and as they will be after all days of the retention at
                this rate, at {SAMPLE_BYTES} bytes a sample.
            """,
            wrong="A forecast above 100 % means that the oldest days are deleted early: enlarge the volume or drop "
            "series.",
            unit=units.PercentUnit,
            limits=above(0.85, 1),
        ),
        timeseries(
            "Storage by part",
            *(
                Query(f"max by (pod) ({series}{{{PROMETHEUS}}})", f"{{{{pod}}}} {legend}")
                for series, legend in (
                    ("prometheus_tsdb_storage_blocks_bytes", "blocks"),
                    ("prometheus_tsdb_wal_storage_size_bytes", "write-ahead log"),
                    ("prometheus_tsdb_head_chunks_storage_size_bytes", "head chunks"),
                )
            ),
            shows="Bytes on disk: finished blocks, the log of what is not in blocks yet, and the head's chunks.",
            wrong="A write-ahead log that only grows: blocks cannot be written; see the failures of storage.",
            unit=units.BytesIEC,
            stacked=True,
        ),
        timeseries(
            "Compactions and storage failures",
            Query(
                f"sum by (pod) (increase(prometheus_tsdb_compactions_total{{{PROMETHEUS}}}[$__rate_interval]))",
                "{{pod}} compactions",
            ),
            Query(
                "sum by (pod) (increase(instance:prometheus_tsdb_failures:sum[$__rate_interval]))", "{{pod}} failures"
            ),
            shows="Blocks that were written or merged, and all storage failures.",
            wrong="Any failure: the volume is full, read-only or damaged; Prometheus' log names the file.",
            unit=units.Short,
            limits=above(100, 1000),
        ),
        bars(
            "Volumes used",
            Query(
                f"max by (persistentvolumeclaim) (persistentvolumeclaim:kubelet_volume_used:ratio{{{OURS}}})",
                "{{persistentvolumeclaim}}",
            ),
            shows="Share of each of the monitoring's own volumes that is used.",
            wrong="Prometheus stays below 90 % by itself. Above 95 % VolumeFilling warns: shorten Loki's retention.",
            unit=units.PercentUnit,
            limits=above(0.9, 0.95),
            maximum=1,
        ),
        bars(
            "Days until a volume is full",
            Query(
                # A volume that does not grow, or less than a byte a second, lasts for ever.
                f"""
                clamp_max(
                  min by (persistentvolumeclaim) (
                    kubelet_volume_stats_available_bytes{{{OURS}}}
                    / clamp_min(deriv(kubelet_volume_stats_used_bytes{{{OURS}}}[6h]), 1)
                  ) / 86400,
                  365
                )
                """,
                "{{persistentvolumeclaim}}",
            ),
            shows="Days until each volume is full if it keeps growing as in the last 6 hours; capped at a year.",
            wrong="A few days: something writes more than before. Retention evens it out only where it is set by size.",
            unit=units.Days,
            decimals=0,
            limits=below(14, 4),
        ),
    )


def _resources() -> Row:
    container = f'{OURS}, container!=""'
    limit = "max by (pod, container) (kube_pod_container_resource_limits{" + OURS + ', resource="%s"})'
    return row(
        "Memory and CPU of the stack",
        timeseries(
            "Memory of its limit",
            Query(
                f"""
                max by (container) (
                  max by (pod, container) (container_memory_working_set_bytes{{{container}}}) / {limit % "memory"}
                )
                """,
                "{{container}}",
            ),
            shows="Memory that each program of the stack uses, as a share of its limit (worst pod).",
            wrong="Prometheus near 100 %: fewer series, or a larger limit, before the kernel OOM-kills it. The same "
            "holds for the others.",
            unit=units.PercentUnit,
            limits=above(0.8, 0.9),
            width=12,
        ),
        timeseries(
            "CPU of its limit",
            Query(
                f"""
                max by (container) (
                  sum by (pod, container) (rate(container_cpu_usage_seconds_total{{{container}}}[$__rate_interval]))
                  / {limit % "cpu"}
                )
                """,
                "{{container}}",
            ),
            shows="CPU that each program of the stack uses, as a share of its limit (worst pod).",
            wrong="At 100 % it is throttled: late scrapes, slow queries, lagging logs. Raise the limit in the stack.",
            unit=units.PercentUnit,
            limits=above(0.8, 0.95),
            width=12,
        ),
    )


def _notifications() -> Row:
    return row(
        "Notifications",
        timeseries(
            "Alerts sent to Alertmanager",
            *(
                Query(
                    f"max(rate(prometheus_notifications_{what}_total{{{PROMETHEUS}}}[$__rate_interval]))",
                    what,
                )
                for what in ("sent", "errors", "dropped")
            ),
            shows="Alerts a second that one Prometheus sends to one Alertmanager, those not accepted, and those it "
            "dropped. With several, the highest value.",
            wrong="Nothing sent although Watchdog always fires: Alertmanager is not discovered. Errors: it is down.",
            unit=units.CountsPerSecond,
            colours={"errors": "orange", "dropped": "red"},
        ),
        timeseries(
            "Send queue used",
            Query(
                f"""
                max by (pod) (prometheus_notifications_queue_length{{{PROMETHEUS}}})
                  / max by (pod) (prometheus_notifications_queue_capacity{{{PROMETHEUS}}})
                """,
                "{{pod}}",
            ),
            shows="Share of Prometheus' queue to Alertmanager that is filled.",
            wrong="When it is full alerts are dropped: Alertmanager is slow or unreachable.",
            unit=units.PercentUnit,
            limits=above(0.5, 0.9),
        ),
        timeseries(
            "Send latency",
            *(
                Query(
                    f'max by (pod) (prometheus_notifications_latency_seconds{{{PROMETHEUS}, quantile="{quantile}"}})',
                    f"{{{{pod}}}} {name}",
                )
                for quantile, name in (("0.5", "P50"), ("0.99", "P99"))
            ),
            shows="Time that Alertmanager takes to accept a batch of alerts.",
            wrong="Seconds: Alertmanager lacks CPU, or its volume is slow.",
            unit=units.Seconds,
            limits=above(1, 5),
        ),
        timeseries(
            "Alerts received",
            Query(
                f"""
                max by (status) (
                  sum by (status, pod) (rate(alertmanager_alerts_received_total{{{ALERTMANAGER}}}[$__rate_interval]))
                )
                """,
                "{{status}}",
            ),
            shows="Alerts a second that one Alertmanager receives from each Prometheus: each firing one once a "
            "minute, resolved ones too. With several, the highest value.",
            wrong="A flood of firing ones: see System Health for the cause they have in common.",
            unit=units.CountsPerSecond,
        ),
        timeseries(
            "Notifications by channel",
            Query(
                "sum by (integration) "
                f"(increase(alertmanager_notifications_total{{{ALERTMANAGER}, {CHANNEL}}}[$__rate_interval]))",
                "{{integration}}",
            ),
            shows="Notifications that Alertmanager tried to send; the webhook is the heartbeat, every minute.",
            wrong="A channel that is always busy gets ignored: tune its noisiest alert. No heartbeat: the switch "
            "alarms.",
            unit=units.Short,
        ),
        timeseries(
            "Notifications failed",
            Query(
                "sum by (integration) "
                f"(increase(alertmanager_notifications_failed_total{{{ALERTMANAGER}, {CHANNEL}}}[$__rate_interval]))",
                "{{integration}} given up",
            ),
            Query(
                "sum by (integration) (increase("
                f"alertmanager_notification_requests_failed_total{{{ALERTMANAGER}, {CHANNEL}}}[$__rate_interval]))",
                "{{integration}} attempts",
            ),
            shows="Attempts that failed and were repeated, and notifications that were given up.",
            wrong="Given up: the credential is wrong, or the vendor refuses it; Alertmanager's log says which.",
            unit=units.Short,
            limits=above(1, 10),
        ),
        timeseries(
            "Notification latency P95",
            Query(
                f"""
                histogram_quantile(0.95, sum by (le, integration) (
                  rate(alertmanager_notification_latency_seconds_bucket{{{ALERTMANAGER}, {CHANNEL}}}[$__rate_interval])
                ))
                """,
                "{{integration}}",
            ),
            shows="Time within which a channel accepts 95 % of the notifications; bucket bounds are 1, 5, 10, 15 and "
            "20 s.",
            wrong="Above 5 s: the vendor is slow, or egress from the cluster is; see its status page.",
            unit=units.Seconds,
            limits=above(5, 10),
        ),
        timeseries(
            "Alerts and silences",
            Query(f"max by (state) (alertmanager_alerts{{{ALERTMANAGER}}})", "{{state}} alerts"),
            Query(f'max(alertmanager_silences{{{ALERTMANAGER}, state="active"}})', "active silences"),
            shows="Alerts that Alertmanager has now, those muted, and silences in force. One active is Watchdog.",
            wrong="Many suppressed: a silence is wider than it was meant, or outlives its reason.",
            unit=units.Short,
        ),
        states(
            "Configuration loaded",
            Query(f"min by (job, pod) (prometheus_config_last_reload_successful{{{PROMETHEUS}}})", "{{pod}}"),
            Query(f"min by (job, pod) (alertmanager_config_last_reload_successful{{{ALERTMANAGER}}})", "{{pod}}"),
            Query("min by (job, pod) (blackbox_exporter_config_last_reload_successful)", "{{pod}}"),
            shows="Whether Prometheus, Alertmanager and the prober took the last change of their configuration.",
            wrong="Refused: the previous one is still in use. The program's log has the line that is wrong.",
            unit=units.Short,
            words={0: "refused", 1: "loaded"},
            limits=[(None, "red"), (1, "green")],
        ),
    )


def _log_agent() -> Row:
    return row(
        "Log agent",
        timeseries(
            "Log lines read and sent",
            Query("sum(rate(instance:log_agent_lines_read:sum[$__rate_interval]))", "read"),
            Query("sum(rate(otelcol_exporter_sent_log_records[$__rate_interval]))", "sent"),
            shows="Lines a second that all agents read from files, and that Loki took from them.",
            wrong="Read and not sent: see the queue beside it. Nothing read: the path or the permissions of the files.",
            unit=units.CountsPerSecond,
        ),
        timeseries(
            "Agent queue used",
            Query("topk(10, max by (pod) (instance:log_agent_queue:ratio))", "{{pod}}"),
            shows="Share of an agent's queue that is filled, for the ten fullest.",
            wrong="Above 80 % reading stops soon, and the kubelet removes unread files: Loki is slow or down.",
            unit=units.PercentUnit,
            limits=above(0.5, 0.8),
        ),
        timeseries(
            "Lines refused and lost",
            Query("sum(increase(instance:log_agent_lines_lost:sum[$__rate_interval]))", "lost by the agents"),
            Query("sum(increase(instance:loki_lines_refused:sum[$__rate_interval]))", "refused by Loki"),
            Query("sum(increase(otelcol_receiver_refused_log_records[$__rate_interval]))", "refused for now"),
            shows="Lines dropped by agents, lines permanently refused by Loki, and lines deferred by agents short of "
            "memory.",
            wrong="Lines lost or refused by Loki cannot be recovered: see the reasons in Loki's discarded lines.",
            unit=units.Short,
            limits=above(1, 1000),
        ),
        timeseries(
            "Log lag",
            Query(
                """
                sum(rate(loki_distributor_lag_ms_total{format="otlp"}[$__rate_interval])) / 1000
                  / sum(rate(loki_request_duration_seconds_count{route="otlp_v1_logs"}[$__rate_interval]))
                """,
                "newest line of a batch",
            ),
            shows="Age that the newest line of a batch has when Loki receives it, on average.",
            wrong="Above a few seconds the agents work off a backlog; above minutes the newest lines are missing.",
            unit=units.Seconds,
            limits=above(10, 60),
        ),
        timeseries(
            "Agent memory",
            Query("topk(10, max by (pod) (otelcol_process_memory_rss))", "{{pod}}"),
            shows="Memory of the ten largest agents. From 60 % of its limit on an agent defers lines.",
            wrong="Steady growth: long lines that are joined, or a queue that is not emptied.",
            unit=units.BytesIEC,
        ),
        timeseries(
            "Agent CPU",
            Query("topk(10, max by (pod) (rate(otelcol_process_cpu_seconds[$__rate_interval])))", "{{pod}}"),
            shows="Cores that the ten busiest agents use.",
            wrong="Grows with the lines; more for the same lines is a pattern that is expensive to match.",
            unit=units.Short,
            decimals=2,
        ),
    )


def _loki() -> Row:
    return row(
        "Loki",
        timeseries(
            "Log bytes ingested",
            Query("sum(rate(loki_distributor_bytes_received_total[$__rate_interval]))", "bytes"),
            shows="Uncompressed bytes of log lines a second that Loki is given. "
            f"Its limit is {LOKI_MEGABYTES_A_SECOND} MiB a second.",
            wrong="Near the limit the agents must wait: find the service that grew beside it.",
            unit=units.BytesPerSecondIEC,
            limits=above(0.75 * LOKI_BYTES, LOKI_BYTES),
        ),
        timeseries(
            "Log lines by service",
            Query("topk(12, sum by (service_name) (rate(log_records_total[$__rate_interval])))", "{{service_name}}"),
            Query("sum(rate(loki_distributor_lines_received_total[$__rate_interval]))", "all, as Loki counts"),
            shows="Lines a second of the twelve services with most, counted by the agents, and Loki's own count.",
            wrong="One service far above the rest: a level left at DEBUG, or an error in a loop. See it in the logs.",
            unit=units.CountsPerSecond,
        ),
        timeseries(
            "Streams and chunks in memory",
            Query("sum(loki_ingester_memory_streams)", "streams"),
            Query("sum(loki_ingester_memory_chunks)", "chunks"),
            shows=f"Streams that are being written, at most {LOKI_STREAMS:,}, and their chunks not stored yet.",
            wrong="Streams grow with label values: an id has become a label. Chunks only grow: they cannot be stored.",
            unit=units.Short,
            limits=above(0.8 * LOKI_STREAMS, LOKI_STREAMS),
        ),
        timeseries(
            "Chunk flushes",
            Query("sum(rate(loki_ingester_chunks_flush_requests_total[$__rate_interval]))", "flushes"),
            Query("sum(rate(loki_ingester_chunks_flush_failures_total[$__rate_interval]))", "failed"),
            Query("sum(rate(loki_ingester_chunks_created_total[$__rate_interval]))", "chunks begun"),
            shows="Chunks begun, and flushes of chunks to storage, those that failed apart.",
            wrong="Failures: the bucket's rights or the volume's room. What is not flushed is in the write-ahead log.",
            unit=units.OpsPerSecond,
            colours={"failed": "red"},
        ),
        timeseries(
            "Loki latency P99 by route",
            Query(
                f"""
                histogram_quantile(0.99, sum by (le, route) (
                  rate(loki_request_duration_seconds_bucket{{{LOKI_ROUTE}}}[$__rate_interval])
                ))
                """,
                "{{route}}",
            ),
            shows="Time within which Loki answers 99 % of the requests of each kind; otlp_v1_logs is writing.",
            wrong="Writing above a second delays the agents. Reading: a search over too long a time or all streams.",
            unit=units.Seconds,
            limits=above(1, 10),
        ),
        timeseries(
            "Loki requests failed",
            Query("sum by (route) (rate(instance:loki_requests_failed:sum[$__rate_interval]))", "{{route}}"),
            shows="Requests a second that Loki answered with a 5xx status, by kind.",
            wrong="Writing: lines wait in the agents. Reading: its log has the reason, often a limit or the bucket.",
            unit=units.RequestsPerSecond,
        ),
        timeseries(
            "Lines discarded by reason",
            Query(
                """
                sum by (reason) (increase(loki_discarded_samples_total[$__rate_interval]))
                or label_replace(vector(0), "reason", "none", "", "")
                """,
                "{{reason}}",
            ),
            shows="""
                Lines that Loki did not accept. Agents retry rate_limited lines; all others are lost.
            """,
            wrong="Too old, too long or too many streams: correct the service that writes them, or Loki's limit.",
            unit=units.Short,
            limits=above(1, 1000),
            width=16,
        ),
        stat(
            "Last retention sweep",
            Query(
                # In the first minutes after a start there has been none yet, and its time is 0.
                """
                time() - max(
                  loki_compactor_apply_retention_last_successful_run_timestamp_seconds > 0
                  or on (pod)
                  process_start_time_seconds
                  and on (pod)
                  loki_compactor_apply_retention_last_successful_run_timestamp_seconds
                )
                """,
                "ago",
            ),
            shows="Time since Loki last deleted the logs beyond their retention, or since it started.",
            wrong="It does so every 10 minutes. Beyond an hour LokiRetentionNotApplied warns: the volume will fill.",
            unit=units.Seconds,
            limits=above(1800, 3600),
        ),
    )


def _tools() -> Row:
    return row(
        "Operator, Grafana and exporters",
        timeseries(
            "Operator: reconciliations",
            Query(
                "sum by (controller) (rate(prometheus_operator_reconcile_operations_total[$__rate_interval]))",
                "{{controller}}",
            ),
            Query(
                "sum by (controller) (rate(prometheus_operator_reconcile_errors_total[$__rate_interval]))",
                "{{controller}} errors",
            ),
            shows="How often the operator reconciles Prometheus and Alertmanager, and how often it fails.",
            wrong="Errors: changed rules and monitors do not take effect. The operator's log names the object.",
            unit=units.OpsPerSecond,
        ),
        timeseries(
            "Operator: objects rejected",
            Query(
                'sum by (resource) (prometheus_operator_managed_resources{state="rejected"})',
                "{{resource}}",
            ),
            shows="Rules, monitors and probes that the operator refuses to use.",
            wrong="Prometheus ignores rejected objects: `kubectl describe` them, the reason is in their events.",
            unit=units.Short,
            limits=above(1, 5),
        ),
        timeseries(
            "kube-state-metrics: lists and watches",
            *(
                Query(
                    f"sum by (result) (rate(kube_state_metrics_{what}_total[$__rate_interval]))",
                    f"{what} {{{{result}}}}",
                )
                for what in ("list", "watch")
            ),
            shows="Requests a second for the cluster's objects; lists only if the API server does not stream them. "
            "The line for errors appears with the first error.",
            wrong="Errors: it lacks permission to read a kind of object, and panels on those are empty. See its "
            "ClusterRole.",
            unit=units.RequestsPerSecond,
        ),
        timeseries(
            "Grafana: requests by status",
            Query(
                "sum by (status_code) (rate(grafana_http_request_duration_seconds_count[$__rate_interval]))",
                "{{status_code}}",
            ),
            shows="Requests a second that Grafana answered, by status.",
            wrong="5xx: its log names the request; often its database, on a full volume. 401: an expired session.",
            unit=units.RequestsPerSecond,
        ),
        timeseries(
            "Grafana: response time P95",
            Query(
                "histogram_quantile(0.95, sum by (le) "
                "(rate(grafana_http_request_duration_seconds_bucket[$__rate_interval])))",
                "P95",
            ),
            shows="Time within which Grafana answers 95 % of its requests, queries of panels included.",
            wrong="Follows its data sources: compare with the latencies of Prometheus and Loki above.",
            unit=units.Seconds,
            limits=above(1, 5),
        ),
        timeseries(
            "Grafana: queries by data source",
            Query(
                "sum by (plugin_id, status) (rate(grafana_plugin_request_total[$__rate_interval]))",
                "{{plugin_id}} {{status}}",
            ),
            shows="Requests a second to each kind of data source, and how they ended.",
            wrong="Errors of one kind: its address or its pods. Cancelled ones are people who did not wait.",
            unit=units.RequestsPerSecond,
        ),
        stat(
            "Grafana: dashboards",
            Query("max(grafana_stat_totals_dashboard)", "dashboards"),
            shows="Dashboards that Grafana has loaded.",
            wrong="None: its sidecar does not find the ConfigMaps; `make verify` says which are missing.",
            unit=units.Short,
            limits=[(None, "red"), (1, "green")],
            width=4,
        ),
        timeseries(
            "CloudWatch exporter: calls",
            Query(
                "sum by (api_name) (increase(yace_cloudwatch_requests_total[$__rate_interval]))",
                "{{api_name}}",
            ),
            Query("sum(job:yace_cloudwatch_request_errors:increase15m)", "errors in 15 m"),
            shows="Calls to CloudWatch, which AWS charges, and those that failed. Only in a stack with AWS.",
            wrong="Errors: the role's policy, or throttling. More calls than before: a new metric or resource.",
            unit=units.Short,
            width=10,
        ),
        timeseries(
            "Prober: probes it cannot make",
            Query("sum(increase(blackbox_module_unknown_total[$__rate_interval]))", "unknown modules"),
            shows="Probes that name a module unknown to the prober, so they never run.",
            wrong="A Probe names a module that the prober's configuration lacks.",
            unit=units.Short,
            limits=above(1, 10),
            width=10,
        ),
    )
