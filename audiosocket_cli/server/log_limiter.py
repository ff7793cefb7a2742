"""A log that a flood does not fill: of the many refusals of one address, the first are told, and how many more came."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from audiosocket_cli.call.events import CallRefused, ConnectionFailed, Event, MoreRefused, Report
from audiosocket_cli.net.address import network_of

MAX_LINES: Final = 10
"""Refusals and failures of one address that are told one by one, in `PERIOD_S`."""

PERIOD_S: Final = 60.0

_MAX_HOSTS: Final = 1000
"""Addresses that are told apart; the rest counts as one."""

_OTHERS: Final = "other addresses"


@dataclass(slots=True)
class _Peer:
    lines: int = 0
    more: int = 0


class FloodGate:
    """Passes events on, but for the many refusals of one address."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._peers: dict[str, _Peer] = {}
        self._timer: asyncio.TimerHandle | None = None

    def report(self, event: Event) -> None:
        """Tell an event, or count it."""
        if not isinstance(event, CallRefused | ConnectionFailed):
            self._report(event)
            return
        host = network_of(event.peer)
        if host not in self._peers and len(self._peers) >= _MAX_HOSTS:
            host = _OTHERS
        peer = self._peers.setdefault(host, _Peer())
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PERIOD_S, self.tell)
        if peer.lines < MAX_LINES:
            peer.lines += 1
            self._report(event)
        else:
            peer.more += 1

    def tell(self) -> None:
        """Tell how many more there were so far, and begin anew."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        peers, self._peers = self._peers, {}
        for host, peer in peers.items():
            if peer.more:
                self._report(MoreRefused(host, peer.more))
