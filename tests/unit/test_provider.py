"""The stand-in providers, asked as the engine asks them: what they keep, refuse and replace."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from engine.provider.aws import Aws
from engine.provider.kubernetes import Kubernetes
from engine.provider.model import Model
from engine.provider.service import Provider
from engine.provider.store import Store
from engine.provider.values import UNKNOWN, Properties, changes, decode, encode, path_text, secret

CRDS = {"name": "prometheus-operator-crds", "namespace": "monitoring", "chart": "prometheus-operator-crds"}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "monitoring"}}


class RefusedError(Exception):
    """What the engine would be told."""


class Context:
    """The part of a call's context that an answer uses."""

    def abort(self, _code: Any, message: str) -> None:
        raise RefusedError(message)


class Cluster:
    """A stand-in provider, driven through its protocol."""

    def __init__(self, root: Path, model: Model | None = None) -> None:
        self.root = root
        self.provider = Provider(model or Kubernetes(), Store(root), "0")

    def configure(self, **options: str) -> None:
        self.provider.Configure(SimpleNamespace(args=encode(options)), Context())

    def check(self, type_: str, inputs: Properties, name: str = "logical", old: Properties | None = None) -> Any:
        request = SimpleNamespace(
            type=type_, name=name, urn=f"urn:{type_}::{name}", news=encode(inputs), olds=encode(old or {})
        )
        return self.provider.Check(request, Context())

    def create(self, type_: str, inputs: Properties, urn: str = "", preview: bool = False) -> Any:
        checked = self.check(type_, inputs)
        assert not checked.failures
        request = SimpleNamespace(type=type_, urn=urn or f"urn:{type_}", properties=checked.inputs, preview=preview)
        return self.provider.Create(request, Context())

    def diff(self, type_: str, old: Properties, new: Properties) -> Any:
        request = SimpleNamespace(type=type_, old_inputs=encode(old), news=encode(new))
        return self.provider.Diff(request, Context())

    def operations(self) -> list[tuple[str, str]]:
        lines = (self.root / "operations.jsonl").read_text().splitlines()
        return [(entry["operation"], entry["name"]) for entry in map(json.loads, lines)]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path / "cluster")


@pytest.fixture
def ready(cluster: Cluster) -> Cluster:
    """A cluster with the namespace and the resource definitions."""
    cluster.create("kubernetes:core/v1:Namespace", NAMESPACE)
    cluster.create("kubernetes:helm.sh/v3:Release", CRDS)
    return cluster


def config_map(data: Any, name: str = "dashboards", namespace: str = "monitoring") -> Properties:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def test_an_object_is_one_file_that_only_its_owner_reads(ready: Cluster) -> None:
    ready.create("kubernetes:core/v1:ConfigMap", config_map({"a.json": "{\n}\n"}))
    path = ready.root / "ConfigMap" / "monitoring" / "dashboards.yaml"
    assert yaml.safe_load(path.read_text()) == config_map({"a.json": "{\n}\n"})
    assert "a.json: |\n" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(ready.root.stat().st_mode) == 0o700


def test_a_preview_writes_nothing_and_leaves_to_the_cluster_what_only_it_knows(ready: Cluster) -> None:
    before = sorted(ready.root.rglob("*"))
    inputs = config_map({"a": UNKNOWN})
    response = ready.create("kubernetes:core/v1:ConfigMap", inputs, preview=True)
    assert sorted(ready.root.rglob("*")) == before
    assert response.id == ""
    outputs = decode(response.properties)
    assert outputs["metadata"] == inputs["metadata"] | {"uid": UNKNOWN}
    assert outputs["data"] == {"a": UNKNOWN}


def test_a_secret_is_stored_as_an_api_server_does_and_stays_secret_in_the_state(ready: Cluster) -> None:
    metadata = {"name": "credentials", "namespace": "monitoring"}
    inputs = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"key": secret("canary")}}
    response = ready.create("kubernetes:core/v1:Secret", inputs)
    stored = yaml.safe_load((ready.root / "Secret" / "monitoring" / "credentials.yaml").read_text())
    assert stored["data"] == {"key": "Y2FuYXJ5"}
    assert "stringData" not in stored
    assert decode(response.properties)["stringData"] == secret({"key": secret("canary")})


def test_an_object_that_exists_already_is_refused_unless_it_is_the_resources_own(ready: Cluster) -> None:
    ready.create("kubernetes:core/v1:ConfigMap", config_map({}), urn="urn:one")
    ready.create("kubernetes:core/v1:ConfigMap", config_map({}), urn="urn:one")  # a killed run left it
    with pytest.raises(RefusedError, match='ConfigMap "monitoring/dashboards" already exists'):
        ready.create("kubernetes:core/v1:ConfigMap", config_map({}), urn="urn:two")


def test_nothing_is_created_before_its_namespace_and_its_definition(cluster: Cluster) -> None:
    with pytest.raises(RefusedError, match='namespaces "monitoring" not found'):
        cluster.create("kubernetes:core/v1:ConfigMap", config_map({}))
    rule = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": "rules"}}
    with pytest.raises(RefusedError, match="no matches for kind"):
        cluster.create("kubernetes:monitoring.coreos.com/v1:PrometheusRule", rule)


@pytest.mark.parametrize(
    "chart",
    ["prometheus-operator-crds", "oci://registry/x/prometheus-operator-crds", "/c/prometheus-operator-crds-1.tgz"],
)
def test_the_definitions_count_from_every_chart_source(cluster: Cluster, chart: str) -> None:
    cluster.create("kubernetes:core/v1:Namespace", NAMESPACE)
    cluster.create("kubernetes:helm.sh/v3:Release", CRDS | {"chart": chart})
    rule = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": "rules"}}
    cluster.create("kubernetes:monitoring.coreos.com/v1:PrometheusRule", rule)


def test_a_refused_object_is_not_written_and_the_next_try_succeeds(ready: Cluster) -> None:
    (ready.root / "refuse").write_text("ConfigMap/dashboards\n")
    with pytest.raises(RefusedError, match="denied the request"):
        ready.create("kubernetes:core/v1:ConfigMap", config_map({}))
    assert not (ready.root / "ConfigMap").exists()
    (ready.root / "refuse").unlink()
    ready.create("kubernetes:core/v1:ConfigMap", config_map({}))
    assert ready.operations()[-1] == ("create", "dashboards")


def test_the_record_of_operations_has_no_values(ready: Cluster) -> None:
    ready.create("kubernetes:core/v1:ConfigMap", config_map({"key": "canary"}))
    assert "canary" not in (ready.root / "operations.jsonl").read_text()


def test_a_name_is_made_up_once_and_kept(cluster: Cluster) -> None:
    inputs = {"apiVersion": "v1", "kind": "ConfigMap"}
    first = decode(cluster.check("kubernetes:core/v1:ConfigMap", inputs).inputs)
    assert first["metadata"]["name"].startswith("logical-")
    old = first | {"metadata": {"name": "logical-before"}}
    again = decode(cluster.check("kubernetes:core/v1:ConfigMap", inputs, old=old).inputs)
    assert again["metadata"]["name"] == "logical-before"


def test_what_cannot_be_an_object_is_refused_before_anything_is_done(cluster: Cluster) -> None:
    assert [f.property for f in cluster.check("kubernetes:core/v1:ConfigMap", {"apiVersion": "v1"}).failures] == [
        "kind"
    ]
    assert [f.property for f in cluster.check("kubernetes:helm.sh/v3:Release", {}).failures] == ["chart"]
    unknown = Cluster(cluster.root, Aws()).check("aws:ec2/vpc:Vpc", {})
    assert "knows no aws:ec2/vpc:Vpc" in unknown.failures[0].reason


def test_a_diff_names_exactly_the_changed_properties(cluster: Cluster) -> None:
    old = {"spec": {"groups": [{"rules": [{"expr": "a", "for": "1m"}]}]}, "metadata": {"labels": {"a/b": "1"}}}
    new = {"spec": {"groups": [{"rules": [{"expr": "b"}, {"expr": "c"}]}]}, "metadata": {"labels": {"a/b": "2"}}}
    response = cluster.diff("kubernetes:monitoring.coreos.com/v1:PrometheusRule", old, new)
    kinds = {path: diff.Kind.Name(diff.kind) for path, diff in response.detailedDiff.items()}
    assert kinds == {
        'metadata.labels["a/b"]': "UPDATE",
        "spec.groups[0].rules[0].expr": "UPDATE",
        "spec.groups[0].rules[0].for": "DELETE",
        "spec.groups[0].rules[1]": "ADD",
    }
    assert not response.replaces


def test_marking_a_value_as_secret_is_no_change(cluster: Cluster) -> None:
    response = cluster.diff("kubernetes:core/v1:Secret", {"data": {"a": "x"}}, {"data": {"a": secret("x")}})
    assert response.changes == response.DIFF_NONE


REPLACED = [
    ("core/v1:Namespace", "metadata.name"),
    ("core/v1:ConfigMap", "metadata.namespace"),
    ("core/v1:PersistentVolume", "spec.hostPath.path"),
    ("storage.k8s.io/v1:StorageClass", "parameters.type"),
    ("storage.k8s.io/v1:StorageClass", "provisioner"),
    ("batch/v1:Job", "spec.template.spec.containers"),
    ("core/v1:Secret", "type"),
    ("helm.sh/v3:Release", "name"),
    ("helm.sh/v3:Release", "namespace"),
    ("helm.sh/v3:Release", "chart"),
]
IN_PLACE = [
    ("core/v1:Namespace", "metadata.labels"),
    ("core/v1:PersistentVolume", "spec.persistentVolumeReclaimPolicy"),
    ("core/v1:PersistentVolume", "spec.capacity.storage"),
    ("storage.k8s.io/v1:StorageClass", "allowVolumeExpansion"),
    ("helm.sh/v3:Release", "values.replicas"),
    ("helm.sh/v3:Release", "version"),
    ("helm.sh/v3:Release", "timeout"),
]


def nested(path: str, value: str) -> Properties:
    first, _, rest = path.partition(".")
    return {first: nested(rest, value) if rest else value}


@pytest.mark.parametrize(("type_", "path"), REPLACED)
def test_what_kubernetes_cannot_change_is_deleted_and_made_anew(cluster: Cluster, type_: str, path: str) -> None:
    response = cluster.diff(f"kubernetes:{type_}", nested(path, "old"), nested(path, "new"))
    assert list(response.replaces) == [path]
    assert response.deleteBeforeReplace


@pytest.mark.parametrize(("type_", "path"), IN_PLACE)
def test_what_kubernetes_can_change_is_changed_in_place(cluster: Cluster, type_: str, path: str) -> None:
    response = cluster.diff(f"kubernetes:{type_}", nested(path, "old"), nested(path, "new"))
    assert response.changes == response.DIFF_SOME
    assert not response.replaces


@pytest.mark.parametrize(
    ("kind", "option"), [("ConfigMap", "enableConfigMapMutable"), ("Secret", "enableSecretMutable")]
)
def test_content_changes_in_place_only_where_the_provider_says_so(cluster: Cluster, kind: str, option: str) -> None:
    change = ({"data": {"a": "old"}}, {"data": {"a": "new"}})
    assert list(cluster.diff(f"kubernetes:core/v1:{kind}", *change).replaces) == ["data.a"]
    cluster.configure(**{option: "true"})
    assert not cluster.diff(f"kubernetes:core/v1:{kind}", *change).replaces


def test_an_object_that_somebody_deleted_is_found_missing(ready: Cluster) -> None:
    type_ = "kubernetes:core/v1:ConfigMap"
    created = ready.create(type_, config_map({}))
    request = SimpleNamespace(
        type=type_, id=created.id, inputs=encode(config_map({})), properties=encode(config_map({}))
    )
    assert ready.provider.Read(request, Context()).id == "monitoring/dashboards"
    (ready.root / "ConfigMap" / "monitoring" / "dashboards.yaml").unlink()
    assert ready.provider.Read(request, Context()).id == ""


def test_aws_answers_with_names_of_a_made_up_account(tmp_path: Path) -> None:
    aws = Cluster(tmp_path / "cluster", Aws())
    aws.configure(region="eu-west-1")
    role = aws.create("aws:iam/role:Role", {"assumeRolePolicy": "{}"})
    assert decode(role.properties)["arn"].startswith("arn:aws:iam::123456789012:role/logical-")
    request = SimpleNamespace(tok="aws:eks/getCluster:getCluster", args=encode({"name": "prod"}))
    found = decode(getattr(aws.provider.Invoke(request, Context()), "return"))
    assert found["arn"] == "arn:aws:eks:eu-west-1:123456789012:cluster/prod"
    unknown = SimpleNamespace(tok="aws:ec2/getVpc:getVpc", args=encode({}))
    with pytest.raises(RefusedError, match="no function aws:ec2/getVpc"):
        aws.provider.Invoke(unknown, Context())


def test_whole_numbers_stay_whole_and_truth_is_no_number() -> None:
    decoded = decode(encode({"a": 3, "b": 0.5, "c": True}))
    assert {key: repr(value) for key, value in decoded.items()} == {"a": "3", "b": "0.5", "c": "True"}
    assert [path_text(change.path) for change in changes({"a": 1}, {"a": True})] == ["a"]
