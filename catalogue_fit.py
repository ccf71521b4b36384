"""How the services of the catalogue, and the events that their lines report, fit together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING

import parts

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
    """What contradicts, each with its remedy."""
    return [
        *_twice("service", [service.name for service in services]),
        *_taken(services),
        *shared_prefixes(services),
        *_of_no_use(services),
        *chain.from_iterable(_dependencies(service, services) for service in services),
        *_circles(services),
        *_twice("event", [event.name for event in events]),
        *_untold(events, services),
    ]


def _twice(what: str, names: list[str]) -> Iterator[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        yield f"{what} names must be unique; given twice: {', '.join(twice)}"


def _taken(services: tuple[Service, ...]) -> Iterator[str]:
    for service in services:
        if service.name in OURS:
            yield f'service "{service.name}" has the name of something that is watched already; choose another name'


def _of_no_use(services: tuple[Service, ...]) -> Iterator[str]:
    for service in services:
        if service.routes and not service.prefix:
            yield f"service {service.name} has routes and no metrics to add up by them; give it a prefix"


def shared_prefixes(services: tuple[Service, ...]) -> Iterator[str]:
    """Whose metrics nothing could tell apart."""
    by_prefix: dict[str, list[str]] = {}
    for service in services:
        if service.prefix:
            by_prefix.setdefault(service.prefix, []).append(service.name)
    for prefix, names in by_prefix.items():
        if len(set(names)) > 1:
            yield f'services {", ".join(names)} have one prefix "{prefix}"; each needs another'


def _dependencies(service: Service, services: tuple[Service, ...]) -> Iterator[str]:
    known = {*(each.name for each in services), *DEPENDENCIES_OUTSIDE}
    for dependency in (*service.requires, *service.uses):
        if dependency not in known:
            yield (
                f'service {service.name} depends on "{dependency}", which is neither a service here '
                f"nor one of {', '.join(sorted(DEPENDENCIES_OUTSIDE))}"
            )
    if service.name in (*service.requires, *service.uses):
        yield f"service {service.name} depends on itself; remove it from its requires and uses"
    for dependency in service.requires:
        if dependency in service.uses:
            yield f'service {service.name} cannot both require and use "{dependency}"; name it under one of them'


def _circles(services: tuple[Service, ...]) -> Iterator[str]:
    """Services that cannot work without each other: none of them would be the cause of an outage."""
    requires: Mapping[str, tuple[str, ...]] = {service.name: service.requires for service in services}
    done: set[str] = set()

    def walk(name: str, above: tuple[str, ...]) -> Iterator[str]:
        if name in above:
            circle = (*above[above.index(name) :], name)
            if len(circle) > 2:  # one that requires itself is reported as such
                yield f"services require each other in a circle: {' -> '.join(circle)}; let one only use the next"
        elif name in requires and name not in done:
            for dependency in requires[name]:
                yield from walk(dependency, (*above, name))
            done.add(name)

    for name in requires:
        yield from walk(name, ())


def _untold(events: tuple[Event, ...], services: tuple[Service, ...]) -> Iterator[str]:
    names = [service.name for service in services]
    for event in events:
        if event.service not in names:
            yield f"event {event.name} is told by {event.service}, which is not one of the services: {', '.join(names)}"
