"""The pages that are the same for everybody: of live calls, and for logging in. Scripts fill them with calls.

They load nothing but what stands in `assets/`, and their own answers. Whatever comes from the wire is shown by scripts
as text.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple
from xml.etree.ElementTree import Element

from audiosocket_cli.ui.html import page, tag

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; img-src 'self'; "
    "worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What a browser may do on these pages."""

_SOURCES: Final = "script-src 'self'; connect-src 'self'; img-src 'self'; worker-src 'self'; form-action 'self'"


class Asset(NamedTuple):
    """A file that pages load."""

    data: bytes
    media_type: str


_ASSETS: Final = {
    "live.js": "text/javascript",
    "live_rows.js": "text/javascript",
    "ended.js": "text/javascript",
    "listen.js": "text/javascript",
    "listen_worklet.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
"""The files of assets/ that are served, each with its type."""


_SCRIPTS: Final = ("live_rows.js", "listen.js", "live.js", "ended.js")
"""Those of the page of live calls, in the order in which they need each other."""


def asset(name: str) -> Asset | None:
    """Return a file of assets/; None for any other name."""
    media_type = _ASSETS.get(name)
    return None if media_type is None else Asset(_file(name), media_type)


@cache
def live_page(*, keeps_calls: bool, has_login: bool) -> bytes:
    """Return the page of live calls. `keeps_calls`: whether calls are recorded, so that there are some that ended."""
    return page(
        "Calls",
        _bar(has_login=has_login),
        _live(),
        _ended(keeps_calls=keeps_calls),
        *(tag("script", "", src=f"/assets/{name}", defer="") for name in _SCRIPTS),
        narrow_rem=0,
        styles=[_style("live.css"), _style("listen.css")],
        sources=_SOURCES,
    )


def login_page(problem: str, next_path: str) -> bytes:
    """Return the page that asks for the password, and says what was wrong with the last try."""
    told = (tag("p", problem, class_="problem", role="alert"),) if problem else ()
    return page(
        "Log in",
        tag(
            "form",
            tag("input", type="text", name="username", value="audiosocket", autocomplete="username", hidden="hidden"),
            tag("label", "Password", for_="password"),
            tag("input", type="password", id="password", name="password", autocomplete="current-password",
                required="required", autofocus="autofocus", maxlength="4096"),
            tag("input", type="hidden", name="next", value=next_path),
            *told,
            tag("button", "Log in", type="submit"),
            tag("p", "The password of --web-token-file.", class_="quiet"),
            method="post",
            action="/login",
        ),
        narrow_rem=0,
        styles=[_style("login.css")],
        sources="img-src 'self'; form-action 'self'",
    )  # fmt: skip


def _style(name: str) -> str:
    return _file(name).decode()


@cache  # by names of ours alone: whatever a request can name would fill the memory
def _file(name: str) -> bytes:
    return files("audiosocket_cli").joinpath("web", "assets", name).read_bytes()


def _bar(*, has_login: bool) -> Element:
    leave = (
        (tag("form", tag("button", "Log out", class_="plain"), method="post", action="/logout"),) if has_login else ()
    )
    state = tag("p", tag("span", "Connecting…", id="state", role="status"), id="bar-state")
    return tag("div", state, tag("p", "", id="about", class_="quiet"), *leave, id="bar")


def _live() -> Element:
    return tag(
        "section",
        tag("h2", "Live ", tag("span", "", id="live-count", class_="count")),
        tag("p", tag("span", "caller"), tag("span", "server"), class_="legend", aria_hidden="true"),
        tag("p", "", id="news", class_="unseen", aria_live="polite"),
        tag("p", "No calls now.", id="nobody", class_="quiet empty"),
        tag("ol", "", id="live", aria_label="Calls in progress"),
        tag("p", "", id="more-live", class_="quiet"),
        id="live-section",
    )


def _ended(*, keeps_calls: bool) -> Element:
    if not keeps_calls:
        text = "Calls that have ended are listed here when they are recorded: add --record DIR."
        return tag("section", tag("h2", "Ended"), tag("p", text, class_="quiet empty"))
    search = tag("input", type="search", id="find", placeholder="UUID, peer, digits, finding", maxlength="200",
                 autocomplete="off", spellcheck="false")  # fmt: skip
    return tag(
        "section",
        tag("h2", "Ended ", tag("span", "", id="ended-count", class_="count")),
        tag("p", tag("label", "Find ", search), class_="find", role="search"),
        tag("p", "", id="ended-state", class_="quiet empty", role="status"),
        tag("ol", "", id="ended", aria_label="Calls that have ended"),
        tag("p", tag("button", "Show more", id="more-ended", hidden="hidden")),
        id="ended-section",
    )
