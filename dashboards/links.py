"""Links from what a panel shows to where the next look is.

Whoever follows one stays at the time of the incident. A link with a time range of its own stops the refreshing that
the dashboard would go on with: it would repeat a search of the past every 30 s. Grafana ignores an empty `refresh`,
and `off`; a day is as good.
"""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import DashboardLink

from facts import CHART_ALERTS_RUNBOOK

NO_REFRESH = "refresh=1d"
"""What keeps a dashboard that a link opens from asking everything again while it is read."""


def to_service(label: str = "service") -> list[DashboardLink]:
    """A link from a series to Service detail of the service that its `label` names."""
    return [_service("${__field.labels." + label + "}")]


def row_to_service(column: str = "Service") -> list[DashboardLink]:
    """A link from a table's row to Service detail of the service in its `column`: there a label is a field."""
    return [_service("${__data.fields." + column + "}")]


def row_to_runbook(runbooks: str | None, column: str = "Alert", *, of_charts: bool = False) -> list[DashboardLink]:
    """A link from a table's row to the page of the alert in its `column`; none without an address of runbooks.

    `of_charts` adds the one page of the alerts that charts bring, for tables that have those, too.
    """
    alert = "${__data.fields." + column + "}"
    pages = {f"Runbook of {alert}": f"{alert}.md"}
    if of_charts:
        pages["Runbook of the chart's alerts: Kube…, Node…, Prometheus…"] = CHART_ALERTS_RUNBOOK
    links = [DashboardLink(title=title, url=f"{runbooks}/{page}", target_blank=True) for title, page in pages.items()]
    return links if runbooks else []


def to_logs(label: str = "service") -> list[DashboardLink]:
    """A link from a point of a time series to the logs, 5 minutes to each side, of the service that `label` names."""
    service = "${__field.labels." + label + "}"
    url = f"/d/logs?var-service={service}&time=${{__value.time}}&time.window=600000&{NO_REFRESH}"
    return [DashboardLink(title="Logs around this time", url=url)]


def _service(name: str) -> DashboardLink:
    return DashboardLink(
        title=f"Service detail of {name}", url=f"/d/service-detail?var-service={name}&${{__url_time_range}}"
    )
