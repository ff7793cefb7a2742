"""Twilio's Media Streams: what we say is what Twilio says, and any message of a bot is understood or ignored."""

from __future__ import annotations

import base64
import json
from uuid import UUID

import numpy as np
import pytest

from audiosocket_cli.audio.pcm import decode_law, encode_mu_law, to_slin, tone
from audiosocket_cli.websocket.messages import Clear, Ignored, Mark, Media
from audiosocket_cli.websocket.twilio import ACCOUNT_SID, Stream, call_sid, parse, stream_sid

UUID_1 = UUID("11111111-2222-4333-8444-555555555555")
HEX = UUID_1.hex


def test_names_are_made_of_the_uuid() -> None:
    assert (call_sid(UUID_1), stream_sid(UUID_1)) == (f"CA{HEX}", f"MZ{HEX}")
    assert len(ACCOUNT_SID) == len(call_sid(UUID_1)) == 34


def test_a_stream_says_what_twilio_says_in_its_order() -> None:
    stream = Stream(UUID_1)
    said = [
        stream.connected(), stream.start({"from_number": "+15"}), stream.media(bytes(320)), stream.media(bytes(320)),
        stream.dtmf("5"), stream.mark("m1"), stream.stop(),
    ]  # fmt: skip
    silence = base64.b64encode(b"\xff" * 160).decode()
    assert [json.loads(data) for data in said] == [
        {"event": "connected", "protocol": "Call", "version": "1.0.0"},
        {
            "event": "start",
            "sequenceNumber": "1",
            "streamSid": f"MZ{HEX}",
            "start": {
                "accountSid": ACCOUNT_SID,
                "streamSid": f"MZ{HEX}",
                "callSid": f"CA{HEX}",
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {"from_number": "+15"},
            },
        },
        {
            "event": "media", "sequenceNumber": "2", "streamSid": f"MZ{HEX}",
            "media": {"track": "inbound", "chunk": "1", "timestamp": "20", "payload": silence},
        },
        {
            "event": "media", "sequenceNumber": "3", "streamSid": f"MZ{HEX}",
            "media": {"track": "inbound", "chunk": "2", "timestamp": "40", "payload": silence},
        },
        {
            "event": "dtmf", "sequenceNumber": "4", "streamSid": f"MZ{HEX}",
            "dtmf": {"track": "inbound_track", "digit": "5"},
        },
        {"event": "mark", "sequenceNumber": "5", "streamSid": f"MZ{HEX}", "mark": {"name": "m1"}},
        {
            "event": "stop", "sequenceNumber": "6", "streamSid": f"MZ{HEX}",
            "stop": {"accountSid": ACCOUNT_SID, "callSid": f"CA{HEX}"},
        },
    ]  # fmt: skip


def test_audio_there_and_back_is_as_good_as_mu_law() -> None:
    said = tone(440, 8000, 0.02)
    message = json.loads(Stream(UUID_1).media(to_slin(said)))
    back = parse(json.dumps({"event": "media", "media": {"payload": message["media"]["payload"]}}).encode())
    assert isinstance(back, Media)
    heard = np.frombuffer(back.samples, "<i2").astype(int)
    assert len(heard) == 160
    assert np.all(np.abs(heard - said) <= np.maximum(4, np.abs(said.astype(int)) // 16))


def test_each_code_of_mu_law_comes_back_but_the_second_zero() -> None:
    codes = bytes(range(256))
    back = encode_mu_law(to_slin(decode_law(codes, "µ-law")))
    assert [(a, b) for a, b in zip(codes, back, strict=True) if a != b] == [(0x7F, 0xFF)]


def test_each_sample_becomes_the_nearest_value() -> None:
    samples = np.arange(-32768, 32768).astype("<i2")
    values = np.unique(decode_law(bytes(range(256)), "µ-law").astype(int))
    errors = np.abs(decode_law(encode_mu_law(samples.tobytes()), "µ-law").astype(int) - samples.astype(int))
    nearest = np.abs(values[None, :] - samples.astype(int)[::64, None]).min(axis=1)
    assert np.array_equal(errors[::64], nearest)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ('{"event":"media","streamSid":"MZ1","media":{"payload":"//8="}}', Media(bytes(4))),
        ('{"event":"media","media":{"payload":""}}', Media(b"")),
        ('{"event":"media","media":{"track":"outbound","payload":"/w=="}}', Media(bytes(2))),
        ('{"event":"mark","mark":{"name":"m1"}}', Mark("m1")),
        ('{"event":"mark","mark":{"name":""}}', Mark("")),
        ('{"event":"clear"}', Clear()),
        ('{"event":"clear","streamSid":"MZ1","more":[1]}', Clear()),
        ('{"event":"media"}', Ignored("media without a payload")),
        ('{"event":"media","media":{}}', Ignored("media without a payload")),
        ('{"event":"media","media":{"payload":5}}', Ignored("media without a payload")),
        ('{"event":"media","media":{"payload":"/"}}', Ignored("media whose payload is not base64")),
        ('{"event":"media","media":{"payload":"ä"}}', Ignored("media whose payload is not base64")),
        ('{"event":"mark","mark":{}}', Ignored("a mark without a name")),
        ('{"event":"mark"}', Ignored("a mark without a name")),
        ('{"event":"stop"}', Ignored("the unknown event stop")),
        ('{"event":7}', Ignored("the unknown event int")),
        ('{"Event":"clear"}', Ignored("JSON without an event")),
        ("[]", Ignored("JSON without an event")),
        ("null", Ignored("JSON without an event")),
        ('{"event":"clear"', Ignored("not JSON")),
        ("", Ignored("not JSON")),
    ],
)
def test_each_message_of_a_bot_is_understood_or_ignored(text: str, wish: object) -> None:
    assert parse(text.encode()) == wish


def test_a_binary_message_is_ignored() -> None:
    assert parse(b'{"event":"clear"}', is_text=False) == Ignored("a binary message")
