"""A bot that speaks to Asterisk's chan_websocket: the driver's queue, as it is in 22.10 (channels/chan_websocket.c).

The driver drops audio that does not fill a frame, or for which the queue has no room, without a word (`process_binary_
message`). So do we, but we count it, and a note of the call says so. FLUSH_MEDIA differs from Twilio's `clear`: pending
marks are never answered. HANGUP and a close both drop the queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from audiosocket_cli.call.bots.bridge_dialect import Dialect
from audiosocket_cli.call.bots.speaker import Failed, Idle, Marked, Speaker, Told
from audiosocket_cli.call.sources.basic import encoded, silence_frame
from audiosocket_cli.codec import KIND_BY_RATE, kind_name
from audiosocket_cli.finding import tagged
from audiosocket_cli.model import Call, Ending
from audiosocket_cli.websocket.chan_websocket import (
    MAX_MESSAGE_BYTES,
    MAX_QUEUE,
    SUBPROTOCOL,
    XOFF_LEVEL,
    XON_LEVEL,
    Answer,
    Continue,
    Events,
    GetStatus,
    Pause,
    ReportDrained,
    SetDirection,
    StartBuffering,
    Status,
    StopBuffering,
    Wish,
    parse,
)
from audiosocket_cli.websocket.messages import Clear, Hangup, Ignored, Mark, Media, Message, Refused
from audiosocket_cli.websocket.outbox import Outbox

_MARK: Final = "mark "
_BUFFERED: Final = "buffered "
"""What a place in the speech stands for, before its name."""


class ChanWebSocketDialect(Dialect):
    """The driver, with events and commands in JSON."""

    subprotocol = SUBPROTOCOL
    max_bytes = MAX_MESSAGE_BYTES
    plain_text = False

    def __init__(self, call: Call, speaker: Speaker, outbox: Outbox) -> None:
        super().__init__(call, speaker, outbox)
        self._events = Events(str(call.uuid), plain_text=self.plain_text)
        self._leftover: bytes | None = None
        """While audio is buffered: what is left over of it, less than a frame."""
        self._is_told_to_stop = False
        self._is_paused = False
        self._reports_drained = False
        self._direction = "both"

    def begin(self, kind: int) -> None:
        speaker = self._speaker
        name = kind_name(KIND_BY_RATE[speaker.rate_hz])
        self._outbox.add_event(self._events.media_start(name, speaker.frame_bytes, self._call.variables))

    def heard(self, samples: bytes) -> None:
        if self._direction != "out":
            self._send_audio(samples)

    def digit(self, at_s: float, digit: str) -> None:
        self._outbox.add_event(self._events.dtmf_end(digit))

    def received(self, message: Message) -> Hangup | None:
        wish = parse(message.data, is_text=message.is_text, plain_text=self.plain_text)
        if isinstance(wish, Media):
            self._take(wish.samples)
        elif isinstance(wish, Hangup):
            return wish
        else:
            self._obey(wish)
        return None

    def _obey(self, wish: Wish) -> None:
        match wish:
            case Mark(name):
                self._add_mark(_MARK + name)
            case StartBuffering():
                if self._leftover is None:
                    self._leftover = b""
            case StopBuffering(name):
                self._stop_buffering(name)
            case Clear():
                self._leftover = None
                self._speaker.flush()
                self._speaker.take_told()  # marks are not answered
            case Pause():
                self._is_paused = True
            case Continue():
                self._is_paused = False
            case GetStatus():
                self._outbox.add_event(self._events.status(self._status()))
            case ReportDrained():
                self._reports_drained = True
            case SetDirection(direction):
                self._direction = direction
            case Refused(error):
                self._call.note(tagged("bot-command", f"the bot's command failed: {error.strip()}"))
                self._outbox.add_event(self._events.error(error))
            case Ignored(why):
                self._ignore(why)
            case Answer():
                pass

    def _take(self, data: bytes) -> None:
        """Queue the whole frames of a message."""
        speaker = self._speaker
        if self._queued_frames() >= MAX_QUEUE:
            self._drop(len(data))
            text = (
                f"the bot's audio is dropped, as by Asterisk: {MAX_QUEUE} frames are queued; it has to heed MEDIA_XOFF"
            )
            self._call.note(tagged("bot-audio-dropped", text))
            return
        if self._direction == "in":
            self._drop(len(data))
            text = "the bot's audio is dropped: it set the direction of the media to in"
            self._call.note(tagged("bot-audio-dropped", text))
            return
        size = speaker.frame_bytes
        if self._leftover:
            data = self._leftover + data
        whole = len(data) // size * size
        if self._leftover is not None:
            self._leftover = data[whole:]
        elif whole < len(data):
            self._drop(len(data) - whole)
            text = (
                f"audio of the bot that does not fill a frame of {size} bytes is dropped, as by Asterisk: "
                "START_MEDIA_BUFFERING keeps it"
            )
            self._call.note(tagged("bot-audio-dropped", text))
        if whole:
            speaker.queue.add(data[:whole])
        self._look_at_level()

    def _stop_buffering(self, name: str) -> None:
        if self._leftover:
            self._speaker.queue.add(self._leftover.ljust(self._speaker.frame_bytes, b"\0"))
            self._look_at_level()
        self._leftover = None
        self._add_mark(_BUFFERED + name)

    def _look_at_level(self) -> None:
        if not self._is_told_to_stop and self._queued_frames() >= XOFF_LEVEL:
            self._is_told_to_stop = True
            self._outbox.add_event(self._events.xoff())

    def _queued_frames(self) -> int:
        return len(self._speaker.queue) // self._speaker.frame_bytes

    def _status(self) -> Status:
        return Status(self._queued_frames(), self._is_told_to_stop, self._leftover is not None, self._is_paused)

    def next_bytes(self, heard_kind: int) -> bytes | None:
        """Do the same as the driver when its timer fires (`dequeue_frame`)."""
        speaker = self._speaker
        if self._is_paused and not speaker.is_ending:
            return encoded(silence_frame(heard_kind))
        if self._is_told_to_stop and self._queued_frames() < XON_LEVEL:
            self._is_told_to_stop = False
            self._outbox.add_event(self._events.xon())
        if self._reports_drained and not speaker.queue:
            self._reports_drained = False
            self._outbox.add_event(self._events.queue_drained())
        return speaker.next_bytes(heard_kind)

    def told(self, told: Sequence[Told]) -> None:
        for each in told:
            match each:
                case Marked(name, dropped):
                    if not dropped:
                        self._answer(name)
                case Failed(problem):
                    self._call.note(tagged("sound-file", problem))
                case Idle():
                    pass

    def _answer(self, name: str) -> None:
        is_mark = name.startswith(_MARK)
        answer = self._events.mark_processed if is_mark else self._events.buffering_completed
        self._outbox.add_event(answer(name.removeprefix(_MARK if is_mark else _BUFFERED)))

    def left(self, *, is_lost: bool = False) -> None:
        dropped_s = self._speaker.flush()
        self._speaker.take_told()
        if dropped_s:
            self.dropped_s += dropped_s
            if not is_lost:
                text = (
                    "audio of the bot was not played when it hung up, as with Asterisk: it has to wait for a mark first"
                )
                self._call.note(tagged("bot-audio-dropped", text))
        self._speaker.end()

    def ended(self, ending: Ending) -> None:
        """Say nothing: the driver closes."""


class PlainTextDialect(ChanWebSocketDialect):
    """The same, with events and commands in plain text."""

    plain_text = True
