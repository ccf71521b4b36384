"""What must not be in a log line, by the name that it stands under or by its form.

`secrets.json` lists it, and the log agent masks by the same list. The agent sees whole lines, in JSON or not; this sees
the texts and keys of which the package makes its lines. E-mail addresses and numbers of cards are the agent's alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from typing import Any

MASK = "***"
LIST: dict[str, Any] = json.loads(files(__package__).joinpath("secrets.json").read_text("utf-8"))


class Sensitive:
    """Tells by a key whether its value must not be logged. `more` are further words, found anywhere in a key."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        self._more = tuple(map(_squeezed, more))
        self.is_sensitive = lru_cache(maxsize=1024)(self._is_sensitive)

    def _is_sensitive(self, key: str) -> bool:
        squeezed = _squeezed(key)
        spellings = (key, squeezed, _HUMP.sub("_", key))
        return any(map(_SENSITIVE.search, spellings)) or any(part in squeezed for part in self._more)


@lru_cache(maxsize=1024)
def names_a_pair(key: str) -> bool:
    """Whether two values under this key are a user and a password, as those of `auth` are."""
    return _PAIR.search(key) is not None


def without_secrets(text: str) -> str:
    """The text without what a name or its form marks as a secret; the mark stays."""
    if len(text) < _SHORTEST:
        return text
    lower = text.lower()
    if not _SUSPECT.search(lower):  # nearly every text
        return text
    if _MARKED.search(lower):
        text = _without_named(_without_forms(text, lower), lower)
    for prefixed in _PREFIXED:
        if prefixed.search(text):
            text = prefixed.sub(_KEPT_AND_MASKED, text)
    return text


def _without_forms(text: str, lower: str) -> str:
    for marks, pattern, kept_and_masked in _FORMS:
        if any(mark in text for mark in marks):
            text = pattern.sub(kept_and_masked, text)
    if any(host in lower for host in _HOSTS):
        text = _ADDRESS.sub(_KEPT_AND_MASKED, text)
    if any(scheme in lower for scheme in _SCHEME_MARKS):
        text = _ANY_SCHEME.sub(_KEPT_AND_MASKED, _ENCODED_SCHEME.sub(_KEPT_AND_MASKED, text))
    if any(mark in lower for mark in _PAIR_MARKS):
        text = _PAIR_IN_TEXT.sub(_KEPT_AND_MASKED, text)
    return text


def _without_named(text: str, lower: str) -> str:
    if any(mark in lower for mark in _NAME_MARKS):
        return _NAMED.sub(_masked_value, _TO_END_OF_LINE.sub(_KEPT_AND_MASKED, text))
    if any(mark in lower for mark in _WORD_MARKS):
        return _WORDED.sub(_masked_value, text)
    return text


def _masked_value(match: re.Match[str]) -> str:
    return f"{match['name']}{match['open'] or ''}{MASK}"


def _squeezed(key: str) -> str:
    return "".join(filter(str.isalnum, key.lower()))


# --- the expressions ---------------------------------------------------------------------------------------------


def _any_of(patterns: Iterable[str]) -> str:
    return f"(?:{'|'.join(patterns)})"


_KEPT_AND_MASKED = rf"\1{MASK}"
_SHORTEST = len("pin=1234")
_BEGINS = r"(?:(?<![A-Za-z0-9])|(?<=\x5c[bfnrt]))"
"""Where a word may begin; behind an escape of JSON, too."""
_NAME, _PAIR_NAME = _any_of(LIST["names"]), rf"{_BEGINS}{_any_of(LIST['pairs'])}"
_SENSITIVE = re.compile(rf"{_NAME}|{_BEGINS}{_any_of(LIST['words'])}$", re.IGNORECASE)
_PAIR = re.compile(f"{_PAIR_NAME}$", re.IGNORECASE)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
"""Where a word of a key begins: `userPin`, `user.pin`."""

_FORMS = [(tuple(form["marks"]), re.compile(form["pattern"]), rf"\1{form['mask']}") for form in LIST["forms"]]


def _tree(endings: Iterable[tuple[str, str]]) -> str:
    """Literal texts, each with a pattern behind it, by their letters: five times as fast as one after the other."""
    by_letter: dict[str, list[tuple[str, str]]] = {}
    for text, ending in endings:
        by_letter.setdefault(text[:1], []).append((text[1:], ending))
    return _any_of(
        re.escape(letter) + (_tree(rest) if letter else rest[0][1]) for letter, rest in sorted(by_letter.items())
    )


_WITHIN_WORDS = LIST["within_words"]
"""Beginnings that are to be followed by so many characters are the ends of words, too: `task-…`."""
_NOT_WITHIN = "(?:(?<![A-Za-z0-9])|(?<=%[0-9A-F]{2}))"


def _prefixed(begin: str, lengths: Iterable[str]) -> re.Pattern[str]:
    tree = _tree((prefix, f"(?=[A-Za-z0-9_-]{{{least}}})") for least in lengths for prefix in LIST["prefixes"][least])
    return re.compile(rf"({begin}{tree})[A-Za-z0-9_.=-]+")


_PREFIXED = (
    _prefixed("", sorted(LIST["prefixes"].keys() - {_WITHIN_WORDS})),
    _prefixed(_NOT_WITHIN, [_WITHIN_WORDS]),
)
_HOSTS = tuple({each.partition("/")[0].lower() for each in LIST["addresses"]})
_ADDRESS = re.compile(
    rf"({_any_of(re.escape(each).replace('/', LIST['slash']) for each in LIST['addresses'])})"
    r"""(?:\x5c/|[^\s"'\x5c<>])+""",
    re.IGNORECASE,
)
_SCHEMES = LIST["schemes"]
_ANY_SCHEME = re.compile(rf"""({_any_of(_SCHEMES["any"])}{_SCHEMES["blank"]})[^\s"'\x5c<>]+""", re.IGNORECASE)
_ENCODED_SCHEME = re.compile(rf"((?i:{_any_of(_SCHEMES['encoded'])}){_SCHEMES['blank']}){_SCHEMES['encoded_value']}")
_SCHEME_MARKS = (*_SCHEMES["any"], *_SCHEMES["encoded"])

# A value: in quotes up to the same ones, in brackets, a number, or up to a blank. What was cut off ends with the text.
# The quotes may be escaped, where a text has JSON within JSON.
_STRING = r""""(?:\x5c.|[^"\x5c])*"?|'(?:\x5c.|[^'\x5c])*'?"""
_INNER = _STRING
for _ in range(3):
    _INNER = rf"""{_STRING}|[^\[\](){{}}"']|[\[({{](?:{_INNER})*[\])}}]?"""
_NUMBER = r"""-?[0-9][0-9.eE+-]*(?=[\s,;&)\]}"'\x5c]|$)"""
_BARE = r"""(?!\x5c*["'])[^\s"&]*[^\s"&,;.\[({<)\]}>'\x5c]"""
_ENDS_TEXT_AROUND = r"""\x5c*"[,}\]\s]"""
"""A double quote that opens no value, but ends a string of JSON that the text is in."""


def _brackets(but: str) -> str:
    return rf"[\[({{](?!\s*[\])}}]|{but})(?:{_INNER})*[\])}}]?"


def _assigned(names: str, words: Iterable[str]) -> re.Pattern[str]:
    """`password=x`, `"password": "x"`, `token=['x']`, `(b'cookie', b'x')`: a name, a sign, a value.

    Words count only in quotes or before a `=`.
    """
    name = rf"(?:{names}[\w.%\[\]-]{{0,64}}+|{_BEGINS}{_any_of(words)}(?=\x5c*[\"']|\s*=))"
    sign = r"\s*(?(close)(?:[=:][=>]?|,(?=\s*b))|[=:][=>]?)\s*"
    closes = r"""(?<!\x5c)(?P=q)(?=[\s,;:)\]}>&"'\x5c]|\.?(?:\s|$))"""
    opens = rf"""(?P<open>b?(?!(?(close)(?!)|{_ENDS_TEXT_AROUND}))(?P<q>\x5c*["']))"""
    return re.compile(
        rf"""(?P<name>{name}(?P<close>\x5c*["'])?{sign})"""
        rf"(?:{opens}(?:(?!{closes}).)*|{_brackets(f'(?(close)(?!)|{_ENDS_TEXT_AROUND})')}|{_NUMBER}|{_BARE})",
        re.IGNORECASE | re.DOTALL,
    )


# `input` is the refused value in FastAPI's answers, beside the field's name.
_NAMED, _WORDED = _assigned(_NAME, (*LIST["words"], "input")), _assigned("(?!)", LIST["words"])
_TO_END_OF_LINE = re.compile(r"""((?:authorization|cookie)\s*[:=]\s*)(?![\[({])[^"'\r\n\x5c]+""", re.IGNORECASE)
_PAIR_IN_TEXT = re.compile(
    rf"""((?:{_PAIR_NAME}\x5c*["']?\s*[:=]\s*|(?:basic|digest)auth)(?:[\w.]*auth)?){_brackets(_ENDS_TEXT_AROUND)}""",
    re.IGNORECASE | re.DOTALL,
)
_NAME_MARKS, _WORD_MARKS, _PAIR_MARKS = tuple(LIST["names"].values()), tuple(LIST["words"]), tuple(LIST["pairs"])
_MARKS = {
    mark.lower()
    for mark in (
        *_NAME_MARKS,
        *_WORD_MARKS,
        *_PAIR_MARKS,
        *_HOSTS,
        *_SCHEME_MARKS,
        *(mark for marks, _, _ in _FORMS for mark in marks),
    )
}
_BEGINNINGS = {prefix.lower() for prefixes in LIST["prefixes"].values() for prefix in prefixes}
_MARKED = re.compile(_tree((mark, "") for mark in _MARKS))
_SUSPECT = re.compile(_tree((text, "") for text in _MARKS | _BEGINNINGS))
