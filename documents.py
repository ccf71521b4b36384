"""Reads the YAML files that people write, as Pulumi reads them, and refuses what it would pass over in silence.

PyYAML by itself follows YAML 1.1, where `no` is false and `17:00` is 1020; Pulumi reads both as text. Of two equal keys
it takes the last one. Here two equal keys are an error, and what a file says is the same for every command.
"""

from __future__ import annotations

import codecs
import contextlib
import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from validation import InvalidInputError

Loc = tuple[int | str, ...]
"""The keys and numbers that lead to a value."""


def read(path: Path, name: str = "") -> Any:
    """The one document in a YAML file, which errors call `name` or as it is called; None if it is empty.

    Raises InvalidInputError, naming the file and the line, if it cannot be read, is not UTF-8, not YAML, or has a key
    twice.
    """
    name = name or path.name
    return parse(_text(path, name), name)


def parse(text: str, name: str) -> Any:
    """The one document in a text, which errors call `name`. Raises InvalidInputError as `read` does."""
    with _read(text, name) as (loader, node):
        document = loader.construct_document(node) if node else None
    if loader.twice:
        raise InvalidInputError([f"{name}:{found}" for found in loader.twice])
    return document


def places(path: Path, name: str = "", below: Loc = ()) -> Callable[[Loc], str]:
    """Says where in a file that was read each key is, as `services.yaml:12: `; of a missing one, where its section is.

    `below` are the keys above the document that is meant. The file is read when the first place is asked for: no error,
    no second reading.
    """
    name = name or path.name

    @functools.cache
    def root() -> yaml.Node | None:
        with _read(_text(path, name), name) as (_, node):
            return node

    def place(loc: Loc) -> str:
        line = _line(root(), (*below, *loc))
        return f"{name}:{line}: " if line else f"{name}: "

    return place


def _line(node: yaml.Node | None, loc: Loc) -> int | None:
    """The line of the key at `loc`, or of the last section above that is there."""
    line = None
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = (node.value[part], node.value[part])
        else:
            break
        if found and (part == loc[-1] or isinstance(found[1], yaml.CollectionNode)):  # else a kind of it, as in a union
            line, node = found[0].start_mark.line + 1, found[1]
    return line


@contextlib.contextmanager
def _read(text: str, name: str) -> Iterator[tuple[_Loader, yaml.Node | None]]:
    """A loader, and the nodes that it reads; what is wrong with them, there or in the block, in words."""
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        _refuse_endless(node, [], set())
        yield loader, node
    except yaml.MarkedYAMLError as error:
        line, problem = _explained(error, text)
        raise InvalidInputError([f"{name}:{line}: not valid YAML: {problem}"]) from None
    except yaml.reader.ReaderError as error:
        line = text.encode(errors="replace").count(b"\n", 0, error.position) + 1
        problem = "a control character; remove it"
        raise InvalidInputError([f"{name}:{line}: not valid YAML: {problem}"]) from None
    except RecursionError:
        raise InvalidInputError([f"{name}: not valid YAML: nested too deeply"]) from None
    finally:
        if loader:
            loader.dispose()


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
        problem = f"{name}:{line}: the byte {error.object[error.start]:#x} is not UTF-8; save the file as UTF-8"
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
                self.twice.append(f'{line}: the key "{key.value}" is there already, in line {first[key.value]}')
            first.setdefault(key.value, line)
        return super().construct_mapping(node, deep=deep)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, LookupError, AttributeError, TypeError):  # PyYAML's about `!!timestamp x`, `!!bool x`
            problem = "a value that is not of the kind that it is marked as"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


for tag, pattern, starts in (
    ("null", "~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", "true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", "[-+]?(0|[1-9][0-9]*|0[0-7]+)|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+0123456789.")),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
    ("merge", "<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), starts)


_OPEN = "is not closed, or a comma is missing up to line {line}; a # begins a comment unless it is in quotes"
_HERE = {
    "while parsing a flow sequence": f'the "[" here {_OPEN}',
    "while parsing a flow mapping": f'the "{{{{" here {_OPEN}',
    "while scanning a quoted scalar": "the quote that begins here is not closed",
    "while scanning a simple key": 'expected ": " behind this key',
}
"""What is wrong where something begins, by what libyaml has begun to read."""
_THERE = {
    "mapping values are not allowed in this context": 'a second ": "; write the value in quotes, or indent it right',
    "did not find expected key": "no key is expected here; check the indentation, and quotes and brackets up to here",
    "did not find expected '-' indicator": 'expected "- " as above; check the indentation',
    "but found another document": 'a second document begins here; remove "---"',
    "found unknown escape character": "in double quotes a backslash begins an escape; use single quotes",
    "found undefined alias": "a value that begins with * refers to nothing; write it in quotes",
    "did not find expected node content": "a value is expected here; check brackets and commas up to here",
    "found unhashable key": "a list or a map is no key; write it in quotes",
}
"""What is wrong where something else was expected, by what libyaml says of it."""


def _explained(error: yaml.MarkedYAMLError, text: str) -> tuple[int, str]:
    """The line in which a mistake begins, and what it is."""
    problem, context = error.problem or "", error.context or ""
    mark = error.problem_mark or error.context_mark
    line = min(mark.line + 1, len(text.splitlines())) if mark else 1  # the end of a file is one line below its last
    if problem in _THERE:
        return line, _THERE[problem]
    if context in _HERE and error.context_mark:
        return error.context_mark.line + 1, _HERE[context].format(line=line)
    if problem == "found character that cannot start any token" and mark:
        found = text.splitlines()[mark.line][mark.column]
        return line, (
            "indent with spaces, not with a tab"
            if found == "\t"
            else f'a value cannot begin with "{found}"; write it in quotes'
        )
    if problem.startswith("could not determine a constructor"):
        return line, f"unknown tag {problem.split()[-1]}; write a value that begins with ! in quotes"
    return line, ", ".join(part for part in (context, problem) if part)


_DEEPEST = 50


def _refuse_endless(node: yaml.Node | None, above: list[yaml.Node], done: set[int]) -> None:
    """Refuse a value that is inside itself, which an alias can do, and one that is deeper than any input."""
    if not isinstance(node, yaml.CollectionNode) or id(node) in done:
        return
    if len(above) > _DEEPEST:
        raise yaml.composer.ComposerError(None, None, "nested too deeply", node.start_mark)
    if node in above:
        problem = "an alias is inside what it refers to; write the value out"
        raise yaml.composer.ComposerError(None, None, problem, node.start_mark)
    for item in node.value:
        for inner in item if isinstance(item, tuple) else (item,):
            _refuse_endless(inner, [*above, node], done)
    done.add(id(node))
