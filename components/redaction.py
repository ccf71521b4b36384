"""What the log agent masks before a line leaves its node, as statements of the collector's transform processor.

Pure functions. A line is masked as text, before anything is read out of it. Three rules keep a line of JSON valid:
no pattern crosses the quote that ends a string, none leaves half an escape such as `\\n`, and what is no string
becomes 0. What has no mark of a secret stays readable; docs/logs.md names the limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

NAMES = {
    "access[_-]?key": "key",
    "api[_-]?key": "key",
    "authorization": "authorization",
    "cookie": "cookie",
    "credential": "credential",
    "cvc": "cvc",
    "cvv": "cvv",
    "pass(?:code|phrase|w(?:or)?d)": "pass",
    "private[_-]?key": "key",
    "pwd": "pwd",
    "secret": "secret",
    "session[_-]?id": "session",
    "signature": "signature",
    "token": "token",
}
"""A key, parameter or header that has one of these in its name holds a secret; each with a text that it always has."""

WORDS = ("input_value", "otp", "pass", "pin", "session")
"""Names that other words have in them, too: they count at the end of a name that is in quotes or before a `=`.

`input_value` is what pydantic calls a value that it refuses; the field's name is on the line above.
"""

_ESCAPE = r"\x5c(?:u[0-9A-Fa-f]{4}|[bfnrt])"
_NAME = f"(?:{'|'.join(NAMES)})"
# `input` is the refused value in FastAPI's answers, beside the field's name. Only lines with a name come so far.
_WORD = rf"(?:\b|_|{_ESCAPE})(?:{'|'.join(WORDS)}|input)"
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
    replacement: str
    where: str


_NAMED = 'log.cache["named"] == true'
_CARD_LIKE = 'log.cache["card"] == true'


def _has(*texts: str, of: str = "log.body") -> str:
    """Whether a line has one of these, which costs next to nothing; `log.cache["lower"]` ignores case."""
    return " or ".join(f"Index({of}, {_literal(text)}) >= 0" for text in texts)


def _has_any_case(*texts: str) -> str:
    return _has(*texts, of='log.cache["lower"]')


def rules(levels: Sequence[Level] = LEVELS) -> list[Rule]:
    """Every rule, in the order in which they are applied."""
    return [*_by_form(), *_by_name(levels), *_cards()]


def _by_form() -> list[Rule]:
    """Secrets that are recognised wherever they stand."""
    key_forms = ("sk_", "pk_", "rk_", "sk-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "xox", "AIza")
    return [
        Rule(r'(:\x5c*/\x5c*/)[^\s/?#"\x27\x5c<>]+@', "${1}***@", _has("@")),
        Rule(
            rf"({_ESCAPE})?[A-Za-z0-9._%+-]+(?:@|%40|\x5c+u0040)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",
            "${1}***@***",
            _has("@", "%40", "u0040"),
        ),
        Rule(r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)*", "***", _has("eyJ")),
        Rule(r"A[KS]IA[A-Z0-9]{16}", "***", _has("AKIA", "ASIA")),
        Rule(
            r"((?:sk|pk|rk)_(?:live|test)_|gh[oprsu]_|github_pat_|xox[abprs]-|AIza|sk-)[A-Za-z0-9_-]{16,}",
            "${1}***",
            _has(*key_forms),
        ),
        Rule(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)(?:[A-Za-z0-9+/=\s]|\x5c+[nr])*", "${1}***", _has("PRIVATE KEY")),
        Rule(r"(?i)(bearer\s+)[A-Za-z0-9._~+/=-]+", "${1}***", _has_any_case("bearer")),
    ]


def _by_name(levels: Sequence[Level]) -> list[Rule]:
    """Whatever stands under a name: in JSON, in Python's notation, as key=value, in a query, in a header."""
    return [
        _named(
            rf'(?i)((?:authorization|cookie)\s*[:=]\s*)(?:[^"\x27\x5c\r\n]|{_ESCAPED})+',
            where=_has_any_case("authorization", "cookie"),
        ),
        *(rule for level in levels for rule in _json(level)),
        *_python(levels),
        _named(rf'(?i)(["\x27]{_key(_NOT_IN_PYTHON)}\x5c*["\x27]\s*:\s*)-?[0-9][0-9.eE+-]*', "${1}0"),
        _named(
            # A quote that ends the string around it is followed by a comma, a bracket, a blank or nothing.
            rf"(?i)({_ASSIGNED})(?:"
            + "".join(rf'b?({level.quote})[^"\x5c,}}\]\s]{level.double}|' for level in LEVELS)
            + rf'(?:[^\s"\x5c&]|{_ESCAPED})+)',
            "${1}${2}${3}${4}${5}***",
        ),
    ]


_NOT_IN_JSON, _NOT_IN_PYTHON = r'[^"\x5c]', r'[^"\x27\x5c]'


def _key(character: str) -> str:
    """What stands in the quotes of a key, of such characters."""
    return rf"{character}*(?:{_NAME}{character}*|{_WORD})"


def _json(level: Level) -> list[Rule]:
    """Strings, lists and objects. A pattern that begins with a quote is faster than one that begins with a name."""
    key = rf"{level.quote}{_key(_NOT_IN_JSON)}{level.quote}\s*:\s*"
    inner = rf'(?:[^"\x27\x5c\[\]{{}}]|{level.quote}{level.double}{level.quote}|\x5c+[nrt])'
    return [
        _named(
            rf"(?i)({key})[\[{{](?:{inner}|[\[{{]{inner}*[\]}}])+[\]}}]",
            "${1}0",
            f"({_has(level.mark)}) and ({_has(':[', ': [', ':{', ': {')})",
        ),
        _named(rf"(?i)({key}{level.quote}){level.double}", where=_has(level.mark)),
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
    own_line = rf"({begins}) and not IsMatch(log.body, {_literal(_JSON)})"
    return [
        _named(
            rf"(?i)({key}|{_ASSIGNED})[\[({{](?:{inner}|[\[({{]{inner}*[\])}}]?)+[\])}}]?",
            "${1}0",
            _has(*(before + bracket for before in ("':", "': ", "=") for bracket in "[({")),
        ),
        _named(
            rf'(?i)({key}\x5c*")(?:[^"\x5c,}}\]\s]|\x5c+[^"\x5c])(?:[^"\x5c]|\x5c+[^"\x5c])*', where=_has("': ", "b'")
        ),
        # The deepest first: to the rule of another level, an escape may look like the end.
        *(
            _named(rf"{value}{level.single}\x27\B", "${1}***'", begins if level.mark != '"' else own_line)
            for level in reversed(levels)
        ),
        _named(rf'{value}(?:[^"\x27\x5c]|\x5c+[^"\x27\x5c])*', where=begins),
    ]


_JSON = r'^\s*[{\[]\s*"'


def _named(pattern: str, replacement: str = "${1}***", where: str = "") -> Rule:
    return Rule(pattern, replacement, f"{_NAMED} and ({where})" if where else _NAMED)


def _cards() -> list[Rule]:
    return [
        # A bare number in JSON; in a text the 0 does no harm.
        Rule(rf"([:\[,]\s*-?){_CARD}", "${1}0", _CARD_LIKE),
        # Not the digits of a fraction, nor of a hexadecimal id.
        Rule(rf"(^|[^0-9A-Fa-f.]|{_ESCAPE}){_CARD}", "${1}***", _CARD_LIKE),
    ]


def statements() -> list[str]:
    """The rules for the collector. It expands `$` itself, so that a literal one is doubled."""
    parts = sorted({*NAMES.values(), *WORDS})
    assigned = rf'(?:{_NAME}[^"\x5c=:]*|{"|".join(WORDS)})["\x27\x5c]*\s*(?:[=:]|,\s*b)'
    card_like = rf"(?:^|[^0-9A-Fa-f.]|{_ESCAPE})[2-6][0-9]{{3}}[ +-]?[0-9]{{4}}[0-9 +-]{{4}}"
    lower = 'log.cache["lower"]'
    return [
        f'set({lower}, ConvertCase(log.body, "lower"))',
        f'set(log.cache["named"], IsMatch({lower}, {_literal(assigned)})) where {_has_any_case(*parts)}',
        f'set(log.cache["named"], true) where {_has_any_case("input")} and IsMatch({lower}, {_literal(_NAME)})',
        f'set(log.cache["card"], IsMatch(log.body, {_literal(card_like)}))',
        *(
            f"replace_pattern(log.body, {_literal(rule.pattern)}, {_literal(rule.replacement)}) where {rule.where}"
            for rule in rules()
        ),
    ]


def attributes() -> dict[str, list[str]]:
    """The rules for the processor `redaction`, which masks attributes of spans: all that matches, the name included."""
    return {
        "blocked_key_patterns": [f"(?i){_NAME}"],
        "blocked_values": [rule.pattern.replace("$", "$$") for rule in rules(LEVELS[:1])],
    }


def _literal(text: str) -> str:
    """A string of the transformation language."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"'
