"""Tests a running service against CONTRACT.md; the language it is written in is no matter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from order_processor_observability.contract.finding import Finding, json_object
from order_processor_observability.contract.logs import logs as log_lines
from order_processor_observability.contract.metrics import metrics
from order_processor_observability.contract.service import Service, UnreachableError

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

__all__ = ["Finding", "UnreachableError", "check"]


def check(url: str, *, metrics_path: str, prefix: str | None, logs: Path | None) -> list[Finding]:
    """All findings about a service. Raises UnreachableError if it does not answer, OSError if there is no log file."""
    service = Service(url)
    sent = uuid4().hex
    findings = [*_health(service), *_ids(service, sent), *metrics(service, metrics_path, prefix)]
    return findings if logs is None else [*findings, *log_lines(logs, sent)]


def _health(service: Service) -> Iterator[Finding]:
    for path, allowed in {"/health": (200,), "/health/live": (200,), "/health/ready": (200, 503)}.items():
        answer = service.get(path)
        what = f"{path} answers {' or '.join(map(str, allowed))} with a JSON object"
        if answer.status not in allowed:
            yield Finding("health", what, f"it answers {answer.status}; serve this path without authentication")
        else:
            yield Finding(
                "health", what, None if json_object(answer.body) is not None else "the body is no JSON object"
            )


def _ids(service: Service, sent: str) -> Iterator[Finding]:
    """An unknown path will do: ids are due on every answer. The request id is also sent as the id of a trace."""
    path, trace = f"/{uuid4().hex}", f"00-{sent}-{sent[:16]}-01"
    given = service.get(path, X_Request_ID=sent, X_Correlation_ID=f"c.{sent}", traceparent=trace).headers
    hostile = service.get(path, X_Request_ID='a b"{}', X_Correlation_ID="x" * 129).headers
    none, again = service.get(path).headers, service.get(path).headers
    for name, expected in (("x-request-id", sent), ("x-correlation-id", f"c.{sent}")):
        got = given.get(name)
        yield Finding("ids", f"{name} is taken over", None if got == expected else f"sent {expected}, got back {got}")
        got = hostile.get(name, "")
        malformed = None if _ID.fullmatch(got) else f"got back {got!r}; generate one instead of copying it"
        yield Finding("ids", f"a malformed {name} is replaced", malformed)
        made = (none.get(name, ""), again.get(name, ""))
        fresh = all(_ID.fullmatch(each) for each in made) and made[0] != made[1]
        wrong = None if fresh else f"two requests without got back {made[0]!r} and {made[1]!r}"
        yield Finding("ids", f"a missing {name} is generated", wrong)
