"""The sending side of a call: one frame of the source's whenever the pacer says so, and answers at once.

Each frame goes out with one `send`. While the peer does not read, deadlines pass and nothing is lost: a prompt goes on
where it was. An answer that finds the peer not reading is lost and counted.
"""

from __future__ import annotations

from typing import Final

from audiosocket_cli.asterisk.facts import GAP_MS
from audiosocket_cli.call.pacer import EARLY_S
from audiosocket_cli.call.roles import Role
from audiosocket_cli.call.sources.basic import Source, encoded, meant
from audiosocket_cli.call.tap_queue import CHUNK_COST_BYTES, TapQueue
from audiosocket_cli.call.wire import Wire
from audiosocket_cli.codec import RATE_BY_KIND, Frame, Kind, decode_digit
from audiosocket_cli.model import Call, Digit, Ending

_MAX_SAID: Final = 64
"""The most frames that are sent before the peer is heard again, however many are due."""

_PAUSE_S: Final = GAP_MS / 1000
"""Seconds after its last answer at which a source that answers sends silence. Later would cost less, as nearly all
wakes for it find nothing due; but Asterisk's own recordings follow frames, and lack what is not sent."""


class Sender:
    """What one call says, and when."""

    __slots__ = (
        "_call",
        "_last_data",
        "_last_frame",
        "_last_meant",
        "_origin_s",
        "_queue",
        "_role",
        "_wire",
        "pacer",
        "source",
    )

    def __init__(self, wire: Wire, source: Source, role: Role, queue: TapQueue) -> None:
        """Send what a source says; the queue gets it for the taps."""
        self.source = source
        self.pacer = source.make_pacer()
        self._wire = wire
        self._role = role
        self._queue = queue
        self._call: Call | None = None
        self._origin_s = 0.0
        self._last_frame: Frame | None = None
        self._last_data = self._last_meant = b""

    def begin(self, call: Call, now_s: float) -> None:
        """The call has its UUID: the first frame is due now, and times count from here."""
        self._call = call
        self._origin_s = now_s
        self.pacer.restart(now_s)

    def say(self, now_s: float, source: Source, heard_kind: int | None) -> Ending | None:
        """Send the frames of `source` that are due; return the ending if its end ends the call."""
        pacer, wire = self.pacer, self._wire
        due_s = now_s + EARLY_S
        for _ in range(_MAX_SAID):
            if pacer.deadline_s > due_s:
                break
            if wire.blocked:
                pacer.take(now_s)
                ending = self._role.judge_blocked(is_patient=source.is_patient)
                if ending is not None:
                    return ending
                pacer.held += 1
                continue
            if source.says_bytes:
                data = source.next_bytes(heard_kind)
                if not data:
                    if data is None:
                        return self._role.our_ending(source.ending)
                    pacer.postpone(now_s)
                    break
                at_s = pacer.take(now_s)
                if wire.send(data):
                    self._queue.said.add(at_s - self._origin_s, data)
                else:
                    pacer.held += 1
                continue
            frame = source.next_frame(heard_kind)
            if frame is None:
                return self._role.our_ending(source.ending)
            at_s = pacer.take(now_s) if frame.kind in RATE_BY_KIND else now_s
            if frame is not self._last_frame:  # silence is one shared frame object
                self._last_frame, self._last_data = frame, encoded(frame)
                self._last_meant = meant(frame, self._last_data)
            if wire.send(self._last_data):
                self._queue.said.add(at_s - self._origin_s, self._last_meant)
                if frame.kind == Kind.DTMF:
                    self._note_digit(at_s, frame)
            else:
                pacer.held += 1
        return None

    def answer(self, data: bytes, now_s: float, *, is_echoed: bool = True) -> None:
        """Give the source a frame of audio, and send its answer, unless the audio is too old to be echoed
        (`is_echoed`)."""
        at_s = now_s - self._origin_s
        answer = self.source.answer(data, at_s)
        if answer is None or not is_echoed:
            return
        if self._wire.send(answer):
            self._queue.said.add(at_s, answer)
            self._queue.memory_bytes += CHUNK_COST_BYTES  # unlike paced frames, answers are not bounded in number
        else:
            self.pacer.held += 1
        self.note_answered(now_s)

    def send_ahead(self, data: bytes, now_s: float) -> bool:
        """Send a frame that the source has just made, without waiting for its next deadline."""
        if not self._wire.send(data):
            self.pacer.held += 1
            return False
        self._queue.said.add(now_s - self._origin_s, data)
        return True

    def note_answered(self, now_s: float) -> None:
        """The source has answered: silence is due once it has paused."""
        self.pacer.restart(now_s + _PAUSE_S)

    def answer_each(self, data: bytes, count: int, now_s: float) -> None:
        """Do the same with `count` frames of equal length."""
        size = len(data) if self.source.hears_together else len(data) // count
        for start in range(0, len(data), size):
            self.answer(data[start : start + size], now_s)

    def _note_digit(self, at_s: float, frame: Frame) -> None:
        assert self._call is not None
        self._call.digits.append(Digit(at_s - self._origin_s, decode_digit(frame.payload)))
