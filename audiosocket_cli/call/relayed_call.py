"""A live call that is passed on to a server: its relay, and what watches both sides of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from audiosocket_cli.call.events import Report
from audiosocket_cli.call.faults.fault_plan import CallFaults
from audiosocket_cli.call.faults.faulted_relay import FaultedRelay
from audiosocket_cli.call.live_call import CallOptions, LiveCall
from audiosocket_cli.call.relay import Relay
from audiosocket_cli.call.taps.stats import CallStats
from audiosocket_cli.call.wire import Link, SocketWire
from audiosocket_cli.model import Call, Side


class RelayedCall(LiveCall):
    """A relay with all that watches it. What the server says is measured as what the caller says is."""

    __slots__ = ("faults", "server", "server_wire")

    session: Relay

    def __init__(
        self,
        link: Link,
        server: Link,
        options: CallOptions,
        report: Report,
        *,
        admission: Callable[[LiveCall, Call], None] | None = None,
        faults: CallFaults | None = None,
    ) -> None:
        """Make the relay between two connections, with faults if it has some, and its taps; the caller of this then
        drives it. The capture is of the caller's connection."""
        super().__init__(link, options, report, me=Side.SERVER, stats=CallStats(passes_on=True))
        self.server = server.peer
        self.server_wire = SocketWire(server.socket)
        self.faults = faults
        make_relay: Callable[..., Relay] = Relay if faults is None else partial(FaultedRelay, faults=faults)
        self.session = make_relay(
            self.wire,
            self.server_wire,
            link.peer,
            limits=options.limits,
            admission=None if admission is None else partial(admission, self),
        )
        self.session.watch([*self._taps(options)], flush_s=options.flush_s)

    @property
    def stalls(self) -> int:
        return sum(lane.stalls for lane in self.session.lanes)

    def _own_facts(self) -> dict[str, Any]:
        lanes = {lane.side.value: lane.as_dict() for lane in self.session.lanes}
        faults = {} if self.faults is None else {"faults": self.faults.as_dict()}
        return {"relay": {"target": self.server, **lanes, **faults}}
