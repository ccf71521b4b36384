"""The table of what the log agent masks is complete; tests/logs/test_redaction.py proves it with the real agent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from components.logs import redaction
from components.logs.redaction_patterns import LEVELS
from components.logs.redaction_rules import BY_FORM, Mark, rules
from facts import ROOT
from instrumentation.tests.secret_texts import texts

FILE = ROOT / "components" / "logs" / "redaction_cases.yaml"


def cases() -> Iterator[tuple[str, str, str]]:
    """The name of a rule, a line, and the line after."""
    for name, text in yaml.safe_load(FILE.read_text()).items():
        lines = text.splitlines()
        assert len(lines) % 2 == 0, f"{FILE.name}: under {name} a line has none after"
        yield from ((name, before, after) for before, after in zip(lines[::2], lines[1::2], strict=True))


def test_each_rule_has_cases_and_each_case_a_rule() -> None:
    """In the order in which they run; nothing is named twice, of which YAML would read the last only."""
    named = re.findall("^([^ #:]+):", FILE.read_text(), re.MULTILINE)
    assert named == list(dict.fromkeys(rule.name for rule in rules()))
    assert {name for name, _, _ in cases()} == set(named)


def test_rules_that_share_a_name_are_tokens() -> None:
    names = [rule.name for rule in rules() if not rule.name.startswith("token-")]
    assert len(names) == len(set(names))


def test_each_case_masks_something_and_no_case_breaks_json() -> None:
    for name, before, after in cases():
        assert before != after, name
        assert not re.search("Z[Qq]|7319", after), name
        if before.startswith('{"'):
            assert json.loads(before).keys() == json.loads(after).keys(), name


def test_attributes_of_spans_know_the_first_level_alone() -> None:
    first = {rule.name for rule in rules(LEVELS[:1])}
    assert {rule.name for rule in rules()} - first == {
        f"{kind}-{depth}" for kind in ("json-list", "json-string", "python-string") for depth in (1, 2, 3)
    }


def test_each_rule_by_form_has_marks() -> None:
    assert [rule.name for rule in BY_FORM if not rule.marks] == []


def has(line: str, mark: Mark) -> bool:
    """Whether the mark is in the line."""
    looked_in = line.lower() if mark.any_case else line
    return mark.text in looked_in and all(re.search(pattern, looked_in) for pattern in mark.patterns)


def changes(line: str) -> list[str]:
    """Names of the rules that would change the line, whatever has a cheaper condition."""
    return [rule.name for rule in rules() if re.search(rule.pattern, line)]


SECRET_TEXTS = [*texts(), *(before for _, before, _ in cases())]


def test_each_line_with_a_secret_has_a_mark() -> None:
    assert [line for line in SECRET_TEXTS if not any(has(line, mark) for mark in redaction.MARKS)] == []


@st.composite
def torn(draw: st.DrawFn) -> str:
    """Pieces of texts with secrets, in any case, with anything between them."""
    pieces = []
    for text in draw(st.lists(st.sampled_from(SECRET_TEXTS), min_size=1, max_size=3)):
        begin = draw(st.integers(0, len(text)))
        pieces += [
            text[begin : draw(st.integers(begin, len(text)))],
            draw(st.text("\"'\\\\=:@ ,{}[]()\n1234é", max_size=3)),
        ]
    line = "".join(pieces)
    return draw(st.sampled_from([line, line.upper(), line.lower(), line.swapcase()]))


@given(torn())
@example("INPUT of a token")
@example('{"auth":["a"]}')
def test_a_line_that_a_rule_would_change_has_a_mark(line: str) -> None:
    """The agent does not mask a line without one at all."""
    assert not changes(line) or any(has(line, mark) for mark in redaction.MARKS), changes(line)


def test_only_what_is_not_in_a_line_spares_it_the_rules() -> None:
    """What comes another way than through the operators that read files is masked."""
    first, *others = redaction.statements()
    assert first["conditions"] == ['log.attributes["harmless"] == nil']
    assert [group["conditions"] for group in others] == [
        ['log.attributes["named"] == true'],
        ['log.attributes["card"] == true'],
    ]
