"""The load generator: `python -m simulation.application.load --gateway http://127.0.0.1:8080 --rate 6`.

Sends the scenario's steps through the gateway at random moments, `--rate` of them per second on average, and serves
exact counts of what it sent and got as JSON on `http://127.0.0.1:PORT/counts`. `POST /rate/25` changes the rate, and
`POST /rate/0` pauses. Beside them, `POST /failed-logins/5` has somebody try so many wrong passwords a second,
`/browsing/5` look and not order, `/visits/1` look without an account, `/statements/5` ask for what no customer does,
`/random-paths/5` for what is not there, each time something new, and `/wrong-tokens/5` use a token that is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sys
import time
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any

import click
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from local.serving import listen, serving
from simulation import number
from simulation.application.client import AsyncClient, HTTPError, Response, loopback_client
from simulation.application.counts import Counts, Exchange
from simulation.application.scenario import Reply, Scenario, Step
from simulation.dialect import DEFAULT, DIALECTS

API = "/api/v1"
CLIENT_TIMEOUT_SECONDS = 40.0  # longer than the gateway waits for a backend, so that every answer is seen
MAX_OPEN = 100  # steps under way at once; beyond it steps are skipped and counted as such
STEPS_A_SECOND = 6.0
LAST_ANSWERS_SECONDS = 1.0  # at the end, requests still open get this long
BESIDE = {
    "failed-logins": "guess",
    "browsing": "browse",
    "visits": "visit",
    "statements": "statement",
    "random-paths": "wander",
    "wrong-tokens": "bad_token",
}
"""What can be paced beside the customers, and the scenario's step that each is."""


class Customer:
    """Sends requests through the gateway and keeps the counts."""

    def __init__(self, client: AsyncClient, counts: Counts, rng: random.Random, without: Collection[str] = ()) -> None:
        self.client, self.counts, self.rng, self.without = client, counts, rng, without

    async def call(
        self, method: str, path: str, service: str, *, token: str | None = None, json: object = None
    ) -> Reply | None:
        """Send one request; return None when no answer came, and where the application has no such service.

        Paths of no service are not below the API.
        """
        if service in self.without:
            return None
        if service != "gateway":
            path = API + path
        headers = {"x-forwarded-for": f"198.51.100.{self.rng.randrange(1, 255)}", "user-agent": "rehearsal-load/1"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        self.counts.sent += 1
        since = time.perf_counter()
        try:
            answer = await self.client.request(method, path, headers=headers, json=json)
        except (HTTPError, asyncio.CancelledError) as error:
            self.counts.unanswered += 1
            if isinstance(error, asyncio.CancelledError):
                raise
            sys.stderr.write(f"no answer to {method} {path}: {error!r}\n")
            return None
        taken = time.perf_counter() - since
        body = _object(answer)
        message = str(body.get("message", ""))
        self.counts.note(Exchange(service, path, answer.status_code, token is not None, message, taken))
        return Reply(answer.status_code, body.get("data") or {})


def _object(answer: Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


class Pace:
    """When the next step is due: steps are a Poisson process of `rate` per second, or none while that is 0."""

    def __init__(self, rate: float) -> None:
        self._moving = asyncio.Event()
        self.set(rate)

    def set(self, rate: float) -> None:
        """Change the rate, which is a number from 0, from the next step on."""
        self.rate = rate
        if rate:
            self._moving.set()
        else:
            self._moving.clear()

    async def next(self, rng: random.Random) -> None:
        """Wait until the next step is due."""
        while True:
            await self._moving.wait()
            await asyncio.sleep(rng.expovariate(self.rate))
            if self.rate:  # else it was paused meanwhile
                return


async def _taken(step: Step) -> None:
    await step()


async def generate(step: Step, counts: Counts, pace: Pace, rng: random.Random) -> None:
    """Take this step, again and again, at the pace until cancelled, then await the last answers."""
    under_way: set[asyncio.Task[None]] = set()
    try:
        while True:
            await pace.next(rng)
            if len(under_way) >= MAX_OPEN:
                counts.skipped += 1
                continue
            task = asyncio.create_task(_taken(step))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
    finally:
        if under_way:
            await asyncio.wait(under_way, timeout=LAST_ANSWERS_SECONDS)


def application(counts: Counts, paces: Mapping[str, Pace]) -> Starlette:
    """Return what serves the counts and changes the paces."""

    async def show(_: Request) -> JSONResponse:
        return JSONResponse(counts.as_json())

    async def change(request: Request) -> JSONResponse:
        pace = paces.get(request.path_params["name"])
        if pace is None:
            raise HTTPException(404)
        try:
            pace.set(number(request.path_params["rate"]))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"rate": pace.rate})

    def absent(_: Request, _error: Exception) -> JSONResponse:
        listed = " and ".join(f"POST /{name}/<number per second>" for name in paces)
        return JSONResponse({"error": f"only GET /counts and {listed} are served"}, 404)

    return Starlette(
        routes=[Route("/counts", show), Route("/{name}/{rate}", change, methods=["POST"])],
        exception_handlers={404: absent, 405: absent},
    )


async def _all(generators: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run these until cancelled, and end with the last of them; `gather` would with the first."""
    async with asyncio.TaskGroup() as group:
        for generator in generators:
            group.create_task(generator)


async def run(
    gateway: str, dialect: str, rate: float, port: int, seed: int | None, without: Collection[str] = ()
) -> Counts:
    """Generate load and serve the counts until SIGTERM or SIGINT; return the final counts."""
    counts, rng = Counts(dialect), random.Random(seed)  # noqa: S311 - who does what, no secrets
    paces = {"rate": Pace(rate)} | {name: Pace(0) for name in BESIDE}
    served = application(counts, paces)
    async with serving(served, listen(port, "--port")), loopback_client(CLIENT_TIMEOUT_SECONDS, gateway) as client:
        scenario = Scenario(Customer(client, counts, rng, without).call, counts, rng)
        steps = {"rate": scenario.step} | {name: getattr(scenario, step) for name, step in BESIDE.items()}
        task = asyncio.create_task(_all(generate(step, counts, paces[name], rng) for name, step in steps.items()))
        for signum in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(signum, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task
    return counts


@click.command(help=__doc__)
@click.option("--gateway", default="http://127.0.0.1:8080", show_default=True, help="Base URL.")
@click.option(
    "--dialect",
    type=click.Choice(DIALECTS),
    default=DEFAULT,
    help="Of the services, which decides what they count.",
)
@click.option(
    "--rate", type=number, default=STEPS_A_SECOND, show_default=True, metavar="NUMBER", help="Steps per second."
)
@click.option("--port", default=8090, show_default=True, help="Port of /counts and /rate on 127.0.0.1.")
@click.option("--without", multiple=True, metavar="SERVICE", help="A service that is not there; once for each.")
@click.option("--seed", type=int, help="Makes the sequence of steps repeatable.")
def main(gateway: str, dialect: str, rate: float, port: int, without: Sequence[str], seed: int | None) -> None:
    """Generate load until told to stop, then say how much it was."""
    counts = asyncio.run(run(gateway, dialect, rate, port, seed, without))
    sys.stdout.write(f"sent {counts.sent}, answered {counts.answered}, unanswered {counts.unanswered}\n")


if __name__ == "__main__":
    main(prog_name="python -m simulation.application.load")
