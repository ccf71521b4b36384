"""The application as the catalogue describes it, for something to stand in for: a Deployment and a Service each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from catalogue import Catalogue, Service


def objects(known: Catalogue) -> Iterator[dict[str, Any]]:
    """Its namespace, and every service."""
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": known.namespace}}
    for service in known.services:
        yield from _service(service, {"name": service.name, "namespace": known.namespace, "labels": service.labels})


def _service(service: Service, metadata: dict[str, Any]) -> Iterator[dict[str, Any]]:
    port = {"name": "http", "containerPort": service.port}
    container = {"name": service.name, "image": f"example.com/{service.name}", "ports": [port]}
    template = {"metadata": {"labels": service.labels}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": service.labels}, "template": template}
    yield {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    ports = [{"name": "http", "port": service.port, "targetPort": "http"}]
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"selector": service.labels, "ports": ports},
    }
