"""What makes panels a dashboard: variables, rows laid out on the grid, links and the marks of firing alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus

from dashboards.panels import GRID_WIDTH, PROMETHEUS, panel_id


@dataclass(frozen=True)
class Row:
    """Panels under a heading; a row that repeats by a variable is collapsed until somebody opens it."""

    title: str
    panels: Sequence[model.Panel]
    repeat: str | None


def row(title: str, *panels: model.Panel, repeat: str | None = None) -> Row:
    """Panels under a heading, in reading order; `repeat` names a variable to repeat the row for."""
    return Row(title, panels, repeat)


def datasource() -> model.VariableModel:
    """The variable that every PromQL query is sent to."""
    return _datasource("datasource", "Data source", "Prometheus")


def loki_datasource() -> model.VariableModel:
    """The variable that every LogQL query is sent to."""
    return _datasource("loki_datasource", "Loki data source", "Loki")


def choice(name: str, label: str, values: str, chosen: str | None = None) -> model.VariableModel:
    """A choice of one or more of `values`, a `label_values(…)` query; everything is chosen unless `chosen` is given.

    "All" stands for `.+`, so a query bound by `label=~"$name"` also shows what came or went since the page was loaded.
    """
    text, value = (chosen, chosen) if chosen else ("All", "$__all")
    return model.VariableModel(
        type_val=model.VariableType.QUERY,
        name=name,
        label=label,
        datasource=PROMETHEUS,
        query={"query": values, "refId": name},
        definition=values,
        refresh=model.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=model.VariableSort.ALPHABETICAL_ASC,
        multi=True,
        include_all=True,
        all_value=".+",
        current=model.VariableOption(selected=True, text=[text], value=[value]),
    )


def namespace(chosen: str | None = None) -> model.VariableModel:
    """A choice of Kubernetes namespaces."""
    return choice("namespace", "Namespace", "label_values(kube_pod_info, namespace)", chosen)


def dashboard(
    uid: str,
    title: str,
    description: str,
    *,
    variables: Sequence[model.VariableModel],
    rows: Sequence[Row],
    since: str = "now-1h",
    annotated: str = 'severity=~"critical|warning"',
) -> model.Dashboard:
    """A dashboard for the folder of the order processor.

    `since` is the start of the time range it opens with. `annotated` selects the alerts marked on its graphs.
    """
    return model.Dashboard(
        uid=uid,
        title=title,
        description=description,
        tags=["order-processor", uid],
        timezone="browser",
        editable=False,
        refresh="30s",
        time=model.DashboardDashboardTime(since, "now"),
        graph_tooltip=model.DashboardCursorSync.CROSSHAIR,
        templating=model.DashboardDashboardTemplating(list(variables)),
        annotations=model.AnnotationContainer([_firing_alerts(annotated)]),
        panels=_placed(rows),
    )


def link_to(board: model.Dashboard) -> model.DashboardLink:
    """A link to a dashboard by its uid, keeping the time range and the chosen variables."""
    link = model.DashboardLink(
        title=board.title or "",
        tooltip=board.description or "",
        icon="dashboard",
        url=f"/d/{board.uid}",
        keep_time=True,
        include_vars=True,
    )
    link.placement = None  # type: ignore[assignment] # shown beside the variables; the SDK would hide it in a menu
    return link


def _datasource(name: str, label: str, product: str) -> model.VariableModel:
    kind = product.lower()
    return model.VariableModel(
        type_val=model.VariableType.DATASOURCE,
        name=name,
        label=label,
        query=kind,
        current=model.VariableOption(selected=True, text=product, value=kind),  # the stack's data source uid
        refresh=model.VariableRefresh.ON_DASHBOARD_LOAD,
    )


def _firing_alerts(matchers: str) -> model.AnnotationQuery:
    query = prometheus.Dataquery(
        ref_id="Anno", expr=f'ALERTS{{alertstate="firing", {matchers}}}', interval="1m", datasource=PROMETHEUS
    )
    return model.AnnotationQuery(
        name="Firing alerts",
        datasource=PROMETHEUS,
        icon_color="red",
        target=query,
        title_format="{{alertname}}",
        text_format="{{severity}} {{service}}",
        tag_keys="alertname,severity,service",
    )


def _placed(rows: Sequence[Row]) -> list[model.Panel | model.RowPanel]:
    """Set every panel's position and return them in the order Grafana expects: a heading, then its panels."""
    placed: list[model.Panel | model.RowPanel] = []
    y = 0
    for line in rows:
        heading = model.RowPanel(
            title=line.title,
            id_val=panel_id(f"row {line.title}"),
            grid_pos=model.GridPos(x=0, y=y, w=GRID_WIDTH, h=1),
            collapsed=line.repeat is not None,
            repeat=line.repeat,
        )
        y = _flow(line.panels, y + 1)
        placed.append(heading)
        if heading.collapsed:
            heading.panels = list(line.panels)
        else:
            placed.extend(line.panels)
    return placed


def _flow(panels: Sequence[model.Panel], y: int) -> int:
    """Place panels left to right from row `y` of the grid, line by line; the first free row after them."""
    x = line_height = 0
    for panel in panels:
        position = panel.grid_pos
        assert position is not None  # noqa: S101 - for the type checker: every helper sets it
        if x + position.w > GRID_WIDTH:
            x, y, line_height = 0, y + line_height, 0
        position.x, position.y = x, y
        x += position.w
        line_height = max(line_height, position.h)
    return y + line_height
