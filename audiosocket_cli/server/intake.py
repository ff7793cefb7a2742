"""Accepted connections: each begins a call, waits for its PROXY header first, or is turned away with a hangup."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable
from typing import Any

from audiosocket_cli.call.driver import Driver
from audiosocket_cli.call.session import AnsweredSession, ProxiedSession
from audiosocket_cli.call.wire import Link
from audiosocket_cli.net.address import network_of, peer_name
from audiosocket_cli.net.listen import ListeningSockets
from audiosocket_cli.net.proxy_protocol import Ends
from audiosocket_cli.server.admission import why_not_from
from audiosocket_cli.server.calls import Calls
from audiosocket_cli.server.common import Common
from audiosocket_cli.server.gate import Gate
from audiosocket_cli.server.proxied import Arrivals
from audiosocket_cli.server.refusals import Refusals, Tell, refuse_at_once
from audiosocket_cli.server.relaying import Relaying


class Intake:
    """Takes connections, on the running loop, for as long as there is room."""

    def __init__(
        self,
        common: Common,
        calls: Calls,
        *,
        listening: ListeningSockets,
        most_descriptors: float,
        on_leave: Callable[[], None],
        hinder: Callable[[str | None], object],
    ) -> None:
        """Take what listens; nothing is accepted until `begin`. `most_descriptors`: the limit of open files of this
        process. `on_leave` is called when a connection is gone; `hinder` with the reason why calls cannot be had for
        now, and with None once they can.
        """
        self._options, self._account, self._call_limits, self._admission = common
        self._calls = calls
        self._most_descriptors = most_descriptors
        self._on_leave = on_leave
        self._hinder = hinder
        self._is_shut = False
        """Whether callers are refused, because no server is up."""
        self._takes_no_more = False
        self._driver = Driver()
        self._refusals = Refusals(on_check=self._account.count_check, on_over=on_leave, complain=self._account.complain)
        self._arrivals: Arrivals | None = None
        if self._options.proxies is not None:
            self._arrivals = Arrivals(
                self._options.call.limits.uuid_s, arrived=self._begin, failed=self._without_header
            )
        self._gate = Gate(
            listening, self._options.listen, self._accept, self._account.complain, lambda: self._call_limits.is_ahead
        )
        self._relaying: Relaying | None = None
        if self._options.relay is not None:
            self._relaying = Relaying(
                self._options.relay, common, calls, own=listening.addresses, on_change=self._open_or_shut
            )

    async def begin(self) -> None:
        """Accept connections; where they are passed on, once a server is there. Raises `UsageError` where it is we."""
        if self._relaying is not None:
            await self._relaying.try_all()
        self._open_or_shut()

    def _open_or_shut(self) -> None:
        relaying = self._relaying
        why = relaying.why_down if relaying is not None and relaying.are_down else None
        self._hinder(None if why is None else f"no server is up: {why}")
        if why is None or self._gate.stays_open:
            self._gate.open()
            if self._is_shut and self._gate.is_open:
                self._is_shut = False
                self._account.complain("a server is up: the port is open")
        elif self._gate.shut():
            self._is_shut = True
            self._account.complain("no server is up: the port is closed until one is, so that Asterisk's calls fail")

    @property
    def is_open(self) -> bool:
        """Whether connections are accepted."""
        return self._gate.is_open

    @property
    def connections(self) -> int:
        """The number of connections that are calls, or may become calls."""
        return len(self._calls.live) + len(self._arrivals or ()) + len(self._relaying or ())

    @property
    def is_over(self) -> bool:
        """Whether no connection is left, including those that are being turned away."""
        return not (self.connections or self._refusals)

    def close(self, *, take_waiting: bool = False) -> None:
        """Accept no more, or only, unless it takes no more, what waits to be accepted. Safe to call twice."""
        self._gate.close(take_waiting=take_waiting and not self._takes_no_more)

    def release(self) -> None:
        """All calls are over, with all that belongs to them."""
        if self._relaying is not None:
            self._relaying.close()

    def take_no_more(self, reason: str) -> None:
        """Refuse new connections, and those that have not sent their PROXY header yet."""
        self._takes_no_more = True
        if self._arrivals is not None:
            self._arrivals.refuse_all(reason)

    def stop(self) -> None:
        """Shorten the wait for connections that are being turned away, and look for no server any more."""
        if self._relaying is not None:
            self._relaying.stop()
        self._refusals.stop()

    def abort(self) -> None:
        """Close all of them without waiting."""
        if self._relaying is not None:
            self._relaying.close()
        self._refusals.abort()

    def _accept(self, connection: socket.socket, sockaddr: Any) -> None:
        # Counted at once: many connections can be accepted before the first of their tasks runs.
        if self._arrivals is None:
            self._begin(connection, sockaddr, None)
            return
        stranger = why_not_from(sockaddr, self._options.proxies or (), "--proxy-from")
        if stranger:
            self._refuse_stranger(connection, peer_name(sockaddr), stranger)
        elif not self._has_descriptors:
            self._turn_away(connection, peer_name(sockaddr), self._lack_of_descriptors, self._account.refuse)
        else:
            self._arrivals.add(connection, sockaddr)

    def _begin(self, connection: socket.socket, sockaddr: Any, ends: Ends | None) -> None:
        """Begin with a connection that may become a call, between these ends where a proxy has told them."""
        self._on_leave()  # no longer counted as an arrival
        source = ends.source if ends else sockaddr
        peer = peer_name(source)
        stranger = self._admission.why_not_from(source)
        with self._call_limits.held():
            refusal = self._why_not(peer)
            if not refusal and not stranger:
                self._calls.enter(peer)
        if refusal:
            self._turn_away(connection, peer, refusal, self._account.refuse)
        elif stranger:
            self._refuse_stranger(connection, peer, stranger)
        else:
            link = Link(connection, peer, source, ends.destination if ends else None)
            if self._relaying is not None:
                self._relaying.begin(link)
                return
            make_session = AnsweredSession if self._arrivals is None else ProxiedSession
            self._calls.begin(self._driver, make_session, link)

    def _without_header(self, connection: socket.socket, sockaddr: Any, reason: str | None) -> None:
        self._on_leave()
        peer = peer_name(sockaddr)
        if reason is None:
            self._account.count_check()
            connection.close()
        else:
            self._account.fail(peer, reason)
            self._turn_away(connection, peer, reason)

    # Who is turned away.

    def _why_not(self, peer: str) -> str | None:
        if self._takes_no_more:
            return "no more calls are accepted"
        if self._call_limits.is_full:
            return f"--max-calls {self._options.max_calls:g} is reached"
        most = self._options.max_calls_from
        if not math.isinf(most) and self._call_limits.calls_from(network_of(peer)) >= most:
            return f"--max-calls-from {most:g} is reached"
        return None if self._has_descriptors else self._lack_of_descriptors

    @property
    def _lack_of_descriptors(self) -> str:
        return f"{self._most_descriptors:g} open files are too few for another call; raise `ulimit -n`"

    @property
    def _has_descriptors(self) -> bool:
        calls = self.connections + len(self._calls.concluding)
        return self._options.has_descriptors(self._most_descriptors, calls, len(self._refusals))

    def _refuse_stranger(self, connection: socket.socket, peer: str, reason: str) -> None:
        self._account.refuse(peer, reason)  # at once, whatever its purpose
        self._turn_away(connection, peer, reason)

    def _turn_away(self, connection: socket.socket, peer: str, reason: str, tell: Tell | None = None) -> None:
        """Hang up on a connection in order; `tell` of it unless it turns out to be a health check."""
        if self._has_descriptors:
            self._refusals.turn_away(self._driver, connection, peer, reason, tell)
        else:
            refuse_at_once(connection)
            if tell is not None:
                tell(peer, reason)
