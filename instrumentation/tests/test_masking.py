"""No secret leaves the process, wherever in a line its text stands."""

from __future__ import annotations

import json
import re

import pytest
import structlog
from asking import ask, written
from secret_texts import HARMLESS, NAMES, PACKAGE_ALONE, SECRET, texts
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from order_processor_observability import observe
from order_processor_observability.masking import LIST, Sensitive, without_secrets

log = structlog.get_logger("orders")


class Written:
    """An object with a text of its own, as drivers have for their addresses."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


def everywhere(text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError:
        log.exception(text, url=text, list=[{"dsn": text}], bytes=text.encode(), object=Written(text), **{text: 1})


def test_a_text_is_masked_wherever_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    observe(Starlette(), "order-service")
    given = [*texts(), *PACKAGE_ALONE]
    for text in given:
        everywhere(text)
    lines = written(capsys)
    readable = [(text, line) for text, line in zip(given, lines, strict=True) if re.search("Zq7|ZQ7", json.dumps(line))]
    assert readable == []


def test_each_name_of_the_list_is_among_them() -> None:
    assert [name for name in LIST["names"] if not any(re.search(name, key, re.IGNORECASE) for key in NAMES)] == []


def test_what_is_no_secret_stays(capsys: pytest.CaptureFixture[str]) -> None:
    observe(Starlette(), "order-service")
    for text in HARMLESS:
        log.info(text, url=text)
    assert [(line["message"], line["context"]["url"]) for line in written(capsys)] == [
        (each, each) for each in HARMLESS
    ]


def test_a_path_is_masked_too(capsys: pytest.CaptureFixture[str]) -> None:
    async def reset(_request: Request) -> Response:
        return PlainTextResponse("reset")

    app = Starlette(routes=[Route("/reset/{key}", reset)])
    observe(app, "order-service")
    for path in (f"/reset/glpat-{SECRET}", f"/reset/token={SECRET}", f"/nothing/eyJhbGciOiJI.eyJ{SECRET}.x"):
        ask(app, path)
    assert SECRET not in capsys.readouterr().out


@pytest.mark.parametrize("key", [*NAMES, "userPin", "user.pin", "API Key", "X-Session-ID", "auth"])
def test_values_of_keys_are_masked_in_each_spelling(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    observe(Starlette(), "order-service")
    log.info("x", **{key: ("bob", SECRET)}, deep=[{key: ["bob", SECRET]}])
    assert SECRET not in capsys.readouterr().out


@pytest.mark.parametrize("key", ["auth", "author", "pin_count", "session_count", "cardinality", "primary_key"])
def test_others_are_not(key: str) -> None:
    assert not Sensitive().is_sensitive(key)


@pytest.mark.parametrize("text", ["token", "eyJ", "bearer ", "auth=(", "password='", "token={[(", "_pin", "://", "sk-"])
def test_a_hostile_text_takes_no_longer_than_its_length_allows(text: str) -> None:
    """Of a length that one context may have; an expression that tries every split would take minutes."""
    assert len(without_secrets((text * 4_096)[:4_096])) <= 3 * 4_096
