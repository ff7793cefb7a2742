"""A bot that speaks Twilio's Media Streams: what Twilio does with its messages.

Its audio is queued, up to ten minutes. A mark is answered once what was sent before it has been heard, or when `clear`
drops it. It hangs up by closing, or over HTTP: then what waits is played first, but for the digital silence at its end,
with which some frameworks make sure that their last word is heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from audiosocket_cli.call.bots.bridge_dialect import Dialect
from audiosocket_cli.call.bots.speaker import Failed, Idle, Marked, Speaker, Told
from audiosocket_cli.finding import tagged
from audiosocket_cli.model import Call, Ending
from audiosocket_cli.websocket.messages import Clear, Hangup, Ignored, Mark, Media, Message
from audiosocket_cli.websocket.outbox import Outbox
from audiosocket_cli.websocket.twilio import RATE_HZ, Stream, parse

MAX_QUEUED_S: Final = 600.0
"""Twilio's own limit, ten minutes."""


class TwilioDialect(Dialect):
    """Media Streams."""

    rate_hz = RATE_HZ

    def __init__(self, call: Call, speaker: Speaker, outbox: Outbox) -> None:
        super().__init__(call, speaker, outbox)
        self._stream = Stream(call.uuid)

    def begin(self, kind: int) -> None:
        self._outbox.add_event(self._stream.connected())
        self._outbox.add_event(self._stream.start(self._call.variables))

    def heard(self, samples: bytes) -> None:
        self._send_audio(self._stream.media(samples), is_text=True)

    def digit(self, at_s: float, digit: str) -> None:
        self._outbox.add_event(self._stream.dtmf(digit))

    def received(self, message: Message) -> Hangup | None:
        wish = parse(message.data, is_text=message.is_text)
        match wish:
            case Media(samples):
                if self._speaker.queued_s < MAX_QUEUED_S:
                    self._speaker.queue.add(samples)
                else:
                    self._drop(len(samples))
                    text = f"the bot is more than {MAX_QUEUED_S / 60:g} minutes ahead: its audio is dropped"
                    self._call.note(tagged("bot-audio-dropped", text))
            case Mark(name):
                self._add_mark(name)
            case Clear():
                self._speaker.flush()
                self.told(self._speaker.take_told())
            case Ignored(why):
                self._ignore(why)
        return None

    def told(self, told: Sequence[Told]) -> None:
        for each in told:
            match each:
                case Marked(name):
                    self._outbox.add_event(self._stream.mark(name))
                case Failed(problem):
                    self._call.note(tagged("sound-file", problem))
                case Idle():
                    pass

    def left(self, *, is_lost: bool = False) -> None:
        self._speaker.end_with_sound()

    def ended(self, ending: Ending) -> None:
        self._outbox.add_event(self._stream.stop())
