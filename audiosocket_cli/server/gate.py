"""The port that callers come to: open, or shut while nobody is there who could take them.

Once a port is shut, connecting to it fails at once: that is how Asterisk learns that a call cannot be had. (The system
accepts connections by itself, so that a connection to an open port cannot be refused any more, only reset.)
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

from audiosocket_cli.errors import NetworkError
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.listen import Listener, ListeningSockets, bind

_RETRY_S: Final = 0.5


class Gate:
    """Accepts connections on the running loop, while it is open."""

    def __init__(
        self,
        listening: ListeningSockets,
        address: Address,
        accept: Callable[[socket.socket, Any], None],
        complain: Callable[[str], object],
        is_ahead: Callable[[], bool],
    ) -> None:
        """Take what listens already, on `address`, and accept nothing until `open`. `accept`, `complain` and `is_ahead`
        are those of `Listener`."""
        self._listening: ListeningSockets | None = listening
        self._address = Address(address.host, listening.addresses[0].port)
        self._can_shut = not listening.stay_open
        self._accept = accept
        self._complain = complain
        self._is_ahead = is_ahead
        self._listener: Listener | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._is_closed = False

    @property
    def is_open(self) -> bool:
        """Whether connections are accepted."""
        return self._listener is not None

    @property
    def stays_open(self) -> bool:
        """Whether the port cannot be closed once it was opened: systemd keeps it open."""
        return not self._can_shut

    def open(self) -> None:
        """Accept connections. Safe to call twice."""
        if self._is_closed or self._listener is not None:
            return
        try:
            listening = self._listening or ListeningSockets(bind(self._address))
        except NetworkError as error:  # somebody else took the port meanwhile
            self._complain(str(error))
            self._retry = asyncio.get_running_loop().call_later(_RETRY_S, self.open)
            return
        self._listening = None
        self._listener = Listener(listening, self._accept, self._complain, self._is_ahead)

    def shut(self) -> bool:
        """Let connections be refused, and reset those that wait to be accepted; return whether that was to be done. Not
        where systemd keeps the port open. Safe to call twice."""
        self._stop_retrying()
        if not self._can_shut or self._is_closed or (self._listener is None and self._listening is None):
            return False
        if self._listening is not None:
            self._listening.close()
        if self._listener is not None:
            self._listener.close()
        self._listening = self._listener = None
        return True

    def close(self, *, take_waiting: bool = False) -> None:
        """Accept no more, for good; `take_waiting` as in `Listener.close`. Safe to call twice."""
        self._is_closed = True
        self._stop_retrying()
        if self._listener is not None:
            self._listener.close(take_waiting=take_waiting)
        elif self._listening is not None:
            self._listening.close()

    def _stop_retrying(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
