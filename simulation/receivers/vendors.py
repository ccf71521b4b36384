"""The vendors' HTTP endpoints: each message is answered as its vendor answers, and recorded, accepted or not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from simulation.receivers import pagerduty, slack
from simulation.receivers.credentials import Credentials, same
from simulation.receivers.heartbeat import Heartbeat
from simulation.receivers.notifications import Notification, Store
from simulation.receivers.refusals import Outages, RefusedError


@dataclass
class Vendors:
    """The endpoints and what they share."""

    credentials: Credentials
    store: Store
    heartbeat: Heartbeat
    outages: Outages

    def routes(self) -> list[Route]:
        """Return where each vendor listens; errors leave the endpoints as RefusedError."""
        return [
            Route("/slack/{token:path}", self.slack, methods=["POST"]),
            Route("/pagerduty/v2/enqueue", self.pagerduty, methods=["POST"]),
            Route("/heartbeat/{token:path}", self.beat, methods=["POST"]),
        ]

    async def slack(self, request: Request) -> Response:
        """Slack's incoming webhook."""
        token = request.path_params["token"]

        def read(body: bytes) -> Notification:
            if not same(token, self.credentials.slack_path):
                raise RefusedError(403, "invalid_token")
            return slack.read(body)

        self._receive("slack", await request.body(), read)
        return PlainTextResponse("ok")

    async def pagerduty(self, request: Request) -> Response:
        """PagerDuty's Events API v2."""
        key = self.credentials.pagerduty_routing_key
        event = self._receive("pagerduty", await request.body(), lambda body: pagerduty.read(body, key))
        return JSONResponse(pagerduty.answer(event), 202)

    async def beat(self, request: Request) -> Response:
        """The heartbeat: any body will do, as at such services; only failed ones are recorded one by one."""
        if not same(request.path_params["token"], self.credentials.heartbeat_path):
            raise self._refused(Notification(receiver="heartbeat"), RefusedError(404, "not found"))
        failure = self.outages.take("heartbeat")
        if failure is not None:
            raise self._refused(Notification(receiver="heartbeat"), RefusedError(failure, "rehearsed failure"))
        self.heartbeat.beat()
        return PlainTextResponse("OK")

    def _receive(self, receiver: str, body: bytes, read: Callable[[bytes], Notification]) -> Notification:
        """Read and record one message. Raises RefusedError once the refusal is recorded."""
        try:
            message = read(body)
        except RefusedError as refusal:
            raise self._refused(Notification(receiver=receiver, raw=_readable(body)), refusal) from None
        failure = self.outages.take(receiver)
        if failure is not None:
            raise self._refused(message, RefusedError(failure, "rehearsed failure"))
        self.store.add(message)
        return message

    def _refused(self, message: Notification, refusal: RefusedError) -> RefusedError:
        self.store.add(replace(message, refused=str(refusal)))
        return refusal


def refuse(_: Request, refusal: Exception) -> Response:
    """Answer a refused request: the application's handler of RefusedError."""
    assert isinstance(refusal, RefusedError)  # noqa: S101, the handler is registered for no other
    return Response(refusal.body, refusal.status, media_type=refusal.media_type)


def _readable(body: bytes) -> Any:
    """Return a refused body as JSON if it is, else as text; never with a routing key."""
    try:
        return pagerduty.without_key(json.loads(body))
    except ValueError:
        return body.decode(errors="replace")
