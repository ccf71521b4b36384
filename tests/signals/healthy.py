"""Fourteen days of a system in which nothing is wrong, as series for promtool.

Healthy is not quiet: traffic follows the day and is down to a request a minute at night, clients err, in bursts too,
single requests fail, pods restart and are rolled out twice a working day, Prometheus misses a scrape, and all of it
begins cold. The stand-in is the shape of these series; the rules are those of the production stack.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from catalogue import Catalogue, Service
from components.expected import expected_jobs
from settings import Settings

DAY = 24 * 60
"""Minutes; a sample of each series is a minute after the one before."""
BLOCK = 10
"""Minutes in which a rate stays as it is."""
ROLLED_OUT_AT = (11 * 60, 16 * 60)
"""Minutes of a working day at which every service is rolled out, one pod after the other."""
PODS = 2

# Per second and service, and as shares of the requests. Promised are less than 0.1 % failed, 5 % slow, 1 % of orders
# rejected, 2 % of logins refused.
BUSY, QUIET = 20.0, 1 / 60
FAILED, CLIENT_ERRORS, SLOW = 0.0004, 0.04, 0.015
ORDERS, REJECTED, LOGINS, REFUSED = 0.2, 0.004, 0.1, 0.008


@dataclass(eq=False)
class Series:
    """A counter or gauge of a pod, minute by minute, in promtool's notation: runs of equal steps."""

    name: str
    runs: list[str] = field(default_factory=list)
    value: float = 0.0
    """What the next sample is."""

    def grow(self, minutes: int, by: float) -> None:
        """Grow by so much in each of so many minutes."""
        by = round(by, 4)  # as it is written: a run that ended higher than the next one begins would be a restart
        self.runs.append(f"{self.value:.4f}+{by:.4f}x{minutes - 1}" if minutes > 1 else f"{self.value:.4f}")
        self.value = round(self.value + by * minutes, 4)

    def missing(self, minutes: int) -> None:
        """Have no sample."""
        if minutes > 0:
            self.runs.append(f"_x{minutes}")


def series(catalogue: Catalogue, days: int, seed: int) -> Iterator[tuple[str, str]]:
    """Names with labels, and values, of everything that is scraped of the services."""
    rng = random.Random(seed)  # noqa: S311 - noise, no secret
    for service in catalogue.services:
        yield probed(service.name, days)
        if service.prefix:
            yield from _of_service(service, catalogue.namespace, days, rng)


def infrastructure(settings: Settings, samples: int) -> dict[str, str]:
    """What is scraped of all but the services, for so many samples: all of it is up."""
    found = {f'up{{job="{job}", instance="a"}}': f"1x{samples}" for job in expected_jobs(settings)}
    return found | {'aws_eks_apiserver_request_total_sum{job="cloudwatch-exporter"}': f"5x{samples}"}


def probed(service: str, days: int) -> tuple[str, str]:
    """A probe that succeeds."""
    return f'probe_success{{job="service-probes", service="{service}"}}', f"1x{days * DAY}"


def _of_service(service: Service, namespace: str, days: int, rng: random.Random) -> Iterator[tuple[str, str]]:
    for number in range(PODS):
        for life, (begins, ends) in enumerate(_lives(number, days, rng)):
            labels = (
                f'service="{service.name}", job="{service.name}", namespace="{namespace}", '
                f'pod="{service.name}-{life}-{number}", container="{service.name}", instance="10.0.{life}.{number}:80"'
            )
            for each in _Pod(service, labels, begins).live(begins, ends, rng):
                yield each.name, " ".join(each.runs)


def _lives(number: int, days: int, rng: random.Random) -> Iterator[tuple[int, int]]:
    """From and until which minute each pod of one place is there: from one roll-out to the next."""
    begins = 0
    for day in range(days):
        for minute in ROLLED_OUT_AT if day % 7 < 5 else ():
            ends = day * DAY + minute + number + rng.randrange(2)
            yield begins, ends
            begins = ends + 1
    yield begins, days * DAY


class _Pod:
    """What one pod exposes."""

    def __init__(self, service: Service, labels: str, begins: int) -> None:
        self.gauges = {Series(f"up{{{labels}}}"): 1, Series(f"scrape_samples_scraped{{{labels}}}"): 200}
        self.counters = {key: Series(name) for key, name in _counters(service, labels).items()}
        self.series = [*self.gauges, *self.counters.values()]
        for one in self.series:
            one.missing(begins)

    def restart(self) -> None:
        """For a minute nothing can be scraped, and every counter begins anew."""
        for gauge in self.gauges:
            gauge.runs.append("0")
        for one in self.counters.values():
            one.runs.append("stale")
            one.value = 0.0

    def serve(self, minutes: int, rates: dict[str, float]) -> None:
        """Answer at these rates of the whole service."""
        for gauge, value in self.gauges.items():
            gauge.runs.append(f"{value}x{minutes - 1}")
        for key, one in self.counters.items():
            one.grow(minutes, 60 * rates[key] / PODS)

    def live(self, begins: int, ends: int, rng: random.Random) -> list[Series]:
        """From one roll-out to the next: about every second day it restarts, every day a scrape is missed."""
        minute = begins
        while minute < ends:
            happens = rng.random() * DAY / BLOCK
            if happens < 1 and ends - minute > 1:
                if happens < 0.5:
                    self.restart()
                else:
                    for one in self.series:
                        one.missing(1)
                minute += 1
            length = min(BLOCK, ends - minute)
            self.serve(length, _rates(minute, rng))
            minute += length
        for one in self.series:
            one.runs.append("stale")
        return self.series


def _counters(service: Service, labels: str) -> dict[str, str]:
    prefix, requests = service.prefix, f"{service.prefix}_requests_total"
    bucket = f'{prefix}_request_latency_seconds_bucket{{{labels}, endpoint="/x"'
    found = {
        "good": f'{requests}{{{labels}, endpoint="/x", status_code="200"}}',
        "client_errors": f'{requests}{{{labels}, endpoint="/x", status_code="404"}}',
        "failed": f'{requests}{{{labels}, endpoint="/x", status_code="500"}}',
        "in_time": f'{bucket}, le="0.25"}}',
        "all": f'{bucket}, le="+Inf"}}',
        "lines": "log_records_total{" + _of_the_agent(labels) + "}",
    }
    if service.name == "order-service":
        found["created"] = f'business_orders_total{{{labels}, event="created"}}'
        found["rejected"] = f'business_orders_total{{{labels}, event="rejected"}}'
    if service.name == "auth-service":
        found["succeeded"] = f'business_logins_total{{{labels}, result="succeeded"}}'
        found["refused"] = f'business_logins_total{{{labels}, result="failed"}}'
    return found


def _of_the_agent(labels: str) -> str:
    """The labels by which the log agent's series name a pod."""
    names = {"service": "service_name", "namespace": "k8s_namespace_name", "pod": "k8s_pod_name"}
    pairs = dict(pair.split("=", 1) for pair in labels.split(", "))
    return ", ".join(f"{name}={pairs[known]}" for known, name in names.items())


def _rates(minute: int, rng: random.Random) -> dict[str, float]:
    """Per second, of all pods of a service together."""
    hour = minute % DAY / 60
    daylight = max(0.0, math.sin(math.pi * (hour - 7) / 14)) if 7 < hour < 21 else 0.0
    working = 1.0 if minute // DAY % 7 < 5 else 0.2
    requests = (QUIET + BUSY * daylight * working) * rng.uniform(0.6, 1.4)
    if rng.random() < 0.02:
        requests *= 5  # a burst
    client_errors = requests * (0.5 if rng.random() < 0.02 else CLIENT_ERRORS)  # a scanner, a bad form
    failed = requests * FAILED * rng.choice((0.0, 0.5, 1.0, 2.0))
    return {
        "good": requests - client_errors - failed,
        "client_errors": client_errors,
        "failed": failed,
        "in_time": requests * (1 - SLOW * rng.choice((0.2, 1.0, 2.0))),
        "all": requests,
        "lines": 2 * requests,
        "created": requests * ORDERS,
        "rejected": requests * ORDERS * REJECTED * rng.choice((0.0, 1.0, 2.0)),
        "succeeded": requests * LOGINS,
        "refused": requests * LOGINS * REFUSED * rng.choice((0.0, 1.0, 2.0)),
    }
