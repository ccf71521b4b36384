"""How containers are run for the pods of a control plane: arguments, variables, volumes, names of Services."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, cast

import pytest

from control_plane import containers, volumes
from control_plane.mirror import Mirror, Object
from control_plane.volumes import NotThereYetError, files, publish

POD: Object = {
    "metadata": {"name": "web-0", "namespace": "shop", "labels": {"app.kubernetes.io/name": "web"}},
    "spec": {"nodeName": "node-1"},
    "status": {"podIP": "198.18.8.1"},
}
ADDRESS = "198.18.8.1"


class Known:
    """A mirror of what a test says."""

    def __init__(self, **objects: list[Object]) -> None:
        self.objects = objects

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        found = [item["metadata"] for item in self.objects.get(kind, [])]
        names = [(metadata["namespace"], metadata["name"]) for metadata in found]
        return self.objects[kind][names.index((namespace, name))] if (namespace, name) in names else None

    def every(self, kind: str) -> list[Object]:
        return self.objects.get(kind, [])


def known(**objects: list[Object]) -> Mirror:
    return cast("Mirror", Known(**objects))


def named(name: str, **more: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "shop"}, **more}


@pytest.mark.parametrize(
    ("image", "given", "listens"),
    [
        ("quay.io/prometheus/prometheus:v3@sha256:1", [], ["--web.listen-address=198.18.8.1:9090"]),
        ("x/prometheus-operator", ["--web.listen-address=:10250"], ["--web.listen-address=198.18.8.1:10250"]),
        ("x/alertmanager", ["--web.listen-address=127.0.0.1:9093"], ["--web.listen-address=127.0.0.1:9093"]),
        (
            "x/prometheus-config-reloader:v0",
            ["--reload-url=http://127.0.0.1:9090/-/reload"],
            ["--reload-url=http://198.18.8.1:9090/-/reload", "--listen-address=198.18.8.1:8080"],
        ),
        (
            "x/kube-state-metrics:v2",
            ["--port=8080"],
            ["--port=8080", "--host=198.18.8.1", "--telemetry-host=198.18.8.1"],
        ),
    ],
)
def test_a_program_listens_on_its_pods_address_and_says_otherwise_what_the_pod_says(
    image: str, given: list[str], listens: list[str]
) -> None:
    container = {
        "image": image,
        "command": ["/bin/program", "--first"],
        "args": [*given, "--of=$(POD)/$(NONE)/$$(POD)"],
    }
    words = containers.arguments(container, {"POD": "web-0"}, ADDRESS)
    assert sorted(words) == sorted(["--first", "--of=web-0/$(NONE)/$(POD)", *listens])


def test_variables_are_the_pods_fields_its_secrets_and_one_another() -> None:
    secret = named("keys", data={"key": base64.b64encode(b"hidden").decode()})
    container = {
        "env": [
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app.kubernetes.io/name']"}}},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "key"}}},
            {"name": "BOTH", "value": "$(NODE)-$(KEY)"},
        ]
    }
    variables = containers.environment(container, POD, known(secrets=[secret]), ("127.0.0.1", 6443))
    assert variables.items() >= {"NODE": "node-1", "LABEL": "web", "KEY": "hidden", "BOTH": "node-1-hidden"}.items()
    with pytest.raises(NotThereYetError):
        containers.environment(container, POD, known(), ("127.0.0.1", 6443))


def test_names_of_services_lead_to_the_pods_that_are_ready() -> None:
    endpoints = [
        {"addresses": ["198.18.8.2"], "conditions": {"ready": True}, "hostname": "db-0"},
        {"addresses": ["198.18.8.3"], "conditions": {"ready": False}},
    ]
    metadata = {"namespace": "shop", "labels": {"kubernetes.io/service-name": "db"}}
    elsewhere = {"metadata": metadata | {"namespace": "other"}, "endpoints": endpoints}
    text = containers.hosts(
        POD, ADDRESS, known(endpointslices=[{"metadata": metadata, "endpoints": endpoints}, elsewhere])
    )
    lines = [line.split() for line in text.splitlines()]
    assert lines[1][:1] == ["198.18.8.2"]
    assert {"db", "db.shop.svc", "db.shop.svc.cluster.local", "db-0.db.shop.svc"} <= {*lines[1], *lines[2]}
    assert [line for line in lines if "db.other" in line and "db" in line] == []
    assert "198.18.8.3" not in text
    assert lines[0] == ["198.18.8.1", "localhost", "web-0"]


def test_a_volume_holds_what_its_sources_hold() -> None:
    mirror = known(
        configmaps=[named("config", data={"a": "A", "b": "B"})],
        secrets=[named("keys", data={"key": base64.b64encode(b"hidden").decode()})],
    )

    def of(volume: dict[str, Any]) -> volumes.Files | None:
        return files(volume, POD, mirror, lambda _, source: f"token for {source['audience']}")

    assert of({"configMap": {"name": "config"}}) == {"a": b"A", "b": b"B"}
    assert of({"configMap": {"name": "config", "items": [{"key": "b", "path": "in/c"}]}}) == {"in/c": b"B"}
    assert of({"secret": {"secretName": "keys"}}) == {"key": b"hidden"}
    assert of({"secret": {"secretName": "none", "optional": True}}) == {}
    assert of({"emptyDir": {}}) is None
    sources = [
        {"serviceAccountToken": {"path": "token", "audience": "vault"}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        {"secret": {"name": "keys"}},
    ]
    projected = {"token": b"token for vault", "namespace": b"shop", "key": b"hidden"}
    assert of({"projected": {"sources": sources}}) == projected
    for missing in (
        {"secret": {"secretName": "none"}},
        {"configMap": {"name": "config", "items": [{"key": "z", "path": "z"}]}},
    ):
        with pytest.raises(NotThereYetError):
            of(missing)


def test_what_a_volume_holds_is_replaced_as_a_whole(tmp_path: Path) -> None:
    publish(tmp_path, {"a": b"1", "in/b": b"1"})
    opened = (tmp_path / "..data").resolve()
    publish(tmp_path, {"in/b": b"2", "c": b"2"})
    assert not opened.exists()
    shown = {path.name for path in tmp_path.iterdir() if not path.name.startswith("..")}
    assert shown == {"in", "c"}
    assert (tmp_path / "in" / "b").read_bytes() == (tmp_path / "c").read_bytes() == b"2"
    assert len([path for path in tmp_path.iterdir() if path.name.startswith("..")]) == 2
