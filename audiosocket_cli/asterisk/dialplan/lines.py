"""Dialplan lines that hand a call to an AudioSocket server, with checked arguments.

Nothing here asks an Asterisk or reads a file. What Asterisk makes of odd arguments was seen on 22.10.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final
from uuid import UUID

from audiosocket_cli.asterisk.facts import DEFAULT_PORT
from audiosocket_cli.codec import RATE_BY_KIND, kind_name
from audiosocket_cli.errors import UsageError

FORMATS: Final = tuple(kind_name(kind) for kind in RATE_BY_KIND)
"""The formats that have a kind of their own: what `c()` should name."""

NEW_UUID: Final = "${UUID()}"
"""A UUID for each call (func_uuid). A fixed one gives all calls the same."""

_VARIABLE: Final = re.compile(r"\$\{[^,;|/&]+\}")
_HOST: Final = re.compile(r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]*[A-Za-z_.-][A-Za-z0-9_.-]*")
"""A name or an address; not a number, which is meant for a port."""

_LIKE_IPV4: Final = re.compile(r"[0-9.]+")

_SERVER: Final = re.compile(rf"(?:{_HOST.pattern}):([0-9]{{1,5}})")
"""HOST:PORT; an IPv6 address needs its brackets. The application and the driver both split at the last colon."""


def application(server: str, call: str = NEW_UUID) -> str:
    """Return the application that connects to `server` (HOST:PORT); `call` is a UUID or an expression for one.

    It sends and takes 8 kHz only, and needs an answered channel: it connects before it checks that, and then says no
    UUID (`audiosocket_exec`, `audiosocket_run`). Raises `UsageError`.
    """
    return f"AudioSocket({_call(call)},{_server(server)})"


def dial(server: str, call: str = NEW_UUID, codec: str | None = "slin", options: str = "g") -> str:
    """Return the `Dial()` that connects the channel driver to `server` (HOST:PORT); `call` as for `application`.

    `codec` is what `c()` names: one codec, as `&` begins another destination in `Dial()`. Without it (None) the driver
    takes the caller's first codec, and labels what has no kind as slin (`ast_audiosocket_send_frame`). `options` are
    those of `Dial()`: with `g` the dialplan goes on when the server hangs up. Raises `UsageError`.
    """
    return f"Dial({channel(server, call, codec)},,{options})"


def channel(server: str, call: str = NEW_UUID, codec: str | None = "slin") -> str:
    """Return the driver's channel as `Dial()` and `Originate()` name it, of arguments as for `dial`."""
    if codec is not None and not codec.isalnum():
        raise UsageError(f"c({codec}) is not one codec: write one, such as slin or slin16")
    chosen = "" if codec is None else f"/c({codec})"
    return f"AudioSocket/{_server(server)}/{_call(call)}{chosen}"


def address(text: str) -> str:
    """Return a server as Asterisk takes it, with the usual port where none is named: `bot`, `bot:9092`, `[::1]`.

    Raises `UsageError`.
    """
    return _server(f"{text}:{DEFAULT_PORT}" if _HOST.fullmatch(text) else text)


def _server(text: str) -> str:
    """Return an address as Asterisk takes it; a port that is too large is taken modulo 65536 there."""
    match = _SERVER.fullmatch(text)
    if match is None or not _is_host(text.rpartition(":")[0]):
        raise UsageError(f"{text!r:.80} is not an address for Asterisk: write HOST:PORT, or [::1]:PORT for IPv6")
    if not 0 < int(match[1]) <= 65535:
        raise UsageError(f"{text!r:.80} has no port that exists: write one from 1 to 65535")
    return text


def is_name(server: str) -> bool:
    """Whether a server's host is a name, which Asterisk has to look up for each call."""
    host = server.rpartition(":")[0]
    return not host.startswith("[") and not _LIKE_IPV4.fullmatch(host)


def _is_host(text: str) -> bool:
    if not text.startswith("[") and not _LIKE_IPV4.fullmatch(text):
        return True
    try:
        ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


def _call(text: str) -> str:
    """Return a UUID as Asterisk takes it: with its dashes; an expression of the dialplan is taken as it is."""
    if _VARIABLE.fullmatch(text):
        return text
    try:
        return str(UUID(text))
    except ValueError:
        raise UsageError(f"{text!r} is not a UUID: write one, or leave it out for a new one each call") from None
