"""Property values as the provider protocol carries them: JSON in which secrets and unknown values are marked."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from google.protobuf import json_format, struct_pb2  # type: ignore[import-untyped]

Properties = dict[str, Any]

# Fixed by the protocol.
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
MARK = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the name of a mark

Path = tuple[str | int, ...]

_ABSENT = object()


class Change(NamedTuple):
    """One property that differs."""

    path: Path
    kind: Literal["add", "delete", "update"]


def decode(struct: struct_pb2.Struct) -> Properties:
    """The properties in a message, with whole numbers as int (the protocol has only floating point)."""
    return {key: _decode(value) for key, value in struct.fields.items()}


def _decode(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return decode(value.struct_value)
        case "list_value":
            return [_decode(item) for item in value.list_value.values]
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def encode(properties: Properties) -> struct_pb2.Struct:
    """The message for properties."""
    return json_format.ParseDict(properties, struct_pb2.Struct())


def secret(value: Any) -> Any:
    """The value marked as a secret, once."""
    return value if is_secret(value) else {MARK: SECRET, "value": value}


def is_secret(value: Any) -> bool:
    """Whether the value is marked as a secret."""
    return isinstance(value, dict) and value.get(MARK) == SECRET


def reveal(value: Any) -> Any:
    """The value with the secrets in it unmarked."""
    if is_secret(value):
        return reveal(value["value"])
    if isinstance(value, dict):
        return {key: reveal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [reveal(item) for item in value]
    return value


def unknown(value: Any) -> Any:
    """The value with every leaf unknown: what a preview says of something that only the cluster decides."""
    return {key: unknown(item) for key, item in value.items()} if isinstance(value, dict) else UNKNOWN


def merge(base: Any, extra: Any) -> Any:
    """`base` with the properties of `extra` added, at every depth; `extra` wins."""
    if not isinstance(base, dict) or not isinstance(extra, dict) or is_secret(base) or is_secret(extra):
        return extra
    return base | {key: merge(base[key], item) if key in base else item for key, item in extra.items()}


def changes(old: Any, new: Any, path: Path = ()) -> Iterator[Change]:
    """The smallest properties that differ between two revealed values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from changes(old.get(key, _ABSENT), new.get(key, _ABSENT), (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index, (was, now) in enumerate(itertools.zip_longest(old, new, fillvalue=_ABSENT)):
            yield from changes(was, now, (*path, index))
    elif old != new or isinstance(old, bool) != isinstance(new, bool):
        yield Change(path, "add" if old is _ABSENT else "delete" if new is _ABSENT else "update")


def path_text(path: Path) -> str:
    """A path as Pulumi writes it: `spec.groups[0].name`, `metadata.labels["app.kubernetes.io/name"]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.replace("_", "a").replace("-", "a").isalnum():
            text += f".{part}" if text else part
        else:
            text += '["' + part.replace('"', r"\"") + '"]'
    return text
