"""The servers that calls are passed on to: which gets the next call, and which are down.

A server that cannot be connected to gets no calls until it can: it is tried each `PROBE_S`, by a connection that is
closed without a byte, as a health check's. So only the first call finds out what a black hole costs, 2 s in which
Asterisk already waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from audiosocket_cli.errors import NetworkError, UsageError
from audiosocket_cli.net.address import Address, peer_name
from audiosocket_cli.net.dial import dial
from audiosocket_cli.server.options import Balance, RelayOptions

PROBE_S: Final = 1.0

_ANY: Final = ("0.0.0.0", "::", "")


class Targets:
    """Connects to one of several servers."""

    def __init__(
        self,
        options: RelayOptions,
        *,
        own: Sequence[Address],
        calls: Callable[[], Mapping[str, int]],
        complain: Callable[[str], object],
        on_change: Callable[[], object],
    ) -> None:
        """`own` is where we listen ourselves; `calls` returns how many calls each server has, by its address.

        `complain` gets a line for each server that goes down or comes back; `on_change` is called with each.
        """
        self._targets = list(options.targets)
        self._balance = options.balance
        self._own = own
        self._calls = calls
        self._complain = complain
        self._on_change = on_change
        self._down: dict[Address, asyncio.Task[None]] = {}
        """The servers that are down, each with what tries it."""
        self._reasons: dict[Address, str] = {}
        """Why they are."""
        self._turn = 0

    @property
    def are_down(self) -> bool:
        """Whether all are down."""
        return all(target in self._down for target in self._targets)

    @property
    def why_down(self) -> str:
        """Why servers are down, in one line."""
        return "; ".join(map(self._reasons.__getitem__, self._down))

    async def try_all(self) -> None:
        """Find out which are up. Raises `UsageError` where one is this proxy itself."""
        for tried in await asyncio.gather(*map(self._try, self._targets), return_exceptions=True):
            if isinstance(tried, BaseException) and not isinstance(tried, NetworkError):
                raise tried

    async def connect(self) -> tuple[Address, socket.socket]:
        """Return the server of the next call, connected. Raises `NetworkError` when there is none."""
        reasons = []
        for target in self._in_turn():
            try:
                return target, await self._dial(target)
            except NetworkError as error:
                reasons.append(str(error))
                self._note_down(target, error)
            except UsageError as error:  # its name leads to us by now
                reasons.append(str(error))
        raise NetworkError("; ".join(reasons) or "no server is up")

    def close(self) -> None:
        """Try those that are down no longer."""
        for probing in self._down.values():
            probing.cancel()

    def _in_turn(self) -> list[Address]:
        """Return those that are up, in the order in which the next call tries them."""
        up = [target for target in self._targets if target not in self._down]
        if self._balance is Balance.FIRST or not up:
            return up
        start, self._turn = self._turn % len(up), self._turn + 1
        up = up[start:] + up[:start]
        if self._balance is Balance.LEAST:
            calls = self._calls()
            up.sort(key=lambda target: calls.get(str(target), 0))
        return up

    async def _dial(self, target: Address) -> socket.socket:
        connection = await dial(target)
        try:
            theirs = Address(*connection.getpeername()[:2])
        except OSError:  # it has closed already, which the relay will find
            return connection
        if any(theirs.port == own.port and own.host in (theirs.host, *_ANY) for own in self._own) and self._is_near(
            connection
        ):
            connection.close()
            raise UsageError(f"a proxy of itself: {target} is where this proxy listens; name another server")
        return connection

    def _is_near(self, connection: socket.socket) -> bool:
        """Whether a connection stays on this machine: then its other end's address is one of ours."""
        with contextlib.suppress(OSError), socket.socket(connection.family, socket.SOCK_STREAM) as probe:
            probe.bind((connection.getpeername()[0], 0))
            return True
        return False

    async def _try(self, target: Address) -> None:
        try:
            connection = await self._dial(target)
        except NetworkError as error:
            self._note_down(target, error)
        else:
            connection.close()

    def _note_down(self, target: Address, error: NetworkError) -> None:
        if target in self._down:
            return
        self._reasons[target] = str(error)
        self._complain(f"{error} (it gets no calls until it answers)")
        self._down[target] = asyncio.create_task(self._probe(target), name=f"probe of {target}")
        self._on_change()

    async def _probe(self, target: Address) -> None:
        since_s = time.monotonic()
        while True:
            await asyncio.sleep(PROBE_S)
            try:
                connection = await self._dial(target)
            except (NetworkError, UsageError) as error:
                self._reasons[target] = str(error)
                continue
            connection.close()
            break
        self._complain(f"{peer_name(target)} answers again, after {time.monotonic() - since_s:.0f} s")
        del self._down[target]
        self._on_change()
