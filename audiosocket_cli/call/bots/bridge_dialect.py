"""What is common to the protocols of bots that are reached by a WebSocket: what a bridge tells each, and asks of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Final

from audiosocket_cli.asterisk.facts import PTIME_MS
from audiosocket_cli.call.bots.speaker import Speaker, Told
from audiosocket_cli.codec import SAMPLE_BYTES
from audiosocket_cli.finding import tagged
from audiosocket_cli.model import Call, Ending
from audiosocket_cli.websocket.messages import Hangup, Message
from audiosocket_cli.websocket.outbox import Outbox

FRAME_S: Final = PTIME_MS / 1000

MAX_MARKS: Final = 1000
"""Marks that wait."""

MAX_MARK_CHARS: Final = 4096
"""Of the name of a mark, which is kept until it is answered."""


class Dialect(ABC):
    """One protocol, in one call: between its messages and what a bot says.

    It has the bot's speaker and the outbox of its connection, and nobody else's.
    """

    rate_hz: ClassVar[int | None] = None
    """The sample rate of both directions, where the protocol has but one."""
    subprotocol: ClassVar[str | None] = None
    """What the handshake asks for."""
    max_bytes: ClassVar[int] = 1 << 20
    """The longest message of a bot; a longer one ends the connection."""

    def __init__(self, call: Call, speaker: Speaker, outbox: Outbox) -> None:
        self.dropped_s = 0.0
        """Seconds of the bot's audio that nobody will hear, as there was too much of it or it cannot be played."""
        self._call = call
        self._speaker = speaker
        self._outbox = outbox

    @property
    def is_full(self) -> bool:
        """Whether nothing more is to be read from the bot for now."""
        return False

    # What it is told.

    @abstractmethod
    def begin(self, kind: int) -> None:
        """Say what a bot has to know first. The call's audio is of this kind."""

    @abstractmethod
    def heard(self, samples: bytes) -> None:
        """Pass on 20 ms of the caller's audio."""

    @abstractmethod
    def digit(self, at_s: float, digit: str) -> None:
        """Pass on a key press."""

    @abstractmethod
    def received(self, message: Message) -> Hangup | None:
        """Do what a message asks for; return it if it is the end of the call."""

    @abstractmethod
    def told(self, told: Sequence[Told]) -> None:
        """Tell the bot what has become of its speech."""

    @abstractmethod
    def left(self, *, is_lost: bool = False) -> None:
        """The bot has closed, or hung up, or, where it `is_lost`, has failed: decide what is still said of what it
        said, and that it is the last."""

    @abstractmethod
    def ended(self, ending: Ending) -> None:
        """Say how the call ended, as the last message."""

    # What it says.

    def next_bytes(self, heard_kind: int) -> bytes | None:
        """Return the next 20 ms as a frame's bytes; None ends the call."""
        return self._speaker.next_bytes(heard_kind)

    # For all of them.

    def _send_audio(self, data: bytes, *, is_text: bool = False) -> None:
        self._outbox.add_audio(Message(data, is_text, FRAME_S))

    def _add_mark(self, name: str) -> None:
        if len(name) > MAX_MARK_CHARS:
            text = f"a mark of the bot is ignored: its name has more than {MAX_MARK_CHARS} characters"
            self._call.note(tagged("bot-message-ignored", text))
        elif self._speaker.queue.marks < MAX_MARKS:
            self._speaker.queue.add_mark(name)
        else:
            text = f"marks of the bot are ignored: {MAX_MARKS} are already waiting"
            self._call.note(tagged("bot-message-ignored", text))

    def _drop(self, size: int) -> None:
        """Count bytes of samples that are not played."""
        self.dropped_s += size / SAMPLE_BYTES / self._speaker.rate_hz

    def _ignore(self, why: str) -> None:
        self._call.note(tagged("bot-message-ignored", f"the bot's message is ignored: {why}"))
