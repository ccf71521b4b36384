"""Reads the YAML files that people write, as Pulumi reads them, and refuses what it would pass over in silence.

PyYAML by itself follows YAML 1.1, where `no` is false and `17:00` is 1020; Pulumi reads both as text. Of two equal keys
it takes the last one. Here two equal keys are an error, and what a file says is the same for every command.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Any

import yaml

from validation import InvalidInputError


def read(path: Path, name: str = "") -> Any:
    """The one document in a YAML file, which errors call `name` or as it is called; None if it is empty.

    Raises InvalidInputError, naming the file and the line, if it cannot be read, is not UTF-8, not YAML, or has a key
    twice.
    """
    name = name or path.name
    return parse(_text(path, name), name)


def parse(text: str, name: str) -> Any:
    """The one document in a text, which errors call `name`. Raises InvalidInputError as `read` does."""
    loader = None
    try:
        loader = _Loader(text)
        document = loader.get_single_data()
        circular = _holds_itself(document, set(), set())
    except yaml.YAMLError as error:
        raise InvalidInputError([f"{name}: not valid YAML: {_explained(error)}"]) from None
    except RecursionError:
        raise InvalidInputError([f"{name}: not valid YAML: nested too deeply"]) from None
    except (ValueError, LookupError, AttributeError, TypeError):  # what PyYAML does about `!!timestamp x`, `!!bool x`
        raise InvalidInputError(
            [f"{name}: not valid YAML: a value in it is not of the kind that it is marked as"]
        ) from None
    finally:
        if loader:
            loader.dispose()
    if loader.twice:
        raise InvalidInputError([f"{name} {found}" for found in loader.twice])
    if circular:
        raise InvalidInputError([f"{name}: not valid YAML: an alias is inside what it refers to; write the value out"])
    return document


def _text(path: Path, name: str) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InvalidInputError([f"{name}: no such file"]) from None
    except OSError as error:
        raise InvalidInputError([f"{name}: cannot be read: {error.strerror}"]) from None
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InvalidInputError([f"{name}: UTF-16 text; save the file as UTF-8"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = f"{name} line {line}: the byte {error.object[error.start]:#x} is not UTF-8; save the file as UTF-8"
        raise InvalidInputError([problem]) from None


class _Loader(yaml.CSafeLoader):
    """A safe loader with the plain scalars of YAML 1.2's core schema, which notes keys that are given twice."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as PyYAML has it

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.twice: list[str] = []

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        first: dict[str, int] = {}
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if key.value in first and key.tag != "tag:yaml.org,2002:merge":
                self.twice.append(f'line {line}: the key "{key.value}" is there already, in line {first[key.value]}')
            first.setdefault(key.value, line)
        return super().construct_mapping(node, deep=deep)


for tag, pattern, starts in (
    ("null", "~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", "true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", "[-+]?(0|[1-9][0-9]*|0[0-7]+)|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+0123456789.")),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
    ("merge", "<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), starts)


def _explained(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError):
        return " ".join(str(error).split())
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return place + ", ".join(part for part in (error.context, error.problem) if part)


_DEEPEST = 50


def _holds_itself(value: Any, open_: set[int], done: set[int]) -> bool:
    """Whether a value is inside itself, which an alias can do. Raises RecursionError if it is deeper than any input."""
    if len(open_) > _DEEPEST:
        raise RecursionError
    if not isinstance(value, dict | list) or id(value) in done:
        return False
    if id(value) in open_:
        return True
    open_.add(id(value))
    found = any(_holds_itself(item, open_, done) for item in (value.values() if isinstance(value, dict) else value))
    open_.discard(id(value))
    done.add(id(value))
    return found
