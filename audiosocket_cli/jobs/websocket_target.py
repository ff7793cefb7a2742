"""A target that may be a WebSocket bot, put together from the words and options of a command."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from audiosocket_cli.errors import FileError, UsageError
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.target import PORT_FIELD, PROTOCOLS, Target, WebSocketTarget

TWILIO_HZ: Final = 8000
"""The only rate of Twilio's audio."""

_NAMES: Final = f"{', '.join(PROTOCOLS[:-1])} or {PROTOCOLS[-1]}"
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\t]*)")
_MAX_FILE_BYTES: Final = 65536

AnyTarget = TypeVar("AnyTarget", Target, Target | None)


@dataclass(frozen=True, slots=True)
class WebSocketWanted:
    """The options of a command that are for WebSocket bots."""

    protocol: str | None = None
    headers_file: Path | None = None
    ca: Path | None = None
    typed: str | None = None
    """One of them that stands on the command line, as it is written there."""


def complete_target(
    target: AnyTarget, wanted: WebSocketWanted, *, listen: Address | None = None, rate_hz: int | None = None,
    has_command: bool = False,
) -> AnyTarget:  # fmt: skip
    """Return the target with what the options say of it, if it is a WebSocket bot.

    `rate_hz` is the rate of the audio that is sent; `has_command`, whether the command line starts the server. Raises
    `UsageError` and `FileError`.
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
    if wanted.ca is not None and not target.url.startswith("wss:"):
        raise UsageError(f"--ca is for wss://, and {target} has no certificate: leave it out")
    if PORT_FIELD in target.url and not has_command:
        raise UsageError(f"{PORT_FIELD} in {target} needs a command that starts the bot: add -- CMD")
    headers = () if wanted.headers_file is None else read_headers(wanted.headers_file)
    return replace(
        target, protocol=wanted.protocol, headers=headers, headers_file=wanted.headers_file, ca=wanted.ca,
        rate_hz=rate_hz,
    )  # fmt: skip


def read_headers(path: Path) -> tuple[tuple[str, str], ...]:
    """Read a file of headers, `Name: value` in each line; empty lines, and those that begin with #, are left out.

    Raises `FileError`, which shows no value.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise FileError(f"cannot read the headers in {path}: {(error.strerror or str(error)).lower()}") from None
    if len(data) > _MAX_FILE_BYTES:
        raise FileError(f"cannot read the headers in {path}: it has more than {_MAX_FILE_BYTES >> 10} KiB")
    found = []
    for number, line in enumerate(data.decode("latin-1").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _HEADER.fullmatch(line.rstrip())
        if match is None:
            raise FileError(f"cannot read the headers in {path}: line {number} is not a header: write Name: value")
        found.append((match[1], match[2]))
    return tuple(found)
