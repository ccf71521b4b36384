"""What answers for containers whose programs are not run: Grafana, exporters, the application, the nodes' kubelets.

A stand-in listens on every port that its container declares and answers 200 to whatever it is asked, with one page of
metrics. It proves that something can be found and reached there, and nothing about the program in its place: neither
that it starts with its arguments and configuration, nor what it exposes. Of Grafana it plays the health, and counts
what the sidecars beside it would hand over.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import yaml

from control_plane.access import Access
from control_plane.containers import image
from control_plane.mirror import Mirror, Object

CERTGEN = "kube-webhook-certgen"
"""The image of the jobs that give the operator's admission webhook its certificate."""

_HOOKS = "/apis/admissionregistration.k8s.io/v1"


class Answers:
    """An ASGI application: what stands in for a pod, or for a kubelet if there is none."""

    def __init__(self, mirror: Mirror, pod: Object | None = None) -> None:
        self._mirror = mirror
        self._pod = pod

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["path"] == "/api/health":
            type_, text = "application/json", '{"database": "ok"}'
        else:
            type_, text = "text/plain; version=0.0.4", "\n".join([*self._metrics(), ""])
        headers = [(b"content-type", type_.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text.encode()})

    def _metrics(self) -> Iterator[str]:
        yield "stand_in 1"
        if not self._pod:
            return
        namespace = self._pod["metadata"]["namespace"]
        for container in self._pod["spec"]["containers"]:
            if container["name"].startswith("grafana-sc-dashboard"):
                yield f"grafana_stat_totals_dashboard {len(list(self._handed_over(container, namespace)))}"
            elif container["name"].startswith("grafana-sc-datasource"):
                documents = [yaml.safe_load(text) or {} for text in self._handed_over(container, namespace)]
                kinds = Counter(each["type"] for document in documents for each in document.get("datasources") or [])
                for kind, number in kinds.items():
                    yield f'grafana_stat_totals_datasource{{plugin_id="{kind}"}} {number}'

    def _handed_over(self, sidecar: Object, own_namespace: str) -> Iterator[str]:
        """The files of the ConfigMaps with a sidecar's label, in its own namespace unless it is told another."""
        variables = {each["name"]: each.get("value", "") for each in sidecar["env"]}
        namespace = variables.get("NAMESPACE", own_namespace)
        for item in self._mirror.every("configmaps"):
            labels = item["metadata"].get("labels") or {}
            here = namespace in ("ALL", item["metadata"]["namespace"])
            if here and labels.get(variables["LABEL"]) == variables["LABEL_VALUE"]:
                yield from (item.get("data") or {}).values()


def generate_certificate(pod: Object, client: httpx.Client, access: Access) -> None:
    """Do what a job of the webhook's certificates does, with the administrator's rights instead of its own."""
    (container,) = (each for each in pod["spec"]["containers"] if image(each) == CERTGEN)
    action, *options = container["args"]
    given = dict(option.lstrip("-").split("=", 1) for option in options)
    name, namespace = given["secret-name"], given["namespace"]
    path = f"/api/v1/namespaces/{namespace}/secrets"
    if action == "create" and client.get(f"{path}/{name}").status_code == httpx.codes.NOT_FOUND:
        service = f"{name.removesuffix('-admission')}-operator"
        certificate = access.authority.issue_cert(service, f"{service}.{namespace}.svc")
        values = {
            "ca": access.authority_file.read_bytes(),
            "cert": certificate.cert_chain_pems[0].bytes(),
            "key": certificate.private_key_pem.bytes(),
        }
        data = {key: base64.b64encode(value).decode() for key, value in values.items()}
        client.post(path, json={"metadata": {"name": name}, "data": data}).raise_for_status()
    elif action == "patch":
        for kind in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
            _trust(client, f"{_HOOKS}/{kind}/{given.get('webhook-name', name)}", access)


def _trust(client: httpx.Client, path: str, access: Access) -> None:
    """Let the API server trust the webhooks of a configuration."""
    answer = client.get(path)
    if answer.status_code == httpx.codes.NOT_FOUND:
        return
    configuration = answer.raise_for_status().json()
    for webhook in configuration["webhooks"]:
        webhook["clientConfig"]["caBundle"] = base64.b64encode(access.authority_file.read_bytes()).decode()
    client.put(path, json=configuration).raise_for_status()
