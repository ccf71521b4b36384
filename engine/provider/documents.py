"""YAML that people read: sorted keys with the ones that say what an object is in front, block text, no aliases."""

from __future__ import annotations

from typing import Any

import yaml

_FRONT = ("apiVersion", "kind", "metadata", "name", "alert", "record")
_ENDLESS = 1_000_000  # a long line is one line, as in the source


class _Dumper(yaml.CSafeDumper):
    """Writes text of several lines as a block, and repeats what is repeated."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class's signature
        return True


def _represent_text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text.strip() else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump(document: Any) -> str:
    """The document as YAML text, the same for equal documents."""
    return yaml.dump(_ordered(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_ENDLESS)


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        front = [key for key in _FRONT if key in value]
        rest = sorted(value.keys() - set(front), key=str)
        return {key: _ordered(value[key]) for key in (*front, *rest)}
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    return value
