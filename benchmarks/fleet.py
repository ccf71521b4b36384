"""The services of a benchmark: a catalogue of any size, and the labels that Prometheus gives their targets."""

from __future__ import annotations

from catalogue import Catalogue, Service
from rehearsal.exporters.inventory import Pod, application_pods

PORT = 8000


def catalogue_of(count: int) -> Catalogue:
    """A catalogue of `count` services that expose metrics and are otherwise as an entry of two lines makes them."""
    numbers = (f"{number:03}" for number in range(count))
    return Catalogue(
        services=tuple(
            Service(name=f"service-{number}", prefix=f"service_{number}", port=PORT, dependencies=("dynamodb",))
            for number in numbers
        )
    )


def pods(catalogue: Catalogue) -> tuple[Pod, ...]:
    """One pod for each service, in the catalogue's order."""
    return application_pods(catalogue.namespace, [service.name for service in catalogue.services])


def target_labels(pod: Pod) -> dict[str, str]:
    """The labels of a service's scrape target, as its ServiceMonitor makes them (components/monitors.py)."""
    return {
        "job": pod.workload,
        "service": pod.workload,
        "namespace": pod.namespace,
        "pod": pod.name,
        "container": pod.container,
        "instance": f"{pod.address}:{PORT}",
    }
