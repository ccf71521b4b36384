"""Run the receivers in one process.

    python -m simulation.receivers --credentials FILE --certificates DIR --store DIR

Slack, PagerDuty and the heartbeat answer on the HTTP port at /slack/<token>, /pagerduty/v2/enqueue and
/heartbeat/<token>, mail on the SMTP port (STARTTLS and AUTH required). What arrived is at / and /notifications, what
its links lead to at /pages, /d, /alertmanager, /prometheus and /loki.
"""

from __future__ import annotations

import asyncio
import shlex
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from ssl import SSLContext

import click
from starlette.applications import Starlette
from starlette.routing import Route

from local.serving import listen, serve
from simulation import number
from simulation.receivers import certificates, credentials, mail
from simulation.receivers.alertmanager import AlertmanagerPage
from simulation.receivers.control import Control
from simulation.receivers.heartbeat import HEARTBEAT_GRACE_SECONDS, HEARTBEAT_PERIOD_SECONDS, Heartbeat
from simulation.receivers.linked import Linked
from simulation.receivers.loki import LokiPage
from simulation.receivers.notifications import Store
from simulation.receivers.prometheus import PrometheusPage
from simulation.receivers.refusals import Outages, RefusedError
from simulation.receivers.vendors import Vendors, refuse


def application(
    known: credentials.Credentials,
    store: Store,
    heartbeat: Heartbeat,
    linked: Sequence[Route],
    smtp: socket.socket,
    tls: SSLContext,
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
            *linked,
        ],
        exception_handlers={RefusedError: refuse},
        lifespan=lifespan,
    )


@click.command(help=__doc__.partition("\n")[0])
@click.option("--http-port", type=int, default=9501, show_default=True, help="Port on 127.0.0.1.")
@click.option("--smtp-port", type=int, default=2525, show_default=True, help="Port on 127.0.0.1.")
@click.option(
    "--credentials",
    "credentials_file",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="JSON file that only you can read.",
)
@click.option(
    "--certificates",
    "certificate_directory",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Where ca.pem and the mail server's certificate are, or are made the first time.",
)
@click.option(
    "--store",
    "store_directory",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Where notifications.jsonl is kept.",
)
@click.option(
    "--heartbeat-period",
    type=number,
    default=HEARTBEAT_PERIOD_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How often a heartbeat must come.",
)
@click.option(
    "--heartbeat-grace",
    type=number,
    default=HEARTBEAT_GRACE_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How late one may be before it is missed.",
)
@click.option(
    "--report",
    default="",
    metavar="COMMAND",
    help="What draws a dashboard that a message links to: python -m report.",
)
@click.option("--alertmanager", default="", metavar="URL", help="Where a silence that a message links to is made.")
@click.option("--prometheus", default="", metavar="URL", help="Where a query that an alert links to is run.")
@click.option("--loki", default="", metavar="URL", help="Where a query of logs that a runbook links to is run.")
@click.option("--port-offset", type=int, default=0, help="What is added to the ports that pages name.")
def main(
    http_port: int,
    smtp_port: int,
    credentials_file: Path,
    certificate_directory: Path,
    store_directory: Path,
    heartbeat_period: float,
    heartbeat_grace: float,
    report: str,
    alertmanager: str,
    prometheus: str,
    loki: str,
    port_offset: int,
) -> None:
    """Run the receivers until a signal ends them."""
    try:
        known = credentials.load(credentials_file)
    except credentials.CredentialsError as error:
        raise SystemExit(f"--credentials {error}") from None
    http = listen(http_port, "--http-port")
    smtp = listen(smtp_port, "--smtp-port")
    store = Store(store_directory)
    heartbeat = Heartbeat(store, heartbeat_period, heartbeat_grace)
    tls = certificates.server_context(certificate_directory)
    linked = (
        Linked(shlex.split(report), port_offset),
        AlertmanagerPage(alertmanager),
        PrometheusPage(prometheus),
        LokiPage(loki),
    )
    routes = [route for part in linked for route in part.routes()]
    serve(application(known, store, heartbeat, routes, smtp, tls), http)


if __name__ == "__main__":
    main(prog_name="simulation.receivers")
