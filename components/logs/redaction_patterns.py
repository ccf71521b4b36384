r"""The building blocks of the expressions by which the log agent masks, each with what it matches.

Every block is written as the collector matches it (RE2): nothing here is escaped for OTTL, which `ottl.literal` does at
the very end. A backslash of the line is always `\x5c` here, a single quote `\x27` and a double one `\x22` or `"`: each
other backslash belongs to the expression. Blocks are joined by `+`, `f"{ONE}{OTHER}"` and the functions below; no
expression with braces is an f-string, so that none is doubled.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

SECRETS: dict[str, Any] = json.loads(
    (
        Path(__file__).parents[2] / "instrumentation" / "src" / "order_processor_observability" / "secrets.json"
    ).read_text()
)

# --- how blocks are composed -----------------------------------------------------------------------------------------

ANY_CASE = "(?i)"
"""At the beginning of an expression: upper and lower case are the same."""


def one_of(*choices: str) -> str:
    """One of the choices."""
    return f"(?:{'|'.join(choices)})"


def some(*choices: str) -> str:
    """One or more of the choices, one after the other."""
    return f"{one_of(*choices)}+"


def any_number(*choices: str) -> str:
    """None or more of the choices, one after the other."""
    return f"{one_of(*choices)}*"


def kept(*parts: str) -> str:
    """These parts, which the replacement writes again: `${1}` is the first that is kept."""
    return f"({''.join(parts)})"


def kept_one_of(*choices: str) -> str:
    """One of the choices, which the replacement writes again."""
    return f"({'|'.join(choices)})"


def counted(what: str, times: int, *, or_more: bool = False) -> str:
    """So many of it."""
    return f"{what}{{{times}{',' if or_more else ''}}}"


# --- names -----------------------------------------------------------------------------------------------------------

NAMES: dict[str, str] = SECRETS["names"]
"""A key, parameter or header that has one of these in its name holds a secret; each with a text that it always has."""

WORDS: list[str] = SECRETS["words"]
"""Names that other words have in them, too: they count at the end of a name that is in quotes or before a `=`.

`input_value` is what pydantic calls a value that it refuses; the field's name is on the line above.
"""

REFUSED = "input"
"""The refused value in FastAPI's answers, beside the field's name. Only lines with a name come so far."""

CODE_POINT = "u[0-9A-Fa-f]{4}"
r"""What follows the backslash of `\u00e9`."""
ESCAPE = r"\x5c" + one_of(CODE_POINT, "[bfnrt]")
r"""An escape of JSON: `\n`, `\u00e9`."""
WORD_BEGINS = one_of(r"\b", "_", ESCAPE)
r"""Where a word may begin; behind an escape of JSON, too, as `pin` does in `\npin`."""
NAME = one_of(*NAMES)
"""A name, wherever it is in a longer one."""
WORD = f"{WORD_BEGINS}{one_of(*WORDS, REFUSED)}"
"""A word of its own, or the last one of a name."""
PAIR_NAME = f"{WORD_BEGINS}{one_of(*SECRETS['pairs'])}"
"""What holds a secret only if it is a pair or a call: `auth=('user', 'secret')`, `auth=HTTPBasicAuth('user', …)`."""
REST_OF_NAME = r"[\w.%\[\]-]*"
"""What is behind a name in a longer one, as in `token_2`, `user[password]`, `passwords[0]`."""
SIGN = "[=:][=>]?"
"""Between a name and its value: `=`, `:`, or the signs of other languages, `=>`, `:=`, `==`."""
ASSIGNED = one_of(NAME + REST_OF_NAME + r"\s*" + SIGN, WORD + r"\s*=[=>]?") + r"\s*"
"""A name and its sign, or a word and its `=`."""


def key(character: str) -> str:
    """What stands in the quotes of a key that holds a secret, of such characters."""
    return f"{character}*{one_of(f'{NAME}{character}*', WORD)}"


def named(behind_name: str, behind_word: str) -> list[str]:
    """Each name or word of a line in lower case, with what is behind it.

    Each begins with a text: a search is fast only for such, and `NAME` is what counts.
    """
    names = (name if name.startswith(text) else text for name, text in NAMES.items())
    return [*(f"{name}{behind_name}" for name in names), *(f"{word}{behind_word}" for word in WORDS)]


KEY_ENDS = r"\x5c*[\x22\x27]\s*(?:[=:]|,\s*b)"
"""What is behind a name in quotes."""

# --- strings, and JSON within the strings of JSON --------------------------------------------------------------------

PLAIN = r'[^"\x5c]'
"""A character of a string of JSON that is no escape: neither a quote nor a backslash."""
PLAIN_IN_BOTH = r'[^"\x27\x5c]'
"""A character of a string of JSON or of Python's that is no escape."""
FIRST_IN_STRING = r'[^"\x5c,}\]\s]'
"""The first character of a string. A quote that ends the string around it has a comma, a bracket or a blank there."""
ESCAPED_CHARACTER = r"\x5c+" + one_of(CODE_POINT, "/")
r"""A character or a slash, escaped at whatever level: `\u00e9`, `\\u00e9`, `\/`."""
ESCAPED_BLANK = r"\x5c+[nrt]"
"""A line break or tabulator, escaped at whatever level."""


class Level(NamedTuple):
    """Text that is JSON, or is in a string of JSON, or in one of JSON that is itself in a string, and so on."""

    depth: int
    """How many strings it is in."""
    mark: str
    """What a line of this level has: its quote."""
    quote: str
    r"""The pattern of it. Each level doubles the backslashes (`\x5c`)."""
    double: str
    """What a string in such quotes holds."""
    single: str
    """What a string of Python's in single quotes holds."""

    @property
    def inside(self) -> str:
        """What is behind a double quote that begins a string and does not end the one around it."""
        return f"{FIRST_IN_STRING}{self.double}"


def _level(depth: int) -> Level:
    before = 2**depth - 1
    quote = counted(r"\x5c", before) + '"'
    backslash = counted(r"\x5c", 2**depth)
    escaped = (
        backslash + one_of(quote, backslash, PLAIN),
        ESCAPED_CHARACTER,  # an outer string may escape these once more, or less
    )
    return Level(
        depth,
        mark="\\" * before + '"',
        quote=quote,
        double=any_number(PLAIN, *escaped),
        single=any_number(r'[^\x27"\x5c\n]', quote, *escaped),
    )


LEVELS = tuple(map(_level, range(4)))
"""What is nested deeper has no rule."""

# --- values ----------------------------------------------------------------------------------------------------------

ESCAPES_IN_UNQUOTED = (ESCAPED_CHARACTER, r'(?:\x5c\x5c)+[^\s"\x5c&]')
"""What an unquoted value may hold of JSON's escapes: characters, slashes, and backslashes with what follows them."""
UNQUOTED = some(r"[^\s\"\x27\x5c<>]", *ESCAPES_IN_UNQUOTED)
"""A value that no quotes surround, up to a blank, a quote or an angle bracket."""
PARAMETER = some(r'[^\s"\x5c&]', *ESCAPES_IN_UNQUOTED)
"""A value that no quotes surround, as in a query: up to a blank, a double quote or `&`."""
REST_OF_LINE = some(r'[^"\x27\x5c\r\n]', *ESCAPES_IN_UNQUOTED)
"""Everything up to a quote or the end of the line."""
NUMBER = r"-?[0-9][0-9.eE+-]*"
"""A number of JSON."""

# --- what is recognised by its form ----------------------------------------------------------------------------------

MAIL_USER = "[A-Za-z0-9._%+-]+"
"""What is before the `@` of an e-mail address."""
MAIL_AT = r"(?:@|%40|\x5c+u0040)"
"""The `@`, as it is, in a query or in JSON."""
# Not what is behind the name of a Go module, as in gin@v1.9.1/context.go.
MAIL_HOST = one_of(
    r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z][A-Za-z0-9-]*",
    r"[0-9][A-Za-z0-9-]*(?:\.[A-Za-z0-9-]+)+",
)
"""A host whose last part begins with a letter, or whose first part begins with a digit, as that of an IP address."""


def token(least: int) -> str:
    """What follows the beginning of a token: at least so many characters, and all that belongs to them."""
    return counted("[A-Za-z0-9_-]", least, or_more=True) + "[A-Za-z0-9_.=-]*"


NOT_WITHIN_WORD = ("^", ESCAPE, "%[0-9A-F]{2}", "[^A-Za-z0-9]")
"""What is before a token whose beginning is the end of words, too."""

DIGITS = "[0-9]{3}[ +-]?[0-9]{4}[0-9 +-]{4}"
"""What each card number has behind its first digit."""
NOT_IN_NUMBER = ("^", "[^0-9A-Fa-f.]", ESCAPE)
"""What is before a card number: not the digits of a fraction, nor of a hexadecimal id."""
# 13 to 16 digits or 19, as the large issuers number cards, together or in groups. No regular expression can compute the
# check digit, so other numbers of this form are masked too; times in nanoseconds begin with a 1 and are not.
CARD = (
    one_of(
        "[3-6][0-9]{12,15}",
        "[3-6][0-9]{18}",
        "2[2-7][0-9]{14}",
        "[2-6][0-9]{3}(?:[ +-][0-9]{4}){3}",
        "3[47][0-9]{2}[ +-][0-9]{6}[ +-][0-9]{5}",
    )
    + r"\b"
)
"""A card number."""


def address(begins: str) -> str:
    """The beginning of an address; its slashes may be escaped or encoded."""
    return re.escape(begins).replace("/", SECRETS["slash"])
