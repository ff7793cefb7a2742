"""Keeps a flood out of the log: of many refusals of one address, the first are logged, and then their number."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from audiosocket_cli.call.events import CallRefused, ConnectionFailed, Event, MoreRefused, Report
from audiosocket_cli.net.address import network_of

MAX_LINES: Final = 10
"""Refusals and failures of one address that are logged one by one in `PERIOD_S` seconds."""

PERIOD_S: Final = 60.0

_MAX_HOSTS: Final = 1000
"""Addresses that are counted separately; all others are counted together."""

_OTHERS: Final = "other addresses"


@dataclass(slots=True)
class _Peer:
    lines: int = 0
    more: int = 0


class LogLimiter:
    """Passes on all events except repeated refusals of one address."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._peers: dict[str, _Peer] = {}
        self._timer: asyncio.TimerHandle | None = None

    def report(self, event: Event) -> None:
        """Pass on an event, or count it."""
        if not isinstance(event, CallRefused | ConnectionFailed):
            self._report(event)
            return
        host = network_of(event.peer)
        if host not in self._peers and len(self._peers) >= _MAX_HOSTS:
            host = _OTHERS
        peer = self._peers.setdefault(host, _Peer())
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PERIOD_S, self.flush)
        if peer.lines < MAX_LINES:
            peer.lines += 1
            self._report(event)
        else:
            peer.more += 1

    def flush(self) -> None:
        """Report the counts so far, and start anew."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        peers, self._peers = self._peers, {}
        for host, peer in peers.items():
            if peer.more:
                self._report(MoreRefused(host, peer.more))
