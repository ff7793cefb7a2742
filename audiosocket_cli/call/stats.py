"""The stats tap: what a call consisted of, per side, and the result that a call leaves behind as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.asterisk import GAP_MS, Heard, Side, findings_on_caller, findings_on_server, mislabelled
from audiosocket_cli.call.arrivals import Arrivals
from audiosocket_cli.call.facts import Call, Digit
from audiosocket_cli.call.mixed import MixedRun
from audiosocket_cli.call.runs import FrameRun
from audiosocket_cli.call.timeline import SETTLE_S, Gap, Timeline
from audiosocket_cli.codec import HEADER_BYTES, SAMPLE_BYTES, is_audio, kind_name, rate_of
from audiosocket_cli.media.pcm import (
    FULL_SCALE,
    SILENCE_DBFS,
    SPEECH_PEAK,
    SPEECH_POWER,
    Loudness,
    Samples,
    frames_from_slin,
    loudness_of,
    power_to_dbfs,
)

if TYPE_CHECKING:
    from audiosocket_cli.call.recording import Recording

SCHEMA: Final = "audiosocket.call/1"

_AT_LIMIT: Final = 32767
_WAV_HEADER: Final = b"WAVEfmt "
_WAV_HEADER_PEAK: Final = int(np.frombuffer(_WAV_HEADER, "<i2").max())
_ROUNDING_S: Final = 1e-6
_MOST_BACKLOG_S: Final = 1.0
"""As much audio as is on its way over the longest of networks; more is waiting."""
_NO_TIMES: Final = np.zeros(0)


class SideStats:
    """What one side sent: frames and bytes by kind, audio, levels, when it first spoke."""

    __slots__ = (
        "_counts",
        "_energy",
        "audio_s",
        "clipped",
        "first_audio_s",
        "first_speech_s",
        "has_wav_header",
        "level_dbfs",
        "odd_bytes",
        "peak",
        "sample_sum",
        "samples",
    )

    def __init__(self) -> None:
        self._counts: dict[int, tuple[int, int]] = {}
        """Frames and payload bytes by kind."""
        self.audio_s = 0.0
        self.level_dbfs = SILENCE_DBFS
        """The level of the last batch, for a meter."""
        self.peak = 0
        self.odd_bytes = 0
        """Bytes left over in audio frames of odd length; they belong to no sample."""
        self.first_audio_s: float | None = None
        self.first_speech_s: float | None = None
        self.samples = 0
        """Samples that were looked at: all but those of our own silence."""
        self.sample_sum = 0.0
        self.clipped = 0
        self.has_wav_header = False
        self._energy = 0.0

    @property
    def mean_dbfs(self) -> float:
        """The level over all audio so far."""
        return power_to_dbfs(self._energy / self.audio_s) if self.audio_s else SILENCE_DBFS

    @property
    def by_kind(self) -> dict[int, tuple[int, int]]:
        """Frames and payload bytes by kind."""
        return self._counts

    def take(self, run: FrameRun) -> None:
        """Count frames, of any kind."""
        if isinstance(run, MixedRun):
            self._take_mixed(run)
            return
        if self.first_audio_s is not None and run.is_silence:
            self._count(run.kind, len(run), len(run) * run.size)
            self._count_audio(run.kind, len(run), run.size)
            self.level_dbfs = SILENCE_DBFS
            return
        audio_s, energy = self.audio_s, self._energy
        loudness = run.loudness if run.has_audio else None
        is_loud = loudness is not None and loudness.peak > SPEECH_PEAK
        wants_times = self.first_audio_s is None or (is_loud and self.first_speech_s is None)
        self._take(run.kind, len(run), run.size, loudness, run.at_s if wants_times else _NO_TIMES)
        self._note_level(audio_s, energy)

    def _take_mixed(self, run: MixedRun) -> None:
        audio_s, energy = self.audio_s, self._energy
        for kind, frames, size in run.counts:
            self._count(kind, frames, size)
        if self.first_audio_s is None and run.has_audio:
            self.first_audio_s = float(run.sound_at_s[0])
        if self.first_speech_s is None:
            self.first_speech_s = next(iter(run.loud_s.tolist()), None)
        for one in run.audio:
            samples = len(one.loudness.samples)
            self.samples += samples
            self.audio_s += samples / rate_of(one.kind)
            self.odd_bytes += one.odd_bytes
            self._listen(one.kind, one.loudness)
        self._note_level(audio_s, energy)

    def _note_level(self, audio_s: float, energy: float) -> None:
        """Tell the level of what has come since there were so many seconds, with so much energy."""
        if self.audio_s > audio_s:
            self.level_dbfs = power_to_dbfs((self._energy - energy) / (self.audio_s - audio_s))

    def take_run(self, kind: int, payloads: NDArray[np.uint8], at_s: NDArray[np.float64]) -> Samples | None:
        """Count frames of one kind and length, payloads of shape (n, bytes), at their times.

        Returns their samples, shape (n, samples), or None for what is no audio, or digital silence.
        """
        frames, size = payloads.shape
        loudness = loudness_of(frames_from_slin(payloads)) if is_audio(kind) and size else None
        self._take(kind, frames, size, loudness, at_s)
        return loudness.samples if loudness and loudness.peak else None

    def _take(self, kind: int, frames: int, size: int, loudness: Loudness | None, at_s: NDArray[np.float64]) -> None:
        self._count(kind, frames, frames * size)
        if loudness is None:
            return
        self._count_audio(kind, frames, size)
        if self.first_audio_s is None:
            self.first_audio_s = float(at_s[0])
        if not loudness.peak:
            return
        self._listen(kind, loudness)
        if self.first_speech_s is None and loudness.peak > SPEECH_PEAK:
            loud = np.flatnonzero(loudness.powers > SPEECH_POWER)
            self.first_speech_s = float(at_s[loud[0]]) if len(loud) else None

    def _listen(self, kind: int, loudness: Loudness) -> None:
        samples, peak, _, total, energy = loudness
        self.peak = max(self.peak, peak)
        if peak >= _AT_LIMIT:
            self.clipped += int(np.count_nonzero((samples >= _AT_LIMIT) | (samples <= -_AT_LIMIT)))
        if peak >= _WAV_HEADER_PEAK and not self.has_wav_header:
            self.has_wav_header = _WAV_HEADER in samples.tobytes()
        self.sample_sum += total
        self._energy += energy / rate_of(kind)

    def _count_audio(self, kind: int, frames: int, size: int) -> None:
        samples = frames * (size // SAMPLE_BYTES)
        self.samples += samples
        self.audio_s += samples / rate_of(kind)
        self.odd_bytes += frames * (size % SAMPLE_BYTES)

    def _count(self, kind: int, frames: int, size: int) -> None:
        frames_before, size_before = self._counts.get(kind, (0, 0))
        self._counts[kind] = (frames_before + frames, size_before + size)

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values, units in the keys."""
        return {
            "frames": {
                kind_name(kind): {"frames": frames, "bytes": size} for kind, (frames, size) in self.by_kind.items()
            },
            "audio_s": round(self.audio_s, 3),
            "level_dbfs": round(self.mean_dbfs, 1),
            "peak_dbfs": round(power_to_dbfs((self.peak / FULL_SCALE) ** 2), 1),
            "first_audio_s": _rounded(self.first_audio_s),
            "first_speech_s": _rounded(self.first_speech_s),
            "odd_bytes": self.odd_bytes,
        }


class CallStats:
    """A tap that measures both sides, and how the heard side's frames arrived."""

    __slots__ = ("_caller", "_judged", "_server", "arrivals", "call", "timeline")

    def __init__(self) -> None:
        self._caller, self._server = SideStats(), SideStats()
        self.call: Call | None = None
        self.timeline: Timeline[bool] = Timeline(is_quiet=bool)
        self.arrivals = Arrivals()
        self._judged = False

    @property
    def sides(self) -> dict[Side, SideStats]:
        """What each side sent."""
        return {Side.CALLER: self._caller, Side.SERVER: self._server}

    def opened(self, call: Call) -> None:
        self.call = call

    def frames(self, heard: Sequence[FrameRun], said: Sequence[FrameRun], now_s: float) -> None:
        assert self.call is not None
        sides = self.sides
        for side, batch in self.call.by_side(heard, said):
            stats = sides[side]
            if not batch:
                stats.level_dbfs = SILENCE_DBFS
            for run in batch:
                stats.take(run)
        for run in heard:
            if run.has_audio:
                self.arrivals.note(run, in_bulk=self.call.in_bulk)
                quiet, start = run.quiet, 0
                for at_s, held_s, count, since_s in run.parts:
                    seconds = run.seconds(start, count)
                    start += count
                    self.timeline.add(at_s, seconds, bool(quiet[start - 1]), held_s, since_s)
        self.timeline.settle(now_s - SETTLE_S)  # as the recording does, so that its silence is in the gaps
        self.timeline.pad(now_s - SETTLE_S)
        if not self._judged and self.arrivals.law_is_clear:
            # Soon enough for somebody who is watching to mend the dialplan; all else has to wait for the end.
            self._judged = True
            self._note_mislabelled(self.call)

    def digit(self, at_s: float, digit: str) -> None:
        pass

    def closed(self, call: Call) -> None:
        self.timeline.settle(float("inf"))
        self.timeline.pad(call.duration_s)
        if self.timeline.worst_ahead_s > SETTLE_S + _ROUNDING_S:
            ahead_s = self.timeline.worst_ahead_s
            call.note(
                f"audio came up to {ahead_s:.1f} s late, in a burst: it waited in the network, or for us, as while a "
                "server restarts; from there on the recording is late by as much"
            )

        backlog_s = self.said_s(call.backlog_bytes)
        if backlog_s > _MOST_BACKLOG_S:
            call.note(
                f"up to {backlog_s:.1f} s of what the {call.me} said waited on its way: the network is too slow, or "
                f"the {call.me.other} does not read"
            )
        if call.digits_left_out:
            call.note(f"{call.digits_left_out} digits are left out: they came too fast for fingers, or are too many")
        heard = self._heard(call)
        rules = findings_on_caller if call.me is Side.SERVER else findings_on_server
        for finding in rules(heard):
            call.note(finding)

    def said_s(self, size: int) -> float:
        """Return how much of what we said so many bytes are, in seconds of audio."""
        assert self.call is not None
        said = self.sides[self.call.me]
        bytes_said = sum(frames * HEADER_BYTES + payload for frames, payload in said.by_kind.values())
        return size / bytes_said * said.audio_s if said.audio_s else 0.0

    def part(self, call: Call) -> None:
        """The connection is closed: what we said and did not get through is lost, unless it was the peer who left."""
        assert call.ending is not None
        lost_s = self.said_s(call.undelivered_bytes)
        if lost_s and call.ending.by is call.me:
            call.note(f"the last {lost_s:.2f} s of what the {call.me} said had not arrived when the call was closed")

    def heard_gaps(self) -> tuple[list[Gap], int, float]:
        """Return the pauses that are listed, and of all how many there were, and for how many seconds."""
        if self.arrivals.law:
            # Half of what its label says: such audio seems to pause a little all the time.
            gaps = [gap for gap in self.timeline.gaps if gap.length_s > 2 * GAP_MS / 1000]
            return gaps, len(gaps), sum(gap.length_s for gap in gaps)
        return self.timeline.gaps, self.timeline.gap_count, self.timeline.gaps_s

    def _note_mislabelled(self, call: Call) -> None:
        finding = mislabelled(self._heard(call), call.me.other)
        if finding:
            call.note(finding)

    def _heard(self, call: Call) -> Heard:
        return heard_of(self.sides[call.me.other], self.arrivals, self.timeline, call.duration_s)


def heard_of(side: SideStats, arrivals: Arrivals, timeline: Timeline[bool], duration_s: float) -> Heard:
    """Return what one side of a call sounded like, for the rules that judge it."""
    first_pause_s = duration_s if side.first_audio_s is None else side.first_audio_s
    looked_at = max(1, side.samples)
    return Heard(
        kind=arrivals.kind,
        pace=arrivals.pace,
        law=arrivals.clear_law,
        disorder=arrivals.disorder,
        has_wav_header=side.has_wav_header,
        odd_bytes=side.odd_bytes,
        audio_s=side.audio_s,
        peak=side.peak / FULL_SCALE,
        offset=side.sample_sum / looked_at / FULL_SCALE,
        clipped=side.clipped / looked_at,
        longest_pause_s=max(first_pause_s, timeline.longest_gap_s),
        worst_burst_s=timeline.worst_ahead_s,
        frame_s=arrivals.frame_s,
        is_steady=arrivals.is_steady,
        texture=arrivals.texture,
        usual_frame_s=arrivals.usual_frame_s,
    )


def call_result(call: Call, stats: CallStats, recording: Recording | None) -> dict[str, Any]:
    """Return all that is known of an ended call as JSON values: the text of `<uuid>.json`."""
    assert call.ending is not None
    sides: dict[str, dict[str, Any]] = {side.value: stats.sides[side].as_dict() for side in Side}
    sides[call.me.other].update(_arrival(call, stats))
    sides[call.me].update(_pacing(call, stats))
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
        "dtmf": [digit_json(press) for press in call.presses()],
        **sides,
        "recording": _recorded(recording) if recording else None,
        "findings": list(call.notes),
    }


def digit_json(press: Digit) -> dict[str, Any]:
    """Return a digit as JSON values; `in_band` is there only where it is so."""
    return {"at_s": round(press.at_s, 3), "digit": press.digit} | ({"in_band": True} if press.in_band else {})


def _arrival(call: Call, stats: CallStats) -> dict[str, Any]:
    gaps, gap_count, gaps_s = stats.heard_gaps()
    return {
        "gaps": [{"at_s": round(gap.start_s, 3), "length_s": round(gap.length_s, 3)} for gap in gaps],
        "gap_count": gap_count,
        "gaps_s": round(gaps_s, 3),
        "jitter_ms": stats.arrivals.jitter_ms if not call.in_bulk else None,
        "worst_ahead_ms": round(stats.timeline.worst_ahead_s * 1000),
    }


def _pacing(call: Call, stats: CallStats) -> dict[str, Any]:
    pacer = call.pacer
    return {
        "late_frames": pacer.late,
        "worst_lateness_ms": round(pacer.worst_lateness_s * 1000, 1),
        "slips": pacer.slips,
        "slipped_ms": round(pacer.slipped_s * 1000, 1),
        "held_frames": pacer.held,
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


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
