"""What the log agent masks before a line leaves its node, as statements of the collector's transform processor.

Pure functions. A line is masked as text, before anything is read out of it. Three rules keep a line of JSON valid:
no pattern crosses the quote that ends a string, none leaves half an escape such as `\\n`, and a number becomes 0.
What has no mark of a secret stays readable: a password in a sentence, or one under a name that is not in NAMES.
"""

from __future__ import annotations

from dataclasses import dataclass

NAMES = (  # by their first letters, which makes the search four times as fast
    "(?:passw(?:or)?d|passphrase|private[_-]?key|pwd|secret|session[_-]?id|signature|token"
    "|access[_-]?key|api[_-]?key|authorization|cookie|credential|cvc|cvv)"
)
"""A key, parameter or header that has one of these in its name holds a secret."""

LEVELS = tuple(
    (
        rf"\x5c{{{2**depth - 1}}}",
        rf'(?:[^"\x5c]|\x5c{{{2**depth}}}(?:\x5c{{{2**depth - 1}}}"|\x5c{{{2**depth}}}|[^"\x5c])'
        r"|\x5c+(?:u[0-9A-Fa-f]{4}|/))*",  # an outer string may escape these once more, or less
    )
    for depth in range(4)
)
"""JSON, JSON within its strings, and so on: what stands before a quote (`\\x5c` is a backslash), and what a string
holds. Each depth doubles the backslashes. What is nested deeper has no rule."""

# 13 to 16 digits or 19, as the large issuers number cards, together or in groups. No regular expression can compute the
# check digit, so other numbers of this form are masked too; times in nanoseconds begin with a 1 and are not.
_CARD = (
    "(?:[3-6][0-9]{12,15}|[3-6][0-9]{18}|2[2-7][0-9]{14}"
    "|[2-6][0-9]{3} [0-9]{4} [0-9]{4} [0-9]{4}|[2-6][0-9]{3}-[0-9]{4}-[0-9]{4}-[0-9]{4}"
    r"|3[47][0-9]{2}[ -][0-9]{6}[ -][0-9]{5})\b"
)
_ESCAPE = r"\x5c(?:u[0-9A-Fa-f]{4}|[bfnrt])"
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


def rules() -> list[Rule]:
    """Every rule, in the order in which they are applied."""
    return [*_by_form(), *_by_name(), *_cards()]


def _by_form() -> list[Rule]:
    """Secrets that are recognised wherever they stand."""
    key_forms = ("sk_", "pk_", "rk_", "sk-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "xox", "AIza")
    return [
        Rule(r'(:\x5c*/\x5c*/)[^\s/?#"\x27\x5c<>]+@', "${1}***@", _has("@")),
        Rule(rf"({_ESCAPE})?[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", "${1}***@***", _has("@")),
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


def _by_name() -> list[Rule]:
    """Whatever stands under a name of NAMES: in JSON, in Python's notation, as key=value, in a query, in a header."""
    return [
        _named(
            rf'(?i)((?:authorization|cookie)\s*[:=]\s*)(?:[^"\x27\x5c\r\n]|{_ESCAPED})+',
            where=_has_any_case("authorization", "cookie"),
        ),
        *(
            _named(rf'(?i)({quote}"{_KEY}{quote}"\s*:\s*{quote}"){text}', where=_has("\\" * (2**depth - 1) + '"'))
            for depth, (quote, text) in enumerate(LEVELS)
        ),
        _named(rf'(?i)("{_KEY}"\s*:\s*)\[(?:\s*"{LEVELS[0][1]}"\s*,?)*\s*\]', "${1}[]", _has("[")),
        _named(rf'(?i)("{_KEY}\x5c*"\s*:\s*)-?[0-9][0-9.eE+-]*', "${1}0", _has('"')),
        _named(
            rf'(?i)(\x27[^\x27"\x5c]*{NAMES}[^\x27"\x5c]*\x27\s*:\s*\x27)(?:[^\x27"\x5c]|\x5c+[^\x27"\x5c])*',
            where=_has("'"),
        ),
        _named(
            # A quote that ends the string around it is followed by a comma, a bracket, a blank or nothing.
            rf"(?i)({NAMES}[\w.-]*\s*[=:]\s*)(?:"
            + "".join(rf'({quote}")[^"\x5c,}}\]\s]{text}|' for quote, text in LEVELS)
            + rf'\x27[^\x27"\x5c]*\x27|(?:[^\s"\x5c&]|{_ESCAPED})+)',
            "${1}${2}${3}${4}${5}***",
        ),
    ]


_KEY = rf'[^"\x5c]*{NAMES}[^"\x5c]*'


def _named(pattern: str, replacement: str = "${1}***", where: str = "") -> Rule:
    return Rule(pattern, replacement, f"{_NAMED} and ({where})" if where else _NAMED)


def _cards() -> list[Rule]:
    return [
        # A bare number in JSON; in a text the 0 does no harm.
        Rule(rf"([:\[,]\s*-?){_CARD}", "${1}0", _CARD_LIKE),
        # Not the digits of a fraction, nor of a hexadecimal id.
        Rule(rf"(^|[^0-9A-Fa-f.]|{_ESCAPE}){_CARD}", "${1}***", _CARD_LIKE),
    ]


# A line without any of these has none of NAMES.
_PARTS: tuple[str, ...] = (
    "passw",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "key",
    "credential",
    "authorization",
    "cookie",
    "session",
)
_PARTS += ("signature", "cvv", "cvc")


def statements() -> list[str]:
    """The rules for the collector. It expands `$` itself, so that a literal one is doubled."""
    assigned = rf'(?i){NAMES}[^"\x5c=:]*["\x27\x5c]*\s*[=:]'
    card_like = rf"(?:^|[^0-9A-Fa-f.]|{_ESCAPE})[2-6][0-9]{{3}}[ -]?[0-9]{{4}}[0-9 -]{{4}}"
    return [
        'set(log.cache["lower"], ConvertCase(log.body, "lower"))',
        f'set(log.cache["named"], IsMatch(log.body, {_literal(assigned)})) where {_has_any_case(*_PARTS)}',
        f'set(log.cache["card"], IsMatch(log.body, {_literal(card_like)}))',
        *(
            f"replace_pattern(log.body, {_literal(rule.pattern)}, {_literal(rule.replacement)}) where {rule.where}"
            for rule in rules()
        ),
    ]


def _literal(text: str) -> str:
    """A string of the transformation language."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"'
