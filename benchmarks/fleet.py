"""The services of a benchmark: a catalogue of any size, and the labels that Prometheus gives their targets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

from catalogue import Catalogue, Service
from simulation.exporters.inventory import Pod, application_pods

PORT = 8000


def catalogue_of(count: int) -> Catalogue:
    """A catalogue of `count` services that expose metrics and are otherwise as an entry of two lines makes them."""
    numbers = (f"{number:03}" for number in range(count))
    return Catalogue(
        services=tuple(
            Service(name=f"service-{number}", prefix=f"service_{number}", port=PORT, requires=("dynamodb",))
            for number in numbers
        )
    )


def grown(catalogue: Catalogue, count: int) -> tuple[Catalogue, dict[str, str]]:
    """The catalogue with copies of its services until there are `count`, and whose copy each is, by name.

    Only services that need no other one are copied: a second gateway in front of the same services would be a second
    application. Copies are numbered: `order-service-2`, with metrics of the prefix `order_2`.
    """
    models = [service for service in catalogue.services if not _needs_another(service, catalogue)]
    numbers = (number for start in range(2, count + 2) for number in [start] * len(models))
    added = list(_copies(zip(cycle(models), numbers, strict=False), count - len(catalogue.services)))
    services = (*catalogue.services, *(copy for _, copy in added))
    return catalogue.model_copy(update={"services": services}), {copy.name: model.name for model, copy in added}


def _needs_another(service: Service, catalogue: Catalogue) -> bool:
    return any(other.name in service.requires for other in catalogue.services)


def _copies(models: Iterator[tuple[Service, int]], count: int) -> Iterator[tuple[Service, Service]]:
    for _, (model, number) in zip(range(count), models, strict=False):
        prefix = f"{model.prefix}_{number}" if model.prefix else None
        yield model, model.model_copy(update={"name": f"{model.name}-{number}", "prefix": prefix})


def pods(catalogue: Catalogue) -> tuple[Pod, ...]:
    """One pod for each service, in the catalogue's order."""
    return application_pods(catalogue.namespace, [service.name for service in catalogue.services])


def target_labels(pod: Pod) -> dict[str, str]:
    """The labels of a service's scrape target, as its ServiceMonitor makes them (components/metrics/monitors.py)."""
    return {
        "job": pod.workload,
        "service": pod.workload,
        "namespace": pod.namespace,
        "pod": pod.name,
        "container": pod.container,
        "instance": f"{pod.address}:{PORT}",
    }
