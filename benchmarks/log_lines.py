"""A week of log lines as the six services write them: both formats, access lines, a request's lines at every service.

The mix is that of the simulated application: 6 requests a second, each with five to eight lines of about 300 bytes.
"""

from __future__ import annotations

import heapq
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.loki import Line, Stream

REQUESTS_PER_SECOND = 6
SECOND = 10**9
NAMESPACE, CLUSTER = "order-processor", "dev"
USERS = 2000
FREQUENT = "Order retrieved"
"""Text that every fourth request or so leaves."""
RARE = "Conditional check failed"
"""Text of one request in RARE_ONE_IN."""
RARE_ONE_IN = 100_000
LONG_ONE_IN = 1000
LONGEST = 3600 * SECOND
"""Nanoseconds that one request in LONG_ONE_IN may last."""
PAUSE = 1_300_000
"""Nanoseconds between two lines of any other."""
FAILED_ONE_IN = 300


@dataclass(frozen=True)
class Template:
    """A kind of line: `text` with %(name)s for what differs, and what the agent makes of it beside the ids."""

    service: str
    text: str
    action: str
    severity: str = "INFO"
    identified: bool = True
    """Whether it carries the request's id and user; today's gateway writes lines without."""


def _json(**fields: object) -> str:
    return json.dumps(fields, separators=(",", ":"))


def _today(service: str, logger: str, level: str, action: str, message: str) -> Template:
    """A line of a Python service as it is today, malformed time included."""
    text = _json(
        timestamp="%(time)s.503416+00:00Z",
        level=level,
        service=logger,
        request_id="%(request)s",
        action=action,
        message=message,
        user="%(user)s",
        extra=None,
    )
    return Template(service, text, action, level)


def _new(service: str, level: str, operation: str, message: str, **context: str | float) -> Template:
    """A line in the specified format, of a service that uses the instrumentation package."""
    text = _json(
        timestamp="%(time)s.503Z",
        level=level,
        service=service,
        request_id="%(request)s",
        username="%(user)s",
        message=message,
        context={"operation": operation, **context},
        correlation_id="%(correlation)s",
        logger=service.removesuffix("-service"),
    )
    return Template(service, text, operation, level)


def _access(path: str) -> Template:
    """Today's access line of the gateway."""
    text = f'[GIN] %(time)s | 200 |  12.345678ms |      10.0.12.7 | GET     "{path}"'
    return Template("gateway", text, "http_request", identified=False)


def _kinds() -> list[Sequence[Template]]:
    """The kinds of requests, each with its lines in order."""
    validated = _new("auth-service", "INFO", "auth_success", "User authenticated via JWT: %(user)s")
    answered = _new(
        "auth-service", "INFO", "http_request", "POST /internal/auth/validate 200", status_code=200, duration_ms=3.311
    )
    order = [
        validated,
        answered,
        _today("order-service", "order", "INFO", "request_start", "Order lookup: order_id=%(thing)s"),
        _today("order-service", "database", "INFO", "db_operation", "Order loaded: orders/%(thing)s for %(user)s"),
        _today("order-service", "order", "INFO", "request_end", f"{FREQUENT}: order_id=%(thing)s"),
        _access("/api/v1/orders/%(thing)s"),
    ]
    deposit = [
        validated,
        answered,
        _today("user-service", "database", "INFO", "db_operation", "Transaction created: user=%(user)s, type=deposit"),
        _today("user-service", "user", "INFO", "deposit_success", "Deposit of %(amount)s USD by %(user)s"),
        _new("gateway", "INFO", "request_end", "POST /api/v1/balance/deposit -> 201", target_service="user_service"),
        _new("gateway", "INFO", "http_request", "POST /api/v1/balance/deposit 201", status_code=201, duration_ms=16.3),
    ]
    asset = [
        _new("inventory-service", "INFO", "request_start", "Asset details requested for: ETH"),
        _new("inventory-service", "INFO", "request_end", "Asset found: ETH"),
        _new("inventory-service", "INFO", "http_request", "GET /inventory/assets/ETH 200", duration_ms=14.568),
        _new("gateway", "INFO", "request_end", "GET /api/v1/inventory/assets/ETH -> 200", status_code=200),
        _new("gateway", "INFO", "http_request", "GET /api/v1/inventory/assets/ETH 200", duration_ms=9.496),
    ]
    insights = [
        validated,
        answered,
        _new("insights-service", "INFO", "request_start", "Portfolio insights requested"),
        _today("user-service", "user", "INFO", "request_end", "Balance retrieved for %(user)s: %(amount)s USD"),
        _today("order-service", "order", "INFO", "request_end", f"{FREQUENT}s for %(user)s: 12 orders"),
        _new("insights-service", "INFO", "request_end", "Portfolio insights generated", holdings=12),
        _new("insights-service", "INFO", "http_request", "GET /insights/portfolio 200", duration_ms=42.212),
        _access("/api/v1/insights/portfolio"),
    ]
    return [order, deposit, asset, insights]


KINDS = _kinds()
FAILED = [
    _today("order-service", "order", "ERROR", "error", "Order %(thing)s failed: the table did not answer in 3.0 s"),
    _new("gateway", "ERROR", "backend_5xx", "GET /api/v1/orders/%(thing)s -> 503", status_code=503),
]
"""What a request that fails leaves besides."""
REFUSED = _today("inventory-service", "database", "WARN", "db_operation", f"{RARE}: inventory/%(thing)s")


@dataclass
class Request:
    """One request: its ids, and the time of its first line."""

    at: int
    request: str
    user: str


@dataclass(frozen=True)
class LongRequest:
    """One request that lasts for minutes: its id, and the times of the lines that carry it, in nanoseconds."""

    request: str
    times: tuple[int, ...]


class Week:
    """Lines of any length of time, the same for the same seed; times only grow."""

    def __init__(self, seed: int = 7) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret depends on it
        self.requests = 0
        self.lines = 0
        self.bytes = 0
        """Of the texts alone."""
        self.samples: list[Request] = []
        """One request in a thousand, to search for."""
        self.long: list[LongRequest] = []
        """They are complete only if they end before what was asked for."""
        self._later: list[tuple[int, str, Line]] = []
        """A heap of the lines that long requests write after what was asked for."""

    def streams(self, start: int, end: int) -> Iterator[Stream]:
        """All lines from `start` to before `end`, in nanoseconds: one stream for each service."""
        lines: dict[str, list[Line]] = defaultdict(list)
        step = SECOND // REQUESTS_PER_SECOND
        for at in range(start, end - step, step):
            for service, line in self._request(at):
                if line[0] < end:
                    lines[service].append(line)
                else:
                    heapq.heappush(self._later, (line[0], service, line))
        while self._later and self._later[0][0] < end:
            _, service, line = heapq.heappop(self._later)
            lines[service].append(line)
        for service, found in lines.items():
            labels = {"service_name": service, "k8s_namespace_name": NAMESPACE, "k8s_cluster_name": CLUSTER}
            yield Stream(labels, sorted(found, key=lambda line: line[0]))

    def _request(self, at: int) -> Iterator[tuple[str, Line]]:
        draw = self._random
        self.requests += 1
        templates = list(draw.choice(KINDS))
        if self.requests % FAILED_ONE_IN == 0:
            templates += FAILED
        if self.requests % RARE_ONE_IN == 0:
            templates.append(REFUSED)
        values = {
            "request": f"{draw.getrandbits(128):032x}",
            "correlation": f"{draw.getrandbits(128):032x}",
            "user": f"user_{draw.randrange(USERS):08x}",
            "thing": f"order_{draw.getrandbits(32):08x}_{at // SECOND}",
            "amount": f"{draw.random() * 2000:.2f}",
            "time": datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        }
        if self.requests % 1000 == 1:
            self.samples.append(Request(at, values["request"], values["user"]))
        long = self.requests % LONG_ONE_IN == LONG_ONE_IN // 2
        pause = draw.randrange(LONGEST // len(templates)) if long else PAUSE
        times = [at + number * pause + draw.randrange(1000) for number in range(len(templates))]
        if long:
            identified = (moment for moment, template in zip(times, templates, strict=True) if template.identified)
            self.long.append(LongRequest(values["request"], tuple(identified)))
        for moment, template in zip(times, templates, strict=True):
            text = template.text % values
            self.lines += 1
            self.bytes += len(text)
            yield template.service, (moment, text, _metadata(template, values))


def _metadata(template: Template, values: Mapping[str, str]) -> Mapping[str, str]:
    """What the agent puts beside the line."""
    found = {
        "k8s_pod_name": f"{template.service}-7c9d8b6f5-x2x{len(template.service)}",
        "k8s_container_name": template.service,
        "severity": template.severity,
        "action": template.action,
    }
    if template.identified:
        found |= {"request_id": values["request"], "user": values["user"]}
    if "%(correlation)s" in template.text:
        found["correlation_id"] = values["correlation"]
    return found
