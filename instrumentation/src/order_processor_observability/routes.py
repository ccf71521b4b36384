"""The `endpoint` of a request: the template of its route, such as `/orders/{order_id}`.

A path is written by whoever sends the request, so as a label it would make series without end. Templates are written by
developers. What matches none is `unmatched`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from re import Pattern
from typing import Any

from starlette.routing import BaseRoute, Host, Mount, WebSocketRoute

UNMATCHED = "unmatched"
"""The one endpoint of all requests that belong to no route."""
_REST = "/(?P<path>.*)$"
"""How the pattern of a mount ends."""


@dataclass(frozen=True)
class _Template:
    route: object
    text: str
    pattern: Pattern[str]
    methods: frozenset[str]


def path_of(scope: Mapping[str, Any]) -> str:
    """The path as the application's own routes have it, without what a proxy or server has put before it."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


class Templates:
    """The templates of an application's routes, with those of mounted and included ones, as they are now."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._all = list(_walk(routes, "", "^"))
        self._by_route: dict[int, str | None] = {}
        for each in self._all:
            # A router that is included twice has its routes twice: these are told apart by the path.
            known = id(each.route) in self._by_route
            self._by_route[id(each.route)] = None if known else each.text

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(each.text for each in self._all))

    def of(self, scope: Mapping[str, Any], path: str, method: str) -> str:
        """The endpoint of a request.

        The route that the router has noted in the scope is the cheap answer. It is missing where a middleware has
        answered itself, or has given the router another scope.
        """
        route = scope.get("route")
        return (route is not None and self._by_route.get(id(route))) or self._matching(path, method)

    def _matching(self, path: str, method: str) -> str:
        partial = UNMATCHED
        for each in self._all:
            if each.pattern.match(path):
                if not each.methods or method in each.methods:
                    return each.text
                if partial is UNMATCHED:
                    partial = each.text
        return partial


def _walk(routes: Iterable[BaseRoute], prefix: str, pattern: str) -> Iterator[_Template]:
    for route, noted in _effective(routes):
        if isinstance(route, Mount):
            yield from _mounted(route, prefix, pattern)
        elif isinstance(route, Host):
            yield from _walk(route.routes, prefix, pattern)
        elif hasattr(route, "path_regex") and not isinstance(route, WebSocketRoute):
            own = route.path_regex.pattern.removeprefix("^")
            methods = frozenset(route.methods or ())
            yield _Template(noted, prefix + route.path_format, _anonymous(pattern + own), methods)


def _mounted(mount: Mount, prefix: str, pattern: str) -> Iterator[_Template]:
    inner = pattern + mount.path_regex.pattern.removeprefix("^").removesuffix(_REST)
    text = prefix + mount.path_format.removesuffix("/{path}")
    if mount.routes:
        yield from _walk(mount.routes, text, inner)
    else:  # files, or an application that does not tell of its routes
        yield _Template(mount, text + "/{path}", _anonymous(inner + "/"), frozenset())


def _effective(routes: Iterable[BaseRoute]) -> Iterator[tuple[Any, object]]:
    """Routes with their whole path, and what the router notes in the scope for each.

    FastAPI keeps an included router as one object, which tells of its routes in contexts.
    """
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield route, route
            continue
        for context in contexts():
            yield context.starlette_route or context, context.original_route


def _anonymous(pattern: str) -> Pattern[str]:
    """The pattern without names of groups: a mount and its route may use the same one."""
    return re.compile(re.sub(r"\(\?P<\w+>", "(?:", pattern))
