"""What a pod's volumes hold: files of ConfigMaps, Secrets and tokens, replaced at once as kubelets do it."""

from __future__ import annotations

import base64
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from control_plane.mirror import Mirror, Object

Files = dict[str, bytes]
"""The content of a volume's files, by their paths in it."""
Token = Callable[[Object, Mapping[str, Any]], str]
"""A token for a pod's service account, as a volume's source describes it."""

_KEPT = ("emptyDir", "persistentVolumeClaim", "hostPath", "ephemeral")
"""Volumes in which pods write: directories here, and empty at first. Nothing of this machine is shown to a pod."""


class NotThereYetError(Exception):
    """A pod cannot start, for something that its volumes or variables are made of is missing."""


def files(volume: Mapping[str, Any], pod: Object, mirror: Mirror, token: Token) -> Files | None:
    """What a volume holds; None for one in which pods write. Raises NotThereYetError."""
    if any(kind in volume for kind in _KEPT):
        return None
    sources = volume["projected"].get("sources") or [] if "projected" in volume else [volume]
    found: Files = {}
    for source in sources:
        found |= _of(source, pod, mirror, token)
    return found


def _of(source: Mapping[str, Any], pod: Object, mirror: Mirror, token: Token) -> Files:
    if wanted := source.get("secret"):
        return _items(wanted, data(mirror, pod, "secrets", wanted.get("secretName") or wanted.get("name"), wanted))
    if wanted := source.get("configMap"):
        return _items(wanted, data(mirror, pod, "configmaps", wanted["name"], wanted))
    if wanted := source.get("downwardAPI"):
        return {item["path"]: field(pod, item["fieldRef"]["fieldPath"]).encode() for item in wanted["items"]}
    if wanted := source.get("serviceAccountToken"):
        return {wanted["path"]: token(pod, wanted).encode()}
    raise NotImplementedError(f"a volume of {set(source) - {'name'}}")


def data(mirror: Mirror, pod: Object, kind: str, name: str, reference: Mapping[str, Any]) -> Files:
    """The content of a ConfigMap or Secret that a pod refers to. Raises NotThereYetError, unless it is optional."""
    found = mirror.get(kind, pod["metadata"]["namespace"], name)
    if found is None:
        if reference.get("optional"):
            return {}
        raise NotThereYetError(f"{kind}/{name}")
    plain, encoded = found.get("data") or {}, found.get("binaryData") or {}
    if kind == "secrets":
        plain, encoded = {}, plain
    texts = {key: value.encode() for key, value in plain.items()}
    return texts | {key: base64.b64decode(value) for key, value in encoded.items()}


def _items(reference: Mapping[str, Any], content: Files) -> Files:
    if "items" not in reference:
        return content
    wanted = [item for item in reference["items"] if item["key"] in content or not reference.get("optional")]
    for item in wanted:
        if item["key"] not in content:
            raise NotThereYetError(f"the key {item['key']} of {reference}")
    return {item["path"]: content[item["key"]] for item in wanted}


def field(pod: Object, path: str) -> str:
    """A field of a pod that it may ask for itself, such as `status.podIP` or `metadata.labels['app']`."""
    above, _, key = path.partition("[")
    value: Any = pod
    for name in above.split("."):
        value = value.get(name, {})
    return str(value.get(key.strip("']"), "") if key else value or "")


def publish(directory: Path, content: Files) -> None:
    """Replace what a volume holds: what looks at it sees all of the old or all of the new."""
    directory.mkdir(parents=True, exist_ok=True)
    before = directory / "..data"
    old = before.resolve() if before.is_symlink() else None
    new = directory / f"..{time.time_ns()}"
    new.mkdir()
    for path, text in content.items():
        (new / path).parent.mkdir(parents=True, exist_ok=True)
        (new / path).write_bytes(text)
    swapped = directory / "..data_tmp"
    swapped.symlink_to(new.name)
    swapped.replace(before)
    names = {Path(path).parts[0] for path in content}
    for name in names:
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(f"..data/{name}")
    for link in directory.iterdir():
        if link.name not in names and not link.name.startswith(".."):
            link.unlink()
    if old:
        shutil.rmtree(old, ignore_errors=True)
