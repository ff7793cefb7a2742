"""What is measured in one call: a tap that looks at the frames of a batch as arrays, and counts into shared figures.

Times of what we said are the intended ones (when a frame was due), and beside them, as `..._actual`, those at which it
was sent. A frame is sent when its 20 ms have been spoken, so our speech ends with the deadline of its last loud frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.analysis.histogram import Values
from audiosocket_cli.analysis.steps import TIGHT, jitter_of
from audiosocket_cli.asterisk.facts import QUIET_GAP_MS, is_burst
from audiosocket_cli.bench.figures import Figures
from audiosocket_cli.bench.marks import MarkFinder
from audiosocket_cli.bench.speech import Talk
from audiosocket_cli.bench.turns import Turns
from audiosocket_cli.mixed_runs import MixedRun
from audiosocket_cli.model import Call, How, Side
from audiosocket_cli.runs import FrameRun

GAPS_MS: Final = (40, 60, 100)
MAX_ECHO_S: Final = 1.0
"""In seconds: a server that returns our sound sooner than this does not take turns: it is an echo. A bot that repeats
what it heard waits for the end of our speech."""

_KEPT_MARKS: Final = 1024
_LATELY: Final = 5
_MIN_PAUSE_S: Final = 0.02
_MIN_SILENT_S: Final = 1.0
"""A shorter call without any audio is not a finding."""


class Meter:
    """Watches one call, and counts into the figures of many."""

    def __init__(self, talk: Talk, figures: Figures) -> None:
        self.first_byte_s: float | None = None
        self.first_speech_s: float | None = None
        self.heard_frames = 0
        self.sent_frames = 0
        self.long_gaps = 0
        """Gaps over 60 ms."""
        self.call: Call | None = None
        self.failure: str | None = None
        """What made the call an error, in words; known when it has ended."""
        self._talk = talk
        self._figures = figures
        self._mark_every = talk.mark_every
        self._sent_marks_s = np.full(_KEPT_MARKS, np.nan)
        self._finder = MarkFinder()
        self._finder_kind: int | None = None
        self._last_s: float | None = None
        self._last_quiet = False
        self._lately_s = np.zeros(0)
        """The last steps from frame to frame."""
        self._ahead_s = 0.0
        """How far frames with tight steps run ahead of the clock."""
        self._turns = Turns(figures)
        self._batch_sent_s = np.zeros(0)

    # What a tap is told.

    def opened(self, call: Call) -> None:
        self.call = call

    def frames(self, heard: Sequence[FrameRun], said: Sequence[FrameRun], now_s: float) -> None:
        self._account_for_sent()
        loud_s = [self._hear(run) for run in heard if run.has_audio]
        self._follow_turns(np.concatenate(loud_s) if loud_s else np.zeros(0), now_s)

    def digit(self, at_s: float, digit: str) -> None:
        pass

    def closed(self, call: Call) -> None:
        counts, pacer = self._figures.counts, self._talk.pacer
        assert call.ending is not None
        now_s = pacer.origin_s + call.duration_s
        counts["frames_unsent"] += pacer.unsent(now_s) if call.ending.by is Side.CALLER else 0
        self._figures.call_s += call.duration_s
        if call.ending.how is How.FAULT:
            counts["fault"] += 1
        elif call.ending.how is How.RESET:
            counts["reset"] += 1
        elif call.ending.by is Side.SERVER:
            counts["ended_by_server"] += 1
        if call.ending.how in (How.FAULT, How.RESET):
            self.failure = call.ending.reason
        elif self.first_byte_s is None and call.duration_s >= _MIN_SILENT_S:
            counts["silent"] += 1
            self.failure = "the server sent no audio at all"
        if self.failure is not None:
            self._figures.reasons[self.failure] += 1

    # What we said.

    def _account_for_sent(self) -> None:
        pacer = self._talk.pacer
        sent_s = np.array(pacer.sent_s)
        self._batch_sent_s = sent_s - pacer.origin_s
        if not len(sent_s):
            return
        del pacer.sent_s[:]
        numbers = np.arange(self.sent_frames, self.sent_frames + len(sent_s))
        self.sent_frames += len(sent_s)
        self._figures.counts["frames_sent"] += len(sent_s)
        self._figures.times["lateness"].add((sent_s - pacer.intended_s(0) - numbers * pacer.period_s) * 1000)
        is_marked = numbers % self._mark_every == 0
        self._figures.counts["marks_sent"] += int(is_marked.sum())
        self._sent_marks_s[numbers[is_marked] // self._mark_every % _KEPT_MARKS] = sent_s[is_marked] - pacer.origin_s

    def _said_s(self, number: int) -> tuple[float, float]:
        """When a frame was due and, if that is still known of it, sent: seconds since the call's start."""
        pacer = self._talk.pacer
        due_s = pacer.intended_s(number) - pacer.origin_s
        mark, rest = divmod(number, self._mark_every)
        sent_s = float(self._sent_marks_s[mark % _KEPT_MARKS])
        known = rest == 0 and self.sent_frames - number < _KEPT_MARKS * self._mark_every
        return due_s, sent_s if known else due_s

    # What we heard.

    def _hear(self, run: FrameRun) -> Values:
        """Take audio; returns when its loud frames arrived."""
        if isinstance(run, MixedRun):
            at_s, duration_s = run.sound_at_s, run.sound_s
        else:
            at_s, duration_s = run.at_s, np.full(len(run), run.frame_s)
        if self.first_byte_s is None:
            self.first_byte_s = float(at_s[0])
            self._figures.times["first_byte"].add_one(self.first_byte_s * 1000)
        self.heard_frames += len(at_s)
        self._figures.counts["frames_heard"] += len(at_s)
        self._figures.heard_audio_s += float(duration_s.sum())
        self._judge_arrivals(at_s, duration_s, run.quiet)
        self._find_marks(run)
        loud_s: Values = run.loud_s if run.has_samples else np.zeros(0)
        if self.first_speech_s is None and len(loud_s):
            self.first_speech_s = float(loud_s[0])
            self._figures.times["first_speech"].add_one(self.first_speech_s * 1000)
        return loud_s

    def _judge_arrivals(self, at_s: Values, duration_s: Values, quiet: NDArray[np.bool_]) -> None:
        """Take when frames arrived, how long they are in seconds, and whether each is silence: shape (n,)."""
        is_first = self._last_s is None
        steps_s = np.diff(at_s, prepend=at_s[0] if self._last_s is None else self._last_s)
        after_quiet = np.concatenate(([self._last_quiet], quiet[:-1]))
        self._last_s, self._last_quiet = float(at_s[-1]), bool(quiet[-1])
        if is_first:
            steps_s, after_quiet, duration_s = steps_s[1:], after_quiet[1:], duration_s[1:]
        self._count_bursts(steps_s, duration_s)
        is_sparse = self._sparse(steps_s, duration_s, after_quiet)
        steps_s = steps_s[~is_sparse]
        self._figures.times["jitter"].add(jitter_of(steps_s, duration_s[~is_sparse]) * 1000)
        worst_s = float(steps_s.max(initial=0.0))
        for gap_ms in GAPS_MS:
            if worst_s * 1000 > gap_ms:
                self._figures.counts[f"gaps_{gap_ms}"] += int(np.count_nonzero(steps_s * 1000 > gap_ms))
        self.long_gaps += int(np.count_nonzero(steps_s > 0.06))

    def _sparse(self, steps_s: Values, duration_s: Values, after_quiet: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Say of each step whether it is one of silence that is sent in single frames, as those before it: nothing is
        missing then. In silence without a break, a pause is a fault of the server's."""
        pauses_s = steps_s - duration_s
        is_sparse = after_quiet & (pauses_s > _MIN_PAUSE_S) & (pauses_s <= QUIET_GAP_MS / 1000)
        lately_s = np.concatenate((self._lately_s, steps_s))
        for at in np.flatnonzero(is_sparse).tolist():
            before_s = lately_s[max(0, at + len(self._lately_s) - _LATELY) : at + len(self._lately_s)]
            is_sparse[at] = not len(before_s) or bool(np.median(before_s) > duration_s[at] + _MIN_PAUSE_S)
        self._lately_s = lately_s[-_LATELY:]
        return is_sparse

    def _count_bursts(self, steps_s: Values, duration_s: Values) -> None:
        """Count bursts, each as soon as it is one."""
        is_tight = steps_s < TIGHT * duration_s
        if not is_tight.any():
            self._ahead_s = 0.0
            return
        for tight, gained_s in zip(is_tight.tolist(), (duration_s - steps_s).tolist(), strict=True):
            before_s, self._ahead_s = self._ahead_s, self._ahead_s + gained_s if tight else 0.0
            if is_burst(self._ahead_s) and not is_burst(before_s):
                self._figures.counts["bursts"] += 1

    def _find_marks(self, run: FrameRun) -> None:
        if isinstance(run, MixedRun):
            for one in run.audio:
                self._find_marks_of(one.kind, one.payload, one.sizes, one.at_s)
        else:
            self._find_marks_of(run.kind, run.payloads.tobytes(), np.full(len(run), run.size, np.int64), run.at_s)

    def _find_marks_of(self, kind: int, payload: bytes, sizes: NDArray[np.int64], at_s: Values) -> None:
        if kind != self._finder_kind:
            self._finder, self._finder_kind = MarkFinder(), kind
        found = self._finder.find(payload, sizes, at_s)
        for number, heard_s in found:
            if number >= self.sent_frames:
                continue  # not ours: of another call, or of another time
            due_s, sent_s = self._said_s(number)
            self._turns.is_echo |= heard_s - due_s < MAX_ECHO_S
            self._figures.counts["marks_heard"] += 1
            self._figures.times["echo"].add_one((heard_s - due_s) * 1000)
            self._figures.times["echo_actual"].add_one((heard_s - sent_s) * 1000)

    def _follow_turns(self, loud_s: Values, now_s: float) -> None:
        begun = list(self._talk.turns)
        self._talk.turns.clear()
        for begins, number in begun:
            due_s = self._talk.pacer.intended_s(number) - self._talk.pacer.origin_s
            at = number - self.sent_frames + len(self._batch_sent_s)
            late_s = float(self._batch_sent_s[at]) - due_s if at < len(self._batch_sent_s) else 0.0
            before = int(np.searchsorted(loud_s, due_s))
            self._turns.hear(loud_s[:before])
            loud_s = loud_s[before:]
            if begins:
                self._turns.we_begin(due_s, late_s)
            else:
                self._turns.we_end(due_s, late_s)
        self._turns.hear(loud_s)
        self._turns.look(now_s)
