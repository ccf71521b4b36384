"""Who reaches whom under the network policies that a stack deploys, by an engine that others wrote."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

import catalogue
import parts
from checks.connections import Connection, Place, admitted
from checks.examples import stack_file
from checks.program import evaluate
from components import flows
from components.flows import Flow
from facts import NAMESPACE, ROOT
from settings import Settings, read_stack

EXAMPLES = ("loki-distributed", "eks-without-slack")
STACKS = ("dev", "prod", *EXAMPLES)
POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
APPLICATION = "order-processor"
LISTENS: Mapping[str, tuple[int, ...]] = {
    "prometheus": (8080, 8081, 9090),
    "alertmanager": (8080, 8081, 9093, 9094),
    "operator": (8080, 10250),
    "grafana": (3000, 6060, 8080, 9094),
    "kube-state-metrics": (8080, 8081),
    "blackbox-exporter": (9115,),
    "route-sums": (9180,),
    "log-agent": (4317, 4318, 8888, 13133),
    "kubernetes-events": (8888, 13133),
    "trace-sampler": (4317, 8888, 13133),
    "loki": (3100, 7946, 9095),
    "loki-gateway": (4040, 8080),
    "loki-distributor": (3100, 7946, 9095),
    "cloudwatch-exporter": (5000,),
    "tempo": (3200, 4317, 4318, 6831, 6832, 9411, 14250, 14268, 55680, 55681),
}
"""Ports of the pods, by part. The second one of a reloader, and more, are nobody's business."""
PORTS = sorted({port for ports in LISTENS.values() for port in ports} | {22, 53, 80, 443, 587, 6379, 6443, 9100, 9153})

STRANGER = Place(name="stranger", address="10.9.0.1", namespace="elsewhere")
GUEST = Place(name="guest", address="10.9.0.2", namespace=NAMESPACE, labels={"app.kubernetes.io/name": "debug"})
ORDERS = Place(name="order-service", address="10.9.0.3", namespace=APPLICATION)
NAMESAKE = Place(  # the labels of Grafana, in another namespace
    name="namesake", address="10.9.0.4", namespace="elsewhere", labels=parts.GRAFANA.labels
)
INGRESS = Place(name="ingress", address="10.9.0.5", namespace="ingress-nginx")
PROXY = Place(name="proxy", address="10.9.0.6", namespace="oauth2-proxy")
COREDNS = Place(name="coredns", address="10.9.0.7", namespace="kube-system")
INTERNET = Place(name="internet", address="203.0.113.7")
NODE = Place(name="node", address="192.0.2.1")
METADATA = Place(name="metadata", address="169.254.169.254")
OTHERS = (STRANGER, GUEST, ORDERS, NAMESAKE, INGRESS, PROXY, COREDNS, INTERNET, NODE, METADATA)


@cache
def settings_of(stack: str) -> Settings:
    return read_stack(stack_file(stack) if stack in EXAMPLES else ROOT / f"Pulumi.{stack}.yaml")


@cache
def flows_of(stack: str) -> tuple[Flow, ...]:
    known = catalogue.load(ROOT / "services.yaml").of_stack(settings_of(stack))
    return flows.flows(settings_of(stack), known)


@cache
def policies_of(stack: str) -> Mapping[str, Any]:
    """Those that the program registers, where it is evaluated: secrets decide over channels."""
    if stack in EXAMPLES:
        return flows.network_policies(flows_of(stack))
    found = evaluate(stack).of(POLICY)
    return {item.inputs["metadata"]["name"]: item.inputs["spec"] for item in found}


@cache
def pods_of(stack: str) -> Mapping[str, Place]:
    """A pod of each part, by the part's short name."""
    return {
        name: Place(name=name, address=f"10.1.0.{number}", namespace=NAMESPACE, labels=part.labels)
        for number, part in enumerate(parts.of_stack(settings_of(stack)), start=1)
        if (name := short(part.workload)) in LISTENS
    }


def short(workload: str) -> str:
    """`prometheus` for `prometheus-kube-prometheus-stack-prometheus`."""
    return workload.removeprefix(f"{parts.STACK}-").removesuffix(f"-{parts.STACK}-{workload.rpartition('-')[2]}")


def of_flow(place: Place) -> str:
    """What flows call the pod: they know only one Loki."""
    return "loki" if place.name == "loki-distributor" else place.name


Pair = tuple[str, str, int]


def let_through(stack: str, sources: list[Place], targets: list[Place], ports: list[int]) -> set[Pair]:
    places = [*pods_of(stack).values(), *OTHERS]
    tried = [Connection(source, target, port) for source in sources for target in targets for port in ports]
    found = admitted(policies_of(stack), places, tried)
    return {(of_flow(each.source), of_flow(each.target), each.port) for each in found}


@pytest.mark.parametrize("stack", STACKS)
def test_of_the_monitorings_own_connections_the_flows_alone_pass(stack: str) -> None:
    pods = pods_of(stack)
    wanted = {
        (flow.source.name, flow.target.name, port)
        for flow in flows_of(stack)
        for port in flow.ports
        if {flow.source.name, flow.target.name} <= set(map(of_flow, pods.values()))
    }
    # A flow to what no selector can name admits every address at its ports, and only the target's own policy refuses.
    assert let_through(stack, list(pods.values()), list(pods.values()), PORTS) == wanted
    assert len(wanted) > 20


@pytest.mark.parametrize("stack", STACKS)
def test_others_are_refused_at_every_port_of_every_pod(stack: str) -> None:
    pods, access = pods_of(stack), settings_of(stack).access
    wanted = {(place.name, "operator", 10250) for place in OTHERS if place is not GUEST}  # the API server's webhook
    wanted |= {("ingress", "grafana", 3000)} if access.grafana_from else set()
    wanted |= {("proxy", "alertmanager", 9093)} if access.alertmanager_from else set()
    wanted |= {("order-service", "log-agent", port) for port in (4317, 4318)} if settings_of(stack).tracing else set()
    assert let_through(stack, list(OTHERS), list(pods.values()), PORTS) == wanted


ATTACKS = [
    ("silence every alert: POST /api/v2/silences", "alertmanager", 9093),
    ("feign series by OTLP", "prometheus", 9090),
    ("read the metrics of Prometheus' reloader", "prometheus", 8080),
    ("push log lines, and read those of others", "loki", 3100),
    ("join Alertmanager's cluster", "alertmanager", 9094),
    ("try Grafana's log-in", "grafana", 3000),
    ("have the prober reach what the attacker cannot", "blackbox-exporter", 9115),
    ("have what adds up routes reach it", "route-sums", 9180),
    ("feign traces past the agent's masking", "tempo", 4317),
    ("read the log agent's metrics", "log-agent", 8888),
]


@pytest.mark.parametrize("source", [STRANGER, GUEST, ORDERS, NAMESAKE, INTERNET, NODE], ids=lambda place: place.name)
@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_attacks_are_refused(stack: str, source: Place) -> None:
    """Written by hand: a flow that should not be there would be wanted by the tests above."""
    for attack, target, port in ATTACKS:
        assert not let_through(stack, [source], [pods_of(stack)[target]], [port]), attack


@pytest.mark.parametrize("source", ["blackbox-exporter", "cloudwatch-exporter", "kube-state-metrics", "tempo", "loki"])
def test_a_part_that_was_taken_over_cannot_silence_or_deceive(source: str) -> None:
    pods = pods_of("prod")
    for target, port in (("alertmanager", 9093), ("prometheus", 9090)):
        assert not let_through("prod", [pods[source]], [pods[target]], [port])


@pytest.mark.parametrize("stack", STACKS)
def test_what_leaves_goes_where_a_flow_goes(stack: str) -> None:
    pods = pods_of(stack)
    wanted = {
        (flow.source.name, place.name, port)
        for flow in flows_of(stack)
        for place in OTHERS
        for port in PORTS
        if not flow.target.pods and flow.source.name in set(map(of_flow, pods.values()))
        if reaches(flow, place) and port in (flow.ports or PORTS)
    }
    # The guest has no flow: its own policy refuses what a flow to any address would admit.
    wanted = {each for each in wanted if each[1] != "guest"}
    assert let_through(stack, list(pods.values()), list(OTHERS), PORTS) == wanted
    assert not {(source, port) for source, target, port in wanted if target == "metadata" and port == 80}


def reaches(flow: Flow, place: Place) -> bool:
    names = [peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for peer in flow.target.peers]
    return place.namespace in names if names else True


def test_a_pod_that_others_put_into_the_namespace_reaches_nothing() -> None:
    everything = [*pods_of("prod").values(), *OTHERS]
    assert let_through("prod", [GUEST], everything, PORTS) == set()


# The engine itself


def test_the_engine_refuses_and_admits_by_what_it_is_given() -> None:
    pods = pods_of("prod")
    silence = Connection(STRANGER, pods["alertmanager"], 9093)
    places = [*pods.values(), *OTHERS]
    policies = dict(policies_of("prod"))
    assert not admitted(policies, places, [silence])
    opened = policies["alertmanager"] | {"ingress": [{"ports": [{"port": 9093, "protocol": "TCP"}]}]}
    assert admitted(policies | {"alertmanager": opened}, places, [silence]) == [silence]
    assert admitted({}, places, [silence]) == [silence]


# Flows and policies


@pytest.mark.parametrize("stack", STACKS)
def test_every_policy_has_a_flow_and_every_flow_a_policy(stack: str) -> None:
    policies, known = policies_of(stack), flows_of(stack)
    ours = {peer.name for flow in known for peer in (flow.source, flow.target) if peer.pods}
    assert set(policies) == {flows.DENY, *ours}
    for name in ours:
        assert len(policies[name].get("ingress", [])) == sum(flow.target.name == name for flow in known), name
        assert len(policies[name].get("egress", [])) == sum(flow.source.name == name for flow in known), name
    assert policies[flows.DENY] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_what_refuses_all_else_comes_after_what_admits() -> None:
    found = {item.name: item for item in evaluate("prod").of(POLICY)}
    assert found[flows.DENY].dependencies >= {item.key for name, item in found.items() if name != flows.DENY}


@pytest.mark.parametrize("stack", STACKS)
def test_no_rule_admits_every_port_into_the_monitoring_or_every_client_but_the_webhooks(stack: str) -> None:
    for name, policy in policies_of(stack).items():
        for rule in policy.get("ingress", []):
            assert rule["ports"], name
            assert "from" in rule or name == "operator", name


@pytest.mark.parametrize("stack", STACKS)
def test_policies_stay_within_what_the_network_of_eks_takes(stack: str) -> None:
    """It takes 24 ports for one range of addresses, and those that no selector names are one."""
    for name, policy in policies_of(stack).items():
        anywhere = [rule for rule in policy.get("egress", []) if "to" not in rule]
        assert sum(len(rule.get("ports", [1])) for rule in anywhere) <= 24, name
