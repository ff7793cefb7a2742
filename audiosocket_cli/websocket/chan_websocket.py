"""Asterisk's channel driver chan_websocket, as it speaks: its events, and the commands of a bot (channels/
chan_websocket.c; the rules of its queue are with the bot that stands in for it).

Audio is binary. Events and commands are text: JSON, or the plain text that older bots know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from audiosocket_cli.asterisk.facts import PTIME_MS
from audiosocket_cli.websocket.messages import Clear, Hangup, Ignored, Mark, Media, Refused, json_of, shown, text_of

SUBPROTOCOL: Final = "media"
CONNECTION_ID: Final = "audiosocket"
"""With Asterisk, the name of a section of its configuration, the same for all calls."""

MAX_COMMAND_BYTES: Final = 128
"""`MAX_TEXT_MESSAGE_LEN`: a longer text is a line in Asterisk's log, and nothing else."""

MAX_QUEUE: Final = 1000
XOFF_LEVEL: Final = 900
XON_LEVEL: Final = 800
"""Frames in the queue: when it is full, and when the bot is told to stop, and to go on."""

MAX_MESSAGE_BYTES: Final = 65_531
"""A longer message ends the call, with code 1009."""

DIRECTIONS: Final = ("both", "in", "out")
"""Where audio goes: both ways, from the caller to the bot only, from the bot to the caller only."""


_NO_DIRECTION: Final = " is not a valid direction for SET_MEDIA_DIRECTION.\n"
_DIRECTION_MISSING: Final = "SET_MEDIA_DIRECTION requires a 'direction' parameter.\n"


class Answer(NamedTuple):
    """The call is to be answered, as it is already."""


class StartBuffering(NamedTuple):
    """Audio comes in messages of any length from now on."""


class StopBuffering(NamedTuple):
    """Buffering ends: less than a frame may be left over. The bot wants to know when all of it has been played."""

    name: str


class Pause(NamedTuple):
    """Silence is to be played, and the queue kept, until `Continue`."""


class Continue(NamedTuple):
    """The queue is to be played on."""


class GetStatus(NamedTuple):
    """The bot wants to know the state of the queue."""


class ReportDrained(NamedTuple):
    """The bot wants to know, once, when the queue is empty."""


class SetDirection(NamedTuple):
    """Where audio is to go."""

    direction: str


Wish = (
    Media | Mark | Clear | Hangup | Ignored | Refused | Answer | StartBuffering | StopBuffering | Pause | Continue
    | GetStatus | ReportDrained | SetDirection
)  # fmt: skip


class Status(NamedTuple):
    """The state of the queue."""

    queue_length: int
    queue_full: bool
    bulk_media: bool
    media_paused: bool


class Events:
    """The driver's events for one call, as JSON or as plain text."""

    def __init__(self, channel_id: str, *, plain_text: bool = False) -> None:
        """`channel_id` is what tells calls apart."""
        self._channel_id = channel_id
        self._plain_text = plain_text

    def media_start(self, kind: str, frame_bytes: int, variables: Mapping[str, str]) -> bytes:
        """Return the first event. `kind` names the audio's kind, as slin16; 20 ms of it are `frame_bytes` bytes."""
        facts = {
            "connection_id": CONNECTION_ID,
            "channel": f"WebSocket/{CONNECTION_ID}/{self._channel_id}",
            "channel_id": self._channel_id,
            "format": kind,
            "optimal_frame_size": frame_bytes,
            "ptime": PTIME_MS,
        }
        if not self._plain_text:
            facts["channel_variables"] = dict(variables)
        return self._event("MEDIA_START", facts)

    def dtmf_end(self, digit: str) -> bytes:
        """Return a key press."""
        if self._plain_text:
            return self._event("DTMF_END", {"digit": digit, "channel_id": self._channel_id})
        return self._event("DTMF_END", {"channel_id": self._channel_id, "digit": digit})

    def xoff(self) -> bytes:
        """Return the event that tells the bot to stop."""
        return self._bare("MEDIA_XOFF")

    def xon(self) -> bytes:
        """Return the event that tells it to go on."""
        return self._bare("MEDIA_XON")

    def queue_drained(self) -> bytes:
        """Return the event that the queue is empty."""
        return self._bare("QUEUE_DRAINED")

    def buffering_completed(self, name: str) -> bytes:
        """Return the answer to STOP_MEDIA_BUFFERING."""
        return self._correlated("MEDIA_BUFFERING_COMPLETED", name)

    def mark_processed(self, name: str) -> bytes:
        """Return the answer to MARK_MEDIA."""
        return self._correlated("MEDIA_MARK_PROCESSED", name)

    def status(self, status: Status) -> bytes:
        """Return the answer to GET_STATUS."""
        facts = {
            "channel_id": self._channel_id,
            "queue_length": status.queue_length,
            "xon_level": XON_LEVEL,
            "xoff_level": XOFF_LEVEL,
            "queue_full": status.queue_full,
            "bulk_media": status.bulk_media,
            "media_paused": status.media_paused,
        }
        return self._event("STATUS", facts)

    def error(self, text: str) -> bytes:
        """Return the answer to a command that cannot be carried out."""
        return self._event("ERROR", {"channel_id": self._channel_id, "error_text": text})

    def _bare(self, event: str) -> bytes:
        return self._event(event, {} if self._plain_text else {"channel_id": self._channel_id})

    def _correlated(self, event: str, name: str) -> bytes:
        if self._plain_text:
            return f"{event} {name}".rstrip(" ").encode("utf-8", "backslashreplace")
        return self._event(event, {"channel_id": self._channel_id, "correlation_id": name})

    def _event(self, event: str, facts: Mapping[str, Any]) -> bytes:
        if not self._plain_text:
            return text_of({"event": event, **facts})
        words = [event, *(f"{name}:{_plain(value)}" for name, value in facts.items())]
        return " ".join(words).encode("utf-8", "backslashreplace")


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse(data: bytes, *, is_text: bool = True, plain_text: bool = False) -> Wish:
    """Return what a bot wants, by a text in JSON or in plain text; any bytes will do."""
    if not is_text:
        return Media(bytes(data))
    if not data:
        return Ignored("an empty text")
    if len(data) > MAX_COMMAND_BYTES:
        return Ignored(f"a command of more than {MAX_COMMAND_BYTES} bytes")
    if plain_text:
        return _parse_plain(data)
    try:
        value = json_of(data)
    except ValueError:
        value = None
    if not isinstance(value, dict | list):
        return Refused("Unable to parse JSON command")
    facts = value if isinstance(value, dict) else {}
    command, name = facts.get("command"), facts.get("correlation_id")
    if command == "SET_MEDIA_DIRECTION":
        direction = facts.get("direction")
        if direction not in DIRECTIONS:
            known = isinstance(direction, str)
            return Refused(f"'{direction}'{_NO_DIRECTION}" if known else _DIRECTION_MISSING)  # the driver's own words
        return SetDirection(direction)
    return _wish(command, name if isinstance(name, str) else "")


def _parse_plain(data: bytes) -> Wish:
    command, _, name = data.decode("utf-8", "replace").strip().partition(" ")
    if command == "SET_MEDIA_DIRECTION":
        return Refused("SET_MEDIA_DIRECTION only supports JSON format.\n")
    return _wish(command, name)


def _wish(command: object, name: str) -> Wish:
    if command == "MARK_MEDIA":
        return Mark(name)
    if command == "STOP_MEDIA_BUFFERING":
        return StopBuffering(name)
    if isinstance(command, str) and command in _BARE:
        return _BARE[command]
    return Ignored(f"the unknown command {shown(command)}")


_BARE: Final[Mapping[str, Wish]] = {
    "ANSWER": Answer(),
    "HANGUP": Hangup(),
    "START_MEDIA_BUFFERING": StartBuffering(),
    "FLUSH_MEDIA": Clear(),
    "PAUSE_MEDIA": Pause(),
    "CONTINUE_MEDIA": Continue(),
    "GET_STATUS": GetStatus(),
    "REPORT_QUEUE_DRAINED": ReportDrained(),
}
"""The commands that are a word alone."""
