"""How fast the other side answers what we say: from the end of our last speech to the beginning of theirs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from audiosocket_cli.audio.pcm import SPEECH_DBFS, from_slin, level_dbfs
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.sources.basic import Source
from audiosocket_cli.call.taps.speech import Ear, Stretch
from audiosocket_cli.codec import Frame


class Speaker(Protocol):
    """A source that knows when it has said all."""

    @property
    def finished(self) -> bool:
        """Whether all has been handed out."""


class ReplySource(Source):
    """Says what another source says, and listens for the answer. Times are in seconds since the call's start.

    An answer is speech that begins after our last speech has ended; speech that is already going on is not an answer.
    """

    listens = True

    def __init__(self, under: Source, speaker: Speaker, *, within_s: float | None = None, wait_s: float = 0.0) -> None:
        """Listen for an answer to what `under` says; `speaker` is the same source, or knows when it has said all.

        With `within_s` the call ends `wait_s` after all was said, but not before the answer has begun, or has not come
        in time; `under` has to go on with silence then. Without, `under` ends the call.
        """
        self.reply: Stretch | None = None
        """What the other side said then."""
        self.spoke_already = False
        """Whether it was speaking when our last speech ended."""
        self.within_s = within_s
        self.ended_call = False
        """Whether it ended the call, as there was nothing more to say or to wait for."""
        self._under = under
        self._speaker = speaker
        self._wait_s = wait_s
        self._ear = Ear()
        self._pacer = Pacer(0.0)
        self._begun_s: float | None = None
        self._said_s: float | None = None
        """When our last loud frame went out; until there is one, our last."""
        self._has_spoken = False
        self._finished_s = math.inf
        self._now_s = 0.0

    @property
    def finished(self) -> bool:
        """Whether all has been said."""
        return self._speaker.finished

    def make_pacer(self) -> Pacer:
        self._pacer = self._under.make_pacer()
        return self._pacer

    @property
    def speaks(self) -> bool:  # type: ignore[override]
        """As the other source."""
        return self._under.speaks

    @property
    def ending(self) -> str:  # type: ignore[override]
        """Why the call ends: as the other source."""
        return self._under.ending

    @property
    def answered_after_s(self) -> float | None:
        """How long after the end of our last speech the other side began to speak; None: it did not."""
        return None if self.reply is None or self._said_s is None else max(0.0, self.reply.start_s - self._said_s)

    @property
    def waited_s(self) -> float:
        """Seconds that the other side has had so far to answer."""
        return 0.0 if self._said_s is None else self._now_s - self._said_s

    @property
    def failure(self) -> str | None:
        """Say that no answer came in time, where one was expected."""
        after_s = self.answered_after_s
        if self.within_s is None or (after_s is not None and after_s <= self.within_s):
            return None
        came = "there was none" if after_s is None else f"it came after {after_s:.2f} s"
        if self.spoke_already:
            came = f"it was already speaking, which is not an answer, and after that {came}"
        return f"expected speech within {self.within_s:g} s of the end of ours: {came}"

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        if self._begun_s is None:
            self._begun_s = self._pacer.deadline_s
        self._now_s = self._pacer.deadline_s - self._begun_s
        is_over = self.within_s is not None and self._is_over(self.within_s)
        frame = None if is_over else self._under.next_frame(heard_kind)
        self.ended_call = frame is None
        if frame is not None and not self._is_done:
            self._note_said(frame)
        if self._speaker.finished and math.isinf(self._finished_s):
            self._finished_s = self._now_s
        return frame

    def close(self) -> Sequence[str]:
        return self._under.close()

    def answer(self, data: bytes, at_s: float = 0.0) -> bytes | None:
        self._ear.hear(data, at_s)
        if self.reply is None and self._said_s is not None:
            self.reply = self._ear.speech_since(self._said_s)
        return self._under.answer(data, at_s)

    @property
    def _is_done(self) -> bool:
        return not math.isinf(self._finished_s)

    def _note_said(self, frame: Frame) -> None:
        """Take a frame that goes out now."""
        is_loud = level_dbfs(from_slin(frame.payload)) > SPEECH_DBFS
        self._has_spoken |= is_loud
        if is_loud or not self._has_spoken:
            self._said_s, self.reply = self._now_s, None
            self.spoke_already = self._ear.is_speaking(self._now_s)

    def _is_over(self, within_s: float) -> bool:
        has_waited = self._now_s >= self._finished_s + self._wait_s
        return has_waited and (self.reply is not None or self.waited_s > within_s)
