"""The real operator on a control plane, with its admission webhook behind the Service that the chart makes for it."""

from __future__ import annotations

import base64
from typing import Any

import httpx

from control_plane import access
from control_plane.network import PodNetwork
from control_plane.plane import ControlPlane
from engine.toolchain import tool
from facts import NAMESPACE
from parts import STACK

SERVICE = f"{STACK}-operator"
PROCESS = "prometheus-operator"
_PORT = 10250


def start(plane: ControlPlane, network: PodNetwork) -> None:
    """Start the operator as its chart does, and have the API server ask it about every rule, which must not fail.

    It is an administrator here: what its role allows is not tested with it.
    """
    address = str(network.nodes[2])
    certificate = plane.access.authority.issue_cert(f"{SERVICE}.{NAMESPACE}.svc", address)
    pair = access.write(certificate, plane.directory / "operator")
    administrator = plane.access.administrator
    arguments = [
        f"--apiserver={plane.url}",
        f"--ca-file={plane.access.authority_file}",
        f"--cert-file={administrator.certificate}",
        f"--key-file={administrator.key}",
        f"--kubelet-service=kube-system/{STACK}-kubelet",
        "--kubelet-endpoints=false",
        "--kubelet-endpointslice=true",
        "--localhost=127.0.0.1",
        f"--web.listen-address={address}:{_PORT}",
        "--web.enable-tls=true",
        f"--web.cert-file={pair.certificate}",
        f"--web.key-file={pair.key}",
    ]
    plane.children.start(PROCESS, network.inside(tool("prometheus-operator"), *arguments))
    health, trust = f"https://{address}:{_PORT}/healthz", plane.access.client_context()
    plane.wait(lambda: httpx.get(health, verify=trust, trust_env=False).is_success, "the operator does not answer")
    authority = base64.b64encode(plane.access.authority_file.read_bytes()).decode()
    plane.apply(*_service(address), _webhook(authority))


def _service(address: str) -> list[dict[str, Any]]:
    named = {"name": SERVICE, "namespace": NAMESPACE}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": named}
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": named | {"labels": {"kubernetes.io/service-name": SERVICE}},
    }
    return [
        service | {"spec": {"ports": [{"name": "https", "port": 443, "targetPort": _PORT}]}},
        slice_
        | {
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": _PORT, "protocol": "TCP"}],
        },
    ]


def _webhook(authority: str) -> dict[str, Any]:
    service = {"name": SERVICE, "namespace": NAMESPACE, "path": "/admission-prometheusrules/validate"}
    rules = {
        "apiGroups": ["monitoring.coreos.com"],
        "apiVersions": ["*"],
        "resources": ["prometheusrules"],
        "operations": ["CREATE", "UPDATE"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": SERVICE},
        "webhooks": [
            {
                "name": "prometheusrules.monitoring.coreos.com",
                "clientConfig": {"caBundle": authority, "service": service},
                "rules": [rules],
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }
