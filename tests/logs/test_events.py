"""The lines of events.yaml through the real agent: each example is counted once, and each echo not at all."""

from __future__ import annotations

from itertools import zip_longest

import catalogue
from checks.logs.pipeline import Container, Pipeline
from checks.waiting import eventually
from facts import ROOT

EVENTS = catalogue.load(ROOT / "services.yaml").events
TOLD = tuple(event for event in EVENTS if event.told_by)


def test_each_example_is_counted_once_and_no_echo(node: Pipeline) -> None:
    pods = {event.name: node.container(event.service) for event in TOLD}
    for event in TOLD:
        pods[event.name].write(*(line for pair in zip_longest(event.examples, event.echoes) for line in pair if line))
    for event in TOLD:
        pod = pods[event.name]
        others = (other for other in TOLD if other.service == event.service and other is not event)
        expected = {event.name: float(len(event.examples))} | {other.name: 0.0 for other in others}
        wait_until_counted(node, pod, expected)


def test_lines_of_another_service_tell_nothing(node: Pipeline) -> None:
    """The counters of a service are those of its own events, whatever others write."""
    pod, order = node.container("user-service"), next(event for event in TOLD if event.service == "order-service")
    pod.write(*order.examples)
    expected = {event.name: 0.0 for event in TOLD if event.service == "user-service"}
    wait_until_counted(node, pod, expected)


def wait_until_counted(node: Pipeline, container: Container, expected: dict[str, float]) -> None:
    eventually(lambda: counted(node, container) == expected, what=f"{container.path}: {expected}")


def counted(node: Pipeline, container: Container) -> dict[str, float]:
    """What is counted of the events of a container's pod, by event."""
    pod = container.path.parts[-3].split("_")[1]
    query = f'sum by (event) (log_events_total{{k8s_pod_name="{pod}"}})'
    return {series["metric"]["event"]: float(series["value"][1]) for series in node.vector(query)}
