"""Dialplan lines that hand a call to an AudioSocket server, with checked arguments.

Nothing here asks an Asterisk or reads a file. What Asterisk makes of odd arguments was seen on 22.10.
"""

from __future__ import annotations

import re
from typing import Final, Literal
from uuid import UUID

from audiosocket_cli.asterisk.facts import DEFAULT_PORT
from audiosocket_cli.codec import RATE_BY_KIND, kind_name
from audiosocket_cli.errors import UsageError

Interface = Literal["app", "channel"]
"""The application `AudioSocket()` (app_audiosocket), or the channel driver behind `Dial()` (chan_audiosocket)."""

FORMATS: Final = tuple(kind_name(kind) for kind in RATE_BY_KIND)
"""The formats that have a kind of their own: what `c()` should name."""

NEW_UUID: Final = "${UUID()}"
"""A UUID for each call (func_uuid). A fixed one gives all calls the same."""

_EXTENSION: Final = re.compile(r"_?[\w.!*#+\[\]-]+")
_VARIABLE: Final = re.compile(r"\$\{[^,;|/&]+\}")
_SERVER: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})")
"""HOST:PORT; an IPv6 address needs its brackets. The application and the driver both split at the last colon."""


def application(server: str, call: str = NEW_UUID) -> str:
    """Return the application that connects to `server` (HOST:PORT); `call` is a UUID or an expression for one.

    It sends and takes 8 kHz only, and needs an answered channel (`audiosocket_exec`). Raises `UsageError`.
    """
    return f"AudioSocket({_call(call)},{_server(server)})"


def dial(server: str, call: str = NEW_UUID, codec: str | None = "slin", options: str = "g") -> str:
    """Return the `Dial()` that connects the channel driver to `server` (HOST:PORT); `call` as for `application`.

    `codec` is what `c()` names: one codec, as `&` begins another destination in `Dial()`. Without it (None) the driver
    takes the caller's first codec, and labels what has no kind as slin (`ast_audiosocket_send_frame`). `options` are
    those of `Dial()`: with `g` the dialplan goes on when the server hangs up. Raises `UsageError`.
    """
    if codec is not None and not codec.isalnum():
        raise UsageError(f"c({codec}) is not one codec: write one, such as slin or slin16")
    chosen = "" if codec is None else f"/c({codec})"
    return f"Dial(AudioSocket/{_server(server)}/{_call(call)}{chosen},,{options})"


def extension_lines(
    extension: str,
    server: str = f"127.0.0.1:{DEFAULT_PORT}",
    *,
    interface: Interface = "app",
    codec: str = "slin",
) -> list[str]:
    """Return the lines of extensions.conf that answer `extension` and hand the call to `server`.

    `Answer()` comes first: the application connects before it checks that the channel is answered, and then says no
    UUID (`audiosocket_exec`, `audiosocket_run`). Raises `UsageError`.
    """
    if not _EXTENSION.fullmatch(extension):
        raise UsageError(f"{extension!r} is not an extension: write one such as 100 or _1XX")
    lines = [f"exten => {extension},1,Answer()"]
    if interface == "app":
        lines += [f" same => n,Set(CALL={NEW_UUID})", f" same => n,{application(server, '${CALL}')}"]
    else:
        lines.append(f" same => n,{dial(server, codec=codec)}")
    return [*lines, " same => n,Hangup()"]


def _server(text: str) -> str:
    """Return an address as Asterisk takes it; a port that is too large is taken modulo 65536 there."""
    match = _SERVER.fullmatch(text)
    if match is None or not 0 < int(match[1]) <= 65535:
        raise UsageError(f"{text!r} is not an address for Asterisk: write HOST:PORT, or [::1]:PORT for IPv6")
    return text


def _call(text: str) -> str:
    """Return a UUID as Asterisk takes it: with its dashes; an expression of the dialplan is taken as it is."""
    if _VARIABLE.fullmatch(text):
        return text
    try:
        return str(UUID(text))
    except ValueError:
        raise UsageError(f"{text!r} is not a UUID: write one, or leave it out for a new one each call") from None
