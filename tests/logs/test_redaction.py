"""Generated secrets in the forms that lines have: nothing of them reaches Loki, and JSON stays JSON."""

from __future__ import annotations

import base64
import json
import re
import string
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import catalogue
from checks.logs.pipeline import Entry, Pipeline
from checks.waiting import eventually
from components.logs import redaction, redaction_patterns, redaction_rules
from components.logs.agent import agent_configuration
from facts import ROOT
from settings import read_stack
from tests.unit.test_redaction import cases

LINES = 600

NAMED = (
    *("password", "Password", "user_passwd", "passphrase", "passcode", "db_pwd", "refreshToken", "client_secret"),
    *("x-api-key", "apiKey", "accessKey", "aws_access_key", "private-key", "Authorization", "set-cookie", "sessionId"),
    *(
        "session_id",
        "card_cvv",
        "cvc",
        "credentials",
        "signature",
        "routing_key",
        "integrationKey",
        "slack_webhook_url",
    ),
    *("webhookUri", "card_number", "secret_key", "signingKey"),
)
ENDING = ("otp", "pass", "DB_PASS", "pin", "user_session", "card", "user_cards", "iban", "ssn")
"""Names that count only where a name ends."""
KEYS = st.sampled_from((*NAMED, *ENDING))
NAMES = st.sampled_from(NAMED)
WORDS = st.text(string.ascii_letters + string.digits, min_size=8, max_size=12).map(lambda text: f"Zq{text}")
"""Parts of secrets that can be told from anything else in a line."""
BEFORE = st.sampled_from(["", "x ", "user=bob ", "\n", "(", "é", '"q" ', "a\\b ", "http://x.io/?y=1&"])
AFTER = st.sampled_from(["", " end", ",", ", user=bob", "\nnext", '" x', "&z=1", ")", ";"])
DEPTHS = st.integers(0, 3)
WITHIN = st.integers(0, 2)
"""A string in JSON is one deeper than the JSON is."""
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


ANYTHING = some(string.punctuation + " \n\té☃")


@st.composite
def values(draw: st.DrawFn) -> Case:
    """Under a key of JSON: a string of whatever characters, a number, and these in a list or an object."""
    one, two = draw(WORDS), draw(WORDS)
    number = draw(st.integers(10**7, 10**12))
    text = f"{draw(ANYTHING)}{one}{draw(ANYTHING)}{two}{draw(ANYTHING)}"
    value = draw(
        st.sampled_from(
            [text, number, [text, f"]{two}"], {"value": text, "a": {"b": number}}, [{"a": text}, [number, None]]]
        )
    )
    document = draw(
        st.sampled_from(
            [{"a": 1, draw(KEYS): value, "b": [1.5]}, {"loc": ["body", draw(NAMES)], "msg": "short", "input": value}]
        )
    )
    depth = draw(DEPTHS)
    return Case(nested(document, depth, draw(ASCII)), (one, two, str(number)), depth)


VENDORS = [
    f"{prefix}{'Zq34567890' * 3}"[: len(prefix) + int(least)]
    for least, prefixes in redaction_patterns.SECRETS["prefixes"].items()
    for prefix in prefixes
]
"""The shortest token of each beginning."""
ADDRESSES: list[str] = redaction_patterns.SECRETS["addresses"]
CALLS = ("auth=", "auth = ", "proxy_auth=", "'auth': ", "auth=HTTPBasicAuth", "auth=httpx.BasicAuth", "HTTPDigestAuth")
PRIVATE_KEY = "-----BEGIN RSA PRIVATE KEY-----"

Text = tuple[str, tuple[str, ...]]
"""A text, and the parts of secrets in it."""


def pairs() -> st.SearchStrategy[Text]:
    """key=value, in quotes and without, and as the parameter of a query."""
    character = some("!$()*+~^%#/?.-_é☃|<>,;}]{['")
    return st.one_of(
        st.builds(lambda k, a, x, b, y: (f"{k}={a}{x}{b}{y}", (x, y)), KEYS, character, WORDS, character, WORDS),
        st.builds(lambda k, x: (f"{k}: {x}", (x,)), NAMES, WORDS),
        st.builds(lambda k, x, y: (f'{k}="{x} {y}"', (x, y)), KEYS, WORDS, WORDS),
        st.builds(lambda k, x, y: (f"https://x.io/p?a=1&{k}={x}%20{y}&b=2", (x, y)), KEYS, WORDS, WORDS),
    )


@st.composite
def python(draw: st.DrawFn) -> Text:
    """As Python writes its values, and errors about them; cut off or not."""
    key, one, two, number = draw(KEYS), draw(WORDS), draw(WORDS), draw(st.integers(10**7, 10**12))
    text = f"{one}{draw(ANYTHING)}{two}"
    error = {"type": "short", "loc": ("body", draw(NAMES)), "msg": "Too short", "input": text}
    written = draw(
        st.sampled_from(
            [
                repr({"a": 1, key: text, "b": "c"}),
                repr({key: text.encode()}),
                repr({key: number}),
                repr({key: [one, two]}),
                repr([(key.encode(), text.encode())]),
                repr([error]),
                f"User({key}={text!r}, a=1)",
                f"  Too short [type=short, input_value={text!r}, input_type=str]",
            ]
        )
    )
    return written[: draw(st.integers(len(written) // 2, 2 * len(written)))], (one, two, str(number))


def marked() -> st.SearchStrategy[Text]:
    """What is a secret wherever it stands: a password in an address, a token, a mail address, a card."""
    return st.one_of(
        st.builds(lambda token, x, y: (f"{token}{x}{y}", (x, y)), st.sampled_from(VENDORS), WORDS, WORDS),
        st.builds(lambda x: (f"AKIA{x.upper():Z<16}", (x.upper(),)), WORDS),
        st.builds(lambda x, y: (f"{PRIVATE_KEY}\n{x}+\n/{y}==\n-----END", (x, y)), WORDS, WORDS),
        st.builds(lambda x, a, y: (f"redis://u:{x}{a}{y}@cache.io:6379/0", (x, y)), WORDS, some("@:!$"), WORDS),
        st.builds(lambda x, a, y: (f"sent Bearer {x}{a}{y}", (x, y)), WORDS, some(".:%/+=,;&|$!"), WORDS),
        st.builds(lambda x: (f"401 for Basic {encoded(x)}", (encoded(x),)), WORDS),
        st.builds(lambda at, x, y: (f"https://{at}{x}/{y}?a", (x, y)), st.sampled_from(ADDRESSES), WORDS, WORDS),
        st.builds(lambda call, x, y: (f"{call}('{x}', '{y}')", (x, y)), st.sampled_from(CALLS), WORDS, WORDS),
        st.builds(lambda x, y: (f"eyJ{x}.eyJ{y}.{x}", (x, y)), WORDS, WORDS),
        st.builds(
            lambda x, at, y: (f"{x}.{y}{at}mail.example.co.uk", (x, y)), WORDS, st.sampled_from(["@", "%40"]), WORDS
        ),
        st.builds(lambda number, gap: grouped(number, gap), cards(), st.sampled_from(["", " ", "-", "+"])),
    )


def encoded(text: str) -> str:
    """A user and this password as the header has them."""
    return base64.b64encode(f"bob:{text}".encode()).decode()


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
    text, secrets = draw(st.one_of(pairs(), marked(), python()))
    before, depth = draw(BEFORE), draw(WITHIN)
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


def through(node: Pipeline, name: str, lines: Sequence[str]) -> list[Entry]:
    """What Loki has of the lines of a container, in their order."""
    node.container(name).write(*lines)
    return node.arrived(name, len(lines))


def wrong(cases: Sequence[Case], entries: Sequence[Entry]) -> list[tuple[Case, str]]:
    """The cases of which something is readable, or whose JSON is broken, and what became of them."""
    found = []
    for case, entry in zip(cases, entries, strict=True):
        readable = entry.text + json.dumps(entry.labels)
        if any(secret in readable for secret in case.secrets) or not still_json(entry.text, case.depth):
            found.append((case, entry.text))
    return found


def test_no_secret_reaches_loki_and_json_stays_json(node: Pipeline) -> None:
    sent = generated()
    found = wrong(sent, through(node, "redaction", [case.line for case in sent]))
    assert found == [], min(found, key=lambda pair: len(pair[0].line))


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
    "/go/pkg/mod/github.com/gin-gonic/gin@v1.9.1/context.go:174 of golang.org/x/net@v0.0.0-20260115033456-f47bc2d6f199",
    "session started, session: 7, 3 tests pass: 1, auth=ok",
    "compass=north passed=3 bypass=1 author=bob pinned=2 ping=4 mapping=5 session_count=6",
    '{"passed":12,"shipping":"free","author":"bob","obsession":{"a":["b"]},"pin_count":3,"tokens":[],"auth":"ok"}',
    '{"loc":["body","amount"],"msg":"Input should be a number","input":"abc"}',
    "{'amount': 'it\\'s', 'items': [1, 2], 'symbol': b'BTC'}",
    'INFO:     127.0.0.1:1234 - "GET /orders/order_743a40b7_1795428063 HTTP/1.1" 200 OK',
    '{"message":"password=","user":"bob"}',
    *(
        "HTTP Basic authentication failed",
        "Basic Authentication is required",
        "token auth_failed",
        "Negotiate with bob",
    ),
    *(
        "task-12345678-1234-4678-9123-456789012345",
        "risk-assessment-service-v2",
        "The key-value store of monkey-business",
    ),
    *(
        '{"service":"auth","action":"auth_success"}',
        "GET /services/Trading/Book/all",
        "auth: ok (2 of 3)",
        "design=flat",
    ),
    "cardinality=3 discard=4 lessons: 5, primary_key=id, cache key: assets",
    '{"message":"auth=(","user":"bob"}',
    '{"extra":"{\\"message\\": \\"token=\\", \\"user\\": \\"bob\\"}"}',
)


def test_what_is_no_secret_stays(node: Pipeline) -> None:
    assert [entry.text for entry in through(node, "harmless", HARMLESS)] == list(HARMLESS)


SECRETS = ("Zq", "ZQ", "7319")
"""What is in each secret below, and nowhere else."""
ESCAPES = repr({"password": "a'\"\\Zq"})
"""Written with escapes, which each level of JSON doubles."""
TEXTS = (
    "redis://u:Zq1@cache/0",
    *("sent to Zq.bob@example.com", "GET /users?email=Zq.bob%40example.com", "Zq.bob\\u0040example.com"),
    *("Zq.bob@10.0.0.5", "Zq@1and1.example"),
    "got eyJZqZqZqZq.eyJZqZqZqZq.Zq",
    *("AKIAZQ34567890123456", "ASIAZQ34567890123456"),
    *VENDORS,
    f"{PRIVATE_KEY}\\nZq+\\nZq",
    *("sent Bearer Zq1", "sent Bearer abc:Zq", "Bearer a%20b|Zq", '{"auth":"Bearer abc:Zq"}', "bearer%20Zq1"),
    *(
        "Basic ZqNlcjpodW50ZXIy",
        '{"auth":"Basic ZqNlcjpodW50ZXIy="}',
        "401 for basic ZqNlcjpodW50ZXIy",
        "Token Zq7319a0",
    ),
    *(f"https://{address}Zq/7319?x=1" for address in ADDRESSES),
    *(
        "POST https:\\/\\/hooks.slack.com\\/services\\/Zq",
        "to=https%3A%2F%2Fhooks.slack.com%2Fservices%2FZq",
        "hc-ping.com//Zq",
    ),
    *('"POST /services/T0ABCDE/B0ABCDE/Zq HTTP/1.1" 200', "https://x.blob.core.windows.net/c?sv=1&sig=Zq%2B"),
    *("123456789:AAZqZqZqZqZqZqZqZqZqZqZqZq", "-----BEGIN PGP PRIVATE KEY BLOCK-----\\nZq"),
    *(f"{call}('bob', 'Zq')" for call in CALLS),
    *('auth=("bob", "Zq")', "auth=('bob', 'a\\'Zq'", '{"auth": ["bob", "Zq"]}', '{"m":"auth=(\\"bob\\", \\"Zq\\")"}'),
    "Cookie: a=1; b=Zq",
    *("card 4111111111117319", "4111 1111 1111 7319", "4111-1111-1111-7319", "4111+1111+1111+7319"),
    *("password=Zq", "password: Zq", "https://x.io/?a=1&token=Zq&b=2"),
    *("token='a Zq'", "token = 'a Zq'", "token: 'a Zq'", "token:'a Zq'", "token=b'a Zq'", 'token="a Zq"'),
    *("token=['a', 'Zq']", "token=('a', 'Zq')", "token={'a': 'Zq'}", "{'token': ['Zq']}", "{'token': {'a': ('Zq',)}}"),
    *("{'token': 'a Zq", "{'token': ['a', 'Zq", "{'token': {'a': ['Zq', 1"),
    *("{'cvv': 7319}", ESCAPES, "[(b'x-api-key', b'Zq'), (b'x-api-key', b\"Zq'\")]", "[(b'pin', b'Zq')]"),
    "  Too short [type=short, input_value={'a': {'b': 'Zq'}}, input_type=dict]",
    "[{'loc': ('body', 'password'), 'msg': 'Too short', 'input': 'Zq'}]",
)
DOCUMENTS: tuple[dict[str, Any], ...] = (
    {"token": 'a, " Zq'},
    {"token": ["Zq", {"a": 7319}]},
    {"token": {"a": "Zq"}},
    {"cvv": 7319},
    {"loc": ["body", "password"], "msg": "Too short", "input": "Zq"},
    {"number": 4111111111117319},
)
TABLE = list(cases())
"""Of each rule the lines of `redaction_cases.yaml`: its name, before, after."""
EXAMPLES = (
    *(Case(text, SECRETS, None) for text in TEXTS),
    *(
        Case(nested({"message": text}, depth, [True] * 3), SECRETS, depth)
        for text in (ESCAPES, "auth=('bob', 'Zq')", 'auth=("bob", "Zq")')
        for depth in range(3)
    ),
    *(Case(nested(document, depth, [True] * 3), SECRETS, depth) for document in DOCUMENTS for depth in range(4)),
    *(Case(json.dumps({name: "Zq"}), SECRETS, 0) for name in (*NAMED, *ENDING)),
    *(Case(before, SECRETS, None) for _, before, _ in TABLE),
)
"""Each kind of secret and each name, with as little else that marks it as possible; the table is the last of them."""


def test_each_case_of_the_table_is_masked_as_it_says(node: Pipeline) -> None:
    entries = through(node, "table", [before for _, before, _ in TABLE])
    masked = [(name, before, entry.text) for (name, before, _), entry in zip(TABLE, entries, strict=True)]
    assert masked == TABLE


def test_no_example_is_readable(node: Pipeline) -> None:
    assert wrong(EXAMPLES, through(node, "examples", [case.line for case in EXAMPLES])) == []
    assert [
        name for name in redaction_patterns.NAMES if not any(re.search(name, key, re.IGNORECASE) for key in NAMED)
    ] == []


@contextmanager
def collector(
    node: Pipeline, processors: dict[str, Any], pipelines: dict[str, list[str]], exporters: dict[str, Any]
) -> Iterator[str]:
    """Another collector, of OTLP at the URL that is given. Its output is in `masking.log`."""
    endpoint = f"127.0.0.2:{node.ports['agent-otlp-http']}"  # the agent has the same port of the usual address
    configuration = {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": endpoint}}}},
        "processors": processors,
        "exporters": exporters,
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {
                name: {"receivers": ["otlp"], "processors": used, "exporters": list(exporters)}
                for name, used in pipelines.items()
            },
        },
    }
    with node.collector("masking", configuration, {}):
        yield f"http://{endpoint}"


def post(url: str, document: dict[str, Any]) -> None:
    """Send as soon as something listens."""

    def taken() -> bool:
        return httpx.post(url, json=document, timeout=5, trust_env=False).status_code == 200

    eventually(taken, what=f"{url} takes what is sent")


def test_each_rule_is_needed_for_an_example(node: Pipeline) -> None:
    """Without any one of the rules, an example is readable or broken, and a case of this rule is not masked as it says.

    Rules that share a name share its cases, too.
    """
    groups = redaction.statements()
    rules = [rule for group in groups for rule in group["statements"] if rule.startswith("replace_pattern(")]
    without = {
        f"without-{index}": [
            group | {"statements": [each for each in group["statements"] if each != rule]} for group in groups
        ]
        for index, rule in enumerate(rules)
    }
    pipelines = {f"logs/{name}": [f"transform/{name}"] for name in without}
    processors = {
        f"transform/{name}": {
            "log_statements": [
                {"context": "resource", "statements": [f'set(resource.attributes["service.name"], "{name}")']},
                *others,
            ]
        }
        for name, others in without.items()
    }
    began = time.time_ns()
    records = [
        {"timeUnixNano": str(began + index), "body": {"stringValue": case.line}} for index, case in enumerate(EXAMPLES)
    ]
    with collector(node, processors, pipelines, {"otlp_http": {"endpoint": f"{node.ports.url('loki')}/otlp"}}) as url:
        post(f"{url}/v1/logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]})
        found = {name: node.arrived(name, len(records)) for name in without}
    needless = [rule for rule, entries in zip(rules, found.values(), strict=True) if not wrong(EXAMPLES, entries)]
    assert needless == []
    masked_without: dict[str, list[list[str]]] = {}
    for rule, entries in zip(redaction_rules.rules(), found.values(), strict=True):
        masked_without.setdefault(rule.name, []).append([entry.text for entry in entries[-len(TABLE) :]])
    by_another = [
        (name, before)
        for index, (name, before, after) in enumerate(TABLE)
        if all(texts[index] == after for texts in masked_without[name])
    ]
    assert by_another == []


SPAN = {
    "url.full": "https://x.io/p?a=1&token=Zq&b=2",
    "db.connection_string": "redis://u:Zq@cache:6379/0",
    "http.request.header.x": "Bearer Zq1",
    "http.request.header.authorization": "Basic Zq",
    "http.request.body": '{"password":"Zq","cvv":7319,"tokens":["Zq"]}',
    "exception.message": f"{ESCAPES} of Zq.bob@example.com",
    "card": "4111 1111 1111 7319",
    "http.route": "/orders/order_743a40b7_1795428063",
    "request_id": "req-1795453674655359280",
}
"""Attributes of a span."""


def test_no_secret_leaves_the_node_in_the_attributes_of_a_span(node: Pipeline) -> None:
    deployed = agent_configuration(read_stack(ROOT / "Pulumi.dev.yaml"), catalogue.load(ROOT / "services.yaml"))
    used = [name for name in deployed["service"]["pipelines"]["traces"]["processors"] if name.startswith("redaction/")]
    processors = {name: deployed["processors"][name] for name in used}
    attributes = [
        *({"key": key, "value": {"stringValue": value}} for key, value in SPAN.items()),
        {"key": "number", "value": {"intValue": "4111111111117319"}},
        {"key": "header", "value": {"arrayValue": {"values": [{"stringValue": "Bearer Zq1"}]}}},
    ]
    span = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "GET"}
    spans = [span | {"attributes": attributes, "events": [{"name": "exception", "attributes": attributes}]}]
    with collector(node, processors, {"traces": used}, {"debug": {"verbosity": "detailed"}}) as url:
        post(f"{url}/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})
        log = node.state.logs / "masking.log"
        eventually(lambda: span["spanId"] in log.read_text(), what="the span leaves")
    text = log.read_text()
    assert [secret for secret in SECRETS if secret in text] == []
    assert SPAN["http.route"] in text
    assert SPAN["request_id"] in text
