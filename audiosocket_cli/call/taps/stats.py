"""The stats tap: what a call consisted of, per side, and the result that a call leaves behind as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audiosocket_cli.analysis.block_levels import Piece
from audiosocket_cli.analysis.side_measure import SideMeasure
from audiosocket_cli.analysis.side_stats import SideStats
from audiosocket_cli.analysis.speech_track import SaidTrack
from audiosocket_cli.analysis.steps import GAP_S
from audiosocket_cli.analysis.stretches import Stretches
from audiosocket_cli.analysis.timeline import SETTLE_S, Gap, Timeline
from audiosocket_cli.analysis.turns import is_heard, turns_of
from audiosocket_cli.asterisk.findings import findings_on_caller, findings_on_server, mislabelled
from audiosocket_cli.audio.pcm import (
    SILENCE_DBFS,
)
from audiosocket_cli.codec import HEADER_BYTES
from audiosocket_cli.finding import ids_of, tagged
from audiosocket_cli.model import Call, Side
from audiosocket_cli.runs import FrameRun

if TYPE_CHECKING:
    from audiosocket_cli.call.recording.recording import Recording

SCHEMA: Final = "audiosocket.call/1"

_ROUNDING_S: Final = 1e-6
_MAX_BACKLOG_S: Final = 1.0
"""Seconds of audio that may be on its way over the longest networks; more is waiting in a queue."""


class CallStats:
    """A tap that measures both sides, and how the frames of those arrived that we do not send ourselves."""

    __slots__ = ("_is_echo", "_judged", "_said", "_voice", "call", "heard", "said", "turns")

    def __init__(self, *, passes_on: bool = False, with_turns: bool = True) -> None:
        """`passes_on` says that what is said comes from somebody else as well: it is then measured as what is heard."""
        self.heard = SideMeasure(is_heard=with_turns)
        self.said = SideMeasure(plays_on_arrival=True, is_heard=with_turns) if passes_on else None
        """How what was said arrived, where it did."""
        self._voice: SaidTrack | None = None
        """When we spoke, where nobody else does for us, once we have said something."""
        self._is_echo = not with_turns
        """Whether we send back what we hear, or nobody asks: then nothing is said of turns."""
        self.turns: dict[str, Any] | None = None
        """Who spoke when, of a call that has ended: see `docs/turn-figures.md`."""
        self._said = self.said.stats if self.said is not None else SideStats()
        self.call: Call | None = None
        self._judged = 0
        """Of which measures it is told already that what they measure is mislabelled, or that it is not: a bit each."""

    @property
    def sides(self) -> dict[Side, SideStats]:
        """What each side sent."""
        me = Side.SERVER if self.call is None else self.call.me
        return {me.other: self.heard.stats, me: self._said}

    @property
    def timeline(self) -> Timeline[Piece]:
        """Where what was heard is in the call."""
        return self.heard.timeline

    def opened(self, call: Call) -> None:
        self.call = call

    def frames(self, heard: Sequence[FrameRun], said: Sequence[FrameRun], now_s: float) -> None:
        assert self.call is not None
        for stats, batch in ((self.heard.stats, heard), (self._said, said)):
            if not batch:
                stats.level_dbfs = SILENCE_DBFS
        for run in heard:
            self.heard.take(run, in_bulk=self.call.in_bulk)
        for run in said:
            if self.said is not None:
                self.said.take(run)
            else:
                self._said.take(run)
                if run.has_samples and not self._is_echo and not run.is_silence:
                    self._listen(run)
        self._place(now_s - SETTLE_S)  # as the recording does, so that its silence is in the gaps
        for number, measure in enumerate(self._measures()):
            if not self._judged & 1 << number and measure.arrivals.law_is_clear:
                # Soon enough for somebody who is watching to mend the dialplan; all else has to wait for the end.
                self._judged |= 1 << number
                self._note_mislabelled(self.call, measure)

    def _listen(self, run: FrameRun) -> None:
        """Take what we say, and somebody hears."""
        if run.is_echo:
            self._is_echo, self._voice = True, None
            self.heard.speech.ignore()
            return
        if self._voice is None:
            self._voice = SaidTrack()
        self._voice.take(run)

    def _place(self, until_s: float, pad_until_s: float | None = None) -> None:
        """Place what came by then, and fill pauses up to `pad_until_s`, or up to then, too."""
        for measure in self._measures():
            measure.speech.place(until_s)
            measure.speech.pad(until_s if pad_until_s is None else pad_until_s)

    def _measures(self) -> tuple[SideMeasure, ...]:
        return (self.heard,) if self.said is None else (self.heard, self.said)

    def digit(self, at_s: float, digit: str) -> None:
        pass

    def closed(self, call: Call) -> None:
        self._place(float("inf"), call.duration_s)
        self.turns = self._turns(call)
        if self.timeline.worst_ahead_s > SETTLE_S + _ROUNDING_S:
            ahead_s = self.timeline.worst_ahead_s
            text = (
                f"audio came up to {ahead_s:.1f} s late, in a burst: the network held it back, or this server did, as "
                "during a restart; from there on the recording is late by the same time"
            )
            call.note(tagged("audio-late", text))
        backlog_s = self.said_s(call.backlog_bytes)
        if backlog_s > _MAX_BACKLOG_S:
            text = (
                f"up to {backlog_s:.1f} s of the {call.me}'s audio waited on its way: the network is too slow, or "
                f"the {call.me.other} does not read"
            )
            call.note(tagged("backlog", text))
        if call.digits_left_out:
            text = f"{call.digits_left_out} digits are left out: too fast for key presses, or too many"
            call.note(tagged("digits-left-out", text))
        for side, measure in zip((call.me.other, call.me), self._measures(), strict=False):
            rules = findings_on_caller if side is Side.CALLER else findings_on_server
            for finding in rules(measure.heard(call.duration_s)):
                call.note(finding)

    def _turns(self, call: Call) -> dict[str, Any] | None:
        """Return the turn figures, if they can be told."""
        ahead_s = 0.0 if self.said is None else self.said.speech.worst_ahead_s
        laws = [measure.arrivals.law for measure in self._measures()]
        if self._is_echo or not is_heard(self.sides.values(), laws, ahead_s):
            return None
        track = self.said.speech if self.said is not None else self._voice
        said = Stretches([], [], end_s=call.duration_s) if track is None else track.finish(call.duration_s)
        heard = self.heard.speech.finish(call.duration_s)
        return turns_of(*((said, heard) if call.me is Side.CALLER else (heard, said))).as_dict()

    def said_s(self, size: int) -> float:
        """Return how much of what we said so many bytes are, in seconds of audio."""
        said = self._said
        bytes_said = sum(frames * HEADER_BYTES + payload for frames, payload in said.by_kind.values())
        return size / bytes_said * said.audio_s if said.audio_s else 0.0

    def note_undelivered(self, call: Call) -> None:
        """Count what we sent and the peer did not get, once the connection is closed; not if the peer left."""
        assert call.ending is not None
        lost_s = self.said_s(call.undelivered_bytes)
        if lost_s and call.ending.by is call.me:
            text = f"the last {lost_s:.2f} s of the {call.me}'s audio had not arrived when the call was closed"
            call.note(tagged("audio-undelivered", text))

    def _note_mislabelled(self, call: Call, measure: SideMeasure) -> None:
        side = call.me.other if measure is self.heard else call.me
        finding = mislabelled(measure.heard(call.duration_s), side)
        if finding:
            call.note(finding)


def gaps_of(measure: SideMeasure) -> tuple[list[Gap], int, float]:
    """Return a side's pauses that are listed, and of all how many there were, and for how many seconds."""
    timeline = measure.timeline
    if measure.arrivals.law:
        # Half of what its label says: such audio seems to pause a little all the time.
        gaps = [gap for gap in timeline.gaps if gap.length_s > 2 * GAP_S]
        return gaps, len(gaps), sum(gap.length_s for gap in gaps)
    return timeline.gaps, timeline.gap_count, timeline.gaps_s


def call_result(call: Call, stats: CallStats, recording: Recording | None) -> dict[str, Any]:
    """Return all that is known of an ended call as JSON values: the text of `<uuid>.json`."""
    assert call.ending is not None
    sides: dict[str, dict[str, Any]] = {side.value: stats.sides[side].as_dict() for side in Side}
    sides[call.me.other].update(_arrival(stats.heard, in_bulk=call.in_bulk))
    sides[call.me].update(_pacing(call) if stats.said is None else _arrival(stats.said))
    sides[call.me].update(_delivery(call, stats))
    return {
        "schema": SCHEMA,
        "uuid": str(call.uuid),
        "peer": call.peer,
        "started_at": call.started_at.isoformat(timespec="milliseconds"),
        "ended_at": call.ended_at.isoformat(timespec="milliseconds"),
        "duration_s": round(call.duration_s, 3),
        "ended_by": call.ending.by.value,
        "ended_how": call.ending.how.value,
        "ended_reason": call.ending.reason,
        "dtmf": [press.as_dict() for press in call.presses()],
        **({} if call.result is None else {"result": call.result}),
        **({"variables": dict(call.variables)} if call.variables else {}),
        **sides,
        "turns": stats.turns,
        "recording": _recorded(recording) if recording else None,
        "findings": list(call.notes),
        "finding_ids": ids_of(call.notes),
    }


def _arrival(measure: SideMeasure, *, in_bulk: bool = False) -> dict[str, Any]:
    gaps, gap_count, gaps_s = gaps_of(measure)
    return {
        "gaps": [{"at_s": round(gap.start_s, 3), "length_s": round(gap.length_s, 3)} for gap in gaps],
        "gap_count": gap_count,
        "gaps_s": round(gaps_s, 3),
        "jitter_ms": measure.arrivals.jitter_ms if not in_bulk else None,
        "worst_ahead_ms": round(measure.timeline.worst_ahead_s * 1000),
    }


def _pacing(call: Call) -> dict[str, Any]:
    pacer = call.pacer
    return {
        "late_frames": pacer.late,
        "worst_lateness_ms": round(pacer.worst_lateness_s * 1000, 1),
        "slips": pacer.slips,
        "slipped_ms": round(pacer.slipped_s * 1000, 1),
        "held_frames": pacer.held,
    }


def _delivery(call: Call, stats: CallStats) -> dict[str, Any]:
    return {
        "worst_backlog_ms": round(stats.said_s(call.backlog_bytes) * 1000),
        "undelivered_ms": round(stats.said_s(call.undelivered_bytes) * 1000),
    }


def _recorded(recording: Recording) -> dict[str, Any]:
    drift = {side.value: drift.as_dict() for side, drift in recording.drift.items()}
    return {
        "files": [_name(path) for path in recording.paths],
        "layout": recording.layout.value,
        "rate_hz": recording.rate_hz,
        **({"decoded": recording.law} if recording.law else {}),
        "duration_s": round(recording.duration_s, 3),
        **({"drift": drift} if drift else {}),
        "error": recording.error,
    }


def _name(path: Path) -> str:
    return path.name  # the result stands beside its files, and may move with them
