"""Connections that are turned away: a hangup, half-close, read to the end, close, as Asterisk needs it."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from functools import partial

from audiosocket_cli.call.driver import Driver
from audiosocket_cli.call.phases import CLOSE_TIMEOUT_S
from audiosocket_cli.call.session import AnsweredSession
from audiosocket_cli.call.sources.basic import Silence
from audiosocket_cli.call.wire import SocketWire
from audiosocket_cli.codec import Frame, Kind, encode

Tell = Callable[[str, str], None]
"""Called with the peer and the reason."""


class Refusals:
    """Hangs up on connections, and tells of those that were more than a health check."""

    def __init__(self, *, on_check: Callable[[], None], on_over: Callable[[], None], complain: Callable[[str], object]):
        """`on_check` is called with a peer that closed without a byte, `on_over` with each that is gone."""
        self._on_check = on_check
        self._on_over = on_over
        self._complain = complain
        self._sessions: set[AnsweredSession] = set()

    def __len__(self) -> int:
        return len(self._sessions)

    def turn_away(self, driver: Driver, connection: socket.socket, peer: str, reason: str, tell: Tell | None) -> None:
        """Hang up on a connection, and `tell` why once it is gone, unless it was a mere health check."""
        wire = SocketWire(connection)
        session = AnsweredSession(wire, peer, source=Silence())
        session.hang_up(reason)
        self._sessions.add(session)
        driver.begin(session, wire, partial(self._over, session, reason, tell, time.monotonic()))

    def stop(self) -> None:
        """From now on wait for each peer only as long as for a call that a signal ends (`STOP_S`)."""
        for session in list(self._sessions):
            session.stop("server stopped")

    def abort(self) -> None:
        """Close all of them without waiting."""
        for session in list(self._sessions):
            session.abort()

    def _over(
        self, session: AnsweredSession, reason: str, tell: Tell | None, begun_s: float, error: Exception | None
    ) -> None:
        self._sessions.discard(session)
        if tell is not None:
            is_check = not session.received_bytes and time.monotonic() < begun_s + CLOSE_TIMEOUT_S
            if is_check:  # a caller says its UUID at once, or stays
                self._on_check()
            else:
                tell(session.peer, reason)
        if error is not None:
            self._complain(f"internal error in refusing {session.peer}: {error!r}")
        self._on_over()


def refuse_at_once(connection: socket.socket) -> None:
    """Hang up and close without waiting for the peer to read it, where that would take a descriptor too many."""
    with connection, contextlib.suppress(OSError):
        connection.send(encode(Frame(Kind.HANGUP)))
