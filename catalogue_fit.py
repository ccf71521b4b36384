"""How the services of the catalogue, and the events that their lines report, fit together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import parts
from invalid import one_of

if TYPE_CHECKING:
    from catalogue import Event, Service

DEPENDENCIES_OUTSIDE = frozenset({"dynamodb", "redis"})
"""Dependencies that are not services of the catalogue themselves."""
OURS = frozenset(
    {*DEPENDENCIES_OUTSIDE, parts.PROBES_JOB, parts.KUBELET_JOB, "grafana", "alertmanager", "prometheus"}
    | {name for part in parts.ALL for name in (part.release, part.job, part.workload, part.service) if name}
)
"""Names of what is watched beside the services: their series would be taken for those of a service of this name."""


def conflicts(services: tuple[Service, ...], events: tuple[Event, ...]) -> list[str]:
    """What contradicts, each with the key that has to change first, and its remedy."""
    return [
        *_twice("services", [service.name for service in services]),
        *_taken(services),
        *_alike(services),
        *shared_prefixes(services),
        *_of_no_use(services),
        *_dependencies(services),
        *_circles(services),
        *_twice("events", [event.name for event in events]),
        *_untold(events, services),
    ]


def _twice(key: str, names: list[str]) -> Iterator[str]:
    for at, name in enumerate(names):
        if name in names[:at]:
            yield f'{key}[{at}].name: "{name}" is the name of {key}[{names.index(name)}] already; each needs another'


def _taken(services: tuple[Service, ...]) -> Iterator[str]:
    for at, service in enumerate(services):
        if service.name in OURS:
            yield (
                f'services[{at}].name: "{service.name}" is the name of something that is watched already; choose '
                "another name"
            )


def _alike(services: tuple[Service, ...]) -> Iterator[str]:
    """Services whose labels another one has, too: the monitor of the first would scrape both."""
    for at, service in enumerate(services):
        others = (each for each in services if each.name != service.name)
        both = next((each.name for each in others if service.labels.items() <= each.labels.items()), None)
        if both:
            yield (
                f"services[{at}].selector: the Kubernetes Service of {both} has these labels, too, so that its series "
                f"would be taken for those of {service.name}; name a label that {both} does not have"
            )


def _of_no_use(services: tuple[Service, ...]) -> Iterator[str]:
    for at, service in enumerate(services):
        if service.routes and not service.prefix:
            yield f"services[{at}].routes: {service.name} has no metrics to add up by them; give it a prefix"


def shared_prefixes(services: tuple[Service, ...]) -> Iterator[str]:
    """Whose metrics nothing could tell apart."""
    first: dict[str, str] = {}
    for at, service in enumerate(services):
        if service.prefix and first.setdefault(service.prefix, service.name) != service.name:
            yield (
                f'services[{at}].prefix: "{service.prefix}" is the prefix of {first[service.prefix]} already; each '
                "service needs another"
            )


def _dependencies(services: tuple[Service, ...]) -> Iterator[str]:
    known = [*(each.name for each in services), *sorted(DEPENDENCIES_OUTSIDE)]
    for at, service in enumerate(services):
        for key, names in (("requires", service.requires), ("uses", service.uses)):
            for number, name in enumerate(names):
                here = f'services[{at}].{key}[{number}]: "{name}"'
                if name == service.name:
                    yield f"{here} is the service itself; remove it"
                elif name not in known:
                    yield f"{here} is neither a service here nor a store; expected {one_of(known, name)}"
                elif key == "uses" and name in service.requires:
                    yield f"{here} is under requires, too; name it under one of them"


def _circles(services: tuple[Service, ...]) -> Iterator[str]:
    """Services that cannot work without each other: none of them would be the cause of an outage."""
    requires: Mapping[str, tuple[str, ...]] = {service.name: service.requires for service in services}
    numbers = {service.name: at for at, service in enumerate(services)}
    done: set[str] = set()

    def walk(name: str, above: tuple[str, ...]) -> Iterator[str]:
        if name in above:
            circle = (*above[above.index(name) :], name)
            if len(circle) > 2:  # one that requires itself is reported as such
                yield (
                    f"services[{numbers[circle[-2]]}].requires: services require each other in a circle: "
                    f"{' -> '.join(circle)}; let one only use the next"
                )
        elif name in requires and name not in done:
            for dependency in requires[name]:
                yield from walk(dependency, (*above, name))
            done.add(name)

    for name in requires:
        yield from walk(name, ())


def _untold(events: tuple[Event, ...], services: tuple[Service, ...]) -> Iterator[str]:
    names = [service.name for service in services]
    for at, event in enumerate(events):
        if event.service not in names:
            here = f'events[{at}].service: "{event.service}"'
            yield f"{here} is not in services.yaml; expected {one_of(names, event.service)}"
