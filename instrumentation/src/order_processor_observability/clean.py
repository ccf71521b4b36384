"""Any value as something that JSON can express: bounded in size and depth, and without secrets."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice
from json.encoder import encode_basestring
from math import isfinite
from typing import Any

MASK = "***"
CUT = "…"
MAX_DEPTH = 6
MAX_TEXT = 2_048
"""Bytes of one text within the context."""
MAX_KEY = 128
MAX_CONTEXT = 6_144
"""Bytes of one line's context: with all else a line stays below 16 KiB, beyond which container runtimes break it."""
ITEM = 8
"""What a value counts for besides its text, so that numbers are bounded too."""

# Anywhere in a key, with its punctuation removed; these words are part of no other.
_SENSITIVE = ("password", "passwd", "secret", "token", "authorization", "cookie", "apikey", "credential", "privatekey")
# Only as a word of a key: `card_number` is one, `cardinality` is not.
_SENSITIVE_WORDS = frozenset({"pwd", "card", "cards", "cvv", "cvc", "pin", "ssn", "iban"})
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_SECRET_IN_TEXT = re.compile(
    r"((?:password|passwd|pwd|secret|token|api_?key|authorization|cookie)[\"']?\s*=\s*[\"']?|bearer\s+)[^\s\"',;&)]+",
    re.IGNORECASE,
)

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class Sensitive:
    """Tells by a key whether its value must not be logged. `more` are further words, found anywhere in a key."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        self._parts = (*_SENSITIVE, *(_squeezed(word) for word in more))
        self.is_sensitive = lru_cache(maxsize=1024)(self._is_sensitive)

    def _is_sensitive(self, key: str) -> bool:
        squeezed = _squeezed(key)
        if any(part in squeezed for part in self._parts):
            return True
        return not _SENSITIVE_WORDS.isdisjoint(word.lower() for word in _WORDS.findall(key))


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
            name = cut(as_text(key), MAX_KEY)
            self.left -= size(name) + ITEM
            if self.left <= 0:
                result[CUT] = CUT
                break
            result[name] = MASK if self._is_sensitive(name) else self.value(value, depth + 1)
        return result

    def value(self, value: object, depth: int = 0) -> Json:
        """One value: numbers and truth values as they are, texts cut, containers cleaned, all else as text."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._cut(value)
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
            return self._cut(without_secrets(as_text(value)[: 2 * MAX_TEXT]))
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


def without_secrets(text: str) -> str:
    """The text without what follows `password=`, `token=`, `Bearer ` and the like."""
    return _SECRET_IN_TEXT.sub(rf"\1{MASK}", text)


def _squeezed(key: str) -> str:
    return "".join(islice(filter(str.isalnum, key.lower()), MAX_KEY))
