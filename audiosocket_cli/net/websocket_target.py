"""A target that may be a WebSocket bot, put together from the words and options of a command."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from audiosocket_cli.errors import MissingLibraryError, UsageError
from audiosocket_cli.libraries import install_line
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.target import PORT_FIELD, PROTOCOLS, Target, WebSocketTarget
from audiosocket_cli.websocket.connecting import tls_context
from audiosocket_cli.websocket.headers import headers_of
from audiosocket_cli.websocket.twilio import RATE_HZ as TWILIO_HZ

_NAMES: Final = f"{', '.join(PROTOCOLS[:-1])} or {PROTOCOLS[-1]}"

AnyTarget = TypeVar("AnyTarget", Target, Target | None)


@dataclass(frozen=True, slots=True)
class WebSocketWanted:
    """The options of a command that are for WebSocket bots."""

    protocol: str | None = None
    headers_file: Path | None = None
    ca: Path | None = None
    variable: tuple[tuple[str, str], ...] = ()
    typed: str | None = None
    """One of them that stands on the command line, as it is written there."""


def complete_target(
    target: AnyTarget, wanted: WebSocketWanted, *, listen: Address | None = None, rate_hz: int | None = None,
    has_command: bool = False,
) -> AnyTarget:  # fmt: skip
    """Return the target with what the options say of it, if it is a WebSocket bot.

    `rate_hz` is the rate of the audio that is sent; `has_command`, whether the command line starts the server. Raises
    `UsageError`, `FileError` and `MissingLibraryError`.
    """
    if not isinstance(target, WebSocketTarget):
        if wanted.typed is not None:
            where = "--listen waits for an AudioSocket call" if listen is not None else "no WebSocket bot is named"
            raise UsageError(f"{wanted.typed} is for a TARGET as ws://host:port/path, and {where}: leave it out")
        return target
    if wanted.protocol is None:
        raise UsageError(f"which protocol does {target} speak? Add --protocol {_NAMES}")
    if wanted.protocol == "twilio" and rate_hz not in (None, TWILIO_HZ):
        raise UsageError(f"Twilio's audio has {TWILIO_HZ} Hz, not {rate_hz}: leave out the rate, or the kind")
    if wanted.ca is not None and not target.url.is_secure:
        raise UsageError(f"--ca is for wss://, and {target} has no certificate: leave it out")
    if target.lacks_port and not has_command:
        raise UsageError(f"{PORT_FIELD} in a URL needs a command that starts the bot: add -- CMD")
    if importlib.util.find_spec("websockets") is None:
        raise MissingLibraryError(f"{target} needs websockets (the extra ws): {install_line('websockets')}")
    if target.url.is_secure:
        tls_context(wanted.ca)  # which says what is wrong with it
    return replace(
        target, protocol=wanted.protocol, headers=tuple(headers_of(wanted.headers_file)),
        headers_file=wanted.headers_file, ca=wanted.ca, variables=wanted.variable, rate_hz=rate_hz,
    )  # fmt: skip
