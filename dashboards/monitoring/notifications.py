"""Do alerts get from Prometheus through Alertmanager to people?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.monitoring.selectors import ALERTMANAGER, CHANNEL, PROMETHEUS
from dashboards.panels import Query, above, states, timeseries
from dashboards.promql import quantile, series


def row() -> Row:
    """Alerts sent and received, and notifications by channel."""
    received = series("alertmanager_alerts_received_total", ALERTMANAGER)
    failed = series("alertmanager_notifications_failed_total", ALERTMANAGER, CHANNEL)
    attempts = series("alertmanager_notification_requests_failed_total", ALERTMANAGER, CHANNEL)
    latency = series("alertmanager_notification_latency_seconds_bucket", ALERTMANAGER, CHANNEL)
    return board.row(
        "Notifications",
        timeseries(
            "Alerts sent to Alertmanager",
            *(
                Query(
                    f"max(rate({series(f'prometheus_notifications_{what}_total', PROMETHEUS)}[$__rate_interval]))",
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
                max by (pod) ({series("prometheus_notifications_queue_length", PROMETHEUS)})
                  / max by (pod) ({series("prometheus_notifications_queue_capacity", PROMETHEUS)})
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
                    "max by (pod) "
                    f"({series('prometheus_notifications_latency_seconds', PROMETHEUS, quantile=share)}) >= 0",
                    "{{pod}} " + name,
                )
                for share, name in (("0.5", "P50"), ("0.99", "P99"))
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
                  sum by (status, pod) (rate({received}[$__rate_interval]))
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
                f"(increase({series('alertmanager_notifications_total', ALERTMANAGER, CHANNEL)}[$__rate_interval]))",
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
                f"sum by (integration) (increase({failed}[$__rate_interval]))",
                "{{integration}} given up",
            ),
            Query(
                f"sum by (integration) (increase({attempts}[$__rate_interval]))",
                "{{integration}} attempts",
            ),
            shows="Attempts that failed and were repeated, and notifications that were given up.",
            wrong="Given up: the credential is wrong, or the vendor refuses it; Alertmanager's log says which.",
            unit=units.Short,
            limits=above(1, 10),
        ),
        timeseries(
            "Notification latency P95",
            Query(quantile(0.95, latency, by="integration"), "{{integration}}"),
            shows="Time within which a channel accepts 95 % of the notifications; bucket bounds are 1, 5, 10, 15 and "
            "20 s.",
            wrong="Above 5 s: the vendor is slow, or egress from the cluster is; see its status page.",
            unit=units.Seconds,
            limits=above(5, 10),
        ),
        timeseries(
            "Alerts and silences",
            Query(f"max by (state) ({series('alertmanager_alerts', ALERTMANAGER)})", "{{state}} alerts"),
            Query(f"max({series('alertmanager_silences', ALERTMANAGER, state='active')})", "active silences"),
            shows="Alerts that Alertmanager has now, those muted, and silences in force. One active is Watchdog.",
            wrong="Many suppressed: a silence is wider than it was meant, or outlives its reason.",
            unit=units.Short,
        ),
        states(
            "Configuration loaded",
            Query(f"min by (job, pod) ({series('prometheus_config_last_reload_successful', PROMETHEUS)})", "{{pod}}"),
            Query(
                f"min by (job, pod) ({series('alertmanager_config_last_reload_successful', ALERTMANAGER)})", "{{pod}}"
            ),
            Query("min by (job, pod) (blackbox_exporter_config_last_reload_successful)", "{{pod}}"),
            shows="Whether Prometheus, Alertmanager and the prober took the last change of their configuration.",
            wrong="Refused: the previous one is still in use. The program's log has the line that is wrong.",
            unit=units.Short,
            words={0: "refused", 1: "loaded"},
            bands=5,
            limits=[(None, "red"), (1, "green")],
        ),
    )
