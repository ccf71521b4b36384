"""Run the receivers in one process.

    python -m simulation.receivers --credentials FILE --certificates DIR --store DIR

Slack, PagerDuty and the heartbeat answer on the HTTP port at /slack/<token>, /pagerduty/v2/enqueue and
/heartbeat/<token>, mail on the SMTP port (STARTTLS and AUTH required). What arrived is at / and /notifications.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from ssl import SSLContext

from starlette.applications import Starlette

from local.serving import listen, serve
from simulation.receivers import certificates, credentials, mail
from simulation.receivers.control import Control
from simulation.receivers.heartbeat import HEARTBEAT_GRACE_SECONDS, HEARTBEAT_PERIOD_SECONDS, Heartbeat
from simulation.receivers.notifications import Store
from simulation.receivers.refusals import Outages, RefusedError
from simulation.receivers.vendors import Vendors, refuse


def application(
    known: credentials.Credentials, store: Store, heartbeat: Heartbeat, smtp: socket.socket, tls: SSLContext
) -> Starlette:
    """Return the HTTP application; the mail server and the heartbeat's watch live and end with it."""
    outages = Outages()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        mail_server = await loop.create_server(lambda: mail.server(known, store, outages, tls), sock=smtp)
        watch = asyncio.create_task(heartbeat.watch())
        yield
        watch.cancel()
        mail_server.close()

    return Starlette(
        routes=[
            *Control(store, heartbeat, outages).routes(),
            *Vendors(known, store, heartbeat, outages).routes(),
        ],
        exception_handlers={RefusedError: refuse},
        lifespan=lifespan,
    )


def main() -> None:
    """Run the receivers until a signal ends them."""
    arguments = _parser().parse_args()
    try:
        known = credentials.load(arguments.credentials)
    except credentials.CredentialsError as error:
        raise SystemExit(f"--credentials {error}") from None
    http = listen(arguments.http_port, "--http-port")
    smtp = listen(arguments.smtp_port, "--smtp-port")
    store = Store(arguments.store)
    heartbeat = Heartbeat(store, arguments.heartbeat_period, arguments.heartbeat_grace)
    tls = certificates.server_context(arguments.certificates)
    serve(application(known, store, heartbeat, smtp, tls), http)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="simulation.receivers", description=__doc__.partition("\n")[0])
    parser.add_argument("--http-port", type=int, default=9501, help="port on 127.0.0.1 (default %(default)s)")
    parser.add_argument("--smtp-port", type=int, default=2525, help="port on 127.0.0.1 (default %(default)s)")
    parser.add_argument(
        "--credentials", type=Path, required=True, metavar="FILE", help="JSON file that only you can read"
    )
    parser.add_argument(
        "--certificates",
        type=Path,
        required=True,
        metavar="DIR",
        help="where ca.pem and the mail server's certificate are, or are made the first time",
    )
    parser.add_argument("--store", type=Path, required=True, metavar="DIR", help="where notifications.jsonl is kept")
    parser.add_argument(
        "--heartbeat-period",
        type=_seconds,
        default=HEARTBEAT_PERIOD_SECONDS,
        metavar="SECONDS",
        help="how often a heartbeat must come (default %(default)g)",
    )
    parser.add_argument(
        "--heartbeat-grace",
        type=_seconds,
        default=HEARTBEAT_GRACE_SECONDS,
        metavar="SECONDS",
        help="how late one may be before it is missed (default %(default)g)",
    )
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not (math.isfinite(seconds) and seconds >= 0):
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of seconds')
    return seconds


if __name__ == "__main__":
    main()
