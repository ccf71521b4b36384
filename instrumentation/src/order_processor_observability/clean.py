"""Any value as something that JSON can express: bounded in size and depth, and without secrets."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from functools import lru_cache
from json.encoder import encode_basestring
from math import isfinite
from typing import Any

from order_processor_observability.masking import MASK, Sensitive, names_a_pair, without_secrets

CUT = "…"
MAX_DEPTH = 6
MAX_TEXT = 2_048
"""Bytes of one text within the context."""
MAX_KEY = 128
MAX_CONTEXT = 6_144
"""Bytes of one line's context: with all else a line stays below 16 KiB, beyond which container runtimes break it."""
ITEM = 8
"""What a value counts for besides its text, so that numbers are bounded too."""

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class Cleaner:
    """Cleans the values of one line, which share a budget of `left` bytes."""

    __slots__ = ("_is_sensitive", "left")

    def __init__(self, sensitive: Sensitive, left: int = MAX_CONTEXT) -> None:
        self._is_sensitive = sensitive.is_sensitive
        self.left = left

    def mapping(self, values: Mapping[Any, object], depth: int = 0) -> dict[str, Json]:
        """The values by their keys as text; those of sensitive keys are masked."""
        result: dict[str, Json] = {}
        for key, value in values.items():
            name = _name(as_text(key)[: 2 * MAX_KEY])
            self.left -= size(name) + ITEM
            if self.left <= 0:
                result[CUT] = CUT
                break
            hidden = self._is_sensitive(name) or (isinstance(value, list | tuple) and names_a_pair(name))
            result[name] = MASK if hidden else self.value(value, depth + 1)
        return result

    def value(self, value: object, depth: int = 0) -> Json:
        """One value: numbers and truth values as they are, texts cut, containers cleaned, all else as text."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int | float):
            return self._number(value)
        return self._container(value, depth)

    def _number(self, value: float) -> Json:
        if isinstance(value, int):
            # What is longer than 64 bits no reader of JSON takes, and Python refuses to write some of it.
            return int(value) if value.bit_length() < 64 else self._cut(as_text(value))
        return float(value) if isfinite(value) else str(float(value))

    def _container(self, value: object, depth: int) -> Json:
        fields = _fields(value)
        if fields is None and not isinstance(value, list | tuple | set | frozenset):
            return self._text(as_text(value))
        if depth >= MAX_DEPTH:
            return CUT
        if fields is not None:
            return self.mapping(fields, depth)
        return self._items(value, depth)  # type: ignore[arg-type]

    def _items(self, values: Iterable[object], depth: int) -> list[Json]:
        result: list[Json] = []
        for value in values:
            self.left -= ITEM
            if self.left <= 0:
                result.append(CUT)
                break
            result.append(self.value(value, depth + 1))
        return result

    def _text(self, text: str) -> str:
        return self._cut(without_secrets(text[: 2 * MAX_TEXT]))

    def _cut(self, text: str) -> str:
        text = cut(text, max(0, min(MAX_TEXT, self.left)))
        self.left -= size(text)
        return text


def _fields(value: object) -> Mapping[Any, object] | None:
    """What a mapping or a dataclass holds by name; None of anything else."""
    if isinstance(value, Mapping):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    return None


@lru_cache(maxsize=1024)
def _name(key: str) -> str:
    """A key as it is written: it may be any text, such as an address."""
    return cut(without_secrets(key), MAX_KEY)


def as_text(value: object) -> str:
    """The value as text; its type's name if it refuses."""
    try:
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def cut(text: str, length: int, *, keep_end: bool = False) -> str:
    """The beginning of a text, or its end, that takes at most `length` bytes in a line; marked if there was more."""
    kept = text[-length:] if keep_end else text[:length]
    while (needed := size(kept)) > length:
        fewer = len(kept) * length // needed
        kept = kept[len(kept) - fewer :] if keep_end else kept[:fewer]
    if len(kept) == len(text):
        return kept
    return CUT + kept if keep_end else kept + CUT


def size(text: str) -> int:
    """How many bytes a text takes in a line, where JSON escapes some characters and UTF-8 needs several bytes."""
    if text.isascii() and text.isprintable():
        return len(text) + text.count('"') + text.count("\\")
    return len(encode_basestring(text).encode("utf-8", "backslashreplace")) - 2
