"""How evenly a server spoke: arrivals of audio frames against the clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from audiosocket_cli.asterisk.facts import BURST_MS, GAP_MS, is_burst
from audiosocket_cli.check.probe import HeardFrame
from audiosocket_cli.codec import RATE_BY_KIND, SAMPLE_BYTES

MAX_GAP_S: Final = 2 * GAP_MS / 1000
"""Audio with longer gaps is not continuous: it pauses."""

_MAX_STALLS: Final = 2
"""A server that stalls more often in a few seconds sends in chunks."""

_MAX_STALL_S: Final = 1.0
"""Who sends nothing for longer has nothing to say."""


class Pace(NamedTuple):
    """What the longest stretch of continuous audio was like."""

    lasted_s: float
    """From its first frame to its last."""
    rate: float
    """Seconds of audio in each second; 1.0 is right."""


def audio_s(frame: HeardFrame) -> float:
    """Return how long an audio frame plays; 0.0 for others."""
    rate_hz = RATE_BY_KIND.get(frame.kind)
    return frame.payload_bytes / SAMPLE_BYTES / rate_hz if rate_hz else 0.0


def pace_of(frames: Sequence[HeardFrame]) -> Pace:
    """Measure the longest stretch of continuous audio, by least squares: late frames at its ends weigh little."""
    best: list[HeardFrame] = []
    run: list[HeardFrame] = []
    for frame in frames:
        if not audio_s(frame):
            continue
        if run and frame.at_s - run[-1].at_s > max(MAX_GAP_S, 2 * audio_s(run[-1])):
            run = []
        run.append(frame)
        if run[-1].at_s - run[0].at_s > (best[-1].at_s - best[0].at_s if best else -1.0):
            best = run
    if len(best) < 3 or best[-1].at_s <= best[0].at_s:
        return Pace(0.0, 0.0)
    return Pace(best[-1].at_s - best[0].at_s, _slope(best))


def _slope(run: Sequence[HeardFrame]) -> float:
    """Return seconds of audio over seconds of the clock, by least squares."""
    times, played, total = [], [], 0.0
    for frame in run:
        times.append(frame.at_s - run[0].at_s)
        played.append(total)
        total += audio_s(frame)
    mean_t, mean_p = sum(times) / len(times), sum(played) / len(played)
    spread = sum((t - mean_t) ** 2 for t in times)
    return sum((t - mean_t) * (p - mean_p) for t, p in zip(times, played, strict=True)) / spread if spread else 0.0


def worst_burst_s(frames: Sequence[HeardFrame]) -> float:
    """Return the most audio that came ahead of the clock, the frame that plays aside."""
    worst_s = queued_s = 0.0
    before_s: float | None = None
    for frame in frames:
        if not audio_s(frame):
            continue
        if before_s is not None:
            queued_s = max(0.0, queued_s - (frame.at_s - before_s))
        before_s = frame.at_s
        worst_s = max(worst_s, queued_s)
        queued_s += audio_s(frame)
    return worst_s


def made_up_once(frames: Sequence[HeardFrame]) -> bool:
    """Whether all that came ahead of the clock made up for a short stall before it, and this was rare: the server's
    machine was busy for a moment."""
    bursts = [(late_s, ahead_s) for late_s, ahead_s in _stretches(frames) if is_burst(ahead_s)]
    return len(bursts) <= _MAX_STALLS and all(
        late_s <= _MAX_STALL_S and abs(late_s - ahead_s) <= BURST_MS / 1000 for late_s, ahead_s in bursts
    )


def _stretches(frames: Sequence[HeardFrame]) -> Iterator[tuple[float, float]]:
    """Yield, for each stretch between stalls, how long the stall before it was, and how far ahead of the clock audio
    came in it at most."""
    stall_s = ahead_s = worst_s = 0.0
    for before, frame in pairwise(each for each in frames if audio_s(each)):
        late_s = frame.at_s - before.at_s - audio_s(before)
        if late_s > GAP_MS / 1000:
            yield stall_s, worst_s
            stall_s, ahead_s, worst_s = late_s, 0.0, 0.0
        else:
            ahead_s = max(0.0, ahead_s - late_s)
            worst_s = max(worst_s, ahead_s)
    yield stall_s, worst_s


def usual_ms(frames: Sequence[HeardFrame]) -> tuple[float, int, int] | None:
    """Return the length in ms, the bytes and the kind of the frames that most audio came in; None without audio."""
    shares: Counter[tuple[int, int]] = Counter()
    for frame in frames:
        if audio_s(frame):
            shares[frame.kind, frame.payload_bytes] += frame.payload_bytes
    if not shares:
        return None
    (kind, size), _ = shares.most_common(1)[0]
    return size / SAMPLE_BYTES / RATE_BY_KIND[kind] * 1000, size, kind
