"""One call of a load: a placed session, what it says, what is measured, and a row of results. It needs no event loop.

Whoever drives it (`generator`, or code with threads or greenlets of its own) connects a wire and hands it over, drives
`session` as `call.session` says, and calls `conclude` once it has ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID, uuid4

from audiosocket_cli.bench.figures import Figures
from audiosocket_cli.bench.meter import Meter
from audiosocket_cli.bench.speech import Talk
from audiosocket_cli.call.phases import CLOSE_TIMEOUT_S, Limits
from audiosocket_cli.call.session import PlacedSession
from audiosocket_cli.call.taps.stats import CallStats
from audiosocket_cli.call.taps.tap import QUICK_FLUSH_S, Tap
from audiosocket_cli.call.wire import Wire
from audiosocket_cli.model import Side

MAX_JUDGED: Final = 5
"""How many calls of each process are checked for faults in the answer; the others are answered alike."""

_GRACE_S = 1.0
"""How much longer than planned a call may last that sends too late."""


class BenchCall:
    """A call that counts what it sees into figures that it shares with others."""

    def __init__(
        self,
        talk: Talk,
        figures: Figures,
        duration_s: float,
        *,
        due_s: float,
        epoch_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Plan the call of the caller who says `talk`, to be placed at `due_s` on the clock, and to last `duration_s`.

        Its row tells the time since `epoch_s`.
        """
        self.session: PlacedSession | None = None
        self._figures = figures
        self._clock = clock
        self._due_s = due_s
        self._epoch_s = epoch_s
        self._uuid = uuid4()
        self._duration_s = duration_s
        self._talk = talk
        self._meter = Meter(talk, figures)
        self._is_judged = figures.counts["placed"] < MAX_JUDGED
        self._connect_s: float | None = None
        figures.counts["placed"] += 1

    @property
    def uuid(self) -> UUID:
        """What it says first."""
        return self._uuid

    @property
    def failure(self) -> str | None:
        """What made it an error, in words; known when it has ended."""
        return self._meter.failure

    def connected(self, wire: Wire, peer: str, dialled_s: float) -> PlacedSession:
        """Take a wire that is connected just now, and was dialled then; returns the session to be driven."""
        now_s = self._clock()
        self._connect_s = now_s - self._due_s
        self._figures.counts["connected"] += 1
        self._figures.times["connect"].add_one(self._connect_s * 1000)
        self._figures.times["connect_actual"].add_one((now_s - dialled_s) * 1000)
        limits = Limits(duration_s=self._duration_s + _GRACE_S)
        taps: list[Tap] = [self._meter, CallStats(with_turns=False)] if self._is_judged else [self._meter]
        self.session = PlacedSession(wire, peer, source=self._talk, limits=limits, uuid=self._uuid, clock=self._clock)
        self.session.watch(taps, flush_s=QUICK_FLUSH_S)
        return self.session

    def not_connected(self, error: Exception) -> dict[str, Any]:
        """Count a failed connection; return its row."""
        cause = error.__cause__
        name = "unreachable"
        if isinstance(error, OSError):  # no socket to dial with
            name = "not_placed"
        elif isinstance(cause, ConnectionRefusedError):
            name = "refused"
        elif isinstance(cause, ConnectionResetError):
            name = "reset"
        elif isinstance(cause, TimeoutError):
            name = "timeout"
        self._figures.counts[name] += 1
        self._figures.reasons[str(error)] += 1
        return self._row(ended=name, reason=str(error))

    def conclude(self) -> dict[str, Any]:
        """Finish after the session has ended; return the call's row."""
        call, meter = self._meter.call, self._meter
        assert call is not None
        assert call.ending is not None
        if self._is_judged:
            self._figures.find(call.notes)
        hangup_ms = None
        if call.ending.by is Side.CALLER:
            hangup_s = self._clock() - self._talk.pacer.origin_s - call.duration_s
            hangup_ms = hangup_s * 1000
            self._figures.times["hangup"].add_one(hangup_ms)
            self._figures.counts["hangups_unanswered"] += hangup_s >= CLOSE_TIMEOUT_S
        return self._row(
            ended=f"{call.ending.by} ({call.ending.how})",
            reason=call.ending.reason,
            duration_s=round(call.duration_s, 3),
            first_byte_ms=_ms(meter.first_byte_s),
            first_speech_ms=_ms(meter.first_speech_s),
            hangup_ms=None if hangup_ms is None else round(hangup_ms, 2),
            frames_sent=meter.sent_frames,
            frames_heard=meter.heard_frames,
            gaps_60=meter.long_gaps,
        )

    def note(self, odd: Sequence[str]) -> None:
        """Count what was odd about its way to the server, a line each."""
        if self._is_judged:
            self._figures.find(odd)

    def _row(self, **facts: Any) -> dict[str, Any]:
        return {
            "call": self._talk.number,
            "uuid": str(self._uuid),
            "start_s": round(self._due_s - self._epoch_s, 3),
            "connect_ms": _ms(self._connect_s),
        } | facts


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)
