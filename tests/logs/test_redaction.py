"""Generated secrets in the forms that lines have: nothing of them reaches Loki, and JSON stays JSON."""

from __future__ import annotations

import json
import string
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.logs.pipeline import Entry, Pipeline, eventually

LINES = 600

KEYS = st.sampled_from(
    ("password", "Password", "user_passwd", "db_pwd", "access_token", "refreshToken", "x-api-key", "apiKey")
) | st.sampled_from(
    ("client_secret", "Authorization", "set-cookie", "aws_secret_access_key", "private-key", "sessionId", "card_cvv")
)
WORDS = st.text(string.ascii_letters + string.digits, min_size=8, max_size=12).map(lambda text: f"Zq{text}")
"""Parts of secrets that can be told from anything else in a line."""
BEFORE = st.sampled_from(["", "x ", "user=bob ", "\n", "(", "é", '"q" ', "a\\b ", "http://x.io/?y=1&"])
AFTER = st.sampled_from(["", " end", ",", ", user=bob", "\nnext", '" x', "&z=1", ")", ";"])
DEPTHS = st.integers(0, 2)
ASCII = st.lists(st.booleans(), min_size=3, max_size=3)
"""Whether other characters are escaped, at each depth."""


@dataclass(frozen=True)
class Case:
    """A line, the parts of secrets in it, and how often JSON is within JSON."""

    line: str
    secrets: tuple[str, ...]
    depth: int | None
    """None: the line is no JSON."""


def nested(document: dict[str, Any], depth: int, ascii_only: list[bool]) -> str:
    """The document as a line of JSON, within `extra` of `extra` as deep as asked."""
    for level in range(depth):
        document = {"level": "INFO", "extra": json.dumps(document, ensure_ascii=ascii_only[level])}
    return json.dumps(document, ensure_ascii=ascii_only[-1], separators=(",", ":"))


def some(alphabet: str) -> st.SearchStrategy[str]:
    return st.text(alphabet, max_size=3)


@st.composite
def values(draw: st.DrawFn) -> Case:
    """Under a key of JSON: a string of whatever characters, a list of strings, a number."""
    anything = some(string.punctuation + " \n\té☃")
    one, two = draw(WORDS), draw(WORDS)
    number = draw(st.integers(10**7, 10**12))
    text = f"{draw(anything)}{one}{draw(anything)}{two}{draw(anything)}"
    value, secrets = draw(
        st.sampled_from([(text, (one, two)), ([one, f"]{two}"], (one, two)), (number, (str(number),))])
    )
    depth = 0 if isinstance(value, list) else draw(DEPTHS)
    return Case(nested({"a": 1, draw(KEYS): value, "b": [1.5]}, depth, draw(ASCII)), secrets, depth)


Text = tuple[str, tuple[str, ...]]
"""A text, and the parts of secrets in it."""


def pairs() -> st.SearchStrategy[Text]:
    """key=value, in quotes and without, and as the parameter of a query."""
    character = some("!$()*+~^%#/?.-_é☃|<>,;}]{[")
    return st.one_of(
        st.builds(lambda k, a, x, b, y: (f"{k}={a}{x}{b}{y}", (x, y)), KEYS, character, WORDS, character, WORDS),
        st.builds(lambda k, x, y: (f'{k}="{x} {y}"', (x, y)), KEYS, WORDS, WORDS),
        st.builds(lambda k, x, y: (f"https://x.io/p?a=1&{k}={x}%20{y}&b=2", (x, y)), KEYS, WORDS, WORDS),
    )


def marked() -> st.SearchStrategy[Text]:
    """What is a secret wherever it stands: a password in an address, a token, a mail address, a card."""
    return st.one_of(
        st.builds(lambda x, a, y: (f"redis://u:{x}{a}{y}@cache.io:6379/0", (x, y)), WORDS, some("@:!$"), WORDS),
        st.builds(lambda x, y: (f"sent Bearer {x}.{y}", (x, y)), WORDS, WORDS),
        st.builds(lambda x, y: (f"eyJ{x}.eyJ{y}.{x}", (x, y)), WORDS, WORDS),
        st.builds(lambda x, y: (f"{x}.{y}@mail.example.co.uk", (x, y)), WORDS, WORDS),
        st.builds(lambda number, gap: grouped(number, gap), cards(), st.sampled_from(["", " ", "-"])),
    )


def cards() -> st.SearchStrategy[str]:
    """Card numbers with a right check digit."""

    def complete(prefix: str, digits: str) -> str:
        number = (prefix + digits)[:15]
        doubled = [int(digit) * (2 if index % 2 == 0 else 1) for index, digit in enumerate(number)]
        return number + str(-sum(value // 10 + value % 10 for value in doubled) % 10)

    return st.builds(complete, st.sampled_from(["4", "51", "2221", "6011"]), st.text(string.digits, min_size=15))


def grouped(number: str, gap: str) -> Text:
    text = gap.join(number[start : start + 4] for start in range(0, 16, 4))
    return text, (text,)


@st.composite
def messages(draw: st.DrawFn) -> Case:
    """Within a message, or within a line that is no JSON."""
    text, secrets = draw(st.one_of(pairs(), marked()))
    before, depth = draw(BEFORE), draw(DEPTHS)
    if draw(st.booleans()):
        return Case(f"at {text} of {before}".replace("\n", " "), secrets, None)
    return Case(nested({"message": f"{before}{text}{draw(AFTER)}", "ok": True}, depth, draw(ASCII)), secrets, depth)


@st.composite
def bare_cards(draw: st.DrawFn) -> Case:
    """Numbers of JSON, which must stay numbers."""
    card, depth = draw(cards()), draw(DEPTHS)
    return Case(nested({"card": int(card), "list": [int(card), -int(card)]}, depth, draw(ASCII)), (card,), depth)


def generated() -> list[Case]:
    """The lines of one run. They are sent together: one at a time would take hours."""
    found: list[Case] = []

    @settings(max_examples=LINES, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(values(), messages(), bare_cards()))
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    return found


def test_no_secret_reaches_loki_and_json_stays_json(node: Pipeline) -> None:
    sent = generated()
    node.container("redaction").write(*(case.line for case in sent))

    def all_lines() -> list[Entry] | None:
        entries = node.entries('{service_name="redaction"}')
        return entries if len(entries) >= len(sent) else None

    entries = eventually(all_lines, 30, f"{len(sent)} masked lines")
    assert len(entries) == len(sent)
    wrong = []
    for case, entry in zip(sent, entries, strict=True):
        readable = entry.text + json.dumps(entry.labels)
        if any(secret in readable for secret in case.secrets) or not still_json(entry.text, case.depth):
            wrong.append((case, entry.text))
    assert wrong == [], min(wrong, key=lambda pair: len(pair[0].line))


def still_json(text: str, depth: int | None) -> bool:
    """Whether the line is the JSON that it was, and what is within it, too."""
    if depth is None:
        return True
    try:
        for _ in range(depth):
            text = json.loads(text)["extra"]
        return isinstance(json.loads(text), dict)
    except (ValueError, KeyError):
        return False


HARMLESS = (
    "order_743a40b7_1795428063 and req-1795453674655359280",
    '{"request_id":"req-1795453674655359280","value":0.4567890123456789,"pnl":-12.345678901234567}',
    '{"trace_id":"0af7651916cd43dd8448eb211c80319c","id":"550e8400-e29b-41d4-a716-446655440000","at":1795453674655}',
    '{"id":"41234567-1234-4678-9123-456789012345","message":"Token is invalid"}',
    "The password of bob is wrong.",
    'INFO:     127.0.0.1:1234 - "GET /orders/order_743a40b7_1795428063 HTTP/1.1" 200 OK',
    '{"message":"password=","user":"bob"}',
    '{"extra":"{\\"message\\": \\"token=\\", \\"user\\": \\"bob\\"}"}',
)


def test_what_is_no_secret_stays(node: Pipeline) -> None:
    node.container("harmless").write(*HARMLESS)

    def all_lines() -> list[str] | None:
        texts = [entry.text for entry in node.entries('{service_name="harmless"}')]
        return texts if len(texts) >= len(HARMLESS) else None

    assert eventually(all_lines, 20, "harmless lines") == list(HARMLESS)
