"""How a container of a program that is built here is run as the kubelet would: its arguments, variables and files.

Each container has a mount namespace and a root directory of its own. It runs as root, without the bounds and the
security context that its pod asks for, and its root holds nothing of its image but the program, so that neither images
nor permissions are proven by it.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control_plane.mirror import Mirror, Object
from control_plane.volumes import data, field
from engine.toolchain import TOOLS, tool

_REFERENCE = re.compile(r"\$(?:\$|\(([-._a-zA-Z0-9]+)\))")
_OWN_POD = "://127.0.0.1:"
"""How a URL names another container of the same pod."""
_DEVICES = ("/dev/null", "/dev/urandom")
"""What programs read beside their volumes, and /proc."""

_MOUNT = """
set -e
mounted() {
  if [ -d "$1" ]; then mkdir -p "$2"; else mkdir -p "${2%/*}"; [ -e "$2" ] || : > "$2"; fi
  mount --bind "$1" "$2"
}
processes() {
  mkdir -p "$1"
  mount -t proc proc "$1"
}
"""


@dataclass(frozen=True)
class Program:
    """A program that is run for the containers of its image."""

    tool: str
    listens: Mapping[str, str]
    """Options that name what it listens on, with the port by default; without one, the option takes no port.

    All pods are in one network namespace. So a program that would listen on every address of it is told to listen on
    its pod's alone, and finds the others of its pod there: nothing else of a container's arguments is changed.
    """
    needs: tuple[str, ...] = ()
    """What the binary reads of this machine; with none it is linked statically."""

    @property
    def binary(self) -> Path:
        """Where the program is on this machine."""
        return tool(self.tool) if self.tool in TOOLS else Path(self.tool)


PROGRAMS = {
    "prometheus": Program("prometheus", {"web.listen-address": "9090"}),
    "alertmanager": Program("alertmanager", {"web.listen-address": "9093"}),
    "prometheus-config-reloader": Program("prometheus-config-reloader", {"listen-address": "8080"}),
    "prometheus-operator": Program("prometheus-operator", {"web.listen-address": "8080"}),
    "kube-state-metrics": Program("kube-state-metrics", {"host": "", "telemetry-host": ""}),
    # What adds up routes: any Python runs it, here this one instead of the image's.
    "python": Program(
        str(Path(sys.executable).resolve()), {"address": ""}, (sys.base_prefix, "/lib", "/lib64", "/usr/lib")
    ),
    "blackbox-exporter": Program("blackbox", {"web.listen-address": "9115"}),
    # Its gossip listens on every address, so that there can be only one: it binds twice what it is told once.
    "loki": Program(
        "loki",
        dict.fromkeys(
            (
                "server.http-listen-address",
                "server.grpc-listen-address",
                "memberlist.advertise-addr",
                "frontend.instance-addr",  # and what it tells the others, which it would read from an interface
                "ingester.lifecycler.addr",
                "distributor.ring.instance-addr",
                "query-scheduler.ring.instance-addr",
                "compactor.ring.instance-addr",
                "index-gateway.ring.instance-addr",
            ),
            "",
        ),
    ),
}
"""By the last part of the image's repository."""


def image(container: Object) -> str:
    """The last part of the image's repository."""
    return str(container["image"]).partition("@")[0].rpartition("/")[2].partition(":")[0]


def environment(container: Object, pod: Object, mirror: Mirror, api_server: tuple[str, int]) -> dict[str, str]:
    """A container's variables. Raises NotThereYetError."""
    host, port = api_server
    variables = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": str(port), "HOME": "/"}
    for variable in container.get("env") or []:
        source = variable.get("valueFrom") or {}
        if reference := source.get("fieldRef"):
            variables[variable["name"]] = field(pod, reference["fieldPath"])
        elif reference := source.get("secretKeyRef"):
            found = data(mirror, pod, "secrets", reference["name"], reference)
            variables[variable["name"]] = found.get(reference["key"], b"").decode()
        elif reference := source.get("configMapKeyRef"):
            found = data(mirror, pod, "configmaps", reference["name"], reference)
            variables[variable["name"]] = found.get(reference["key"], b"").decode()
        elif not source:
            variables[variable["name"]] = _expanded(variable.get("value", ""), variables)
    return variables


def arguments(container: Object, variables: Mapping[str, str], address: str) -> list[str]:
    """A container's arguments, which listen on its pod's address."""
    listens = PROGRAMS[image(container)].listens
    given, others = {}, []
    for text in [*(container.get("command") or [])[1:], *(container.get("args") or [])]:
        argument = _expanded(text, variables)
        name, _, value = argument.lstrip("-").partition("=")
        if name in listens:
            given[name] = value
        else:
            others.append(argument.replace(_OWN_POD, f"://{address}:"))
    return [*others, *(f"--{name}={_listen(given.get(name, ''), port, address)}" for name, port in listens.items())]


def _listen(given: str, port: str, address: str) -> str:
    host, _, own = given.rpartition(":")
    if not port:
        return given or address
    return f"{host or address}:{own or port}"


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    """Text with the variables that it names; what names none stays as it is."""

    def value(found: re.Match[str]) -> str:
        return variables.get(found[1], found[0]) if found[1] else "$"

    return _REFERENCE.sub(value, text)


def command(
    container: Object, root: Path, volumes: Mapping[str, Path], variables: Mapping[str, str], words: Iterable[str]
) -> list[str]:
    """The command line that runs a container's program in its root, with what its volumes hold.

    Its /proc has the processes of the namespace that this is run in.
    """
    program = PROGRAMS[image(container)]
    binary = program.binary
    mounts = [(Path(path), path) for path in (*_DEVICES, *program.needs) if Path(path).exists()]
    at = str(binary) if program.needs else f"/bin/{binary.name}"
    mounts += [] if program.needs else [(binary, at)]
    mounts += [
        (_source(mount, volumes[mount["name"]], variables), mount["mountPath"].rstrip("/"))
        for mount in sorted(container.get("volumeMounts") or [], key=lambda mount: str(mount["mountPath"]))
    ]
    lines = [shlex.join(["mounted", str(source), f"{root}{target}"]) for source, target in mounts]
    lines.append(shlex.join(["processes", f"{root}/proc"]))
    settings = [f"{name}={value}" for name, value in variables.items()]
    start = shlex.join(["exec", "env", "-i", *settings])
    inside = shlex.join([str(root), at, *words])
    script = "\n".join([_MOUNT, *lines, f'{start} "$(command -v chroot)" {inside}'])
    return ["unshare", "--mount", "--", "sh", "-c", script]


def _source(mount: Mapping[str, Any], volume: Path, variables: Mapping[str, str]) -> Path:
    """What is mounted: a volume, or a part of it, which is a directory where there is nothing yet."""
    part = mount.get("subPath") or _expanded(mount.get("subPathExpr", ""), variables)
    source = (volume / part).resolve()
    if not source.exists():
        source.mkdir(parents=True)
    return source


def hosts(pod: Object, address: str, mirror: Mirror) -> str:
    """A pod's /etc/hosts with every Service, as there is no DNS: their names lead to the pods behind them.

    So a Service's own port is only reached where the pods' is the same.
    """
    namespace = pod["metadata"]["namespace"]
    lines = [f"{address} localhost {pod['metadata']['name']}"]
    for item in mirror.every("endpointslices"):
        metadata = item["metadata"]
        service = (metadata.get("labels") or {}).get("kubernetes.io/service-name")
        if not service:
            continue
        full = f"{service}.{metadata['namespace']}"
        names = [full, f"{full}.svc", f"{full}.svc.cluster.local"]
        names += [service] if metadata["namespace"] == namespace else []
        for endpoint in item.get("endpoints") or []:
            if endpoint["conditions"].get("ready") is not False:
                own = [f"{endpoint['hostname']}.{name}" for name in names if endpoint.get("hostname")]
                lines += [f"{at} {' '.join([*names, *own])}" for at in endpoint["addresses"]]
    return "\n".join([*sorted(lines), ""])
