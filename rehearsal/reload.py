"""Has Prometheus and Alertmanager read their files again, as the reloaders beside the deployed ones do.

Prometheus takes a signal and has no endpoint for it: whoever could reach one could also end Prometheus. Alertmanager
has an endpoint, which ends nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families

from local import interruption
from local.errors import RehearsalError
from local.ports import Ports
from rehearsal import health
from rehearsal.supervisor import Supervisor

RELOADABLE = ("prometheus", "alertmanager")
SECONDS = 30
"""What a reload may take; it takes a fraction of a second where nothing else is to be done."""
_POLL_SECONDS = 0.05
_LOADED_AT = "prometheus_config_last_reload_success_timestamp_seconds"
_REFUSED = "Error reloading config"
"""What Prometheus says in its log when it keeps the old configuration."""


def reload(name: str, ports: Ports, supervisor: Supervisor) -> None:
    """Have one of RELOADABLE read its files, and wait until it has. Raises RehearsalError if it refuses them."""
    if reason := _prometheus(ports, supervisor) if name == "prometheus" else _alertmanager(ports):
        raise RehearsalError(
            f"{name} refused its new configuration, and keeps the old one: {reason}; its log is "
            f"{supervisor.log(name)}. After a correction: make up"
        )


def _alertmanager(ports: Ports) -> str:
    """Why it was refused; empty if it was not."""
    answer = health.CLIENT.post(f"{ports.url('alertmanager')}/-/reload", timeout=SECONDS)
    return answer.text.strip() if answer.is_error else ""


def _prometheus(ports: Ports, supervisor: Supervisor) -> str:
    """Why it was refused; empty if it was not."""
    log = supervisor.log("prometheus")
    before, said = _loaded_at(ports), log.stat().st_size
    supervisor.send("prometheus", "HUP")
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        interruption.check()
        if _loaded_at(ports) > before:
            return ""
        text = log.read_bytes()
        new = text[said if len(text) >= said else 0 :].decode(errors="replace")  # supervisord begins a full log anew
        if lines := [line for line in new.splitlines() if _REFUSED in line]:
            return lines[-1]
        time.sleep(_POLL_SECONDS)
    return f"it has not read it in {SECONDS} s"


def _loaded_at(ports: Ports) -> float:
    """When it last took a configuration, in seconds since the epoch: its API has whole seconds only."""

    def found() -> Iterator[float]:
        page = health.CLIENT.get(f"{ports.url('prometheus')}/metrics").raise_for_status().text
        for family in text_string_to_metric_families(page):
            if family.name == _LOADED_AT:
                yield from (sample.value for sample in family.samples)

    return next(found())
