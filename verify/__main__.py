"""`python -m verify --stack dev --context NAME`: check a cluster after `pulumi up`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import closing
from typing import NoReturn, Protocol

import click

from facts import NAMESPACE
from targets import Misuse, Target
from validation import InvalidInputError
from verify.checks import CHECKS, Check
from verify.cluster import Cluster, ClusterError, ForbiddenError, Kubectl, Snapshot
from verify.expectations import Expected, expectations
from verify.finding import Finding, unreadable

WORKS, BROKEN, UNKNOWN, INTERRUPTED = 0, 1, 2, 130
PAUSE_SECONDS = 10


class Clock(Protocol):
    """Time, which a test makes pass at its own pace."""

    def now(self) -> float:
        """Seconds since some moment."""

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass."""


class RealClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@click.command(cls=Target, example="make verify STACK=dev CONTEXT=kind-dev")
@click.option("--stack", required=True, help="Stack that was deployed: dev, prod, …")
@click.option("--context", required=True, help="kubectl context of its cluster; never guessed.")
@click.option("--timeout", default=600, show_default=True, help="Seconds that things may take to come up.")
def main(stack: str, context: str, timeout: int) -> None:
    """Check that a deployed stack works; nothing in the cluster is changed.

    Exit 0: everything holds. 1: something does not, and it is said what. 2: it is not known, because the cluster, or a
    part of it that this user may not read, could not be checked. 130: interrupted.
    """
    say = f"Checking the stack {stack} in the context {context}, for at most {timeout} s:"
    judge(stack, context, say, lambda cluster: verify(cluster, expectations(stack), timeout))


def judge(stack: str, context: str, say: str, look: Callable[[Kubectl], int]) -> NoReturn:
    """Exit with what `look` finds in the cluster of a context, and say whose commands its remedies are."""
    if not context:  # kubectl would take its current one
        raise Misuse("CONTEXT: missing; name the cluster's context, `kubectl config get-contexts` lists them")
    try:
        click.echo(say)
        with closing(Kubectl(context)) as cluster:
            verdict = look(cluster)
        if verdict == BROKEN:
            click.echo(f"kubectl, in these remedies, is kubectl --context {context} --namespace {NAMESPACE}")
            click.echo(f"helm, in these remedies, is helm --kube-context {context} --namespace {NAMESPACE}")
        sys.exit(verdict)
    except InvalidInputError as error:
        click.echo(f"The stack {stack} cannot be checked:\n{error}", err=True)
        sys.exit(UNKNOWN)
    except KeyboardInterrupt:
        click.echo("\nInterrupted; the cluster was only read.", err=True)
        sys.exit(INTERRUPTED)


def verify(
    cluster: Cluster,
    expected: Expected,
    timeout: float,
    checks: tuple[Check, ...] = CHECKS,
    clock: Clock | None = None,
) -> int:
    """Run the checks until all hold or the time is up, telling the progress. Returns the exit code."""
    clock = clock or RealClock()
    try:
        cluster.get("/version")
    except ClusterError as error:
        click.echo(f"The cluster cannot be read: {error}", err=True)
        return UNKNOWN
    left_out = [check for check in checks if not check.wanted(expected)]
    checks = tuple(check for check in checks if check not in left_out)
    findings = _until_all_hold(cluster, expected, checks, clock, clock.now() + timeout)
    _report(findings)
    for check in checks:
        if check.leaves_open:
            click.secho(f"Not shown: {check.leaves_open}.", dim=True)
    for check in left_out:
        click.secho(f"Not shown: that {check.holds}, as the stack's settings say that it need not.", dim=True)
    return _verdict(findings)


def _until_all_hold(
    cluster: Cluster, expected: Expected, checks: tuple[Check, ...], clock: Clock, deadline: float
) -> dict[Check, list[Finding]]:
    """What each check still finds at the deadline; nothing as soon as all hold."""
    told = ""
    while True:
        now = Snapshot(cluster)
        findings = {check: found for check in checks if (found := _run(check, now, expected))}
        checks = tuple(findings)
        left = deadline - clock.now()
        if left <= 0 or _verdict(findings) != BROKEN:  # what this user may not read, it will not be able to later
            return findings
        waiting = ", ".join(f"{check.name} ({len(found)})" for check, found in findings.items())
        if waiting != told:
            click.echo(f"  waiting for {waiting}; {left:.0f} s left")
            told = waiting
        clock.sleep(min(PAUSE_SECONDS, left))


def _verdict(findings: dict[Check, list[Finding]]) -> int:
    """The exit code for what was found."""
    known = [finding for found in findings.values() for finding in found if not finding.unknown]
    return BROKEN if known else UNKNOWN if findings else WORKS


def _run(check: Check, cluster: Cluster, expected: Expected) -> list[Finding]:
    """What a check finds; what the cluster does not answer is a finding too."""
    try:
        found = check.run(cluster, expected)
    except ForbiddenError as error:
        found = [unreadable(error)]
    except ClusterError as error:
        remedy = "see the findings above; kubectl port-forward, by which Services are reached, needs a pod that runs"
        found = [Finding(f"it could not be checked: {error}", remedy)]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        found = [
            Finding(f"it could not be checked: an answer has an unknown form: {error!r}", "is it another version?")
        ]
    if not found:
        click.echo(f"{click.style('  ok', fg='green')}  {check.name}: {check.holds}")
    return found


def _report(findings: dict[Check, list[Finding]]) -> None:
    for check, found in findings.items():
        open_ = all(finding.unknown for finding in found)
        heading = click.style("????", fg="yellow") if open_ else click.style("FAIL", fg="red")
        click.echo(f"{heading}  {check.name}: {'not known whether' if open_ else 'not so:'} {check.holds}")
        for finding in found:
            click.echo(f"      {finding.what}\n        -> {finding.do}")
    number = sum(len(found) for found in findings.values())
    click.echo(f"{number} finding{'s' * (number > 1)}." if number else "Everything holds.")


if __name__ == "__main__":
    main()
