"""Starts a control plane, and is the handle to it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import httpx
import yaml

from control_plane import access, nodes
from control_plane.access import HOST, Access
from control_plane.children import Children
from control_plane.network import PodNetwork
from engine.toolchain import tool
from facts import ROOT
from local.errors import RehearsalError
from local.ports import free_ports

CONTEXT = "kind-monitoring"
"""The context that kind makes for a cluster named as in docs/deploying.md."""
NEWEST, OLDER = "kube-apiserver", "kube-apiserver-1.34"
"""The API servers: the newest minor version, and an older one that EKS still runs."""
START_SECONDS = 300
"""Bound for the start on a busy machine; on two idle cores it takes less than ten."""

_ISSUER = "https://kubernetes.default.svc"
_SERVICES = "10.96.0.0/16"
_KUBERNETES_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_UNREACHED = IPv4Network("198.18.0.0/20")
"""Addresses of nodes and pods where nothing can answer for them."""


class KubectlError(RehearsalError):
    """kubectl has failed; the message is what it said."""


@dataclass(frozen=True, kw_only=True)
class ControlPlane:
    """A running control plane, empty but for what Kubernetes itself makes."""

    url: str
    access: Access
    directory: Path
    children: Children
    """Its processes; others that must end with it can be started here."""
    network: PodNetwork | None
    """Where pods can answer; None where no network namespace can be made, and none can."""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, with one context."""
        return self.directory / "kubeconfig"

    def kubectl(self, *arguments: str | Path, input: str | None = None) -> str:  # noqa: A002 - as subprocess calls it
        """What kubectl answers the administrator. Raises KubectlError."""
        command = [
            tool("kubectl"),
            "--kubeconfig",
            self.kubeconfig,
            "--cache-dir",
            self.directory / "cache",
            *arguments,
        ]
        done = subprocess.run(command, input=input, capture_output=True, text=True, check=False)
        if done.returncode:
            raise KubectlError(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    def client(self) -> httpx.Client:
        """An HTTP client of the administrator: `plane.client().get("/api/v1/nodes")`."""
        return httpx.Client(base_url=self.url, verify=self.access.client_context(), timeout=10, trust_env=False)

    def apply(self, *objects: dict[str, Any], dry_run: bool = False) -> str:
        """Create or change objects, strictly validated; with `dry_run` up to the point of storing them.

        Returns a line for each. Raises KubectlError with the API server's words.
        """
        command = ["apply", "--server-side", "--force-conflicts", "--validate=strict", "--filename=-"]
        dry = ["--dry-run=server"] if dry_run else []
        return self.kubectl(*command, *dry, input=yaml.dump_all(objects, Dumper=yaml.CSafeDumper))

    def clear(self) -> None:
        """Delete what Kubernetes itself has not made, and wait until it is gone: the next test's clean slate."""
        ours = "--selector=!kubernetes.io/bootstrapping"
        named = f"--selector=kubernetes.io/metadata.name notin ({','.join(_KUBERNETES_NAMESPACES)})"
        everything = ("--all", "--ignore-not-found", "--wait=true", f"--timeout={START_SECONDS}s")
        self.kubectl("delete", "validatingwebhookconfigurations,mutatingwebhookconfigurations", *everything)
        self.kubectl("delete", "crd", *everything)
        self.kubectl("delete", "namespace", named, *everything[1:])
        self.kubectl("delete", "clusterrole,clusterrolebinding", ours, *everything[1:])
        for namespace in ("default", "kube-system"):
            kinds = "all,persistentvolumeclaim,endpointslice"
            self.kubectl("delete", kinds, f"--namespace={namespace}", "--selector=!component", *everything[1:])
        self.kubectl("delete", "storageclass,persistentvolume", *everything)  # after the claims, which keep volumes
        critical = "--field-selector=metadata.name!=system-cluster-critical,metadata.name!=system-node-critical"
        self.kubectl("delete", "priorityclass", critical, *everything[1:])

    def wait(self, ready: Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
        """Ask until `ready` says so. Raises RehearsalError after `seconds`, or if a process has ended."""
        deadline = time.monotonic() + seconds
        while not _truth(ready):
            self.children.check()
            if time.monotonic() > deadline:
                raise RehearsalError(f"after {seconds:g} s: {what}; the logs are in {self.directory / 'logs'}")
            time.sleep(0.1)


def _truth(ready: Callable[[], object]) -> bool:
    try:
        return bool(ready())
    except httpx.HTTPError:
        return False


@contextmanager
def control_plane(
    directory: Path,
    *,
    api_server: str = NEWEST,
    node_count: int = 1,
    network: PodNetwork | None = None,
    context: str = CONTEXT,
) -> Iterator[ControlPlane]:
    """Start a control plane in an empty directory, and kill it at the end.

    `api_server` names the tool. Without nodes neither controllers nor a scheduler run: objects are validated and
    stored, and nothing becomes of them. Raises RehearsalError if a part does not start.
    """
    with Children(directory / "logs") as children:
        etcd, peer, port = free_ports(3)
        plane = ControlPlane(
            url=f"https://{HOST}:{port}",
            access=access.make(directory / "access"),
            directory=directory,
            children=children,
            network=network,
        )
        plane.kubeconfig.write_text(yaml.safe_dump(plane.access.kubeconfig(plane.url, context), sort_keys=False))
        children.start("etcd", [tool("etcd"), *_etcd(directory / "etcd", etcd, peer)])
        children.start("kube-apiserver", [tool(api_server), *_api_server(plane, port, etcd)])
        with plane.client() as client:
            plane.wait(lambda: client.get("/readyz").is_success, "the API server is not ready")
            if network:
                relay = [sys.executable, "-P", "-m", "control_plane.relay", str(network.holder), str(port)]
                children.start("relay", relay, {"PYTHONPATH": str(ROOT)})
                plane.wait(lambda: "listening" in children.log("relay").read_text(), "the relay does not listen")
            if node_count:
                _start_controllers(plane, node_count)
                plane.wait(lambda: _settled(client, node_count), "not every node is ready")
        yield plane


def _etcd(data: Path, client: int, peer: int) -> list[str]:
    here = f"http://{HOST}:{client}"
    return [
        f"--data-dir={data}",
        f"--listen-client-urls={here}",
        f"--advertise-client-urls={here}",
        f"--listen-peer-urls=http://{HOST}:{peer}",
        "--unsafe-no-fsync",  # nothing is to outlive the process
        "--log-level=warn",
    ]


def _api_server(plane: ControlPlane, port: int, etcd: int) -> list[str]:
    """The admission plugins are those of every API server: pod security, quota, limits, webhooks and more."""
    keys, advertised = plane.access, plane.network.nodes[1] if plane.network else _UNREACHED[1]
    return [
        f"--etcd-servers=http://{HOST}:{etcd}",
        f"--bind-address={HOST}",
        f"--secure-port={port}",
        f"--advertise-address={advertised}",
        f"--tls-cert-file={keys.server.certificate}",
        f"--tls-private-key-file={keys.server.key}",
        f"--client-ca-file={keys.authority_file}",
        "--authorization-mode=RBAC",
        f"--service-account-issuer={_ISSUER}",
        f"--service-account-key-file={keys.accounts.key}",
        f"--service-account-signing-key-file={keys.accounts.key}",
        f"--service-cluster-ip-range={_SERVICES}",
        "--enable-aggregator-routing=true",  # calls webhooks at their pods: nothing routes Services here
        "--allow-privileged=true",
    ]


def _start_controllers(plane: ControlPlane, node_count: int) -> None:
    keys, identity = plane.access, f"--kubeconfig={plane.kubeconfig}"
    alone = ["--leader-elect=false", "--secure-port=0"]
    manager = [
        f"--service-account-private-key-file={keys.accounts.key}",
        f"--root-ca-file={keys.authority_file}",
        "--enable-hostpath-provisioner=true",  # for classes of kubernetes.io/host-path
        "--node-monitor-grace-period=24h",  # nothing renews a lease for the simulated nodes
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]
    network = plane.network
    stages = [f"--config={stage}" for stage in nodes.stages()]
    simulated = ["--manage-all-nodes=true", f"--cidr={network.pods if network else _UNREACHED}", "--node-port=0"]
    plane.children.start("kube-controller-manager", [tool("kube-controller-manager"), identity, *alone, *manager])
    plane.children.start("kube-scheduler", [tool("kube-scheduler"), identity, *alone])
    plane.children.start("kwok", [tool("kwok"), identity, *simulated, *stages], {"HOME": str(plane.directory)})
    addresses = network.nodes if network else _UNREACHED
    plane.apply(*(nodes.node(number, addresses[number + 16]) for number in range(node_count)))


def _settled(client: httpx.Client, node_count: int) -> bool:
    """Whether pods could run: every node ready, and the first service account made."""
    found = client.get("/api/v1/nodes").json()["items"]
    conditions = [condition for node in found for condition in node["status"].get("conditions", [])]
    ready = [item for item in conditions if item["type"] == "Ready" and item["status"] == "True"]
    return len(ready) == node_count and client.get("/api/v1/namespaces/default/serviceaccounts/default").is_success
