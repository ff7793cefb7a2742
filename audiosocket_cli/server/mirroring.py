"""The mirror of a proxy's calls: a second server that hears the same callers (`call.mirror`)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from audiosocket_cli.call.mirror import Mirror, options_for_mirror
from audiosocket_cli.call.relay_driver import RelayDriver
from audiosocket_cli.call.wire import Link
from audiosocket_cli.errors import NetworkError
from audiosocket_cli.net.address import Address
from audiosocket_cli.server.common import Common
from audiosocket_cli.server.comparing import Comparing
from audiosocket_cli.server.options import MirrorOptions, RelayOptions
from audiosocket_cli.server.targets import Targets

Greet = Callable[[Link, Address, socket.socket], None]
"""Does what comes first on a connection to a server. Raises `NetworkError`, with the connection closed."""


class Mirroring:
    """Connects calls with their mirror, on the running loop."""

    def __init__(
        self, options: MirrorOptions, common: Common, driver: RelayDriver, *, own: Sequence[Address], greet: Greet
    ) -> None:
        """`own` is where we listen."""
        self._name = str(options.target)
        self._account = common.account
        self._driver = driver
        self._greet = greet
        self._options = replace(options_for_mirror(common.options.call), record=options.record, capture=options.capture)
        self._targets = Targets(
            RelayOptions([options.target]), own=own, calls=dict, complain=self._complain, on_change=lambda: None
        )
        self._comparing = Comparing()

    async def try_it(self) -> None:
        """Find out whether it is up. Raises `UsageError` where it is this proxy itself."""
        await self._targets.try_all()

    def begin(self, link: Link) -> Mirror:
        """Begin to mirror a call that is about to be passed on."""
        mirror = Mirror(self._name, self._options, self._account.report, self._comparing.compare)
        blame = partial(self._account.blame_ourselves, f"{link.peer}, mirrored to {self._name}")
        mirror.begin(partial(self._connect, link), self._driver, blame)
        return mirror

    def stop(self) -> None:
        """Do not try it any more, if it is down, and compare no longer than `comparing.STOP_S`."""
        self._targets.close()
        self._comparing.stop()

    def close(self) -> None:
        """All calls are over, or are to be over at once: compare no more."""
        self._comparing.close()

    async def _connect(self, link: Link) -> Link:
        if self._targets.are_down:
            raise NetworkError(self._targets.why_down)
        target, connection = await self._targets.connect()
        self._greet(link, target, connection)
        try:
            return Link(connection, link.peer, connection.getpeername())
        except OSError:
            connection.close()
            raise NetworkError(f"{target} closed the connection at once") from None

    def _complain(self, line: str) -> None:
        self._account.complain(f"mirror: {line}")
