"""What the HTTP server is asked and answers, and which handler answers what: by path, and by method."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, NamedTuple

TEXT: Final = ("Content-Type", "text/plain; charset=utf-8")

_READING: Final = ("GET", "HEAD", "OPTIONS")
"""HAProxy's `option httpchk /healthz` asks with OPTIONS. All get the same answer."""

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_PART: Final = re.compile(r"\{(\w+)\}")


class Request(NamedTuple):
    """What was asked for. Names of headers are in lower case."""

    path: str
    query: str
    headers: Mapping[str, str]
    method: str = "GET"
    body: bytes = b""
    parts: Mapping[str, str] = _NOTHING
    """What stands in the path at the place of each `{name}` of the route's path."""


class Answer(NamedTuple):
    """What is answered."""

    status: int
    body: bytes
    headers: Sequence[tuple[str, str]] = (TEXT,)


Handler = Callable[[Request], Answer | Awaitable[Answer]]

Route = Handler | Mapping[str, Handler]
"""One handler for whoever reads (GET, HEAD, OPTIONS), or one for each method; who answers GET answers HEAD, too."""


def failure(status: HTTPStatus, *headers: tuple[str, str], more: str = "") -> Answer:
    """Return an answer that says in one line what is wrong."""
    return Answer(status, f"{status.phrase.lower()}{more}\n".encode(), [TEXT, *headers])


class Router:
    """Finds the handler of a request."""

    def __init__(self, routes: Mapping[str, Route]) -> None:
        """`routes` by their paths. In a path, `{name}` stands for any text without a slash."""
        self._exact: dict[str, Mapping[str, Handler]] = {}
        self._patterns: list[tuple[re.Pattern[str], Mapping[str, Handler]]] = []
        self._shown = " or ".join(routes)
        for path, route in routes.items():
            handlers = dict.fromkeys(_READING, route) if callable(route) else _with_head(route)
            if "{" in path:
                self._patterns.append((_pattern_of(path), handlers))
            else:
                self._exact[path] = handlers

    def find(self, request: Request) -> tuple[Handler, Request] | Answer:
        """Return the handler of a request, and the request with its parts; or the answer when there is no handler."""
        handlers, parts = self._match(request.path)
        if handlers is None:
            return failure(HTTPStatus.NOT_FOUND, more=f": try {self._shown}")
        handler = handlers.get(request.method)
        if handler is None:
            allowed = ", ".join(handlers)
            return failure(HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", allowed), more=f": use {allowed}")
        return handler, request._replace(parts=parts)

    def _match(self, path: str) -> tuple[Mapping[str, Handler] | None, Mapping[str, str]]:
        handlers = self._exact.get(path)
        if handlers is not None:
            return handlers, _NOTHING
        for pattern, of_pattern in self._patterns:
            match = pattern.fullmatch(path)
            if match is not None:
                return of_pattern, match.groupdict()
        return None, _NOTHING


def _with_head(handlers: Mapping[str, Handler]) -> Mapping[str, Handler]:
    return {**handlers, "HEAD": handlers["GET"]} if "GET" in handlers else handlers


def _pattern_of(path: str) -> re.Pattern[str]:
    pieces = _PART.split(path)  # text and names by turns
    return re.compile("".join(f"(?P<{each}>[^/]+)" if at % 2 else re.escape(each) for at, each in enumerate(pieces)))
