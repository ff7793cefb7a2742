"""Messages that wait to be sent to a bot: a bounded queue. A bot that does not read loses the oldest audio, and never
an event."""

from __future__ import annotations

from collections import deque
from typing import Final

from audiosocket_cli.websocket.messages import Message

MAX_AUDIO_S: Final = 5.0
"""Seconds of audio that wait for a bot which is slow to read. What the systems at both ends hold comes on top."""

MAX_EVENTS: Final = 1000
"""Events that wait. More is a bot that does not read at all."""

_AT_ONCE_BYTES: Final = 65536
"""The most that is taken at once, unless one message is longer."""


class Outbox:
    """What waits to be sent, in order."""

    def __init__(self, max_audio_s: float = MAX_AUDIO_S) -> None:
        """Keep so many seconds of audio."""
        self.max_audio_s = max_audio_s
        self.dropped_s = 0.0
        """Seconds of audio that were dropped, all in all."""
        self.audio_s = 0.0
        """Seconds of audio that wait."""
        self._messages: deque[Message] = deque()
        self._events = 0

    def __bool__(self) -> bool:
        return bool(self._messages)

    @property
    def is_overrun(self) -> bool:
        """Whether more events wait than may: the bot does not read."""
        return self._events > MAX_EVENTS

    def add_event(self, data: bytes) -> None:
        """Queue a text that must arrive."""
        self._messages.append(Message(data))
        self._events += 1

    def add_audio(self, message: Message) -> None:
        """Queue audio; what is too much is dropped from the front."""
        self._messages.append(message)
        self.audio_s += message.audio_s
        while self.audio_s > self.max_audio_s + 1e-6:
            self._drop_oldest()

    def take(self) -> list[Message]:
        """Take the next messages: some, but not too many at once."""
        taken, size = list[Message](), 0
        while self._messages and (not taken or size + len(self._messages[0].data) <= _AT_ONCE_BYTES):
            message = self._messages.popleft()
            size += len(message.data)
            taken.append(message)
            self._forget(message)
        return taken

    def drop(self) -> None:
        """Drop all: nobody will take it any more. The audio counts as dropped."""
        self.dropped_s += self.audio_s
        self.audio_s, self._events = 0.0, 0
        self._messages.clear()

    def _drop_oldest(self) -> None:
        at = next(number for number, message in enumerate(self._messages) if message.audio_s)
        self.dropped_s += self._messages[at].audio_s
        self._forget(self._messages[at])
        del self._messages[at]

    def _forget(self, message: Message) -> None:
        if message.audio_s:
            self.audio_s = max(0.0, self.audio_s - message.audio_s)
        else:
            self._events -= 1
