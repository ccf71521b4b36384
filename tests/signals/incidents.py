"""Incidents of the whole application, as series for promtool: what each service and its probe expose, minute by minute.

The topology is the catalogue's: a share of the gateway's requests goes to each service behind it, and what these fail
the gateway fails. The stand-in is the shape of these series; the rules are those of the production stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from catalogue import Catalogue, Service

SCRAPE_SECONDS = 30
STEPS = 60 // SCRAPE_SECONDS
"""Samples in a minute."""
BEFORE = 75
"""Minutes of health before an incident: more than the hour that alerts compare with."""

REQUESTS = {
    "gateway": 20.0,
    "user-service": 6.0,
    "inventory-service": 5.0,
    "order-service": 5.0,
    "auth-service": 2.0,
    "insights-service": 2.0,
}
"""Per second; the gateway has those of all others."""
ORDERS = 0.5
"""Share of the order service's requests that create an order."""
FRONT = "gateway"
LET_THROUGH = 1 / 30
"""Requests in a second that an open circuit breaker lets through: one, to see whether the service is well again."""


@dataclass(frozen=True)
class Phase:
    """What is wrong for some minutes. Nothing, if nothing is said."""

    minutes: int
    errors: Mapping[str, float] = field(default_factory=dict)
    """Share of a service's requests that it fails."""
    slow: Mapping[str, float] = field(default_factory=dict)
    """Share of a service's requests that take longer than its objective allows."""
    down: frozenset[str] = frozenset()
    """Services that nobody can reach."""
    unready: frozenset[str] = frozenset()
    """Services that answer their probe with 503."""
    withdrawn: frozenset[str] = frozenset()
    """Services that run, and that Kubernetes sends no requests to, as they say that they are not ready."""
    unprobed: frozenset[str] = frozenset()
    """Services that the prober does not reach, although everybody else does."""
    unread: frozenset[str] = frozenset()
    """Services that answer, and of which no metrics can be read."""
    turned_away: Mapping[str, float] = field(default_factory=dict)
    """Requests in a second that a service answers with 401: a stranger's."""
    spared: frozenset[str] = frozenset()
    """Services that fail everything, and for which the gateway's open circuit breaker answers."""

    def failed(self, service: Service) -> float:
        """Requests that a service fails in a second: its own, and those that it passes on."""
        own = REQUESTS[service.name] * self.errors.get(service.name, 0.0)
        return min(REQUESTS[service.name], own + self._passed(service, self.errors, self._unreachable))

    def waited(self, service: Service) -> float:
        """Requests in a second that take too long."""
        own = REQUESTS[service.name] * self.slow.get(service.name, 0.0)
        return min(REQUESTS[service.name], own + self._passed(service, self.slow, frozenset()))

    def _passed(self, service: Service, shares: Mapping[str, float], gone: frozenset[str]) -> float:
        behind = [name for name in service.requires if name in REQUESTS]
        return sum(REQUESTS[name] * (1.0 if name in gone else shares.get(name, 0.0)) for name in behind)

    def unanswered(self, name: str) -> float:
        """Requests in a second which the gateway does not get through to a service."""
        return REQUESTS[name] if name in self._unreachable else 0.0

    @property
    def _unreachable(self) -> frozenset[str]:
        return self.down | self.withdrawn | self.spared


class Counter:
    """A counter in promtool's notation, which may vanish and begin anew."""

    def __init__(self, labels: str) -> None:
        self.labels, self._runs, self._value = labels, list[str](), 0.0

    def grow(self, steps: int, by: float) -> None:
        """Grow by so much in each of so many steps."""
        by = round(by, 4)
        self._runs.append(f"{self._value + by:.4f}+{by:.4f}x{steps - 1}")
        self._value += by * steps

    def gone(self, steps: int) -> None:
        """Not be there, as its process is not; then it begins at 0."""
        self._runs.append(f"stale _x{steps - 1}")
        self._value = 0.0

    @property
    def values(self) -> str:
        """The runs, as promtool reads them."""
        return " ".join(self._runs)


def series(catalogue: Catalogue, phases: list[Phase]) -> Iterator[tuple[str, str]]:
    """Names with labels, and values, of all that is scraped of the services."""
    played = [Phase(BEFORE), *phases]
    for service in catalogue.services:
        yield from _probed(service.name, catalogue.namespace, played)
        if service.prefix:
            yield from _scraped(service, catalogue.namespace, played)


def _gauge(phases: list[Phase], value: Callable[[Phase], str]) -> str:
    return " ".join(f"{value(phase)}x{STEPS * phase.minutes - 1}" for phase in phases)


def _probed(service: str, namespace: str, phases: list[Phase]) -> Iterator[tuple[str, str]]:
    deployment = f'{{job="kube-state-metrics", namespace="{namespace}", deployment="{service}"}}'
    labels = f'{{job="service-probes", service="{service}", instance="http://{service}"}}'

    def ready(phase: Phase) -> str:
        return "0" if service in phase.down | phase.withdrawn else "1"

    def status(phase: Phase) -> str:
        if service in phase.down | phase.unprobed | phase.withdrawn:
            return "0"
        return "503" if service in phase.unready else "200"

    yield f"kube_deployment_status_replicas_ready{deployment}", _gauge(phases, ready)
    yield f"probe_success{labels}", _gauge(phases, lambda phase: "1" if status(phase) == "200" else "0")
    yield f"probe_http_status_code{labels}", _gauge(phases, status)


def _scraped(service: Service, namespace: str, phases: list[Phase]) -> Iterator[tuple[str, str]]:
    name = service.name

    def gone(phase: Phase) -> frozenset[str]:
        return phase.down | phase.unread

    labels = (
        f'service="{name}", job="{name}", namespace="{namespace}", pod="{name}-1", container="{name}", instance="a"'
    )
    yield f"up{{{labels}}}", _gauge(phases, lambda phase: "0" if name in gone(phase) else "1")
    yield f"scrape_samples_scraped{{{labels}}}", _gauge(phases, lambda phase: "0" if name in gone(phase) else "200")
    requests, buckets = f"{service.prefix}_requests_total", f"{service.prefix}_request_latency_seconds_bucket"
    counters = {
        "good": Counter(f'{requests}{{{labels}, endpoint="/x", status_code="200"}}'),
        "failed": Counter(f'{requests}{{{labels}, endpoint="/x", status_code="500"}}'),
        "turned_away": Counter(f'{requests}{{{labels}, endpoint="/x", status_code="401"}}'),
        "in_time": Counter(f'{buckets}{{{labels}, endpoint="/x", le="0.25"}}'),
        "all": Counter(f'{buckets}{{{labels}, endpoint="/x", le="+Inf"}}'),
        "created": Counter(f'business_orders_total{{{labels}, event="created"}}'),
    }
    if service.name != "order-service":
        del counters["created"]
    for behind in service.requires if name == FRONT else ():
        of = f'error_type="request_failed", target_service="{behind.replace("-", "_")}"'
        counters[behind] = Counter(f"gateway_proxy_errors_total{{{labels}, {of}}}")
    for phase in phases:
        for key, counter in counters.items():
            if name in gone(phase):
                counter.gone(STEPS * phase.minutes)
            else:
                counter.grow(STEPS * phase.minutes, SCRAPE_SECONDS * _rate(key, service, phase))
    for counter in counters.values():
        yield counter.labels, counter.values


def _rate(key: str, service: Service, phase: Phase) -> float:
    if key in REQUESTS:
        return phase.unanswered(key)
    total, failed = REQUESTS[service.name], phase.failed(service)
    if service.name in phase.spared:
        total = failed = LET_THROUGH
    if service.name in phase.withdrawn or (FRONT in phase.down | phase.withdrawn and service.name != FRONT):
        total = failed = 0.0
    turned_away = phase.turned_away.get(service.name, 0.0)
    return {
        "good": total - failed,
        "failed": failed,
        "turned_away": turned_away,
        "in_time": turned_away + total - min(total, phase.waited(service)),
        "all": turned_away + total,
        "created": ORDERS * (total - failed),
    }[key]
