"""Compares two answers of a server: when it spoke, what it said, how it ended.

It compares what a caller would notice. Speech is cut at pauses, as in a timeline. Each stretch is matched by its sound
with one of the other answer, in order, so that a missing or new stretch leaves the others in place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.analysis.rows import Row, RowBuilder
from audiosocket_cli.audio.pcm import Samples
from audiosocket_cli.capture.items import MISSING, CapturedCall, Ended, Item, Lost, Over
from audiosocket_cli.capture.lacks import left_out_of, missing_of
from audiosocket_cli.capture.opening import Capture
from audiosocket_cli.capture.runs import Run
from audiosocket_cli.codec import Frame, Kind, describe_error, kind_name, rate_of
from audiosocket_cli.errors import NothingError
from audiosocket_cli.model import Call, Side
from audiosocket_cli.runs import FrameRun

TOLERANCE_S: Final = 0.2
MIN_CORRELATION: Final = 0.8

ASPECTS: Final = ("speech", "times", "sound", "end")
"""What can be compared: which stretches of speech there are; when they and the end come, and how long speech lasts; how
it sounds; how the call ends, and which frames that are not audio are sent."""

_ALIKE: Final = 0.5
"""Stretches that correlate at least this much are the same words, perhaps changed."""

_COST_PER_S: Final = 0.02
_FAR_S: Final = 10.0
"""How much each second between two stretches reduces their likeness, and the most seconds that count."""

_MIN_SPEECH_S: Final = 0.06
"""A shorter sound is a click."""


class Stretch(NamedTuple):
    """Speech without a pause: when it begins and ends in the call, in seconds, and how it sounds."""

    start_s: float
    end_s: float
    samples: Samples
    rate_hz: int


class Happening(NamedTuple):
    """Something other than audio that the server did."""

    at_s: float
    what: str


class Difference(NamedTuple):
    """A difference: its place in either answer in seconds (None: it is not there), and what it is."""

    expected_s: float | None
    seen_s: float | None
    what: str
    difference: str
    aspect: str
    """One of `ASPECTS`."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        places = {"expected_s": self.expected_s, "seen_s": self.seen_s}
        return {**self._asdict(), **{name: at_s and round(at_s, 3) for name, at_s in places.items()}}


class Limits(NamedTuple):
    """The tolerances, and when each call was over. What a call lacks because it ended earlier, by no more than the
    tolerance, is not a difference."""

    tolerance_s: float
    least_correlation: float
    expected_over_s: float
    seen_over_s: float

    @property
    def end_together(self) -> bool:
        """Whether both calls were over at the same time."""
        return abs(self.expected_over_s - self.seen_over_s) <= self.tolerance_s

    def is_cut(self, old: Stretch, new: Stretch) -> bool:
        """Whether the end of a call may have cut what was said."""
        at_end = (
            old.end_s >= self.expected_over_s - self.tolerance_s or new.end_s >= self.seen_over_s - self.tolerance_s
        )
        return at_end and self.end_together

    def is_beyond(self, at_s: float, *, was_expected: bool) -> bool:
        """Whether the other call was over, or about to end, at that time."""
        over_s = self.seen_over_s if was_expected else self.expected_over_s
        return self.end_together and at_s >= over_s - self.tolerance_s


class Answer:
    """What a server said in one call, from a live call (as a tap) or a capture."""

    def __init__(self) -> None:
        self.happenings: list[Happening] = []
        self.over_s = 0.0
        """When the call was over."""
        self.missing_bytes = 0
        """Of a capture: bytes of the server that it lost."""
        self._rows: list[Row] = []
        self._builder = RowBuilder(Side.SERVER, self._rows.append, timed=True, most_s=float("inf"))
        self._audio: list[tuple[float, int, Samples]] = []
        self._captured = CapturedCall("answer", started_ns=0)
        self._first_end: Ended | None = None
        """By its time: an end after missing bytes comes late."""

    # As a tap of a call that we placed.

    def opened(self, call: Call) -> None:
        pass

    def frames(self, heard: Sequence[FrameRun], said: Sequence[FrameRun], now_s: float) -> None:
        for run in heard:
            self.take(Run(self._captured, Side.SERVER, *equal, 0) for equal in run.equal())

    def digit(self, at_s: float, digit: str) -> None:
        pass

    def closed(self, call: Call) -> None:
        assert call.ending is not None
        self.over_s = call.duration_s
        if call.ending.by is Side.SERVER:
            self._close(call.duration_s)
        self._builder.interrupt()

    # As a reader of captures.

    def take(self, found: Iterable[Run | Item]) -> None:
        """Take what the capture of one call holds."""
        for one in found:
            if isinstance(one, Run) and one.side is Side.SERVER:
                self._take_run(one)
            elif isinstance(one, Ended):
                if self._first_end is None or one.at_s < self._first_end.at_s:
                    self._first_end = one
            elif isinstance(one, Over):
                self._note_first_end()
                self._builder.interrupt()
            elif isinstance(one, Lost) and one.side is Side.SERVER and one.reason == MISSING:
                self.missing_bytes += one.lost_bytes

    def _note_first_end(self) -> None:
        end = self._first_end
        if end is not None:
            self.over_s = self.over_s or end.at_s
            if end.side is Side.SERVER:
                self._close(end.at_s)

    def _close(self, at_s: float) -> None:
        if not any(happening.what == "hangup" for happening in self.happenings):
            self.happenings.append(Happening(at_s, "closed"))

    def _take_run(self, run: Run) -> None:
        if not run.has_samples:
            for at_s, payload in zip(run.at_s.tolist(), run.payloads, strict=True):
                self.happenings.append(Happening(at_s, _named(Frame(run.kind, payload.tobytes()))))
                if run.kind == Kind.HANGUP:
                    self.over_s = self.over_s or at_s
            return
        self._builder.take(run)
        rate_hz = rate_of(run.kind)
        self._audio += [(at_s, rate_hz, row) for at_s, row in zip(run.at_s.tolist(), run.samples, strict=True)]

    @property
    def stretches(self) -> list[Stretch]:
        """All that was spoken, in order."""
        found = []
        times = [at_s for at_s, _, _ in self._audio]
        for row in sorted(self._rows):
            if row.what != "speech" or row.audio_s < _MIN_SPEECH_S:
                continue
            first = int(np.searchsorted(times, row.at_s - 1e-9))
            parts = self._audio[first : first + row.frames]
            rate_hz = parts[0][1]
            samples = np.concatenate([samples for _, _, samples in parts])
            loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 0)
            end = int(loud[-1]) + 1 if len(loud) else len(samples)
            found.append(Stretch(row.at_s, row.at_s + end / rate_hz, samples[:end], rate_hz))
        return found


def answer_in(capture: Capture, call: str | None = None) -> Answer:
    """Return what the server said in the first call of a capture, or in the one whose name begins with `call`."""
    answer, chosen = Answer(), None
    for found in capture.runs():
        of = getattr(found, "call", None)
        if chosen is None and of is not None and (call is None or of.name.startswith(call.lower())):
            chosen = of
        if of is not None and of is chosen:
            answer.take([found])
    return answer


def read_answer(capture: Capture, call: str | None = None) -> Answer:
    """Do the same. Raises `NothingError` if the server says nothing in the call."""
    answer = answer_in(capture, call)
    if not (answer.stretches or answer.happenings):
        lacks = [*missing_of(Side.SERVER, answer.missing_bytes), *left_out_of(capture)]
        reason = "; ".join(lacks) or "the server says nothing in it"
        raise NothingError(f"cannot compare with {capture.name}: {reason}")
    return answer


def differences(
    expected: Answer,
    seen: Answer,
    *,
    tolerance_s: float = TOLERANCE_S,
    least_correlation: float = MIN_CORRELATION,
    aspects: Collection[str] = ASPECTS,
) -> list[Difference]:
    """Return how an answer differs from the expected one, in the order of time; an empty list if it does not. Only
    `aspects` are compared."""
    limits = Limits(tolerance_s, least_correlation, expected.over_s, seen.over_s)
    found = _in_speech(expected.stretches, seen.stretches, limits)
    found += _in_happenings(expected.happenings, seen.happenings, limits)
    found = [one for one in found if one.aspect in aspects]
    return sorted(found, key=lambda one: one.expected_s if one.expected_s is not None else one.seen_s or 0.0)


def _in_speech(expected: Sequence[Stretch], seen: Sequence[Stretch], limits: Limits) -> list[Difference]:
    shape = (len(expected), len(seen))
    alike = np.array([[_likeness(old, new, limits) for new in seen] for old in expected]).reshape(shape)
    apart_s = np.array([[abs(new.start_s - old.start_s) for new in seen] for old in expected]).reshape(shape)
    found: list[Difference] = []
    for old_at, new_at in _matched(alike, np.minimum(apart_s, _FAR_S) * _COST_PER_S):
        old = expected[old_at] if old_at is not None else None
        new = seen[new_at] if new_at is not None else None
        if old is None or new is None:
            there = old or new
            assert there is not None
            if limits.is_beyond(there.start_s, was_expected=old is not None):
                continue
            what = f"speech of {there.end_s - there.start_s:.2f} s"
            change = "is missing" if old else "is new"
            found.append(Difference(old and old.start_s, new and new.start_s, what, change, "speech"))
            continue
        found += _between(old, new, float(alike[old_at, new_at]), limits)
    return found


def _likeness(old: Stretch, new: Stretch, limits: Limits) -> float:
    """Return how alike two stretches sound; if the end of the call may have cut one, only what both have is
    compared."""
    if limits.is_cut(old, new) and old.rate_hz == new.rate_hz:
        size = min(len(old.samples), len(new.samples))
        old, new = (one._replace(samples=one.samples[:size]) for one in (old, new))
    return correlation(old, new)


def _between(old: Stretch, new: Stretch, likeness: float, limits: Limits) -> list[Difference]:
    found = []
    tolerance_s, least_correlation = limits.tolerance_s, limits.least_correlation
    late_s = new.start_s - old.start_s
    longer_s = (new.end_s - new.start_s) - (old.end_s - old.start_s)
    if abs(late_s) > tolerance_s:
        text = f"begins {abs(late_s) * 1000:.0f} ms {'later' if late_s > 0 else 'earlier'}"
        found.append(Difference(old.start_s, new.start_s, "speech", text, "times"))
    if abs(longer_s) > tolerance_s:
        text = f"is {abs(longer_s) * 1000:.0f} ms {'longer' if longer_s > 0 else 'shorter'}"
        found.append(Difference(old.start_s, new.start_s, "speech", text, "times"))
    if likeness < least_correlation:
        text = f"sounds different (correlation {likeness:.2f}, expected {least_correlation:.2f})"
        found.append(Difference(old.start_s, new.start_s, "speech", text, "sound"))
    return found


def _matched(alike: NDArray[np.float64], cost: NDArray[np.float64]) -> list[tuple[int | None, int | None]]:
    """Pair the stretches of two answers in order, by how alike they are; a stretch without a match is paired with None.

    `cost` is subtracted from the likeness: of two that sound alike, the nearer in time wins. Between two pairs that are
    alike, the stretches left over are paired one by one: they are other words at the same place.
    """
    rows, columns = alike.shape
    gain = np.where(alike >= _ALIKE, alike - cost, -1.0)
    best = np.zeros((rows + 1, columns + 1))
    for row in range(rows - 1, -1, -1):
        for column in range(columns - 1, -1, -1):
            together = best[row + 1, column + 1] + gain[row, column]
            best[row, column] = max(together, best[row + 1, column], best[row, column + 1])
    pairs: list[tuple[int | None, int | None]] = []
    olds: list[int] = []
    news: list[int] = []
    row = column = 0
    while row < rows or column < columns:
        if (
            row < rows
            and column < columns
            and gain[row, column] > 0
            and np.isclose(best[row, column], best[row + 1, column + 1] + gain[row, column])
        ):
            pairs += [*_left_over(olds, news), (row, column)]
            olds, news = [], []
            row, column = row + 1, column + 1
        elif column >= columns or (row < rows and best[row + 1, column] >= best[row, column + 1]):
            olds.append(row)
            row += 1
        else:
            news.append(column)
            column += 1
    return pairs + _left_over(olds, news)


def _left_over(olds: Sequence[int], news: Sequence[int]) -> list[tuple[int | None, int | None]]:
    both = min(len(olds), len(news))
    pairs: list[tuple[int | None, int | None]] = list(zip(olds[:both], news[:both], strict=True))
    return pairs + [(old, None) for old in olds[both:]] + [(None, new) for new in news[both:]]


def _in_happenings(expected: Sequence[Happening], seen: Sequence[Happening], limits: Limits) -> list[Difference]:
    found = []
    tolerance_s = limits.tolerance_s
    for at in range(max(len(expected), len(seen))):
        old = expected[at] if at < len(expected) else None
        new = seen[at] if at < len(seen) else None
        if old is None or new is None:
            there = old or new
            assert there is not None
            if not limits.is_beyond(there.at_s, was_expected=old is not None):
                missing = "is missing" if old else "is new"
                found.append(Difference(old and old.at_s, new and new.at_s, there.what, missing, "end"))
        elif old.what != new.what:
            found.append(Difference(old.at_s, new.at_s, old.what, f"is {new.what} now", "end"))
        elif abs(new.at_s - old.at_s) > tolerance_s:
            late_s = new.at_s - old.at_s
            text = f"comes {abs(late_s) * 1000:.0f} ms {'later' if late_s > 0 else 'earlier'}"
            found.append(Difference(old.at_s, new.at_s, old.what, text, "times"))
    return found


def correlation(old: Stretch, new: Stretch) -> float:
    """Return how alike two stretches sound, -1.0 to 1.0, at the shift that fits best."""
    if old.rate_hz != new.rate_hz:
        return 0.0
    first, second = (one.samples.astype(np.float64) for one in (old, new))
    norm = float(np.sqrt(np.dot(first, first) * np.dot(second, second)))
    if not norm:
        return 0.0
    size = 1 << (len(first) + len(second) - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(first, size) * np.conj(np.fft.rfft(second, size)), size)
    return float(product.max()) / norm


def _named(frame: Frame) -> str:
    if frame.kind == Kind.ERROR:
        return f"error ({describe_error(frame.payload)})"
    return kind_name(frame.kind)
