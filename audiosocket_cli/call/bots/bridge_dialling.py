"""Where a bot is that is reached by a WebSocket, how it is spoken to, and how the connection for a call is made."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final
from uuid import UUID

from audiosocket_cli import __version__
from audiosocket_cli.call.bots.bridge_chan_websocket import ChanWebSocketDialect, PlainTextDialect
from audiosocket_cli.call.bots.bridge_dialect import Dialect
from audiosocket_cli.call.bots.bridge_raw import RawDialect
from audiosocket_cli.call.bots.bridge_twilio import TwilioDialect
from audiosocket_cli.call.bots.watch import Watch
from audiosocket_cli.call.sources.prompts import Threads
from audiosocket_cli.errors import NetworkError
from audiosocket_cli.websocket.connecting import RefusedError, tls_context
from audiosocket_cli.websocket.handshake import Opening
from audiosocket_cli.websocket.link import Link, connect
from audiosocket_cli.websocket.url import Url

_RETRY_S: Final = 0.25
_MAX_RETRY_S: Final = 2.0
"""The pause before another attempt to connect: twice as long each time, up to a bound."""


class BridgeProtocol(StrEnum):
    """What the bot speaks."""

    TWILIO = "twilio"
    CHAN_WEBSOCKET = "chan-websocket"
    RAW = "raw"


@dataclass(frozen=True, slots=True)
class BridgeOptions:
    """Where the bot is, and how it is spoken to."""

    url: Url
    """`{uuid}` in it stands for the UUID of the call."""
    protocol: BridgeProtocol
    rate_hz: int | None = None
    """The sample rate of both directions, where the protocol leaves a choice; None: that of the call."""
    plain_text: bool = False
    """Whether chan-websocket's events and commands are plain text, and not JSON."""
    headers: Sequence[tuple[str, str]] = ()
    """Headers of the handshake: names and values."""
    ca: Path | None = None
    """The authorities whose certificates are trusted; None: the system's."""
    timeout_s: float = 10.0
    """How long an attempt to connect may take."""
    retry: int = 0
    """How many more attempts there are."""
    fallback: Path | None = None
    """A sound file for callers whose bot fails."""
    threads: Threads = field(default_factory=Threads)
    """The threads that read it."""
    watch: Watch = field(default_factory=Watch)
    """Tells which of all bots have sent something."""

    @property
    def dialect(self) -> type[Dialect]:
        """The class of its protocol."""
        if self.protocol is BridgeProtocol.TWILIO:
            return TwilioDialect
        if self.protocol is BridgeProtocol.RAW:
            return RawDialect
        return PlainTextDialect if self.plain_text else ChanWebSocketDialect


async def dial_bot(options: BridgeOptions, uuid: UUID) -> Link:
    """Connect to the bot for a call. Raises `NetworkError` after the last attempt."""
    url, dialect = options.url.for_call(uuid), options.dialect
    opening = Opening(
        options.headers,
        dialect.subprotocol,
        tls_context(options.ca) if url.is_secure else None,
        options.timeout_s,
        dialect.max_bytes,
        f"audiosocket-cli/{__version__}",
    )
    pause_s = _RETRY_S
    for attempt in range(options.retry + 1):
        try:
            return await connect(url, opening)
        except RefusedError:
            raise
        except NetworkError as error:
            if attempt == options.retry:
                times = f" ({attempt + 1} attempts)" if attempt else ""
                raise NetworkError(f"{error}{times}") from error.__cause__
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _MAX_RETRY_S)
    raise AssertionError("there is a last attempt")
