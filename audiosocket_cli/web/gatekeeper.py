"""Who may ask what of the pages, and the headers that hold a browser to that.

With a password, a browser logs in once and has a cookie then; programs send `Authorization: Bearer PASSWORD`. Without
one, whoever is on this machine may ask, or has a certificate, which TLS has seen to before a request comes here.

No page of another site may use this one: not by its own requests (`Origin`, `Sec-Fetch-Site`), not under a name of its
own that leads here (the host has to be an address or localhost, where no password asks who it is), not in a frame.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from audiosocket_cli.net.address import network_of, peer_name
from audiosocket_cli.server.api import is_address, password_of
from audiosocket_cli.web.answers import failure
from audiosocket_cli.web.sessions import SESSION_S, Sessions

LOGIN_PATH: Final = "/login"
OPEN_PATHS: Final = (LOGIN_PATH, "/healthz", "/favicon.ico")
"""What is answered without a password: nothing in it is about calls."""

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
}
"""Of each answer; a page has its own Content-Security-Policy."""

_FOREIGN: Final = "requests of other sites' pages are refused"


class Gatekeeper:
    """The layer that lets in or refuses."""

    def __init__(self, app: ASGIApp, sessions: Sessions, *, any_host: bool, cookie_name: str) -> None:
        """`any_host`: whether the host of a URL may be a name, because something other than the place of who asks
        lets them in. `cookie_name`: of the session."""
        self._app = app
        self._sessions = sessions
        self._any_host = any_host
        self._cookie_name = cookie_name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        refusal = self._why_foreign(scope, headers) or self._why_stranger(scope, headers)
        cookie = cookie_of(headers, self._cookie_name)
        is_by_cookie = self._sessions.knows(cookie)

        async def send_with_headers(message: Message) -> None:
            if is_by_cookie and message.get("more_body") and not self._sessions.knows(cookie):
                raise PermissionError("the session has ended")  # and with it what goes on: the connection is closed
            if message["type"] == "http.response.start":
                told = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    told.setdefault(name, value)
            await send(message)

        await (refusal or self._app)(scope, receive, send_with_headers)

    def _why_foreign(self, scope: Scope, headers: Headers) -> Response | None:
        """Return the refusal of a request by another site's page, or for a host that may be such a site; else None."""
        host = headers.get("host", "")
        if not self._any_host and not is_address(host):
            return _refused(403, "without a password, the host in the URL must be an address or localhost")
        origin = headers.get("origin")
        if origin is not None and origin.lower().partition("://")[2] != host.lower():
            return _refused(403, _FOREIGN)
        site = headers.get("sec-fetch-site", "none")
        is_plain = scope["method"] in ("GET", "HEAD") and headers.get("sec-fetch-dest") == "document"
        if site not in ("same-origin", "none") and not (is_plain and headers.get("sec-fetch-mode") == "navigate"):
            return _refused(403, _FOREIGN)
        return None

    def _why_stranger(self, scope: Scope, headers: Headers) -> Response | None:
        """Return the refusal of a request without the password, where one is needed; else None."""
        if not self._sessions.needs_password or scope["path"] in OPEN_PATHS:
            return None
        if self._sessions.knows(cookie_of(headers, self._cookie_name)):
            return None
        password = password_of(headers.get("authorization", ""))
        address = address_of(scope)
        if password is not None:
            wait_s = self._sessions.wait_s(address)
            if wait_s:
                return too_many(wait_s)
            if self._sessions.is_right(password.decode("utf-8", "surrogateescape"), address):
                return None
        if password is None and scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            return RedirectResponse(f"{LOGIN_PATH}?next={quote(quote(scope['path']))}", 303)
        return _refused(401, "log in, or send the password of --web-token-file as a bearer token", bearer=True)


def cookie_name(port: int, *, is_secure: bool) -> str:
    """Return the name of the cookie: another for each port, as browsers keep one jar for all ports of a host."""
    return f"{'__Host-' if is_secure else ''}audiosocket-{port}"


def set_cookie(response: Response, name: str, value: str, *, is_secure: bool) -> None:
    """Have a browser keep a session, or, without a value, forget it."""
    response.set_cookie(
        name,
        value,
        max_age=int(SESSION_S) if value else 0,
        path="/",
        secure=is_secure,
        httponly=True,
        samesite="strict",
    )


def cookie_of(headers: Headers, name: str) -> str:
    """Return the value of a cookie; empty where there is none."""
    # Not http.cookies: that gives up at an odd cookie of another program of this host, and takes long over bad quotes.
    for each in headers.get("cookie", "").split(";"):
        key, _, value = each.partition("=")
        if key.strip() == name:
            return value.strip()
    return ""


def address_of(scope: Scope) -> str:
    """Return the network of a client, for which its wrong passwords are counted."""
    client = scope.get("client")
    return "" if client is None else network_of(peer_name(client))


def too_many(wait_s: float) -> Response:
    """Return the answer to one who has tried too many passwords."""
    response = failure(429, f"too many wrong passwords: try again in {int(wait_s) + 1} s")
    response.headers["Retry-After"] = str(int(wait_s) + 1)
    return response


def _refused(status: int, text: str, *, bearer: bool = False) -> Response:
    response = failure(status, text)
    if bearer:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
