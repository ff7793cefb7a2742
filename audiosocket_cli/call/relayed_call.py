"""A live call that is passed on to a server: its relay, its mirror, and what watches both sides of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from audiosocket_cli.call.events import MirrorEnded, Report
from audiosocket_cli.call.faults.fault_plan import CallFaults
from audiosocket_cli.call.faults.faulted_relay import FaultedRelay
from audiosocket_cli.call.feed import FeedingWire
from audiosocket_cli.call.live_call import CallOptions, LiveCall
from audiosocket_cli.call.mirror import Mirror
from audiosocket_cli.call.relay import Relay
from audiosocket_cli.call.taps.stats import CallStats
from audiosocket_cli.call.wire import Link, SocketWire
from audiosocket_cli.model import Call, Side


class RelayedCall(LiveCall):
    """A relay with all that watches it. What the server says is measured as what the caller says is."""

    __slots__ = ("faults", "mirror", "server", "server_address", "server_wire")

    session: Relay

    def __init__(
        self,
        link: Link,
        server: Link,
        options: CallOptions,
        report: Report,
        *,
        admission: Callable[[LiveCall, Call], None] | None = None,
        mirror: Mirror | None = None,
        faults: CallFaults | None = None,
    ) -> None:
        """Make the relay between two connections, with faults if it has some, and its taps; the caller of this then
        drives it. The capture is of the caller's connection. What the caller sends goes into the feed of `mirror`."""
        self.mirror = mirror
        self.faults = faults
        super().__init__(link, options, report, me=Side.SERVER, stats=CallStats(passes_on=True))
        self.server = server.peer
        self.server_address = server.theirs
        self.server_wire = SocketWire(server.socket)
        make_relay: Callable[..., Relay] = Relay if faults is None else partial(FaultedRelay, faults=faults)
        session = self.session = make_relay(
            self.wire,
            self.server_wire,
            link.peer,
            limits=options.limits,
            admission=None if admission is None else partial(admission, self),
        )
        self.session.watch([*self._taps(options)], flush_s=options.flush_s)
        if mirror is not None:
            # A fault can hold back the UUID from the server, and the mirror does not wait for that.
            mirror.may_be_a_call = lambda: session.begun or (session.call is None and session.failure is None)

    def _make_wire(self, link: Link) -> SocketWire:
        if self.mirror is None:
            return super()._make_wire(link)
        return FeedingWire(link.socket, self.capturing.trace, self.mirror.feed)

    @property
    def stalls(self) -> int:
        return sum(lane.stalls for lane in self.session.lanes)

    @property
    def mirrored(self) -> str | None:
        is_call = self.session.call is not None and self.session.call.ending is not None
        return self.mirror.outcome if self.mirror is not None and is_call else None

    @property
    def mirrored_files(self) -> list[Path]:
        return [] if self.mirror is None else self.mirror.files

    def stop(self, reason: str) -> None:
        super().stop(reason)
        if self.mirror is not None:
            self.mirror.stop()

    def abort(self) -> None:
        super().abort()
        if self.mirror is not None:
            self.mirror.abort()

    async def conclude(self) -> dict[str, Any] | None:
        if self.mirror is not None:
            await self._conclude_mirror(self.mirror)
        return await super().conclude()

    async def _conclude_mirror(self, mirror: Mirror) -> None:
        """Wait for the mirror's end, compare, and report the result."""
        await mirror.finish()
        await self.capturing.finish()
        call = self.session.call
        if call is None or call.ending is None:
            return
        if self.session.was_hung_up:
            mirror.pass_over(f"the proxy ended the call: {call.ending.reason}")
        else:
            await mirror.compare(self.capture_file, self.capture_error)
        self.recording_error = self.recording_error or mirror.recording_error
        self.capture_error = self.capture_error or mirror.capture_error
        self._report(MirrorEnded(call, mirror.as_dict()))

    def _own_facts(self) -> dict[str, Any]:
        mirror = {} if self.mirror is None else {"mirror": self.mirror.as_dict()}
        faults = {} if self.faults is None else {"faults": self.faults.as_dict()}
        return {"relay": {"target": self.server, **self.session.as_dict(), **faults}, **mirror}
