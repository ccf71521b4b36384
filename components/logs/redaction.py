"""What the log agent masks before a line leaves its node, as statements of the collector's transform processor.

Pure functions. What is a secret is data, which the services' package masks by as well: `secrets.json` there. A line is
masked as text, before anything is read out of it. Three rules keep a line of JSON valid: no pattern crosses the quote
that ends a string, none leaves half an escape such as `\\n`, and what is no string becomes 0. What has no mark of a
secret stays readable; docs/logs.md names the limits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from components.logs.ottl import literal

SECRETS: dict[str, Any] = json.loads(
    (
        Path(__file__).parents[2] / "instrumentation" / "src" / "order_processor_observability" / "secrets.json"
    ).read_text()
)

NAMES: dict[str, str] = SECRETS["names"]
"""A key, parameter or header that has one of these in its name holds a secret; each with a text that it always has."""

WORDS: list[str] = SECRETS["words"]
"""Names that other words have in them, too: they count at the end of a name that is in quotes or before a `=`.

`input_value` is what pydantic calls a value that it refuses; the field's name is on the line above.
"""

_ESCAPE = r"\x5c(?:u[0-9A-Fa-f]{4}|[bfnrt])"
_NAME = f"(?:{'|'.join(NAMES)})"
# `input` is the refused value in FastAPI's answers, beside the field's name. Only lines with a name come so far.
_WORD = rf"(?:\b|_|{_ESCAPE})(?:{'|'.join(WORDS)}|input)"
# What holds a secret only if it is a pair or a call: `auth=('user', 'secret')`, `auth=HTTPBasicAuth('user', 'secret')`.
_PAIR = rf"(?:\b|_|{_ESCAPE})(?:{'|'.join(SECRETS['pairs'])})"
_ASSIGNED = rf"(?:{_NAME}[\w.-]*\s*[=:]|{_WORD}\s*=)\s*"


class Level(NamedTuple):
    """Text that is JSON, or is in a string of JSON, or in one of JSON that is itself in a string, and so on."""

    mark: str
    """What a line of this level has: its quote."""
    quote: str
    """The pattern of it. Each level doubles the backslashes (`\\x5c`)."""
    double: str
    """What a string in such quotes holds."""
    single: str
    """What a string of Python's in single quotes holds."""


def _level(depth: int) -> Level:
    slash, before = 2**depth, 2**depth - 1
    quote = rf'\x5c{{{before}}}"'
    escaped = (
        rf'\x5c{{{slash}}}(?:{quote}|\x5c{{{slash}}}|[^"\x5c])'
        r"|\x5c+(?:u[0-9A-Fa-f]{4}|/)"  # an outer string may escape these once more, or less
    )
    return Level("\\" * before + '"', quote, rf'(?:[^"\x5c]|{escaped})*', rf'(?:[^\x27"\x5c\n]|{quote}|{escaped})*')


LEVELS = tuple(map(_level, range(4)))
"""What is nested deeper has no rule."""

_DIGITS = "[0-9]{3}[ +-]?[0-9]{4}[0-9 +-]{4}"
"""What each card number has behind its first digit."""
# 13 to 16 digits or 19, as the large issuers number cards, together or in groups. No regular expression can compute the
# check digit, so other numbers of this form are masked too; times in nanoseconds begin with a 1 and are not.
_CARD = (
    "(?:[3-6][0-9]{12,15}|[3-6][0-9]{18}|2[2-7][0-9]{14}"
    r"|[2-6][0-9]{3}(?:[ +-][0-9]{4}){3}|3[47][0-9]{2}[ +-][0-9]{6}[ +-][0-9]{5})\b"
)
# What an unquoted value may hold of JSON's escapes: characters, slashes, and backslashes with what follows them.
_ESCAPED = r'\x5c+(?:u[0-9A-Fa-f]{4}|/)|(?:\x5c\x5c)+[^\s"\x5c&]'


@dataclass(frozen=True)
class Rule:
    """Replace what matches; `where` is a cheap test that spares most lines the pattern."""

    pattern: str
    replacement: str = "${1}***"
    where: str = ""


_LOWER = 'log.cache["lower"]'
WITHIN_WORDS = int(SECRETS["within_words"])
"""Beginnings of tokens that are to be followed by so many characters are the ends of words, too, as in `task-…`."""


def _has(*texts: str, of: str = "log.body") -> str:
    """Whether a line has one of these, which costs next to nothing; `log.cache["lower"]` ignores case."""
    return _any(of, *map(re.escape, texts))


def _any(of: str, *patterns: str) -> str:
    """Whether one of the patterns matches; one that begins with a text is searched for as fast as the text."""
    return " or ".join(f"IsMatch({of}, {literal(pattern)})" for pattern in patterns)


def _has_any_case(*texts: str) -> str:
    return _has(*texts, of=_LOWER)


def rules(levels: Sequence[Level] = LEVELS) -> list[Rule]:
    """Every rule, in the order in which they are applied."""
    return [*_by_form(), *_by_name(levels), *_cards()]


def _by_form() -> list[Rule]:
    """Secrets that are recognised wherever they stand."""
    return [
        *(Rule(form["pattern"], f"${{1}}{form['mask']}", _has(*form["marks"])) for form in SECRETS["forms"]),
        Rule(
            # Not what is behind the name of a Go module, as in gin@v1.9.1/context.go.
            rf"({_ESCAPE})?[A-Za-z0-9._%+-]+(?:@|%40|\x5c+u0040)"
            r"(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z][A-Za-z0-9-]*|[0-9][A-Za-z0-9-]*(?:\.[A-Za-z0-9-]+)+)",
            "${1}***@***",
            _has("@", "%40", "u0040"),
        ),
        *_tokens(),
        *_schemes(),
        Rule(
            rf"(?i)((?:{'|'.join(map(_address, SECRETS['addresses']))}))(?:[^\s\"\x27\x5c<>]|{_ESCAPED})+",
            "${1}***",
            f"({_has(*_SLASHES)}) and ({_has_any_case(*_hosts())})",
        ),
        _pair(),
    ]


def _tokens() -> list[Rule]:
    """Tokens that say by their beginning what they are.

    Those with the same first two characters are one rule: the search for a literal text costs next to nothing.
    """
    lengths = {prefix: int(least) for least, prefixes in SECRETS["prefixes"].items() for prefix in prefixes}
    ordered = sorted(lengths, key=lambda prefix: (lengths[prefix], prefix))
    return [
        _token(list(family), least)
        for (least, _), family in groupby(ordered, key=lambda each: (lengths[each], each[:2]))
    ]


def _token(prefixes: list[str], least: int) -> Rule:
    kept = f"(?:{'|'.join(map(re.escape, prefixes))})"
    rest = rf"[A-Za-z0-9_-]{{{least},}}[A-Za-z0-9_.=-]*"
    if least == WITHIN_WORDS:
        return Rule(rf"((?:^|{_ESCAPE}|%[0-9A-F]{{2}}|[^A-Za-z0-9]){kept}){rest}", where=_has(*prefixes))
    return Rule(f"({kept}){rest}")


def _schemes() -> list[Rule]:
    """What follows the name of a scheme of HTTP, in a header or not: anything, or what is no word."""
    schemes = SECRETS["schemes"]
    blank = schemes["blank"]
    return [
        Rule(
            rf"(?i)((?:{'|'.join(schemes['any'])}){blank})(?:[^\s\"\x27\x5c<>]|{_ESCAPED})+",
            "${1}***",
            _has_any_case(*schemes["any"]),
        ),
        Rule(
            f"((?i:{'|'.join(schemes['encoded'])}){blank}){schemes['encoded_value']}",
            "${1}***",
            _any(_LOWER, *(f"{scheme}{blank}" for scheme in schemes["encoded"])),
        ),
    ]


_SLASHES = ("//", "\\/", "%2F", "%2f")


def _hosts() -> list[str]:
    return sorted({address.partition("/")[0] for address in SECRETS["addresses"]})


def _address(begins: str) -> str:
    return re.escape(begins).replace("/", SECRETS["slash"])


def _pair() -> Rule:
    """A user and a password, or what is called with them. A quote that could end the string around it is no part."""
    call = rf"(?:{'|'.join(SECRETS['pairs'])})[\x22\x27\x5c]*\s*[=:(]"
    quoted = "".join(rf'|{level.quote}[^"\x5c,}}\]\s]{level.double}{level.quote}' for level in LEVELS)
    return Rule(
        rf"(?i)({_PAIR}[\x22\x27\x5c]*\s*[=:]\s*|(?:basic|digest)auth)(?:[\w.]*auth)?[\[(]"
        rf"(?:[^\x22\x27\x5c\[\](){{}}]|\x27(?:[^\x22\x27\x5c]|\x5c+[^\x22\x5c])*\x27?|\x5c+[nrt]{quoted})+[\])]?",
        "${1}0",
        f"IsMatch({_LOWER}, {literal(call)})",
    )


def _by_name(levels: Sequence[Level]) -> list[Rule]:
    """Whatever stands under a name: in JSON, in Python's notation, as key=value, in a query, in a header."""
    return [
        Rule(
            rf'(?i)((?:authorization|cookie)\s*[:=]\s*)(?:[^"\x27\x5c\r\n]|{_ESCAPED})+',
            where=_has_any_case("authorization", "cookie"),
        ),
        *(rule for level in levels for rule in _json(level)),
        *_python(levels),
        Rule(
            rf'(?i)(["\x27]{_key(_NOT_IN_PYTHON)}\x5c*["\x27]\s*:\s*)-?[0-9][0-9.eE+-]*',
            "${1}0",
            f"{_QUOTED} and IsMatch(log.body, {literal(_NUMBER)})",
        ),
        Rule(
            # A quote that ends the string around it is followed by a comma, a bracket, a blank or nothing.
            rf"(?i)({_ASSIGNED})(?:"
            + "".join(rf'b?({level.quote})[^"\x5c,}}\]\s]{level.double}|' for level in LEVELS)
            + rf'(?:[^\s"\x5c&]|{_ESCAPED})+)',
            "${1}${2}${3}${4}${5}***",
        ),
    ]


_QUOTED = 'log.cache["quoted"] == true'
"""Whether a name stands in quotes, which most lines with a name have not."""
_END = r"\x5c*[\x22\x27]\s*(?:[=:]|,\s*b)"
"""What is behind a name in quotes."""
_BEFORE_QUOTES = ("': ", "b'")
_NUMBER = r"[\x22\x27]\s*:\s*-?[0-9]"
_NOT_IN_JSON, _NOT_IN_PYTHON = r'[^"\x5c]', r'[^"\x27\x5c]'


def _key(character: str) -> str:
    """What stands in the quotes of a key, of such characters."""
    return rf"{character}*(?:{_NAME}{character}*|{_WORD})"


def _json(level: Level) -> list[Rule]:
    """Strings, lists and objects. A pattern that begins with a quote is faster than one that begins with a name."""
    key = rf"{level.quote}{_key(_NOT_IN_JSON)}{level.quote}\s*:\s*"
    inner = rf'(?:[^"\x27\x5c\[\]{{}}]|{level.quote}{level.double}{level.quote}|\x5c+[nrt])'
    return [
        Rule(
            rf"(?i)({key})[\[{{](?:{inner}|[\[{{]{inner}*[\]}}])+[\]}}]",
            "${1}0",
            f"{_QUOTED} and {_has(level.mark)} and ({_has(':[', ': [', ':{', ': {')})",
        ),
        Rule(rf"(?i)({key}{level.quote}){level.double}", where=f"{_QUOTED} and {_has(level.mark)}"),
    ]


def _python(levels: Sequence[Level]) -> list[Rule]:
    """Strings, bytes, lists, tuples and dictionaries, in a dictionary, as arguments or in a list of headers.

    Such a text may be cut off anywhere. Therefore an end may be missing, and double quotes only stand in what has one.
    """
    key = rf"\x27{_key(_NOT_IN_PYTHON)}\x27\s*(?::\s*b?|,\s*b)"
    inner = r'(?:[^"\x27\x5c\[\](){}]|\x27[^"\x27\x5c]*\x27?|\x5c+[nrt])'
    value = rf"(?i)((?:{key}|{_ASSIGNED}b?)\x27)"
    begins = _has(": '", ":'", "='", "= '", "b'")
    # Only as a line of its own it has double quotes that would end a string of JSON.
    own_line = rf"({begins}) and not IsMatch(log.body, {literal(_JSON)})"
    return [
        Rule(
            rf"(?i)({key}|{_ASSIGNED})[\[({{](?:{inner}|[\[({{]{inner}*[\])}}]?)+[\])}}]?",
            "${1}0",
            _has(*(before + bracket for before in ("':", "': ", "=") for bracket in "[({")),
        ),
        Rule(
            rf'(?i)({key}\x5c*")(?:[^"\x5c,}}\]\s]|\x5c+[^"\x5c])(?:[^"\x5c]|\x5c+[^"\x5c])*',
            where=f"{_QUOTED} and ({_has(*_BEFORE_QUOTES)})",
        ),
        # The deepest first: to the rule of another level, an escape may look like the end.
        *(
            Rule(rf"{value}{level.single}\x27\B", "${1}***'", begins if level.mark != '"' else own_line)
            for level in reversed(levels)
        ),
        Rule(rf'{value}(?:[^"\x27\x5c]|\x5c+[^"\x27\x5c])*', where=begins),
    ]


_JSON = r'^\s*[{\[]\s*"'


def _cards() -> list[Rule]:
    return [
        # A bare number in JSON; in a text the 0 does no harm.
        Rule(rf"([:\[,]\s*-?){_CARD}", "${1}0"),
        # Not the digits of a fraction, nor of a hexadecimal id.
        Rule(rf"(^|[^0-9A-Fa-f.]|{_ESCAPE}){_CARD}", "${1}***"),
    ]


_NAMES = [name if name.startswith(text) else text for name, text in NAMES.items()]
"""Patterns that each begin with a text, as a search is fast only for such; `_NAME` is what counts."""


def _named() -> list[str]:
    """What a line with a name has, in lower case."""
    return [
        *(rf"{name}(?:[\w.-]*\s*[=:]|[^\x22\x5c]*{_END})" for name in _NAMES),
        *(rf"{word}(?:\s*[=:]|{_END})" for word in WORDS),
    ]


def _named_in_quotes() -> list[str]:
    return [*(rf"{name}[^\x22\x5c]*{_END}" for name in _NAMES), *(f"{word}{_END}" for word in (*WORDS, "input"))]


def statements() -> list[dict[str, Any]]:
    """The rules for the collector, in groups of which most lines need only the first."""
    # Most ids have such digits, but behind others.
    card_like = rf"(?:^|[^0-9A-Fa-f.]|{_ESCAPE})[2-6]{_DIGITS}"
    lower = f'set({_LOWER}, ConvertCase(log.body, "lower"))'
    named, card = 'log.attributes["named"]', 'log.attributes["card"]'
    return [
        _group(
            lower,
            f"set({named}, true) where {_any(_LOWER, *_named())}",
            f"set({named}, true) where {_has_any_case('input')} and IsMatch({_LOWER}, {literal(_NAME)})",
            f"set({card}, true) where ({_any('log.body', *(f'{first}{_DIGITS}' for first in range(2, 7)))})"
            f" and IsMatch(log.body, {literal(card_like)})",
            *map(_statement, _by_form()),
        ),
        _group(
            lower,
            f'set(log.cache["quoted"], true) where {_any(_LOWER, *_named_in_quotes())}',
            *map(_statement, _by_name(LEVELS)),
            'delete_key(log.attributes, "named")',
            where=named,
        ),
        _group(*map(_statement, _cards()), 'delete_key(log.attributes, "card")', where=card),
    ]


def _group(*statements: str, where: str | None = None) -> dict[str, Any]:
    conditions = [f"{where} == true"] if where else []
    return {"context": "log", "conditions": conditions, "statements": list(statements)}


def _statement(rule: Rule) -> str:
    where = f" where {rule.where}" if rule.where else ""
    return f"replace_pattern(log.body, {literal(rule.pattern)}, {literal(rule.replacement)}){where}"


def attributes() -> dict[str, list[str]]:
    """The rules for the processor `redaction`, which masks attributes of spans: all that matches, the name included."""
    return {
        "blocked_key_patterns": [f"(?i){_NAME}"],
        "blocked_values": [rule.pattern.replace("$", "$$") for rule in rules(LEVELS[:1])],
    }
