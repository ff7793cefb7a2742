"""All that is answered, by path: the app that uvicorn runs, with its layers: bounds, then who may, then routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from audiosocket_cli.net import http_routes
from audiosocket_cli.server.api_routes import parse_form
from audiosocket_cli.server.watching import Watching
from audiosocket_cli.web import pages
from audiosocket_cli.web.answers import failure, json_answer, wrong_method
from audiosocket_cli.web.bounds import BodyError, Bounds, read_body
from audiosocket_cli.web.ended_calls import EndedCalls
from audiosocket_cli.web.events import Events
from audiosocket_cli.web.gatekeeper import Gatekeeper, address_of, cookie_of, set_cookie
from audiosocket_cli.web.listening import sound
from audiosocket_cli.web.live_calls import LiveCalls
from audiosocket_cli.web.openapi import description
from audiosocket_cli.web.sessions import Sessions


class Access(NamedTuple):
    """Who may look."""

    sessions: Sessions
    cookie_name: str
    is_secure: bool
    """Whether it is served with TLS."""
    any_host: bool
    """Whether the host in the URL may be a name."""


class Parts(NamedTuple):
    """What the app answers from."""

    live: LiveCalls
    ended: EndedCalls
    events: Events
    health: http_routes.Handler
    metrics: http_routes.Handler | None
    keeps_calls: bool
    watching: Watching


def make_app(parts: Parts, access: Access, say: Callable[[str], object]) -> ASGIApp:
    """Return the app; `say` gets a line when a part of it fails."""
    login = _Login(access)
    routes = [
        _Route("/", _page_of(parts, access)),
        _Route("/login", login.form, methods=["GET"]),
        _Route("/login", login.log_in, methods=["POST"]),
        _Route("/logout", login.log_out, methods=["POST"]),
        _Route("/favicon.ico", _icon),
        _Route("/assets/{name}", _asset),
        _Route("/api/openapi.json", _description),
        _Route("/api/calls", parts.live.all),
        _Route("/api/calls/{call}/hangup", parts.live.hang_up, methods=["POST"]),
        _Route("/api/calls/{call}/sound", _sound_of(parts)),
        _Route("/api/calls/{call}", parts.live.one),
        _Route("/api/ended", parts.ended.rows),
        _Route("/api/ended/{call:path}/data", parts.ended.data),
        _Route("/api/ended/{call:path}", parts.ended.row),
        _Route("/api/events", parts.events.stream),
        _Route("/calls/uuid/{uuid}", parts.ended.newest),
        _Route("/calls/{call:path}", parts.ended.page),
        _Route("/recordings/{call:path}/{file}", parts.ended.recording),
        _Route("/healthz", _plain(parts.health)),
        _Route("/metrics", _no_figures if parts.metrics is None else _plain(parts.metrics)),
    ]
    router = Router(routes, redirect_slashes=False, default=_nothing)
    gate = Gatekeeper(router, access.sessions, any_host=access.any_host, cookie_name=access.cookie_name)
    return Bounds(gate, say)


class _Route(Route):
    """A route whose refusal of a method is one of ours."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        allowed = sorted(self.methods or ())
        if scope["method"] in allowed:
            await super().handle(scope, receive, send)
            return
        await wrong_method(*allowed)(scope, receive, send)


class _Login:
    """Logging in with the password, and out."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def form(self, request: Request) -> Response:
        """Show the form; who needs no password is let on."""
        next_path = _own_path(request.query_params.get("next", "/"))
        if not self._access.sessions.needs_password or self._access.sessions.knows(self._cookie(request)):
            return RedirectResponse(next_path, 303)
        return _html(pages.login_page("", next_path))

    async def log_in(self, request: Request) -> Response:
        """Take the password, and begin a session where it is right."""
        address = address_of(request.scope)
        try:
            fields = parse_form(await read_body(request))
        except BodyError as error:
            return failure(error.status, str(error))
        if fields is None or "password" not in fields:
            return failure(400, "send password=TEXT as a form")
        next_path = _own_path(fields.get("next", "/"))
        wait_s = self._access.sessions.wait_s(address)
        if wait_s:
            page = _html(pages.login_page(f"Too many wrong passwords: wait {int(wait_s) + 1} s.", next_path), 429)
            page.headers["Retry-After"] = str(int(wait_s) + 1)
            return page
        if not self._access.sessions.is_right(fields["password"], address):
            return _html(pages.login_page("That is not the password.", next_path), 401)
        response = RedirectResponse(next_path, 303)
        self._set(response, self._access.sessions.begin())
        return response

    async def log_out(self, request: Request) -> Response:
        """End the session."""
        self._access.sessions.end(self._cookie(request))
        response = RedirectResponse("/login", 303)
        self._set(response, "")
        return response

    def _cookie(self, request: Request) -> str:
        return cookie_of(request.headers, self._access.cookie_name)

    def _set(self, response: Response, value: str) -> None:
        set_cookie(response, self._access.cookie_name, value, is_secure=self._access.is_secure)


def _own_path(path: str) -> str:
    """Return a path of ours to go on to; the first page in place of anything else."""
    is_ours = path.startswith("/") and path[1:2] not in ("/", "\\") and path.isascii() and path.isprintable()
    return path if is_ours and len(path) < 500 and " " not in path else "/"


def _page_of(parts: Parts, access: Access) -> Callable[[Request], Any]:
    async def page(_: Request) -> Response:
        return _html(pages.live_page(keeps_calls=parts.keeps_calls, has_login=access.sessions.needs_password))

    return page


def _html(page: bytes, status: int = 200) -> Response:
    return Response(page, status, {"Content-Security-Policy": pages.POLICY}, "text/html")


async def _icon(_: Request) -> Response:
    return _of_asset("icon.svg")


async def _asset(request: Request) -> Response:
    return _of_asset(request.path_params["name"])


def _of_asset(name: str) -> Response:
    found = pages.asset(name)
    if found is None:
        return failure(404, "there is no such file")
    return Response(found.data, media_type=found.media_type)


async def _description(_: Request) -> Response:
    return json_answer(description())


def _sound_of(parts: Parts) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        call = parts.live.find(request.path_params["call"], live_first=True)
        return call if isinstance(call, Response) else await sound(parts.watching, call, request)

    return answer


def _plain(handler: http_routes.Handler) -> Callable[[Request], Any]:
    """Return a route that answers as a handler of our own HTTP server does."""

    async def answer(request: Request) -> Response:
        asked = http_routes.Request(request.url.path, request.url.query, dict(request.headers), request.method)
        told = handler(asked)
        assert isinstance(told, http_routes.Answer)
        response = Response(told.body, told.status)
        for name, value in told.headers:
            response.headers[name] = value
        return response

    return answer


async def _no_figures(_: Request) -> Response:
    from audiosocket_cli.libraries import install_line

    return failure(404, f"metrics need prometheus-client: {install_line('prometheus-client')}")


async def _nothing(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    await failure(404, "there is nothing here")(dict(scope), receive, send)
