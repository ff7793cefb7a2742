"""A bot that speaks samples, with the events and the commands of a program of --exec as text.

Two minutes of its audio are queued; beyond that nothing more is read, so that a bot that floods has to wait. A flush
drops what has been received so far.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from audiosocket_cli.call.bots.bridge_dialect import Dialect
from audiosocket_cli.call.bots.speaker import Failed, Idle, Marked, Speaker, Told
from audiosocket_cli.codec import kind_name
from audiosocket_cli.finding import tagged
from audiosocket_cli.model import Call, Ending
from audiosocket_cli.websocket import raw
from audiosocket_cli.websocket.messages import Clear, Hangup, Mark, Media, Message, Refused
from audiosocket_cli.websocket.outbox import Outbox

MAX_QUEUED_S: Final = 120.0


class RawDialect(Dialect):
    """Samples, and JSON."""

    def __init__(self, call: Call, speaker: Speaker, outbox: Outbox) -> None:
        super().__init__(call, speaker, outbox)
        self._opened_s = time.monotonic()

    @property
    def is_full(self) -> bool:
        return self._speaker.queued_s >= MAX_QUEUED_S

    def begin(self, kind: int) -> None:
        call = self._call
        rate_hz = self._speaker.rate_hz
        self._outbox.add_event(raw.start(call.uuid, call.peer, rate_hz, kind_name(kind), call.variables))

    def heard(self, samples: bytes) -> None:
        self._send_audio(samples)

    def digit(self, at_s: float, digit: str) -> None:
        self._outbox.add_event(raw.digit(digit, at_s))

    def received(self, message: Message) -> Hangup | None:
        wish = raw.parse(message.data, is_text=message.is_text)
        match wish:
            case Media(samples):
                self._speaker.queue.add(samples)
            case Mark(name):
                self._add_mark(name)
            case Clear():
                dropped_s = self._speaker.flush()
                self.told(self._speaker.take_told())
                self._outbox.add_event(raw.flushed(dropped_s))
            case Refused(error):
                self._call.note(tagged("bot-command", f"the bot's command failed: {error}"))
                self._outbox.add_event(raw.error(error))
            case Hangup():
                return wish
        return None

    def told(self, told: Sequence[Told]) -> None:
        for each in told:
            match each:
                case Idle():
                    self._outbox.add_event(raw.idle())
                case Marked(name, dropped):
                    self._outbox.add_event(raw.mark(name, time.monotonic() - self._opened_s, dropped=dropped))
                case Failed(problem):
                    self._call.note(tagged("sound-file", problem))

    def left(self, *, is_lost: bool = False) -> None:
        self._speaker.end()

    def ended(self, ending: Ending) -> None:
        self._outbox.add_event(raw.hangup(ending.by, ending.how, ending.reason))
