"""Breaks and heals a running rehearsal: one function for each kind of fault, which returns what undoes it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import httpx
import yaml

from components.alerting.normalisation import BUSINESS_HOURS, NORMALISATION
from drills import disk
from drills.model import Fault
from local.state import write
from rehearsal import health
from rehearsal.lifecycle import Rehearsal
from rehearsal.reload import reload
from rehearsal.routes import parsed

Undo = Callable[[], None]

LOAD = 18.0
"""Steps that customers take in a second while drills run: thrice the usual, as a window of 5 min lasts seconds here,
and a share of the few requests in it would be a matter of chance."""
FOR_GOOD = 1_000_000
"""Messages that a receiver refuses until it is healed."""
SILENCE_HOURS = 4
"""For how long somebody acknowledges a page, by the real clock: longer than any drill."""


class Breaker:
    """The faults of one rehearsal."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self._rehearsal = rehearsal
        self._ports, self._supervisor = rehearsal.ports, rehearsal.supervisor
        self._deployed_hours = ""
        """The rules of business hours while they take it for another moment."""

    def usual_load(self, *, orders: bool = True) -> None:
        """Have the customers take as many steps as they do while nothing is wrong with them."""
        self.pace("rate", LOAD if orders else 0)
        self.pace("browsing", 0 if orders else LOAD)

    def breaks(self, fault: Fault) -> Undo:
        """Put a fault in force. What it returns heals it, also where what it was about has ended meanwhile."""
        kinds: dict[str, Callable[[Fault], Undo]] = {
            "down": self._down,
            "hung": self._hung,
            "absent": self._absent,
            "errors": self._errors,
            "slow": self._slow,
            "series": self._series,
            "pods": self._pods,
            "flood": self._flood,
            "disk": self._disk,
            "refused": self._refused,
            "load": self._load,
            "failed_logins": self._visitors,
            "statements": self._visitors,
            "random_paths": self._visitors,
            "clock": self._clock,
            "acknowledged": self._acknowledged,
            "reloaded": self._reloaded,
        }
        return kinds[fault.kind](fault)

    def stands_still(self, name: str) -> Undo:
        """The kernel stops the processes of a program's group; it still accepts connections for them."""
        (group,) = (item.pid for item in self._supervisor.processes() if item.name == name and item.pid)
        os.killpg(group, signal.SIGSTOP)

        def undo() -> None:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGCONT)

        return undo

    def reload(self, name: str) -> None:
        """Have Prometheus or Alertmanager read its configuration again."""
        reload(name, self._ports, self._supervisor)

    def pace(self, of: str, rate: float) -> None:
        """Have customers, or who is beside them, come so often in a second."""
        health.post(f"{self._ports.url('load')}/{of}/{rate:g}", None)

    def _down(self, fault: Fault) -> Undo:
        name = str(fault.down)
        self._supervisor.stop_program(name)
        return lambda: self._supervisor.start_program(name)

    def _hung(self, fault: Fault) -> Undo:
        return self.stands_still(str(fault.hung))

    def _absent(self, fault: Fault) -> Undo:
        name = str(fault.absent)
        directory = self._rehearsal.state.configuration / "prometheus" / "targets"
        before = {path: path.read_text() for path in directory.glob("*.json")}
        for path, text in before.items():
            left = [
                group for group in json.loads(text) if group["labels"].get("__meta_kubernetes_service_name") != name
            ]
            write(path, json.dumps(left, indent=2))
        self._supervisor.stop_program(name)

        def undo() -> None:
            self._supervisor.start_program(name)
            for path, text in before.items():
                write(path, text)

        return undo

    def _errors(self, fault: Fault) -> Undo:
        assert fault.errors  # noqa: S101 - for the type checker, as in the others
        of = fault.errors
        return self._service_fault(of.service, {"errors": of.share, "path": of.path})

    def _slow(self, fault: Fault) -> Undo:
        assert fault.slow  # noqa: S101
        wanted: dict[str, object] = {"latency_ms": fault.slow.milliseconds, "latency_share": fault.slow.share}
        return self._service_fault(fault.slow.service, wanted)

    def _flood(self, fault: Fault) -> Undo:
        assert fault.flood  # noqa: S101
        return self._service_fault(fault.flood.service, {"lines": fault.flood.lines})

    def _service_fault(self, service: str, body: dict[str, object]) -> Undo:
        address = f"{self._ports.url(service)}/_fault"
        health.post(address, body)

        def undo() -> None:
            with suppress(httpx.TransportError):  # it was stopped: what is started anew has no fault
                health.post(address, {})

        return undo

    def _series(self, fault: Fault) -> Undo:
        address = f"{self._ports.url('exporters')}/_set"
        for item in fault.series or ():
            health.post(address, {"series": item.name} | item.model_dump(exclude={"name"}))

        def undo() -> None:
            for item in fault.series or ():
                health.CLIENT.delete(address, params={**item.labels, "series": item.name}).raise_for_status()

        return undo

    def _pods(self, fault: Fault) -> Undo:
        assert fault.pods  # noqa: S101
        address = f"{self._ports.url('exporters')}/_pods/{fault.pods.service}"
        health.post(address, {"count": fault.pods.count, "crashing": fault.pods.crashing})

        def undo() -> None:
            health.CLIENT.delete(address).raise_for_status()

        return undo

    def _disk(self, fault: Fault) -> Undo:
        assert fault.disk  # noqa: S101
        file = self._rehearsal.state.disks / f"{disk.name(fault.disk)}.prom"
        write(file, disk.textfile(fault.disk))
        return file.unlink

    def _refused(self, fault: Fault) -> Undo:
        assert fault.refused  # noqa: S101
        address = f"{self._ports.url('receivers')}/fail"
        order = {"receiver": fault.refused.receiver, "status": fault.refused.status}
        health.post(address, order | {"count": FOR_GOOD})
        return lambda: health.post(address, order | {"count": 0})

    def _load(self, fault: Fault) -> Undo:
        self.pace("rate", float(fault.load or 0))
        return lambda: self.pace("rate", LOAD)

    def _visitors(self, fault: Fault) -> Undo:
        """Somebody beside the customers, at a pace of its own."""
        name = fault.kind.replace("_", "-")
        self.pace(name, float(getattr(fault, fault.kind)))
        return lambda: self.pace(name, 0)

    def _clock(self, fault: Fault) -> Undo:
        """Have the rules of business hours take it for another moment, from which on their time goes on."""
        assert fault.clock  # noqa: S101
        (file,) = self._rehearsal.state.configuration.glob(f"prometheus/rules/*{NORMALISATION}.yaml")
        deployed = self._deployed_hours = self._deployed_hours or file.read_text()
        write(file, as_of(deployed, fault.clock.timestamp() - time.time()))
        self.reload("prometheus")

        def undo() -> None:
            if self._deployed_hours:
                write(file, deployed)
                self.reload("prometheus")
            self._deployed_hours = ""

        return undo

    def _acknowledged(self, fault: Fault) -> Undo:
        """Silence what the link in the last page says; nothing if there was none. It ends with Alertmanager's data."""
        of = {"receiver": "pagerduty", "alertname": str(fault.acknowledged)}
        told = health.CLIENT.get(f"{self._ports.url('receivers')}/notifications", params=of).raise_for_status().json()
        if pages := [item for item in told if item["status"] == "firing"]:
            (link,) = (item["href"] for item in pages[-1]["raw"]["links"] if item["text"] == "Acknowledge")
            now = datetime.now(UTC)
            silence = {
                "matchers": [
                    {"name": name, "value": value, "isRegex": False} for name, value in silenced(link).items()
                ],
                "startsAt": now.isoformat(),
                "endsAt": (now + timedelta(hours=SILENCE_HOURS)).isoformat(),
                "createdBy": "drill",
                "comment": "acknowledged",
            }
            health.post(f"{self._ports.url('alertmanager')}/api/v2/silences", silence)
        return nothing

    def _reloaded(self, fault: Fault) -> Undo:
        self.reload(str(fault.reloaded))
        return nothing


def as_of(rules: str, later: float) -> str:
    """A file of rules in which business hours are those of so many seconds later."""
    document = yaml.safe_load(rules)
    for group in document["groups"]:
        if group["name"] == BUSINESS_HOURS:
            for rule in group["rules"]:
                rule["expr"] = rule["expr"].replace("time()", f"(time() + {later:.3f})")
    return yaml.safe_dump(document)


def silenced(link: str) -> dict[str, str]:
    """The labels that a link to a new silence has filled in."""
    matchers = unquote(link.partition("filter=")[2]).strip("{}").split(",")
    return {name: value for name, _, value in map(parsed, matchers)}


def nothing() -> None:
    """Undo what nobody undoes."""
