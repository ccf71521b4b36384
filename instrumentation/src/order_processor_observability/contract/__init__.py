"""Tests a running service against CONTRACT.md; the language it is written in is no matter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from order_processor_observability.contract.finding import Finding, json_object
from order_processor_observability.contract.logs import logs as log_lines
from order_processor_observability.contract.metrics import endpoints, metrics, series
from order_processor_observability.contract.service import Service, UnreachableError
from order_processor_observability.routes import UNMATCHED

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

__all__ = ["Finding", "UnreachableError", "check"]


def check(
    url: str, *, metrics_path: str, prefix: str | None, logs: Path | None, leave_traces: bool = False
) -> tuple[list[Finding], list[str]]:
    """All findings about a service, and what series it has now that it had not before.

    A service that counts paths as they are sent would keep each unknown one in its series until it restarts. So these
    are only asked for where there is an endpoint that they belong to, or if `leave_traces` allows it.

    Raises UnreachableError if it does not answer, OSError if there is no log file.
    """
    service = Service(url)
    sent = uuid4().hex
    before = service.get(metrics_path)
    known = endpoints(before)
    free = leave_traces or UNMATCHED in known
    findings = [
        *_health(service, known, free),
        *_ids(service, sent, f"/{uuid4().hex}" if free else "/health"),
        *metrics(service, metrics_path, prefix, unknown_paths=free, before=before),
    ]
    left = sorted(series(service.get(metrics_path)) - series(before))
    return findings if logs is None else [*findings, *log_lines(logs, sent)], left


def _health(service: Service, known: set[str], free: bool) -> Iterator[Finding]:
    for path, allowed in {"/health": (200,), "/health/live": (200,), "/health/ready": (200, 503)}.items():
        what = f"{path} answers {' or '.join(map(str, allowed))} with a JSON object"
        if not (free or path == "/health" or path in known):
            yield Finding("health", what, "not asked, as it has not been counted yet; --leave-traces asks")
            continue
        answer = service.get(path)
        if answer.status not in allowed:
            yield Finding("health", what, f"it answers {answer.status}; serve this path without authentication")
        else:
            yield Finding(
                "health", what, None if json_object(answer.body) is not None else "the body is no JSON object"
            )


def _ids(service: Service, sent: str, path: str) -> Iterator[Finding]:
    """Any path will do: ids are due on every answer. The request id is also sent as the id of a trace."""
    trace = f"00-{sent}-{sent[:16]}-01"
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
