"""Who is asked about an incident: the running rehearsal, or a cluster, each by what is deployed in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import httpx

from facts import GRAFANA_DATA_SOURCES, GRAFANA_FOLDER, NAMESPACE
from local.errors import RehearsalError
from rehearsal.deployed import Deployed
from rehearsal.lifecycle import Rehearsal
from report.sources import TIMEOUT_SECONDS, Sources
from review.history import History, of_cluster, of_rehearsal
from review.where import running, words
from verify.cluster import ClusterError, Kubectl

Json = dict[str, Any]

_CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"


class Traces(Protocol):
    """Where traces are kept."""

    def __call__(self, trace_id: str, start: float, end: float) -> str:
        """Address of a trace of this time."""


@dataclass(frozen=True)
class Place:
    """What can be asked."""

    words: str
    history: History
    sources: Sources
    dashboards: Mapping[str, str]
    """JSON of each by uid."""
    grafana: str | None
    """Address that people open, as the links of alerts name it; None if no alert has one."""
    traces: Traces | None
    """None where no traces are kept."""
    faults: tuple[tuple[float, str], ...] = ()
    """What somebody broke on purpose, and when."""
    received: tuple[Json, ...] | None = None
    """What the receivers got; None where that is not recorded."""

    def request(self, request_id: str, start: float, end: float) -> str | None:
        """Address of the lines of a request of this time."""
        query = {"var-request": request_id, **_milliseconds(start, end)}
        return f"{self.grafana}/d/logs?{urlencode(query)}" if self.grafana else None


@contextmanager
def place(context: str | None) -> Iterator[Place]:
    """The cluster of a kubectl context, or else the rehearsal. Raises RehearsalError if it cannot be asked."""
    if context is None:
        yield _of_rehearsal(running())
        return
    with closing(Kubectl(context)) as cluster:
        try:
            yield _of_cluster(cluster, context)
        except ClusterError as error:
            raise RehearsalError(str(error)) from error


def _of_rehearsal(running: Rehearsal) -> Place:
    ports, deployed = running.ports, Deployed(running.state.cluster)
    history = of_rehearsal(ports)
    received = httpx.get(f"{ports.url('receivers')}/notifications", timeout=TIMEOUT_SECONDS, trust_env=False)
    jaeger = f"{ports.url('jaeger')}/api/traces/" if running.traces_run else None
    return Place(
        words(None),
        history,
        Sources(ports.url("prometheus"), ports.url("loki")),
        _dashboards(deployed.dashboards()),
        _grafana(history),
        (lambda trace_id, *_: jaeger + quote(trace_id)) if jaeger else None,
        tuple(running.faults()),
        tuple(received.raise_for_status().json()),
    )


def _of_cluster(cluster: Kubectl, context: str) -> Place:
    history = of_cluster(cluster)
    files = cluster.get(f"{_CONFIG_MAPS}/{GRAFANA_DATA_SOURCES}")["data"].values()
    addresses = {one["type"]: one["url"] for text in files for one in json.loads(text)["datasources"]}
    grafana = _grafana(history)
    return Place(
        words(context),
        history,
        Sources(cluster.address(addresses["prometheus"]), cluster.address(addresses["loki"])),
        _dashboards(cluster.get(f"{_CONFIG_MAPS}?labelSelector=grafana_dashboard")["items"]),
        grafana,
        _tempo(grafana) if grafana and "tempo" in addresses else None,
    )


def _dashboards(config_maps: Iterable[Json]) -> dict[str, str]:
    """Those of the stack, by uid: charts bring their own, too."""
    own = (item for item in config_maps if _folder(item) == GRAFANA_FOLDER)
    return {name.removesuffix(".json"): text for item in own for name, text in item["data"].items()}


def _folder(config_map: Json) -> str | None:
    annotations: Mapping[str, str] = config_map["metadata"].get("annotations") or {}
    return annotations.get("grafana_folder")


def _grafana(history: History) -> str | None:
    """What comes before the path of the dashboard that alerts link to."""
    links = (rule.dashboard for rule in history.rules())
    return next((link.partition("/d/")[0] for link in links if "/d/" in link), None)


def _tempo(grafana: str) -> Traces:
    """A trace in Grafana's Explore, which needs the role Editor."""

    def link(trace_id: str, start: float, end: float) -> str:
        query = {"refId": "A", "queryType": "traceql", "query": trace_id}
        period = {name: str(value) for name, value in _milliseconds(start, end).items()}
        panes = {"trace": {"datasource": "tempo", "queries": [query], "range": period}}
        return f"{grafana}/explore?{urlencode({'schemaVersion': 1, 'panes': json.dumps(panes)})}"

    return link


def _milliseconds(start: float, end: float) -> dict[str, int]:
    return {"from": round(1000 * start), "to": round(1000 * end)}
