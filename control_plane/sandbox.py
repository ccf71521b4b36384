"""One pod: its programs and what stands in, its volumes, and what its programs find under the names of Services.

A token is made once and not renewed: it ends after an hour.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from control_plane import access, containers
from control_plane.access import HOST, Pair
from control_plane.children import Children
from control_plane.containers import PROGRAMS, image
from control_plane.mirror import Mirror, Object
from control_plane.network import PodNetwork
from control_plane.plane import ControlPlane
from control_plane.stand_ins import Answers
from control_plane.volumes import Files, NotThereYetError, files, publish

KUBELET_PORT = 10250
_TOKEN_SECONDS = 3600
_LONGEST_PAUSE_SECONDS = 30
_SHARED = ("unshare", "--pid", "--fork", "--kill-child", "sleep", "infinity")
"""Holds a pod's namespace of processes, and ends all that is in it with itself."""


@dataclass
class Host:
    """What every pod is run with."""

    plane: ControlPlane
    network: PodNetwork
    mirror: Mirror
    client: httpx.Client
    """The administrator's."""
    children: Children
    directory: Path
    """Where volumes and roots are."""
    serving: set[asyncio.Task[None]] = field(default_factory=set)
    """The servers that stand in."""


class Server:
    """Answers at ports of an address, in the pods' network."""

    def __init__(self, host: Host, address: str, ports: list[int], answers: Answers, pair: Pair | None = None) -> None:
        self._host, self._address, self._ports = host, address, ports
        config = uvicorn.Config(
            answers, lifespan="off", ws="none", log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        if pair:
            config.ssl_certfile, config.ssl_keyfile = pair.certificate, pair.key
        self._server = uvicorn.Server(config)
        self._started = False

    def step(self) -> None:
        """Start, unless what was there before still has the address."""
        if self._started or not self._ports:
            return
        try:
            sockets = [self._host.network.listen(self._address, port) for port in self._ports]
        except OSError:
            return
        task = asyncio.create_task(self._server.serve(sockets=sockets))
        self._host.serving.add(task)
        task.add_done_callback(self._host.serving.discard)
        self._started = True

    def stop(self) -> None:
        """End soon."""
        self._server.should_exit = True


def kubelet(host: Host, node: Object) -> Server:
    """What stands in for a node's kubelet."""
    address = next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")
    certificate = host.plane.access.authority.issue_cert(address)
    pair = access.write(certificate, host.directory / node["metadata"]["name"])
    return Server(host, address, [KUBELET_PORT], Answers(host.mirror), pair)


class Pod:
    """The containers of one pod."""

    def __init__(self, host: Host, pod: Object) -> None:
        self._host, self._pod = host, pod
        metadata, spec = pod["metadata"], pod["spec"]
        self.name: str = metadata["name"]
        self._name = f"{metadata['namespace']}_{self.name}"
        self._address: str = pod["status"]["podIP"]
        self._directory = host.directory / f"{self._name}_{metadata['uid']}"
        self._published: dict[str, Files] = {}
        self._tokens: dict[str, str] = {}
        self._real = [container for container in spec["containers"] if image(container) in PROGRAMS]
        self._before = [container for container in spec.get("initContainers", []) if image(container) in PROGRAMS]
        self._programs = {each["name"]: _Run() for each in (*self._before, *self._real)}
        others = [port for container in spec["containers"] if container not in self._real for port in _ports(container)]
        self._server = Server(host, self._address, others, Answers(host.mirror, pod))
        self._sharing: list[str] = []
        if spec.get("shareProcessNamespace"):
            holder = host.children.start(self._name, _SHARED)
            # A container's program is a child of nsenter there, and ends with it.
            self._sharing = ["nsenter", f"--pid=/proc/{holder.pid}/ns/pid_for_children", "--"]
            self._sharing += ["setpriv", "--pdeathsig", "KILL", "--"]

    def step(self) -> None:
        """Do what there is to do now: refresh volumes, start what is to run."""
        self._server.step()
        if not self._real:
            return
        with suppress(NotThereYetError):  # as kubelets do, wait for it
            self._refresh()
            for container in self._before:
                if self._programs[container["name"]].code != 0:
                    self._start(container)
                    return
            for container in self._real:
                self._start(container)

    def stop(self) -> None:
        """End everything, and take away what no later pod may see."""
        self._server.stop()
        for name, program in self._programs.items():
            if program.process:
                self._host.children.stop(f"{self._name}_{name}")
        if self._sharing:
            self._host.children.stop(self._name)
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def processes(self) -> list[int]:
        """The ids of its processes that run."""
        programs = [each.process for each in self._programs.values() if each.process and each.code is None]
        return [process.pid for process in programs]

    def _start(self, container: Object) -> None:
        """Start a program that does not run; one that has just ended is left alone for a while."""
        program, host = self._programs[container["name"]], self._host
        if not program.due:
            return
        port = httpx.URL(host.plane.url).port or 443
        variables = containers.environment(container, self._pod, host.mirror, (HOST, port))
        mounted = {volume["name"]: self._volume(volume) for volume in self._volumes}
        words = containers.arguments(container, variables, self._address)
        command = [*self._sharing, *containers.command(container, self._root(container), mounted, variables, words)]
        program.started(host.children.start(f"{self._name}_{container['name']}", host.network.inside(*command)))

    def _root(self, container: Object) -> Path:
        root = self._directory / "roots" / str(container["name"])
        for directory in ("etc", "tmp"):
            (root / directory).mkdir(parents=True, exist_ok=True)
        return root

    @property
    def _volumes(self) -> list[Object]:
        return self._pod["spec"].get("volumes") or []

    def _volume(self, volume: Object) -> Path:
        """Where a volume is kept: what a pod claims outlives it."""
        claim = volume.get("persistentVolumeClaim")
        if claim is None:
            return self._directory / "volumes" / str(volume["name"])
        return self._host.directory / "claims" / f"{self._pod['metadata']['namespace']}_{claim['claimName']}"

    def _refresh(self) -> None:
        """Bring volumes and names of Services up to date. Raises NotThereYetError."""
        for volume in self._volumes:
            name = volume["name"]
            try:
                content = files(volume, self._pod, self._host.mirror, self._token)
            except NotThereYetError:
                if name in self._published:
                    continue  # what was there once stays
                raise
            if content is None:
                self._volume(volume).mkdir(parents=True, exist_ok=True)
            elif self._published.get(name) != content:
                publish(self._volume(volume), content)
                self._published[name] = content
        hosts = containers.hosts(self._pod, self._address, self._host.mirror)
        for container in (*self._before, *self._real):
            path = self._root(container) / "etc" / "hosts"
            if not path.exists() or path.read_text() != hosts:
                path.write_text(hosts)

    def _token(self, pod: Object, source: Mapping[str, Any]) -> str:
        """The token that a volume asks for, made once."""
        path = source["path"]
        if path not in self._tokens:
            metadata, account = pod["metadata"], pod["spec"]["serviceAccountName"]
            bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
            spec = {"expirationSeconds": _TOKEN_SECONDS, "boundObjectRef": bound}
            spec |= {"audiences": [source["audience"]]} if "audience" in source else {}
            url = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
            answer = self._host.client.post(url, json={"spec": spec}).raise_for_status()
            self._tokens[path] = answer.json()["status"]["token"]
        return self._tokens[path]


class _Run:
    """A container's program: whether it runs, and when it may be started again."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self._pause, self._last = 0.0, 0.0

    @property
    def code(self) -> int | None:
        """How it has ended, if it has."""
        return self.process.poll() if self.process else None

    @property
    def due(self) -> bool:
        """Whether it is to be started now: each time it waits for longer than before, as with kubelets."""
        if self.process is None:
            return True
        return self.code is not None and time.monotonic() - self._last >= self._pause

    def started(self, process: subprocess.Popen[bytes]) -> None:
        """Take note of its start."""
        self.process, self._last = process, time.monotonic()
        self._pause = min(max(1, 2 * self._pause), _LONGEST_PAUSE_SECONDS)


def _ports(container: Object) -> list[int]:
    """The ports that a container declares and a server of HTTP can listen on."""
    declared = container.get("ports") or []
    return [int(port["containerPort"]) for port in declared if port.get("protocol", "TCP") == "TCP"]
