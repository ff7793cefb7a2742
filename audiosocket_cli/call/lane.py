"""One direction of a call that is passed on: where its bytes come from, where they go, and what became of them."""

from __future__ import annotations

import math
from typing import Any, Final, Protocol, Self

from audiosocket_cli.call.overhearing import Overhearing
from audiosocket_cli.call.wire import Wire
from audiosocket_cli.finding import tagged
from audiosocket_cli.model import Call, Side

_NOTED_STALL_S: Final = 0.5
"""Stalls that are shorter in all are counted, and are not a finding: a burst of a few hundred frames makes one."""


class RelayWire(Wire, Protocol):
    """What a relay needs of a connection."""

    refused: bool
    """Sending has failed: the peer is gone."""

    def pass_on(self, sink: Self) -> bytes | None:
        """Return what `receive` does, once it was sent on to `sink`, which was not blocked."""

    def reset(self) -> None:
        """Reset the connection. `close` still has to be called."""


class Lane:
    """What one side sends, on its way to the other."""

    __slots__ = (
        "_stalled_since_s", "cut_by_s", "over", "overhearing", "passed_bytes", "side", "sink", "source", "stalled_s",
        "stalls",
    )  # fmt: skip

    def __init__(self, side: Side, source: RelayWire, sink: RelayWire, overhearing: Overhearing) -> None:
        """Pass what comes from `source`, the wire of `side`, on to `sink`."""
        self.side = side
        self.source = source
        self.sink = sink
        self.overhearing = overhearing
        self.over = False
        """Whether nothing more comes of this side, or nobody is there any more to hear it."""
        self.passed_bytes = 0
        self.stalls = 0
        """How often the other side did not read, so that this one was not read either, and for how long in all:
        `stalled_s`."""
        self.stalled_s = 0.0
        self._stalled_since_s: float | None = None
        self.cut_by_s = math.inf
        """When, on the clock, a stall ends the call, because this side is lost and the other takes nothing."""

    @property
    def wants_readable(self) -> bool:
        """Whether the side may be read: all that it sent before has gone on, and was overheard."""
        return not (self.over or self.sink.blocked or self.overhearing.is_behind)

    def stall(self, now_s: float) -> None:
        """The other side takes no more."""
        if self._stalled_since_s is None:
            self._stalled_since_s = now_s
            self.stalls += 1

    def resume(self, now_s: float) -> None:
        """It takes more again, or all is over."""
        if self._stalled_since_s is not None:
            self.stalled_s += now_s - self._stalled_since_s
            self._stalled_since_s = None
        self.cut_by_s = math.inf

    def note_stalls(self, call: Call) -> None:
        """Note that the other side did not read for long."""
        if self.stalled_s >= _NOTED_STALL_S:
            text = (
                f"the {self.side.other} did not read for {self.stalled_s:.1f} s in all: what the {self.side} sent had "
                "to wait that long; is it, or the network to it, too slow?"
            )
            call.note(tagged("peer-not-reading", text))

    def as_dict(self) -> dict[str, Any]:
        """Return its figures as JSON values."""
        return {
            "bytes": self.passed_bytes,
            "frames": self.overhearing.frames,
            "stalls": self.stalls,
            "stalled_ms": round(self.stalled_s * 1000),
        }
