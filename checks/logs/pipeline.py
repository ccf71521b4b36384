"""The log agent as it is deployed, between files as a node has them and real Loki and Prometheus."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml

import catalogue
from checks.free_ports import claim
from checks.waiting import PATIENCE_SECONDS, eventually
from components.logs.agent import AGENT_START, agent_values
from components.logs.loki import loki_values
from components.metrics.component import prometheus_spec
from engine.toolchain import tool
from facts import ROOT
from local.ports import Ports
from local.state import State
from rehearsal.derive import loki_configuration
from rehearsal.programs import agent_environment
from settings import Settings, read_stack

T = TypeVar("T")
P = TypeVar("P", bound="Pipeline")

NAMESPACE = "order-processor"
OTHER_NAMESPACES = ("ingress", "monitoring")
"""Chosen beside the application's."""
QUERY_LIMIT = 5000
READY = {"loki": "/ready", "prometheus": "/-/ready", "agent-health": "/"}


@dataclass(frozen=True)
class Entry:
    """One entry as Loki gives it back."""

    at: int
    """Nanoseconds since the epoch."""
    text: str
    labels: dict[str, str]
    """Index labels and structured metadata."""


class Container:
    """A container's log: lines are written as containerd writes them, with times that only grow."""

    def __init__(self, pods: Path, name: str, namespace: str = NAMESPACE) -> None:
        pod = f"{namespace}_{name}-{uuid.uuid4().hex[:8]}_{uuid.uuid4()}"
        self.name = name
        self.path = pods / pod / name / "0.log"
        self.path.parent.mkdir(parents=True)
        self._file = self.path.open("ab", buffering=0)
        self._last = 0

    def write(self, *texts: str, stream: str = "stdout", tag: str = "F") -> None:
        """Append one line for each text, all at once; `tag` is P for a part that is not the last one."""
        lines = [f"{self._now()} {stream} {tag} {text}\n" for text in texts]
        self._file.write("".join(lines).encode())

    def rotate(self) -> None:
        """Rename the file as the kubelet does and begin a new one."""
        self._file.close()
        self.path.rename(f"{self.path}.{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}")
        self._file = self.path.open("ab", buffering=0)

    def _now(self) -> str:
        self._last = max(self._last + 1000, time.time_ns())
        seconds, nanoseconds = divmod(self._last, 10**9)
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds:09d}Z"


class Pipeline:
    """The agent, Loki and Prometheus in a directory of their own, and a node's directory of container logs."""

    def __init__(self, root: Path, ports: Ports) -> None:
        self.state, self.ports = State(root), ports
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._settings = _with_namespaces(read_stack(ROOT / "Pulumi.dev.yaml"), OTHER_NAMESPACES)
        self._values = agent_values(self._settings, catalogue.load(ROOT / "services.yaml"))
        self.state.pods.mkdir(parents=True)
        self.state.logs.mkdir()

    def container(self, name: str, namespace: str = NAMESPACE) -> Container:
        """A new container of a new pod."""
        return Container(self.state.pods, name, namespace)

    def start(self) -> None:
        """Start everything and wait until all of it is ready."""
        self._launch_loki()
        self._launch_prometheus()
        self._launch_agent()
        for part, path in READY.items():
            self._ready(part, path)

    def start_agent(self) -> None:
        """Start the agent and wait until it is healthy."""
        self._launch_agent()
        self._ready("agent-health", READY["agent-health"])

    def _launch_loki(self) -> None:
        """Loki, with the deployed configuration."""
        values = loki_values(self._settings, None)["loki"]
        configuration = loki_configuration(values, self.state.data / "loki", self.ports)
        self._start("loki", tool("loki"), [f"-config.file={self._write('loki.yaml', configuration)}"])

    def _launch_prometheus(self) -> None:
        """A Prometheus that scrapes nothing and takes OTLP as the deployed one does."""
        spec = prometheus_spec(self._settings)
        configuration = {
            "otlp": {
                "promote_resource_attributes": spec["otlp"]["promoteResourceAttributes"],
                "translation_strategy": spec["otlp"]["translationStrategy"],
            },
            "storage": {"tsdb": {"out_of_order_time_window": spec["tsdb"]["outOfOrderTimeWindow"]}},
        }
        arguments = [
            f"--config.file={self._write('prometheus.yaml', configuration)}",
            f"--storage.tsdb.path={self.state.data / 'prometheus'}",
            f"--web.listen-address={self.ports.address('prometheus')}",
            "--web.enable-otlp-receiver",
        ]
        self._start("prometheus", tool("prometheus"), arguments)

    def _launch_agent(self) -> None:
        """The agent, with the deployed configuration."""
        path = self._write("agent.yaml", self._values["alternateConfig"])
        environment = agent_environment(self._values, self.state, self.ports)
        arguments = [str(AGENT_START), f"--config={path}", *self._values["command"]["extraArgs"]]
        self._start("log-agent", Path("sh"), arguments, environment)

    def stop_agent(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop the agent, or kill it, and wait until it has ended."""
        self._stop("log-agent", number)

    def close(self) -> None:
        """End every process."""
        for name in list(self._processes):
            self._stop(name, signal.SIGKILL)

    @contextmanager
    def collector(self, name: str, configuration: dict[str, Any], environment: dict[str, str]) -> Iterator[None]:
        """Run another collector with a configuration."""
        path = self._write(f"{name}.yaml", configuration)
        self._start(name, tool("collector"), [f"--config={path}"], environment)
        try:
            yield
        finally:
            self._stop(name, signal.SIGTERM)

    def entries(self, query: str, minutes: float = 60) -> list[Entry]:
        """What a LogQL query finds in the last minutes, oldest first. Fails where there is more than one page of it."""
        now = time.time_ns()
        parameters = {
            "query": query,
            "start": str(now - int(minutes * 60e9)),
            "end": str(now + 10**9),
            "limit": str(QUERY_LIMIT),
            "direction": "forward",
        }
        streams = self._get("loki", "/loki/api/v1/query_range", parameters)["data"]["result"]
        found = [Entry(int(at), text, stream["stream"]) for stream in streams for at, text in stream["values"]]
        assert len(found) < QUERY_LIMIT, f"{query}: more than {QUERY_LIMIT} entries"
        return sorted(found, key=lambda entry: entry.at)

    def arrived(self, name: str, count: int) -> list[Entry]:
        """All entries of a container, oldest first, once there are so many of them."""

        def enough() -> list[Entry] | None:
            entries = self.entries(f'{{service_name="{name}"}}')
            return entries if len(entries) >= count else None

        return eventually(enough, what=f"{count} entries of {name}")

    def value(self, promql: str) -> float | None:
        """The only value of an instant query; None if there is none yet."""
        result = self.vector(promql)
        return float(result[0]["value"][1]) if result else None

    def vector(self, promql: str) -> list[dict[str, Any]]:
        """What an instant query gives, as Prometheus answers."""
        found: list[dict[str, Any]] = self._get("prometheus", "/api/v1/query", {"query": promql})["data"]["result"]
        return found

    def agent_metric(self, name: str) -> float:
        """Sum of one of the agent's own metrics; 0 before it exists."""
        text = httpx.get(f"{self.ports.url('agent-metrics')}/metrics", timeout=5, trust_env=False).text
        lines = [line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def _get(self, part: str, path: str, parameters: dict[str, str]) -> Any:
        answer = httpx.get(f"{self.ports.url(part)}{path}", params=parameters, timeout=30, trust_env=False)
        return answer.raise_for_status().json()

    def _write(self, name: str, configuration: dict[str, Any]) -> Path:
        path = self.state.root / name
        path.write_text(yaml.safe_dump(configuration, width=10**6))
        return path

    def _start(self, name: str, program: Path, arguments: list[str], environment: dict[str, str] | None = None) -> None:
        with (self.state.logs / f"{name}.log").open("ab") as output:
            self._processes[name] = subprocess.Popen(
                [str(program), *arguments],
                cwd=self.state.root,
                env=os.environ | (environment or {}),
                stdout=output,
                stderr=output,
                start_new_session=True,  # its children end with it, as in a container
            )

    def _ready(self, part: str, path: str) -> None:
        url = f"{self.ports.url(part)}{path}"

        def answers() -> bool:
            return httpx.get(url, timeout=2, trust_env=False).status_code == 200

        eventually(answers, what=f"{url} answers; its output is in {self.state.logs}")

    def _stop(self, name: str, number: signal.Signals) -> None:
        process = self._processes.pop(name)
        try:
            if number != signal.SIGKILL:
                process.send_signal(number)
                process.wait(PATIENCE_SECONDS)
        finally:
            with suppress(ProcessLookupError):  # where nothing of it is left
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def started(pipeline: P) -> Iterator[P]:
    """Everything of it started; ended in any case."""
    try:
        pipeline.start()
        yield pipeline
    finally:
        pipeline.close()


def pipeline(root: Path) -> AbstractContextManager[Pipeline]:
    """A pipeline on ports that are free."""
    return started(Pipeline(root, claim()))


def _with_namespaces(settings: Settings, namespaces: tuple[str, ...]) -> Settings:
    return settings.model_copy(update={"logs": settings.logs.model_copy(update={"namespaces": namespaces})})


def json_line(**fields: Any) -> str:
    """A line of JSON as the services write it."""
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
