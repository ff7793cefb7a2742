"""Twilio's Media Streams, from Twilio's side: the messages that we send, and those of a bot.

All text, all JSON; numbers are strings. Audio is µ-law at 8000 Hz in base64, 20 ms a message. The names that Twilio
gives to a call and to its stream are made of the call's UUID, so that a bot, a log and a dialplan can find one another:
`CA` and `MZ` before its 32 hexadecimal digits. There is one account: `AC` and 32 zeros.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from audiosocket_cli.asterisk.facts import PTIME_MS
from audiosocket_cli.audio.pcm import decode_mu_law, encode_mu_law
from audiosocket_cli.websocket.messages import Clear, Ignored, Mark, Media, json_of, shown, text_of

RATE_HZ: Final = 8000
ACCOUNT_SID: Final = "AC" + 32 * "0"

Wish = Media | Mark | Clear | Ignored


def call_sid(uuid: UUID) -> str:
    """Return the name of a call."""
    return f"CA{uuid.hex}"


def stream_sid(uuid: UUID) -> str:
    """Return the name of a call's stream."""
    return f"MZ{uuid.hex}"


class Stream:
    """The messages of one stream, in the order in which they are made."""

    def __init__(self, uuid: UUID) -> None:
        self.call_sid = call_sid(uuid)
        self.stream_sid = stream_sid(uuid)
        self._sid = self.stream_sid.encode()
        self._sequence = 0
        self._chunks = 0

    def connected(self) -> bytes:
        """Return the first message."""
        return text_of({"event": "connected", "protocol": "Call", "version": "1.0.0"})

    def start(self, variables: Mapping[str, str]) -> bytes:
        """Return the second, which names the call; variables of the call are its `customParameters`."""
        return self._event(
            "start",
            accountSid=ACCOUNT_SID,
            streamSid=self.stream_sid,
            callSid=self.call_sid,
            tracks=["inbound"],
            mediaFormat={"encoding": "audio/x-mulaw", "sampleRate": RATE_HZ, "channels": 1},
            customParameters=dict(variables),
        )

    def media(self, samples: bytes) -> bytes:
        """Return 20 ms of the caller's audio, int16 little-endian at `RATE_HZ`, as a message.

        It is made of bytes: there are fifty a second in each call. `timestamp` is the end of the audio, in
        milliseconds since the stream's start.
        """
        self._sequence += 1
        self._chunks += 1
        return (
            b'{"event":"media","sequenceNumber":"%d","streamSid":"%b","media":{"track":"inbound","chunk":"%d",'
            b'"timestamp":"%d","payload":"%b"}}'
            % (
                self._sequence,
                self._sid,
                self._chunks,
                self._chunks * PTIME_MS,
                b2a_base64(encode_mu_law(samples), newline=False),
            )
        )

    def dtmf(self, digit: str) -> bytes:
        """Return a key press."""
        return self._event("dtmf", track="inbound_track", digit=digit)

    def mark(self, name: str) -> bytes:
        """Return the answer to a mark: it was heard, or cleared."""
        return self._event("mark", name=name)

    def stop(self) -> bytes:
        """Return the last message."""
        return self._event("stop", accountSid=ACCOUNT_SID, callSid=self.call_sid)

    def _event(self, event: str, **facts: Any) -> bytes:
        self._sequence += 1
        return text_of(
            {"event": event, "sequenceNumber": str(self._sequence), "streamSid": self.stream_sid, event: facts}
        )


def parse(data: bytes, *, is_text: bool = True) -> Wish:
    """Return what a bot wants; any bytes will do."""
    if not is_text:
        return Ignored("a binary message")
    try:
        value = json_of(data)
    except ValueError:
        return Ignored("not JSON")
    event = value.get("event") if type(value) is dict else None
    if event == "media":  # as nearly always: a `match` takes longer than the JSON
        return _media(value.get("media"))
    match value:
        case {"event": "mark", "mark": {"name": str(name)}}:
            return Mark(name)
        case {"event": "mark"}:
            return Ignored("a mark without a name")
        case {"event": "clear"}:
            return Clear()
        case {"event": event}:
            return Ignored(f"the unknown event {shown(event)}")
    return Ignored("JSON without an event")


def _media(facts: object) -> Media | Ignored:
    payload = facts.get("payload") if type(facts) is dict else None
    if type(payload) is not str:
        return Ignored("media without a payload")
    try:
        return Media(decode_mu_law(a2b_base64(payload)))
    except (Base64Error, ValueError):
        return Ignored("media whose payload is not base64")
