"""What makes panels a dashboard: variables, rows laid out on the grid, links and the marks of firing alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import cleandoc

from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus

from dashboards.panels import PROMETHEUS, panel_id
from dashboards.promql import series
from screen import GRID_COLUMNS
from settings import LONGEST_INTERVAL_SECONDS

SHORTEST_INTERVAL = "15s"
"""Between two evaluations of a rule, by default: alerts change no faster. Grafana asks for a hundred points of an
annotation at most, so a mark on an hour is half a minute late at most, and one on a longer range costs no more."""


@dataclass(frozen=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: Sequence[model.Panel]


def row(title: str, *panels: model.Panel) -> Row:
    """Panels under a heading, in reading order."""
    return Row(title, panels)


def datasource() -> model.VariableModel:
    """The variable that every PromQL query is sent to."""
    return _datasource("datasource", "Data source", "Prometheus")


def loki_datasource() -> model.VariableModel:
    """The variable that every LogQL query is sent to."""
    return _datasource("loki_datasource", "Loki data source", "Loki")


def tempo_datasource() -> model.VariableModel:
    """The variable that every TraceQL query is sent to; where a stack does not trace there is none to choose."""
    return _datasource("tempo_datasource", "Tempo data source", "Tempo")


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


def any_namespace() -> model.VariableModel:
    """A choice of all Kubernetes namespaces.

    It has a name of its own: a link to another dashboard keeps what is chosen, and where everything in the cluster is
    looked at, the application's namespace would hide the monitoring's pods.
    """
    return choice("any_namespace", "Namespace", "label_values(kube_pod_info, namespace)")


def logging_namespace(chosen: str | None = None) -> model.VariableModel:
    """A choice of the namespaces whose logs are collected, which are those of the application."""
    return choice("namespace", "Namespace", "label_values(log_records_total, k8s_namespace_name)", chosen)


def text(name: str, label: str) -> model.VariableModel:
    """A field to type in, empty at first: a query that uses it must then find everything."""
    return model.VariableModel(
        type_val=model.VariableType.TEXTBOX,
        name=name,
        label=label,
        query="",
        current=model.VariableOption(selected=True, text="", value=""),
    )


def dashboard(
    uid: str,
    title: str,
    description: str,
    *,
    variables: Sequence[model.VariableModel],
    rows: Sequence[Row],
    since: str = "now-1h",
    annotated: str = 'severity=~"critical|warning"',
    links: Sequence[model.DashboardLink] = (),
) -> model.Dashboard:
    """A dashboard for the folder of the order processor.

    `since` is the start of the time range it opens with. `annotated` selects the alerts marked on its graphs, as are
    the deployments of what `variables` choose. `links` are beside those to our other dashboards. The resolution of the
    graphs can be chosen on every dashboard.
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
        templating=model.DashboardDashboardTemplating([*variables, _resolution()]),
        annotations=model.AnnotationContainer([_firing_alerts(annotated), _deployments(variables)]),
        panels=_placed(rows),
        links=list(links),
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
    return _beside_variables(link)


def _beside_variables(link: model.DashboardLink) -> model.DashboardLink:
    link.placement = None  # type: ignore[assignment] # the SDK would hide it in a menu
    return link


def links_to_tagged(title: str, tag: str) -> model.DashboardLink:
    """A menu of all dashboards with a tag, such as those of a chart, at the same time."""
    link = model.DashboardLink(
        title=title, type_val=model.DashboardLinkType.DASHBOARDS, tags=[tag], as_dropdown=True, keep_time=True
    )
    return _beside_variables(link)


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


def _resolution() -> model.VariableModel:
    steps = {"auto": SHORTEST_INTERVAL, "30s": "30s", "1m": "1m", "5m": "5m", "15m": "15m", "1h": "1h"}
    choices = [model.VariableOption(selected=name == "auto", text=name, value=step) for name, step in steps.items()]
    return model.VariableModel(
        type_val=model.VariableType.CUSTOM,
        name="interval",
        label="Resolution",
        # It must be a duration. The shortest scrape interval changes nothing: then the width of the panel decides.
        query=",".join(f"{name} : {step}" for name, step in steps.items()),
        options=choices,
        current=choices[0],
    )


def _firing_alerts(matchers: str) -> model.AnnotationQuery:
    query = prometheus.Dataquery(
        ref_id="Anno",
        expr=series("ALERTS", 'alertstate="firing"', matchers),
        interval=SHORTEST_INTERVAL,
        datasource=PROMETHEUS,
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


def _deployments(variables: Sequence[model.VariableModel]) -> model.AnnotationQuery:
    bound = {variable.name for variable in variables}
    chosen = next((name for name in ("namespace", "any_namespace") if name in bound), None)
    namespace = f'namespace=~"${chosen}"' if chosen else ""
    service = 'owner_name=~"$service"' if "service" in bound else ""
    created = series("kube_replicaset_created", namespace)
    owner = series("kube_replicaset_owner", 'owner_kind="Deployment"', namespace, service)
    # A new pod template makes a replica set; scaling does not, nor does a pod that is replaced. A rollback is not seen:
    # it takes up the replica set of before. More than a step, as it is known only once it has been scraped:
    # then two steps may find it, and mark the same moment.
    expr = f"""
    max by (namespace, replicaset) (
      1000 * {created} > 1000 * time() - $__interval_ms - {1000 * LONGEST_INTERVAL_SECONDS}
    )
      * on (namespace, replicaset) group_right ()
    max by (namespace, replicaset, owner_name) ({owner})
    """
    return model.AnnotationQuery(
        name="Deployments",
        datasource=PROMETHEUS,
        icon_color="blue",
        target=prometheus.Dataquery(
            ref_id="Anno", expr=cleandoc(expr), interval=SHORTEST_INTERVAL, datasource=PROMETHEUS
        ),
        title_format="{{owner_name}} is rolled out",
        text_format="{{namespace}}",
        tag_keys="owner_name",
        use_value_for_time=True,
    )


def _placed(rows: Sequence[Row]) -> list[model.Panel | model.RowPanel]:
    """Set every panel's position and return them in the order Grafana expects: a heading, then its panels."""
    placed: list[model.Panel | model.RowPanel] = []
    y = 0
    for line in rows:
        heading = model.RowPanel(
            title=line.title,
            id_val=panel_id(f"row {line.title}"),
            grid_pos=model.GridPos(x=0, y=y, w=GRID_COLUMNS, h=1),
        )
        y = _flow(line.panels, y + 1)
        placed += [heading, *line.panels]
    return placed


def _flow(panels: Sequence[model.Panel], y: int) -> int:
    """Place panels left to right from row `y` of the grid, line by line; the first free row after them.

    The panels of a line are as high as the highest, so that nothing between two lines is empty.
    """
    x, line = 0, list[model.GridPos]()
    for panel in panels:
        position = panel.grid_pos
        assert position is not None  # noqa: S101 - for the type checker: every helper sets it
        if x + position.w > GRID_COLUMNS:
            x, y, line = 0, y + _level(line), []
        position.x, position.y = x, y
        x += position.w
        line.append(position)
    return y + _level(line)


def _level(line: Sequence[model.GridPos]) -> int:
    """Make the panels of a line equally high; their height."""
    height = max((position.h for position in line), default=0)
    for position in line:
        position.h = height
    return height
