"""Kubernetes as far as a program's mistakes show: names, namespaces, definitions, and fields that cannot change."""

# ruff: noqa: ARG002 - a model's signatures
from __future__ import annotations

import base64
import re
import uuid

from engine.provider.model import InvalidPropertyError
from engine.provider.store import ApiError, Key, Store
from engine.provider.values import UNKNOWN, Path, Properties, merge, reveal

RELEASE = "kubernetes:helm.sh/v3:Release"

CLUSTER_SCOPED = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "MutatingWebhookConfiguration",
    "Namespace",
    "PersistentVolume",
    "PriorityClass",
    "StorageClass",
    "ValidatingWebhookConfiguration",
}

EXISTING_NAMESPACES = {"default", "kube-node-lease", "kube-public", "kube-system", "order-processor"}
"""Namespaces that are there before the program runs: the cluster's own, and the application's."""

DEFINED_BY = {"monitoring.coreos.com": "prometheus-operator-crds"}
"""The chart that defines an API group's custom resources."""

_VOLUME_SOURCES = ("csi", "hostPath", "local", "nfs", "nodeAffinity", "volumeMode")
_CLAIM = ("accessModes", "selector", "storageClassName", "volumeMode", "volumeName")
_FIXED: dict[str, tuple[Path, ...]] = {
    "ClusterRoleBinding": (("roleRef",),),
    "DaemonSet": (("spec", "selector"),),
    "Deployment": (("spec", "selector"),),
    "Job": (("spec",),),
    "PersistentVolume": tuple(("spec", source) for source in _VOLUME_SOURCES),
    "PersistentVolumeClaim": tuple(("spec", key) for key in _CLAIM),
    "Release": (("name",), ("namespace",), ("chart",)),
    "RoleBinding": (("roleRef",),),
    "Secret": (("type",),),
    "StatefulSet": tuple(("spec", key) for key in ("selector", "serviceName", "volumeClaimTemplates")),
    "StorageClass": (("parameters",), ("provisioner",), ("reclaimPolicy",), ("volumeBindingMode",)),
}
"""Fields whose change replaces the object, by kind; names and kinds do for every kind."""

_DATA: dict[str, tuple[str, ...]] = {
    "ConfigMap": ("data", "binaryData", "immutable"),
    "Secret": ("data", "stringData", "immutable"),
}
_MUTABLE_OPTION = {"ConfigMap": "enableConfigMapMutable", "Secret": "enableSecretMutable"}


class Kubernetes:
    """The rules of a cluster without anything in it."""

    def __init__(self) -> None:
        self._options: Properties = {}

    def configure(self, options: Properties) -> None:
        """Take `namespace` and the options that make ConfigMaps and Secrets mutable."""
        self._options = options

    def check(self, type_: str, name: str, inputs: Properties, old: Properties, seed: str) -> Properties:
        """Fill in the name and the namespace."""
        if type_ == RELEASE:
            return self._check_release(name, inputs, old, seed)
        for required in ("apiVersion", "kind"):
            if not inputs.get(required):
                raise InvalidPropertyError(required, "is required")
        metadata = reveal(inputs.get("metadata") or {})
        if metadata == UNKNOWN:
            return inputs
        filled = {"name": metadata.get("name") or (old.get("metadata") or {}).get("name") or f"{name}-{seed}"}
        if inputs["kind"] not in CLUSTER_SCOPED:
            filled["namespace"] = metadata.get("namespace") or self._namespace
        return inputs | {"metadata": merge(inputs.get("metadata") or {}, filled)}

    def _check_release(self, name: str, inputs: Properties, old: Properties, seed: str) -> Properties:
        if not inputs.get("chart"):
            raise InvalidPropertyError("chart", "is required")
        named = inputs.get("name") or old.get("name") or f"{name}-{seed}"
        return inputs | {"name": named, "namespace": inputs.get("namespace") or self._namespace}

    @property
    def _namespace(self) -> str:
        return str(self._options.get("namespace") or "default")

    def key(self, type_: str, inputs: Properties) -> Key:
        """Kind, namespace and name."""
        if type_ == RELEASE:
            return Key("Release", inputs["namespace"], inputs["name"])
        metadata = inputs["metadata"]
        return Key(inputs["kind"], metadata.get("namespace", ""), metadata["name"])

    def document(self, type_: str, inputs: Properties) -> Properties:
        """The object as applied, a Secret's text encoded as an API server does; a release is what was asked of Helm."""
        if type_ == RELEASE:
            identity = {"name": inputs["name"], "namespace": inputs["namespace"]}
            asked = {key: value for key, value in inputs.items() if key not in ("compat", *identity)}
            return {"apiVersion": "helm.sh/v3", "kind": "Release", "metadata": identity, **asked}
        if inputs["kind"] != "Secret":
            return inputs
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in inputs.get("stringData", {}).items()}
        rest = {key: value for key, value in inputs.items() if key != "stringData"}
        return rest | {"data": inputs.get("data", {}) | encoded}

    def admit(self, type_: str, inputs: Properties, store: Store) -> None:
        """Refuse an object whose namespace or definition does not exist yet."""
        key = self.key(type_, inputs)
        namespaces = {"", *EXISTING_NAMESPACES, *store.names("Namespace")}
        if key.namespace not in namespaces and not inputs.get("createNamespace"):
            raise ApiError(f'{key}: namespaces "{key.namespace}" not found')
        group = inputs.get("apiVersion", "").partition("/")[0]
        chart = DEFINED_BY.get(group)
        if chart and not _installed(chart, store):
            raise ApiError(f'{key}: no matches for kind "{key.kind}" in group "{group}": {chart} is not installed')

    def identifier(self, type_: str, inputs: Properties) -> str:
        """`namespace/name`, or the name where there is no namespace."""
        key = self.key(type_, inputs)
        return f"{key.namespace}/{key.name}" if key.namespace else key.name

    def computed(self, type_: str, urn: str, inputs: Properties) -> Properties:
        """The uid, or a release's status."""
        if type_ == RELEASE:
            shown = {key: inputs[key] for key in ("name", "namespace", "chart", "version") if key in inputs}
            return {"status": shown | {"status": "deployed"}, "resourceNames": {}}
        return {"metadata": {"uid": str(uuid.uuid5(uuid.NAMESPACE_URL, urn))}}

    def sealed(self, type_: str) -> tuple[str, ...]:
        """A Secret's content."""
        return ("data", "stringData") if type_ == "kubernetes:core/v1:Secret" else ()

    def fixed(self, type_: str, path: Path) -> bool:
        """As the real provider and the API server have it; content of ConfigMaps and Secrets by the option."""
        kind = type_.rpartition(":")[2]
        if path[0] in ("apiVersion", "kind") or path[:2] in (("metadata", "name"), ("metadata", "namespace")):
            return True
        if path[0] in _DATA.get(kind, ()):
            return str(self._options.get(_MUTABLE_OPTION[kind], "")).lower() != "true"
        return any(path[: len(fixed)] == fixed for fixed in _FIXED.get(kind, ()))

    def invoke(self, token: str, arguments: Properties) -> Properties:
        """No look-ups: the real ones decode or render on the client."""
        raise ApiError(f"the stand-in for kubernetes has no function {token}")


def _installed(chart: str, store: Store) -> bool:
    """Whether there is a release of the chart, whatever repository, registry or directory it came from."""
    line = re.compile(rf"^chart: (.*/)?{chart}", re.MULTILINE)
    return any(line.search(path.read_text()) for path in (store.root / "Release").glob("*/*.yaml"))
