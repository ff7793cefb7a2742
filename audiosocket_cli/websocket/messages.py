"""What all protocols of this room have: a message on the wire, and what a bot may ask for in one."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from audiosocket_cli.text import printable

_MAX_SHOWN: Final = 40
"""How many characters of what a bot sent are shown to people."""


class Message(NamedTuple):
    """One message of a WebSocket, whole."""

    data: bytes
    is_text: bool = True
    audio_s: float = 0.0
    """Seconds of audio in a message that we send. Only such messages may be dropped."""


class Media(NamedTuple):
    """Audio to play to the caller, as int16 little-endian bytes at the stream's rate."""

    samples: bytes


class Mark(NamedTuple):
    """A mark after all audio so far: the bot wants to know when it is reached."""

    name: str


class Clear(NamedTuple):
    """What has not been played yet is to be dropped."""


class Hangup(NamedTuple):
    """The call is to be ended."""

    result: object = None
    """What came of the call, as the bot says, in whatever JSON; None where it says nothing."""


class Ignored(NamedTuple):
    """Nothing that the protocol has; the call goes on."""

    why: str


class Refused(NamedTuple):
    """A command that cannot be carried out, and that the protocol answers with an error."""

    error: str


def shown(value: object) -> str:
    """Return something that a bot sent as a short text that is safe to print."""
    text = printable(value if isinstance(value, str) else type(value).__name__)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def json_of(data: bytes) -> Any:
    """Return the value of a JSON text. Raises ValueError for anything else, nesting without end included."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deep") from None


def text_of(value: object) -> bytes:
    """Return a value as compact JSON in UTF-8; what is not a character is escaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
