r"""What the log agent masks before a line leaves its node, as statements of the collector's transform processor.

Pure functions. What is a secret is data, which the services' package masks by as well: `secrets.json` there. A line is
masked as text, before anything is read out of it. Three rules keep a line of JSON valid: no pattern crosses the quote
that ends a string, none leaves half an escape such as `\n`, and what is no string becomes 0. What has no mark of a
secret stays readable; docs/logs.md names the limits.

| file | what is in it |
|---|---|
| `secrets.json` of the package | names of keys, beginnings of tokens, forms: most changes are made there |
| `redaction_cases.yaml` | of each rule a line before and after: read this first |
| `redaction_rules.py` | the rules, in their order |
| `redaction_patterns.py` | the building blocks of their expressions |
| `ottl.py` | the collector's language, and the one place that escapes for it |
| this module | which lines each group of rules sees, and what the collector is given |

**To add the form of a token** that has a beginning of its own, such as `ghp_`:

1. Add the beginning to `prefixes` in `secrets.json`, under the number of characters that follow at least: 8 if no word
   has it, 16 if words end so (`sk-` in `task-…`), 30 if it says little by itself (`key-`). Tests take it from there.

**To add a form** that has no such beginning:

1. Add an entry to `forms` in `secrets.json`. Each such line has one of the texts in `marks`. `pattern` is for Python
   and RE2 alike; its first group, which may be empty, is kept.
2. Add a pair of lines under its name to `redaction_cases.yaml`, at the same place in the order.
3. Add a text to `_FORMS` in `instrumentation/tests/secret_texts.py`, which package and agent are both held to.

**To add the name of a key**:

1. No other word has it in it: add it to `names` in `secrets.json`, with a text in lower case that each such name has,
   and an example to `NAMED` in `tests/logs/test_redaction.py` and to `NAMES` in `secret_texts.py`.
2. Others do, as `spinning` has `pin`: add it to `words` there, and an example to `ENDING` in the first of the two.

**To add or change a rule**: first a pair of lines in `redaction_cases.yaml`, then `redaction_rules.py`.

**Then** run the tests, and deploy the agent and the package. The first line is for trying and takes about 20 s, the
second one to three minutes. A line that must stay readable goes into `HARMLESS` of `tests/logs/test_redaction.py`.
`make bench-logs` measures how fast the agent still is.

    .venv/bin/python -m pytest -q tests/unit/test_redaction.py tests/logs/test_redaction.py -k "case or stays"
    .venv/bin/python -m pytest -q tests/unit/test_redaction.py tests/logs/test_redaction.py \
        tests/logs/test_one_list.py instrumentation/tests/test_masking.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from components.logs.ottl import BODY, every, has, literal, matches, replace_pattern
from components.logs.redaction_patterns import (
    DIGITS,
    KEY_ENDS,
    LEVELS,
    NAME,
    NAMES,
    NOT_IN_NUMBER,
    REFUSED,
    REST_OF_NAME,
    WORDS,
    named,
    one_of,
)
from components.logs.redaction_rules import (
    BY_FORM,
    CARDS,
    LOWER,
    QUOTED,
    Mark,
    Rule,
    by_name,
    rules,
)

_NAMED = named(rf"(?:{REST_OF_NAME}\s*[=:]|[^\x22\x5c]*{KEY_ENDS})", rf"(?:\s*[=:]|{KEY_ENDS})")
"""What a line with a name has, in lower case."""
_NAMED_IN_QUOTES = (*named(rf"[^\x22\x5c]*{KEY_ENDS}", KEY_ENDS), f"{REFUSED}{KEY_ENDS}")
_CARD_BEGINS = tuple(f"{first}{DIGITS}" for first in range(2, 7))
_CARD_LIKE = f"{one_of(*NOT_IN_NUMBER)}[2-6]{DIGITS}"
"""Most ids have such digits, but behind others."""

MARKS = (
    *(mark for rule in BY_FORM for mark in rule.marks),
    *(Mark(text, (pattern,), any_case=True) for text, pattern in zip((*NAMES.values(), *WORDS), _NAMED, strict=True)),
    Mark(REFUSED, (NAME,), any_case=True),
    *(Mark(begins[0], (begins, _CARD_LIKE)) for begins in _CARD_BEGINS),
)
"""Each line that any rule changes has one of them."""

_LOWER = f'set({LOWER}, ConvertCase({BODY}, "lower"))'
_IS_NAMED, _HAS_CARD = 'log.attributes["named"]', 'log.attributes["card"]'
_IS_HARMLESS = 'log.attributes["harmless"]'
"""Set where a line of a file is read, by `harmless`: nothing in a line can set it, and a line without it is masked."""


def harmless() -> str:
    """Whether a line has no mark, as an expression of the operators that read files: there a search costs least."""
    return f"let line = body; let small = lower(body); not ({' or '.join(map(_marked, MARKS))})"


def _marked(mark: Mark) -> str:
    of = "small" if mark.any_case else "line"
    conditions = [f"{of} contains {literal(mark.text)}"]
    conditions += [f"{of} matches {literal(pattern)}" for pattern in mark.patterns]
    return every(*conditions) if len(conditions) == 1 else f"({every(*conditions)})"


def statements() -> list[dict[str, Any]]:
    """The rules for the collector, in groups of which most lines need none."""
    return [
        _group(
            _LOWER,
            f"set({_IS_NAMED}, true) where {matches(*_NAMED, of=LOWER)}",
            f"set({_IS_NAMED}, true) where {every(has(REFUSED, of=LOWER), matches(NAME, of=LOWER))}",
            f"set({_HAS_CARD}, true) where {every(matches(*_CARD_BEGINS), matches(_CARD_LIKE))}",
            *_replacements(BY_FORM),
            where=f"{_IS_HARMLESS} == nil",
        ),
        _group(
            _LOWER,
            f"set({QUOTED}, true) where {matches(*_NAMED_IN_QUOTES, of=LOWER)}",
            *_replacements(by_name(LEVELS)),
            'delete_key(log.attributes, "named")',
            where=f"{_IS_NAMED} == true",
        ),
        _group(*_replacements(CARDS), 'delete_key(log.attributes, "card")', where=f"{_HAS_CARD} == true"),
    ]


def _group(*statements: str, where: str) -> dict[str, Any]:
    return {"context": "log", "conditions": [where], "statements": list(statements)}


def _replacements(rules: Iterable[Rule]) -> Iterator[str]:
    for rule in rules:
        if rule.fresh:
            yield _LOWER
        yield replace_pattern(rule.pattern, rule.replacement, rule.gate)


def attributes() -> dict[str, list[str]]:
    """The rules for the processor `redaction`, which masks attributes of spans: all that matches, the name included."""
    return {
        "blocked_key_patterns": [f"(?i){NAME}"],
        "blocked_values": [rule.pattern.replace("$", "$$") for rule in rules(LEVELS[:1])],
    }
