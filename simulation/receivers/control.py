"""What people and tests ask the receivers, and the failures that drills order."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from simulation.receivers import page, pagerduty
from simulation.receivers.heartbeat import Heartbeat
from simulation.receivers.notifications import RECEIVERS, Notification, Store, rfc3339
from simulation.receivers.refusals import Outages, RefusedError

Filter = Callable[[Notification], bool]


@dataclass
class Control:
    """The endpoints and what they share."""

    store: Store
    heartbeat: Heartbeat
    outages: Outages

    def routes(self) -> list[Route]:
        """Return the questions and orders; wrong ones leave as RefusedError."""
        return [
            Route("/", self.page),
            Route("/-/healthy", self.healthy),
            Route("/notifications", self.notifications, methods=["GET"]),
            Route("/notifications", self.clear, methods=["DELETE"]),
            Route("/incidents", self.incidents),
            Route("/heartbeat", self.state),
            Route("/fail", self.fail, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        """A page for people, or 304 where the browser has it already: it asks every few seconds."""
        tag = f'"{self.store.version}-{self.heartbeat.count}-{self.heartbeat.missed}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304)
        records = self.store.all()
        body = page.render(records, pagerduty.incidents(records), self.heartbeat)
        return HTMLResponse(body, headers={"ETag": tag})

    async def healthy(self, _: Request) -> Response:
        """Whether the process serves."""
        return PlainTextResponse("Healthy\n")

    async def notifications(self, request: Request) -> Response:
        """Accepted notifications, oldest first; `refused=true` asks for the refused ones instead."""
        filters = _filters(dict(request.query_params))
        return JSONResponse([asdict(record) for record in self.store.all() if all(keep(record) for keep in filters)])

    async def clear(self, _: Request) -> Response:
        """Forget every notification."""
        self.store.clear()
        return Response(status_code=204)

    async def incidents(self, _: Request) -> Response:
        """The incidents that PagerDuty would have, oldest first."""
        return JSONResponse([asdict(incident) for incident in pagerduty.incidents(self.store.all())])

    async def state(self, _: Request) -> Response:
        """The heartbeat's state."""
        beat = self.heartbeat
        return JSONResponse(
            {
                "last": rfc3339(beat.last) if beat.last else None,
                "last_epoch": beat.last.timestamp() if beat.last else None,
                "count": beat.count,
                "missed": beat.missed,
                "period_seconds": beat.period,
                "grace_seconds": beat.grace,
            }
        )

    async def fail(self, request: Request) -> Response:
        """Let a receiver's next messages fail."""
        order = _order(await request.body())
        self.outages.order(*order)
        return JSONResponse(dict(zip(("receiver", "status", "count"), order, strict=True)))


def _filters(query: dict[str, str]) -> list[Filter]:
    """Return what keeps a notification. Raises RefusedError for an unknown filter or a value that is none."""
    refused = query.pop("refused", "false")
    if refused not in ("true", "false"):
        raise _wrong("refused", "true or false", refused)
    filters: list[Filter] = [lambda record: (record.refused is not None) == (refused == "true")]
    for key, value in query.items():
        filters.append(_filter(key, value))
    return filters


def _filter(key: str, value: str) -> Filter:
    match key:
        case "receiver" if value in RECEIVERS:
            return lambda record: record.receiver == value
        case "receiver":
            raise _wrong(key, f"one of {', '.join(RECEIVERS)}", value)
        case "alertname":
            return lambda record: value in record.alertnames
        case "service":
            return lambda record: value in record.services
        case "since":
            since = _moment(value)
            return lambda record: datetime.fromisoformat(record.received) >= since
        case _:
            known = "receiver, alertname, service, since, refused"
            raise RefusedError(400, {"error": f"unknown filter {key}; known are {known}"})


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _wrong("since", "an RFC 3339 time", text) from None
    if moment.tzinfo is None:
        raise _wrong("since", "an RFC 3339 time with its zone (Z or an offset, + written as %2B)", text)
    return moment


def _order(body: bytes) -> tuple[str, int, int]:
    try:
        order = json.loads(body)
        receiver, status, count = (order[key] for key in ("receiver", "status", "count"))
    except (ValueError, TypeError, KeyError):
        raise RefusedError(400, {"error": "the body must be a JSON object with receiver, status, count"}) from None
    if receiver not in RECEIVERS:
        raise _wrong("receiver", f"one of {', '.join(RECEIVERS)}", receiver)
    if type(status) is not int or not 400 <= status <= 599:
        raise _wrong("status", "an error status from 400 to 599", status)
    if type(count) is not int or count < 0:
        raise _wrong("count", "0 or more messages", count)
    return receiver, status, count


def _wrong(key: str, allowed: str, value: object) -> RefusedError:
    return RefusedError(400, {"error": f"{key} must be {allowed}, not {value!r}"})
