"""A node whose agent and Loki can be broken: both are the deployed ones, on a directory and ports of their own."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import SIGTERM
from typing import Any

import httpx

from checks.free_ports import claim
from checks.logs.lines import Source
from checks.logs.pipeline import READY, Entry, Pipeline, started
from checks.logs.stand_in import FaultInjector
from components.logs.agent import AGENT_START
from rehearsal.programs import agent_environment

PAGE = 5000
"""Entries that Loki gives at once, its own limit."""
PATIENCE = 25.0
"""Seconds without progress after which nothing that waits will go on: the agent's longest pause is 22 s."""
QUIET = 5.0
"""Seconds after which nothing more will come from an agent in which nothing waits."""


@dataclass(frozen=True)
class Variant:
    """In what the agent's process differs from the deployed one; in nothing, unless it is told."""

    prefix: tuple[str, ...] = ()
    """Command that runs the agent's."""
    environment: Mapping[str, str] = field(default_factory=dict)
    queue_size: int | None = None
    """Lines that the queue holds."""
    configuration: Mapping[str, Any] | None = None
    """Another configuration than the deployed one."""


DEPLOYED = Variant()


class Node(Pipeline):
    """The pipeline of other tests, to be broken."""

    variant = DEPLOYED

    def source(self, name: str) -> Source:
        """A container that writes numbered lines; its name is its service, for this source alone."""
        return Source(self.container(name))

    def pid(self, part: str) -> int:
        """Process of a part, such as `log-agent`."""
        return self._processes[part].pid

    def configuration(self) -> dict[str, Any]:
        """The agent's, as it is deployed but for what the variant says."""
        configuration = copy.deepcopy(dict(self.variant.configuration or self._values["alternateConfig"]))
        if self.variant.queue_size:
            configuration["exporters"]["otlp_http/loki"]["sending_queue"]["queue_size"] = self.variant.queue_size
        return configuration

    def _launch_agent(self) -> None:
        path = self._write("agent.yaml", self.configuration())
        environment = agent_environment(self._values, self.state, self.ports) | dict(self.variant.environment)
        arguments = ["sh", str(AGENT_START), f"--config={path}", *self._values["command"]["extraArgs"]]
        command = [*self.variant.prefix, *arguments]
        self._start("log-agent", Path(command[0]), command[1:], environment)

    def restart_agent(self, variant: Variant = DEPLOYED) -> None:
        """Stop the agent and start it as this variant."""
        self.stop_agent()
        self.variant = variant
        self.start_agent()

    def stop_loki(self) -> None:
        """Stop Loki as its pod is stopped."""
        self._stop("loki", SIGTERM)

    def start_loki(self) -> None:
        """Start Loki on what it has stored."""
        self._launch_loki()
        self._ready("loki", READY["loki"])

    @contextmanager
    def without_loki(self) -> Iterator[None]:
        """Loki is stopped until the block ends."""
        self.stop_loki()
        try:
            yield
        finally:
            self.start_loki()

    @contextmanager
    def faulty_loki(self, variant: Variant = DEPLOYED) -> Iterator[FaultInjector]:
        """The stand-in between Loki and the agent, which runs as this variant, until the block ends."""
        with FaultInjector(self.ports.url("loki")).running() as faults:
            environment = {**variant.environment, "LOKI_OTLP_URL": f"{faults.url}/otlp"}
            self.restart_agent(replace(variant, environment=environment))
            yield faults
            self.restart_agent()

    @property
    def waiting(self) -> float:
        """Lines in the agent's queue."""
        return self.agent_metric("otelcol_exporter_queue_size")

    @property
    def read(self) -> float:
        """Entries that the agent has read since it started."""
        return self.agent_metric("otelcol_receiver_accepted_log_records")

    def settle(self, *sources: Source, given_up: float = 0, quiet: float = QUIET) -> None:
        """Wait until Loki has every event but those given up, or until nothing moves any more."""
        wanted = sum(len(source.events) for source in sources) - given_up
        names = "|".join(source.name for source in sources)
        seen: tuple[float, ...] = ()
        since = time.monotonic()
        while True:
            now = (self.counted(names), self.waiting, self.read)
            if now != seen:
                seen, since = now, time.monotonic()
            arrived, waiting, _ = now
            still = time.monotonic() - since
            if still > (1 if arrived >= wanted and not waiting else PATIENCE if waiting else quiet):
                return
            time.sleep(0.5)

    def counted(self, names: str) -> int:
        """How many entries Loki counts of these services, a regular expression."""
        query = f'sum(count_over_time({{service_name=~"{names}"}}[1h]))'
        try:
            result = self._get("loki", "/loki/api/v1/query", {"query": query})["data"]["result"]
        except httpx.HTTPError:
            return -1
        return int(result[0]["value"][1]) if result else 0

    def everything(self, source: Source) -> Iterator[Entry]:
        """Every entry of a source, page by page: no two lines of one source have the same time."""
        end = time.time_ns() + 10**9
        start = end - 3600 * 10**9
        query = f'{{service_name="{source.name}"}} | keep service_name'
        while True:
            parameters = {"query": query, "start": str(start), "end": str(end), "limit": str(PAGE)}
            answer = self._get("loki", "/loki/api/v1/query_range", parameters | {"direction": "forward"})
            found = [Entry(int(at), text, {}) for each in answer["data"]["result"] for at, text in each["values"]]
            found.sort(key=lambda entry: entry.at)
            if len(found) < PAGE:
                yield from found
                return
            # What has the last time may go on in the next page.
            last = found[-1].at
            yield from (entry for entry in found if entry.at < last)
            start = last


def node(root: Path) -> AbstractContextManager[Node]:
    """A node on ports that are free."""
    return started(Node(root, claim()))
