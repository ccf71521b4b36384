"""Who talks to whom: every connection of a stack, from which its network policies are made. Pure functions.

A flow is a row of `docs/security.md` and a rule in the policies of both of its ends; there is no other rule.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import parts
from catalogue import Catalogue
from parts import Part
from settings import Settings, port_of


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One end of a flow."""

    name: str
    """Of pods of our own namespace, also the name of their policy."""
    pods: Any = field(default=None, hash=False)
    """Label selector of pods of our own namespace; None for all else, which has no policy of ours."""
    peers: tuple[Any, ...] = field(default=(), hash=False)
    """How a policy names what is elsewhere; empty for what no selector can name, which is any address."""

    @property
    def named(self) -> list[Any]:
        """Peers of a NetworkPolicy's rule; empty for any address."""
        return [{"podSelector": self.pods}] if self.pods else list(self.peers)


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Connections that one end opens to the other."""

    source: Peer
    target: Peer
    ports: tuple[int, ...]
    """Ports of the target's pods; empty for any."""
    why: str
    protocols: tuple[str, ...] = ("TCP",)
    service_port: int | None = None
    """The port of the target's Service, where it is another: some networks look at what leaves before it is
    translated."""

    @property
    def shown(self) -> str:
        """Its ports for people: `9094 (TCP, UDP)`; TCP alone is not said."""
        protocols = "" if self.protocols == ("TCP",) else f" ({', '.join(self.protocols)})"
        return (", ".join(map(str, self.ports)) or "any") + protocols


def _own(part: Part) -> Peer:
    return Peer(name=part.workload.removeprefix(f"{parts.STACK}-"), pods={"matchLabels": dict(part.labels)})


PROMETHEUS = Peer(name="prometheus", pods={"matchLabels": dict(parts.PROMETHEUS.labels)})
ALERTMANAGER = Peer(name="alertmanager", pods={"matchLabels": dict(parts.ALERTMANAGER.labels)})
OPERATOR = _own(parts.OPERATOR)
GRAFANA = _own(parts.GRAFANA)
KUBE_STATE_METRICS = _own(parts.KUBE_STATE_METRICS)
PROBER = _own(parts.BLACKBOX_EXPORTER)
ROUTE_SUMS = _own(parts.ROUTE_SUMS)
LOG_AGENT = _own(parts.LOG_AGENT)
EVENTS = _own(parts.KUBERNETES_EVENTS)
SAMPLER = _own(parts.TRACE_SAMPLER)
CLOUDWATCH = _own(parts.CLOUDWATCH_EXPORTER)
TEMPO = _own(parts.TEMPO)
GATEWAY = _own(parts.LOKI_GATEWAY)
LOKI = Peer(
    name="loki",
    pods={
        "matchLabels": dict(parts.LOKI.labels),
        "matchExpressions": [{"key": "app.kubernetes.io/component", "operator": "NotIn", "values": ["gateway"]}],
    },
)
CERTIFICATES = Peer(
    name="webhook-certificates",
    pods={
        "matchExpressions": [
            {"key": "app", "operator": "In", "values": [f"{parts.STACK}-admission-{do}" for do in ("create", "patch")]}
        ]
    },
)
"""The jobs that give the operator's admission webhook its certificate."""

API_SERVER = Peer(name="API server")
NODES = Peer(name="nodes")
DNS = Peer(name="DNS")
KUBE_SYSTEM = Peer(
    name="CoreDNS", peers=({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}},)
)
NOTIFIED = Peer(name="Slack, PagerDuty, heartbeat")
SMTP = Peer(name="SMTP server")
REDIS = Peer(name="Redis")
PUBLIC = Peer(name="public addresses")
AWS = Peer(name="AWS")
LONG_TERM = Peer(name="metrics.remoteWrite.url")
PROVIDER = Peer(name="grafana.signIn")

_RESOLVE = (PROMETHEUS, ALERTMANAGER, GRAFANA, PROBER, LOG_AGENT, EVENTS, SAMPLER, LOKI, GATEWAY, CLOUDWATCH)
"""Those that reach something by its name."""
_ASK = (PROMETHEUS, OPERATOR, GRAFANA, KUBE_STATE_METRICS, EVENTS, CERTIFICATES)
"""Those that have a token for the API server."""


def elsewhere(name: str, sources: Iterable[str]) -> Peer:
    """Pods of other namespaces, and blocks of addresses."""
    return Peer(name=name, peers=tuple(_block(each) if "/" in each else _namespace(each) for each in sources))


def _namespace(name: str) -> Any:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _block(block: str) -> Any:
    return {"ipBlock": {"cidr": str(ipaddress.ip_network(block))}}


def flows(settings: Settings, catalogue: Catalogue) -> tuple[Flow, ...]:
    """Every flow of a stack: those of which it has both ends."""
    application = elsewhere("application", [catalogue.namespace])
    found = (
        *_views(settings),
        *_scraped(settings),
        *_watched(settings, catalogue, application),
        *_stored(settings, application),
        *_notified(settings),
        *_outside(settings),
    )
    missing = _missing(settings, catalogue)
    return tuple(flow for flow in found if not {flow.source.name, flow.target.name} & missing)


def _missing(settings: Settings, catalogue: Catalogue) -> set[str]:
    """Names of the ends that a stack does not have."""
    has = {
        SAMPLER.name: settings.samples,
        TEMPO.name: settings.tracing is not None,
        CLOUDWATCH.name: settings.aws is not None,
        GATEWAY.name: settings.logs.mode == "distributed",
        ROUTE_SUMS.name: any(service.added_up for service in catalogue.services),
    }
    return {name for name, there in has.items() if not there}


def _views(settings: Settings) -> Iterator[Flow]:
    """What people look at."""
    access = settings.access
    if access.grafana_from:
        source = elsewhere("access.grafanaFrom", access.grafana_from)
        yield Flow(source=source, target=GRAFANA, ports=(3000,), why="people, who log in")
    if access.alertmanager_from:
        source = elsewhere("access.alertmanagerFrom", access.alertmanager_from)
        yield Flow(source=source, target=ALERTMANAGER, ports=(9093,), why="people, through a proxy with a log-in")
    if sign_in := settings.grafana.sign_in:
        ports = {port_of(url) for url in (sign_in.token_url, sign_in.user_url)}
        yield Flow(source=GRAFANA, target=PROVIDER, ports=tuple(sorted(ports)), why="who logs in")
    yield Flow(source=GRAFANA, target=PROMETHEUS, ports=(9090,), why="queries of panels")
    yield Flow(source=GRAFANA, target=ALERTMANAGER, ports=(9093,), why="alerts, and silences of people who log in")
    yield Flow(source=GRAFANA, target=TEMPO, ports=(3200,), why="traces")
    yield _to_loki(settings, GRAFANA, "queries of log lines")


def _to_loki(settings: Settings, source: Peer, why: str) -> Flow:
    if settings.logs.mode == "distributed":
        return Flow(source=source, target=GATEWAY, ports=(8080,), service_port=80, why=why)
    return Flow(source=source, target=LOKI, ports=(3100,), why=why)


_METRICS = {
    PROMETHEUS: (8080, 9090),
    ALERTMANAGER: (8080, 9093),
    OPERATOR: (10250,),
    GRAFANA: (3000,),
    KUBE_STATE_METRICS: (8080, 8081),
    PROBER: (9115,),
    LOG_AGENT: (8888,),
    EVENTS: (8888,),
    SAMPLER: (8888,),
    LOKI: (3100,),
    GATEWAY: (4040,),
    CLOUDWATCH: (5000,),
    TEMPO: (3200,),
}
"""Ports at which the monitoring's own pods are scraped; 8080 of the first two is their reloader's."""


def _scraped(settings: Settings) -> Iterator[Flow]:
    for peer, ports in _METRICS.items():
        yield Flow(source=PROMETHEUS, target=peer, ports=ports, why="its own metrics")
    yield Flow(source=PROMETHEUS, target=NODES, ports=(9100, 10250), why="metrics of node-exporter and kubelets")
    yield Flow(source=PROMETHEUS, target=KUBE_SYSTEM, ports=(9153,), why="its own metrics")
    if settings.platform == "other":
        # Controller manager, scheduler, etcd and kube-proxy, where they can be reached at all.
        yield Flow(source=PROMETHEUS, target=NODES, ports=(2381, 10249, 10257, 10259), why="metrics of control planes")
    if settings.access.obeyed_namespaces:
        target = elsewhere("access.obeyedNamespaces", settings.access.obeyed_namespaces)
        yield Flow(source=PROMETHEUS, target=target, ports=(), why="what their monitors name")


def _watched(settings: Settings, catalogue: Catalogue, application: Peer) -> Iterator[Flow]:
    """What is scraped and probed of the application, at whatever port its pods listen: the catalogue has Services'."""
    if any(not service.added_up for service in catalogue.measured):
        yield Flow(source=PROMETHEUS, target=application, ports=(), why="metrics of services")
    yield Flow(source=PROMETHEUS, target=ROUTE_SUMS, ports=(9180,), why="metrics of services, added up")
    yield Flow(source=ROUTE_SUMS, target=application, ports=(), why="metrics of services, to be added up")
    yield Flow(source=PROBER, target=application, ports=(), why="health of services")
    yield Flow(source=PROMETHEUS, target=PROBER, ports=(9115,), why="probes")
    if settings.redis:
        port = int(settings.redis.address.rpartition(":")[2])
        yield Flow(source=PROBER, target=REDIS, ports=(port,), why="whether it answers")
    if settings.public_urls:
        ports = {port_of(url) for url in settings.public_urls} | {443}  # where http leads to
        yield Flow(source=PROBER, target=PUBLIC, ports=tuple(sorted(ports)), why="what users see")


def _stored(settings: Settings, application: Peer) -> Iterator[Flow]:
    if settings.tracing:
        yield Flow(source=application, target=LOG_AGENT, ports=(4317, 4318), why="traces")
    if settings.samples:
        yield Flow(source=LOG_AGENT, target=SAMPLER, ports=(4317,), why="traces, of which some are kept")
        yield Flow(source=SAMPLER, target=TEMPO, ports=(4317,), why="traces")
    else:
        yield Flow(source=LOG_AGENT, target=TEMPO, ports=(4317,), why="traces")
    yield Flow(source=LOG_AGENT, target=PROMETHEUS, ports=(9090,), why="counters of log lines, by OTLP")
    yield _to_loki(settings, LOG_AGENT, "log lines")
    yield _to_loki(settings, EVENTS, "events of Kubernetes")
    yield Flow(source=GATEWAY, target=LOKI, ports=(3100,), why="what it passes on")
    # One process alone reaches itself through its Service, too.
    yield Flow(source=LOKI, target=LOKI, ports=(3100, 7946, 9095), why="its own parts and replicas")
    if settings.aws and settings.aws.log_bucket:
        yield Flow(source=LOKI, target=AWS, ports=(443,), why="its bucket, and its role")


def _notified(settings: Settings) -> Iterator[Flow]:
    channels = settings.notifications
    yield Flow(source=PROMETHEUS, target=ALERTMANAGER, ports=(9093,), why="alerts")
    yield Flow(
        source=ALERTMANAGER,
        target=ALERTMANAGER,
        ports=(9094,),
        protocols=("TCP", "UDP"),
        why="what is sent and silenced",
    )
    if channels.slack or channels.pagerduty or channels.heartbeat:
        yield Flow(source=ALERTMANAGER, target=NOTIFIED, ports=settings.access.notification_ports, why="notifications")
    if channels.email:
        port = int(channels.email.smarthost.rpartition(":")[2])
        yield Flow(source=ALERTMANAGER, target=SMTP, ports=(port,), why="notifications")


def _outside(settings: Settings) -> Iterator[Flow]:
    yield Flow(source=API_SERVER, target=OPERATOR, ports=(10250,), why="its admission webhook")
    for peer in _ASK:
        yield Flow(source=peer, target=API_SERVER, ports=settings.access.api_server_ports, why="objects of the cluster")
    for peer in _RESOLVE:
        yield Flow(source=peer, target=DNS, ports=(53,), protocols=("TCP", "UDP"), why="names")
    if remote := settings.metrics.remote_write:
        if remote.url:
            yield Flow(source=PROMETHEUS, target=LONG_TERM, ports=(port_of(remote.url),), why="long-term metrics")
        else:
            yield Flow(source=PROMETHEUS, target=AWS, ports=(443,), why="long-term metrics, and its role")
    yield Flow(source=CLOUDWATCH, target=AWS, ports=(443,), why="CloudWatch, and its role")


DENY = "default-deny"
"""The policy of every pod of the namespace, whoever put it there."""


def network_policies(found: Iterable[Flow]) -> dict[str, dict[str, Any]]:
    """Specs of network policies by name: one that admits nothing, and one for each end that is ours."""
    found = list(found)
    ours = {peer.name: peer for flow in found for peer in (flow.source, flow.target) if peer.pods}
    return {DENY: {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}} | {
        name: _policy(peer, found) for name, peer in sorted(ours.items())
    }


def _policy(peer: Peer, found: list[Flow]) -> dict[str, Any]:
    rules = {
        "ingress": [_rule("from", flow.source, flow, flow.ports) for flow in found if flow.target == peer],
        "egress": [
            _rule("to", flow.target, flow, (*flow.ports, *filter(None, [flow.service_port])))
            for flow in found
            if flow.source == peer
        ],
    }
    types = {"podSelector": peer.pods, "policyTypes": ["Ingress", "Egress"]}
    return types | {direction: listed for direction, listed in rules.items() if listed}


def _rule(key: str, other: Peer, flow: Flow, ports: tuple[int, ...]) -> dict[str, Any]:
    """A rule of a policy. An absent list is all: of ports, and of addresses for what no selector can name."""
    numbers = [{"port": port, "protocol": protocol} for port in ports for protocol in flow.protocols]
    return ({key: other.named} if other.named else {}) | ({"ports": numbers} if numbers else {})
