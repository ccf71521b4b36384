"""The command line of the rehearsal; `make up`, `status`, `down`, `fault` and `heal` call it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import httpx
from rich.console import Console
from rich.table import Table

from invalid import InvalidInputError
from local import interruption, ports, state
from local.errors import RehearsalError, said
from local.ports import Ports
from rehearsal import grafana, health, jaeger, speed
from rehearsal.expected import Expected, words
from rehearsal.lifecycle import Rehearsal, Report
from simulation import dialect
from targets import Target

CONSOLE = Console(highlight=False, soft_wrap=True)
FAULTS = ("down", "errors", "latency")


def reported(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn what goes wrong into one message and an exit code: 1 for an error, 130 for Ctrl-C."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        interruption.listen()  # a terminated command cleans up like an interrupted one
        try:
            command(*arguments, **options)
        except (RehearsalError, InvalidInputError, OSError) as error:
            raise click.ClickException(said(error)) from None
        except httpx.HTTPError as error:
            raise click.ClickException(
                f"a process of the rehearsal did not answer: {error}; see: make status"
            ) from None
        except KeyboardInterrupt:
            CONSOLE.print("interrupted")
            sys.exit(130)

    return run


def rehearsal(*, with_grafana: bool | None = None, with_traces: bool | None = None) -> Rehearsal:
    """The rehearsal that `STATE`, `PORT_OFFSET`, `DIALECT` and `SPEED` name."""
    return Rehearsal(
        state.from_environment(),
        ports.from_environment(),
        dialect.from_environment(),
        pace=speed.from_environment(),
        with_grafana=with_grafana,
        with_traces=with_traces,
    )


@click.group()
def main() -> None:
    """The dev stack on this machine: real engine, Prometheus, Alertmanager, Loki and log agent; simulated services.

    Environment: PORT_OFFSET moves every port when it starts, STATE names the directory that holds everything,
    DIALECT chooses whether the services use the instrumentation package or are as today, SPEED=10 runs the deployed
    configuration ten times as fast, GRAFANA=1 starts a Grafana where there is one or Docker, TRACES=1 keeps traces,
    VERBOSE=1 shows each resource of the first deployment, and the whole difference of a later one.
    """


@main.command(cls=Target, example="make up VERBOSE=1")
@click.option("--verbose", is_flag=True, envvar="VERBOSE", help="Show each resource, and the whole difference.")
@reported
def up(verbose: bool) -> None:
    """Deploy the dev stack and start everything; again after an edit to apply just that edit."""
    from rehearsal.deployment import Deployment  # it imports the program and Pulumi, which takes seconds

    def say(text: str) -> None:
        CONSOLE.print(text, markup=False)

    of = rehearsal(with_grafana=grafana.from_environment(), with_traces=jaeger.from_environment())
    Deployment(of, say, verbose=verbose).up()
    _print_addresses(of)
    _print_next(of)


@main.command()
@reported
def status() -> None:
    """Show every process, every firing alert and the addresses.

    Exit code 1 if something does not work that no `make fault` stopped.
    """
    of = rehearsal()
    reports = of.status()
    if not reports:
        raise RehearsalError("the rehearsal is not running; start it with: make up")
    _print_processes(reports)
    _print_alerts(of.ports)
    _print_addresses(of)
    if stopped := [report.process.name for report in reports if report.process.stopped]:
        CONSOLE.print(f"stopped by make fault: {', '.join(stopped)}; make heal starts it again", markup=False)
    if wrong := [report.process.name for report in reports if not report.healthy and not report.process.stopped]:
        raise RehearsalError(f"not healthy: {', '.join(wrong)}; make up starts what ended, make heal undoes a fault")


@main.command()
@reported
def down() -> None:
    """Stop everything. What was stored stays, and is there again after the next `up`."""
    CONSOLE.print("stopped" if rehearsal().down() else "nothing was running")


@main.command()
@reported
def clean() -> None:
    """Stop everything, and remove what was stored."""
    rehearsal().clean()


@main.command(cls=Target, example="make fault KIND=down SERVICE=order-service")
@click.argument("kind", type=click.Choice(FAULTS))
@click.argument("service")
@reported
def fault(kind: str, service: str) -> None:
    """Break one simulated service."""
    of = rehearsal()
    others = [what for what in of.broken() if not what.startswith(f"{service}:")]
    of.fault(kind, service)
    alert, seconds = Expected(of.state, of.speed).page(kind, service)
    CONSOLE.print(
        f"{service}: {kind}. Expect one page, {alert}, within about {words(seconds)}.\n"
        f"  see it      {of.ports.url('receivers')} (what the receivers got), make status (what fires)\n"
        "  repair it   make heal",
        markup=False,
    )
    if others:
        CONSOLE.print(
            f"  Also broken: {', '.join(others)}. One page of what they have in common may come in place of theirs.",
            markup=False,
        )


@main.command()
@reported
def heal() -> None:
    """Undo every fault."""
    of = rehearsal()
    broken = of.broken()
    started = of.heal()
    if broken or started:
        told = [*broken, *(f"started {name}" for name in started)]
        CONSOLE.print(f"healed: {', '.join(told)}", markup=False)
    else:
        CONSOLE.print("nothing was broken")
    _print_ends(of)


def _print_processes(reports: list[Report]) -> None:
    table = Table("process", "state", "pid", "resident MiB")
    for report in reports:
        state_text = "healthy" if report.healthy else f"[red]{report.process.state.lower()}, not healthy[/red]"
        pid = str(report.process.pid or "")
        table.add_row(report.process.name, state_text, pid, f"{resident_mebibytes(report.process.pid):.0f}")
    CONSOLE.print(table)
    total = sum(resident_mebibytes(report.process.pid) for report in reports)
    CONSOLE.print(f"{len(reports)} processes and their children, {total:.0f} MiB resident")


def resident_mebibytes(pid: int) -> float:
    """Resident memory of a process and its children in MiB (Linux; 0 elsewhere)."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return pages * 4096 / 2**20 + sum(resident_mebibytes(int(child)) for child in children)


def _print_alerts(of: Ports) -> None:
    alerts = health.firing(of)
    CONSOLE.print(f"{len(alerts)} {'alert' if len(alerts) == 1 else 'alerts'} firing")
    for labels in alerts:
        CONSOLE.print(f"  {labels['alertname']} {labels.get('severity', '')} {labels.get('service', '')}", markup=False)


def _print_ends(of: Rehearsal) -> None:
    """When the end of each page that fires is sent, and what may fire yet: windows of hours remember a fault."""
    expected = Expected(of.state, of.speed)
    pages = [labels for labels in health.firing(of.ports) if labels.get("severity") == "critical"]
    for labels in pages:
        end = words(expected.end(labels["alertname"]))
        CONSOLE.print(
            f"  {_name(labels)}: expect one resolved message in each channel, within about {end}", markup=False
        )
    if not pages:
        CONSOLE.print("  no page is firing", markup=False)
    ahead = {
        f"{_name(labels)}: pending; fires if it still holds at {due.astimezone():%H:%M %Z}"
        for labels, since in health.pending(of.ports)
        for due in [since + timedelta(seconds=expected.waits(labels["alertname"]))]
    }
    for line in sorted(ahead):
        CONSOLE.print(f"  {line}", markup=False)


def _name(labels: Mapping[str, str]) -> str:
    return f"{labels['alertname']} {labels.get('service') or labels.get('page', '')}".strip()


def _print_next(of: Rehearsal) -> None:
    CONSOLE.print("\nready. What to look at next:")
    for command, what in (
        ("make status", "processes, firing alerts, addresses"),
        ("make report", "every dashboard on one page"),
        ("make fault KIND=down SERVICE=order-service", "break a service, and see who is notified:"),
        ("", f"  {of.ports.url('receivers')}"),
        ("make heal", "undo every fault"),
        ("make down", "stop everything"),
    ):
        CONSOLE.print(f"  {command:42} {what}", markup=False)


def _print_addresses(of: Rehearsal) -> None:
    asked_for = [("Grafana", grafana.NAME, "")] if of.grafana else []
    if of.traces:
        asked_for.append(("Jaeger, and a trace_id", jaeger.NAME, "/api/traces/"))
    for what, name, path in (
        ("Notifications received", "receivers", ""),
        ("Dashboards, drawn when opened", "receivers", "/d"),
        ("Runbooks", "receivers", "/pages"),
        ("Queries", "receivers", "/prometheus"),
        ("Alerts and silences", "receivers", "/alertmanager"),
        ("Prometheus, without a page of its own", "prometheus", "/api/v1/query?query=up"),
        ("Alertmanager, without a page of its own", "alertmanager", "/api/v2/status"),
        ("Loki", "loki", "/loki/api/v1/labels"),
        ("Gateway of the simulated application", "gateway", "/health"),
        *asked_for,
    ):
        CONSOLE.print(f"  {what:42} {of.ports.url(name)}{path}", markup=False)


if __name__ == "__main__":
    main(prog_name="rehearsal")
