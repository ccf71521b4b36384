"""The rules by which the log agent masks, in the order in which they run.

Order matters where a comment says so. Each other rule was tried as the first and as the last of its part below: no line
of the tests left otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import NamedTuple

from components.logs import redaction_patterns as p
from components.logs.ottl import every, has, matches
from components.logs.redaction_patterns import (
    ANY_CASE,
    LEVELS,
    SECRETS,
    Level,
    any_number,
    kept,
    kept_one_of,
    one_of,
    some,
)

LOWER = 'log.cache["lower"]'
"""The line in lower case, for gates that ignore case."""
QUOTED = 'log.cache["quoted"]'
IS_QUOTED = f"{QUOTED} == true"
"""Whether a name stands in quotes, which most lines with a name have not."""
FOLDED = "\u017f"
"""An `s` to an expression that ignores case, and none to a line in lower case: where it is, the expression decides."""


class Mark(NamedTuple):
    """What a line has that a rule changes: this text, and where the text is in other lines, too, matches of these."""

    text: str
    patterns: tuple[str, ...] = ()
    any_case: bool = False
    """The text and the patterns are in lower case, and looked for in the line in lower case."""


@dataclass(frozen=True)
class Rule:
    """Replace what matches, in the lines that pass the gate."""

    name: str
    """What `redaction_cases.yaml` calls it. The rules for tokens share one for all that end alike."""
    pattern: str
    replacement: str = "${1}***"
    """`${1}` is the first part that the pattern keeps."""
    gate: str = ""
    """A cheap condition that spares most lines the pattern; none where the pattern begins with a text by itself."""
    marks: tuple[Mark, ...] = ()
    """Each line that the rule changes has one. None: those of all rules by name, or for cards, in `redaction.py`."""
    fresh: bool = False
    """The gate reads the line in lower case as the rules before this one have left it."""


def rules(levels: Sequence[Level] = LEVELS) -> list[Rule]:
    """Every rule, in the order in which they are applied."""
    return [*BY_FORM, *by_name(levels), *CARDS]


# --- by form: secrets that are recognised wherever they stand --------------------------------------------------------


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
    begins, name = one_of(*map(re.escape, prefixes)), f"token-{least}"
    marks = (Mark(_shared(prefixes), (begins,) if len(prefixes) > 1 else ()),)
    if least == int(SECRETS["within_words"]):  # such beginnings are the ends of words, too, as in `task-…`
        return Rule(name, kept(one_of(*p.NOT_WITHIN_WORD), begins) + p.token(least), "${1}***", has(*prefixes), marks)
    return Rule(name, kept(begins) + p.token(least), marks=marks)


def _shared(texts: Sequence[str]) -> str:
    """What all of them begin with."""
    return "".join(
        one for one, other in takewhile(lambda pair: pair[0] == pair[1], zip(min(texts), max(texts), strict=False))
    )


_SCHEMES = SECRETS["schemes"]
_HOSTS = sorted({address.partition("/")[0] for address in SECRETS["addresses"]})
_DOMAINS = sorted({host.rpartition(".")[2] for host in _HOSTS})
_SLASHES = ("//", "\\/", "%2F", "%2f")


def _pair() -> Rule:
    """A user and a password, or what is called with them. A quote that could end the string around it is no part."""
    named = rf"{p.PAIR_NAME}[\x22\x27\x5c]*\s*[=:]\s*"
    single_quoted = r"\x27(?:[^\x22\x27\x5c]|\x5c+[^\x22\x5c])*\x27?"
    double_quoted = (f"{level.quote}{level.inside}{level.quote}" for level in LEVELS)
    begins = rf"{one_of(*SECRETS['pairs'])}[\x22\x27\x5c]*\s*[=:(]"
    return Rule(
        "pair",
        ANY_CASE
        + kept_one_of(named, "(?:basic|digest)auth")
        + r"(?:[\w.]*auth)?[\[(]"
        + some(r"[^\x22\x27\x5c\[\](){}]", single_quoted, p.ESCAPED_BLANK, *double_quoted)
        + r"[\])]?",
        "${1}0",
        matches(begins, of=LOWER),
        tuple(Mark(name, (begins,), any_case=True) for name in SECRETS["pairs"]),
    )


BY_FORM = (
    *(
        Rule(
            form["name"],
            form["pattern"],
            f"${{1}}{form['mask']}",
            has(*form["marks"]),
            tuple(map(Mark, form["marks"])),
        )
        for form in SECRETS["forms"]
    ),
    # Behind `url-password`, which keeps the host: this would take it for that of an e-mail address.
    Rule(
        "email-address",
        kept(p.ESCAPE) + "?" + p.MAIL_USER + p.MAIL_AT + p.MAIL_HOST,
        "${1}***@***",
        has("@", "%40", "u0040"),
        tuple(map(Mark, ("@", "%40", "u0040"))),
    ),
    *_tokens(),
    # What follows the name of a scheme of HTTP, in a header or not: anything, or what is no word.
    Rule(
        "scheme",
        ANY_CASE + kept(one_of(*_SCHEMES["any"]), _SCHEMES["blank"]) + p.UNQUOTED,
        gate=has(*_SCHEMES["any"], of=LOWER),
        marks=tuple(Mark(scheme, any_case=True) for scheme in _SCHEMES["any"]),
    ),
    Rule(
        "scheme-encoded",
        kept(f"(?i:{'|'.join(_SCHEMES['encoded'])})", _SCHEMES["blank"]) + _SCHEMES["encoded_value"],
        gate=matches(*(f"{scheme}{_SCHEMES['blank']}" for scheme in _SCHEMES["encoded"]), of=LOWER),
        marks=tuple(Mark(scheme, (f"{scheme}{_SCHEMES['blank']}",), any_case=True) for scheme in _SCHEMES["encoded"]),
    ),
    Rule(
        "secret-address",
        ANY_CASE + kept(one_of(*map(p.address, SECRETS["addresses"]))) + p.UNQUOTED,
        gate=every(has(*_SLASHES), has(*_HOSTS, of=LOWER)),
        # The hosts end alike: three searches instead of one for each.
        marks=tuple(Mark(f".{domain}", (one_of(*map(re.escape, _HOSTS)),), any_case=True) for domain in _DOMAINS),
    ),
    _pair(),
)

# --- by name: whatever stands under it, in JSON, in Python's notation, as key=value, in a query, in a header ---------


def by_name(levels: Sequence[Level]) -> list[Rule]:
    """What stands under a name, at these levels."""
    return [
        Rule(
            "header",
            ANY_CASE + kept(r"(?:authorization|cookie)\s*[:=]\s*") + p.REST_OF_LINE,
            gate=has("authorization", "cookie", of=LOWER),
        ),
        *(rule for level in levels for rule in _json(level)),
        *_python(levels),
        Rule(
            "number",
            ANY_CASE + kept(r'["\x27]', p.key(p.PLAIN_IN_BOTH), r'\x5c*["\x27]\s*:\s*') + p.NUMBER,
            "${1}0",
            every(IS_QUOTED, _named(f"{p.PLAIN_IN_BOTH}*{_NUMBERED}", _NUMBERED)),
            fresh=True,
        ),
        # The last: of Python's strings and lists, which are masked as a whole before, this would mask the first word.
        # Each level has a quote of its own to keep, and a value at most one of them.
        Rule(
            "assigned",
            ANY_CASE
            + kept(p.ASSIGNED)
            + one_of(*(f"b?{kept(level.quote)}{level.inside}" for level in LEVELS), p.PARAMETER),
            "${1}${2}${3}${4}${5}***",
            _named(rf"{p.REST_OF_NAME}\s*[=:]", r"\s*="),
            fresh=True,
        ),
    ]


_NUMBERED = r"\x5c*[\x22\x27]\s*:\s*-?[0-9]"
"""What is behind a name that has a number."""


def _named(behind_name: str, behind_word: str) -> str:
    """Whether a name or word of the line has this behind it: what most lines with a name have not, of any one form."""
    return matches(*p.named(behind_name, behind_word), f"{p.REFUSED}{behind_word}", FOLDED, of=LOWER)


def _json(level: Level) -> list[Rule]:
    """Strings, lists and objects. A pattern that begins with a quote is faster than one that begins with a name."""
    key = f"{level.quote}{p.key(p.PLAIN)}{level.quote}" + rf"\s*{p.SIGN}\s*"
    inner = one_of(r'[^"\x27\x5c\[\]{}]', f"{level.quote}{level.double}{level.quote}", p.ESCAPED_BLANK)
    nested = r"[\[{]" + f"{inner}*" + r"[\]}]"
    quoted = IS_QUOTED if level.depth else every(IS_QUOTED, _named(rf"{p.PLAIN}*\x22\s*[=:]", r"\x22\s*[=:]"))
    fresh = not level.depth
    return [
        Rule(
            f"json-list-{level.depth}",
            ANY_CASE + kept(key) + r"[\[{]" + some(inner, nested) + r"[\]}]",
            "${1}0",
            every(has(level.mark), has(*_OPENED), quoted),
            fresh=fresh,
        ),
        Rule(
            f"json-string-{level.depth}",
            ANY_CASE + kept(key, level.quote) + level.double,
            gate=every(has(level.mark), quoted),
            fresh=fresh,
        ),
    ]


_OPENED = [f"{sign}{blank}{bracket}" for sign in ":=>" for blank in ("", " ") for bracket in "[{"]
"""What a line with a list or an object under a name has."""


def _python(levels: Sequence[Level]) -> list[Rule]:
    """Strings, bytes, lists, tuples and dictionaries, in a dictionary, as arguments or in a list of headers.

    Such a text may be cut off anywhere. Therefore an end may be missing, and double quotes only stand in what has one.
    """
    key = rf"\x27{p.key(p.PLAIN_IN_BOTH)}\x27\s*(?:{p.SIGN}\s*b?|,\s*b)"
    inner = one_of(r'[^"\x27\x5c\[\](){}]', r'\x27[^"\x27\x5c]*\x27?', p.ESCAPED_BLANK)
    nested = r"[\[({]" + f"{inner}*" + r"[\])}]?"
    opened = ANY_CASE + kept(one_of(key, f"{p.ASSIGNED}b?"), r"\x27")
    begins = has(": '", ":'", "='", "= '", ">'", "> '", "b'")
    escape, escape_in_both = r'\x5c+[^"\x5c]', r'\x5c+[^"\x27\x5c]'
    # Only as a line of its own it has double quotes that would end a string of JSON.
    own_line = f"{every(begins)} and not {matches(_IS_JSON)}"
    return [
        Rule(
            "python-list",
            ANY_CASE + kept_one_of(key, p.ASSIGNED) + r"[\[({]" + some(inner, nested) + r"[\])}]?",
            "${1}0",
            has(*(before + bracket for before in ("':", "': ", "=", "= ", ">", "> ") for bracket in "[({")),
        ),
        Rule(
            "python-double-quoted",
            ANY_CASE + kept(key, r'\x5c*"') + one_of(p.FIRST_IN_STRING, escape) + any_number(p.PLAIN, escape),
            gate=every(IS_QUOTED, has("': ", "> ", "b'")),
        ),
        # The deepest first: to the rule of another level, an escape may look like the end.
        *(
            Rule(
                f"python-string-{level.depth}",
                opened + level.single + r"\x27\B",
                "${1}***'",
                begins if level.depth else own_line,
            )
            for level in reversed(levels)
        ),
        Rule("python-string-cut-off", opened + any_number(p.PLAIN_IN_BOTH, escape_in_both), gate=begins),
    ]


_IS_JSON = r'^\s*[{\[]\s*"'

# --- numbers of cards ------------------------------------------------------------------------------------------------

CARDS = (
    # A bare number in JSON; in a text the 0 does no harm. The first: the `***` of the other is no number.
    Rule("card-as-number", kept(r"[:\[,]\s*-?") + p.CARD, "${1}0"),
    Rule("card", kept_one_of(*p.NOT_IN_NUMBER) + p.CARD),
)
