"""A running service, asked over HTTP with nothing but the standard library."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

TIMEOUT = 5.0
"""Seconds for one answer."""


class UnreachableError(Exception):
    """The service did not answer."""


@dataclass(frozen=True)
class Answer:
    """What a service answered."""

    status: int
    headers: dict[str, str]
    body: str


class _StayHere(HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any, **_options: Any) -> None:
        return None


class Service:
    """A running service at an address such as `http://localhost:8002`."""

    def __init__(self, url: str) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise UnreachableError(f"{url!r} is no address; give one such as http://localhost:8002")
        self._url = url.rstrip("/")
        self._opener = build_opener(_StayHere)

    def get(self, path: str, **headers: str) -> Answer:
        """What the service answers; underscores in names of headers stand for hyphens. Raises UnreachableError."""
        request = Request(  # noqa: S310  # the scheme was looked at
            self._url + path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT) as response:
                return _answer(response.status, response.headers.items(), response.read())
        except HTTPError as error:
            with error:
                return _answer(error.code, error.headers.items(), error.read())
        except (OSError, HTTPException) as error:
            raise UnreachableError(f"{self._url}{path} does not answer: {error}") from None


def _answer(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> Answer:
    return Answer(status, {name.lower(): value for name, value in headers}, body.decode("utf-8", "replace"))
