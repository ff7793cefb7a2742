"""The rules about Asterisk: frame sizes, whose fault an opening is, what may be sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audiosocket_cli.asterisk.facts import frame_bytes, samples_per_frame
from audiosocket_cli.asterisk.findings import Heard, findings_on_caller, findings_on_server
from audiosocket_cli.asterisk.rules import (
    PROXY_V1_SIGNATURE,
    PROXY_V2_SIGNATURE,
    fault_of_opening,
    fault_towards_asterisk,
)
from audiosocket_cli.codec import Frame, Kind, kind_name

FRAME_BYTES = {
    0x10: 320,
    0x11: 480,
    0x12: 640,
    0x13: 960,
    0x14: 1280,
    0x15: 1764,
    0x16: 1920,
    0x17: 3840,
    0x18: 7680,
}
OPENING = bytes.fromhex("01 00 10 f81d4fae7dec11d0a76500a0c91e6bf6")
UUID_TEXT = b"f81d4fae-7dec-11d0-a765-00a0c91e6bf6"

STRANGERS = {
    "http-get": b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
    "tls-hello": bytes.fromhex("16 03 01 02 00 01 00 01 fc 03 03"),
    "random": bytes.fromhex("9f 3c 77 00 1a e5 42 42 42"),
    "hangup-first": b"\x00\x00\x00",
    "digit-first": b"\x03\x00\x015",
    "error-first": b"\xff\x00\x01\x02",
    "ssh": b"SSH-2.0-OpenSSH_9.6\r\n",
    "one-byte": b"\x07",
    "two-bytes-that-cannot-become-a-uuid": b"\x01\x10",
}


@pytest.mark.parametrize(("kind", "size"), FRAME_BYTES.items(), ids=map(kind_name, FRAME_BYTES))
def test_20_ms_of_audio_have_the_size_that_asterisk_sends(kind: int, size: int) -> None:
    assert frame_bytes(kind) == size
    assert samples_per_frame(kind) * 2 == size


# The opening


@pytest.mark.parametrize("size", range(len(OPENING) + 1))
def test_a_valid_opening_is_no_fault_at_any_byte(size: int) -> None:
    assert fault_of_opening(OPENING[:size]) is None


def test_audio_in_the_same_segment_is_no_fault() -> None:
    assert fault_of_opening(OPENING + b"\x10\x01\x40" + bytes(320)) is None


@pytest.mark.parametrize("uuid", [b"", OPENING[3:-1], UUID_TEXT], ids=len)
def test_a_uuid_of_another_length_is_named_by_its_length(uuid: bytes) -> None:
    fault = fault_of_opening(bytes([1, 0, len(uuid)]) + uuid)
    assert fault == f"its UUID has {len(uuid)} bytes, not 16 (36 means that it was sent as text)"


@pytest.mark.parametrize("kind", FRAME_BYTES, ids=kind_name)
def test_audio_before_the_uuid_is_named_by_its_kind(kind: int) -> None:
    fault = fault_of_opening(bytes([kind]) + frame_bytes(kind).to_bytes(2, "big") + bytes(8))
    assert fault == f"{kind_name(kind)} audio came before the UUID; the first frame must be the UUID"


@pytest.mark.parametrize("received", STRANGERS.values(), ids=STRANGERS)
def test_a_stranger_is_no_audiosocket_peer(received: bytes) -> None:
    fault = fault_of_opening(received)
    assert fault is not None
    assert fault.startswith("no AudioSocket peer")


@pytest.mark.parametrize("line_end", [b"", b"\r\n", b"\n", b"\r"], ids=ascii)
def test_a_web_browser_is_recognised_and_quoted_up_to_its_first_line(line_end: bytes) -> None:
    assert fault_of_opening(b"GET / HTTP/1.1" + line_end * 2) == (
        "no AudioSocket peer: it began with 'GET / HTTP/1.1' (a web browser, or a probe?)"
    )


def test_bytes_of_a_stranger_are_shown_beside_those_expected() -> None:
    assert fault_of_opening(STRANGERS["random"]) == (
        "no AudioSocket peer: it began with 9f 3c 77 00 1a e5 42 42, not with a UUID frame (01 00 10 …)"
    )


@given(st.binary(max_size=100) | st.builds(bytes.__add__, st.sampled_from([b"G", b"\x01", b"\x10"]), st.binary()))
@example(b"G\x1b[2J\x1b]0;owned\x07")
@example(b"G\x85\xe2\x80\xa8\x7f\0\t\v\f'\"\\")
@example(b"G" * 65536)
@example(b"\x9b31m")
@example(b"P")
def test_any_opening_is_judged_in_one_harmless_line_as_soon_as_it_can_be(received: bytes) -> None:
    fault = fault_of_opening(received)
    may_be_proxied = any(signature.startswith(received) for signature in (PROXY_V1_SIGNATURE, PROXY_V2_SIGNATURE))
    assert (fault is None) == (may_be_proxied or OPENING.startswith(received[:3]))
    assert fault is None or (fault.isprintable() and len(fault) < 300)


# Towards Asterisk


@pytest.mark.parametrize("payload", [b"", b"\x01", bytes(320)], ids=len)
def test_a_hangup_of_any_length_may_be_sent(payload: bytes) -> None:
    assert fault_towards_asterisk(Frame(0x00, payload)) is None


@pytest.mark.parametrize("kind", FRAME_BYTES, ids=kind_name)
def test_audio_may_be_sent_unless_its_length_is_0(kind: int) -> None:
    assert fault_towards_asterisk(Frame(kind, b"\0\0")) is None
    assert fault_towards_asterisk(Frame(kind, b"\0")) is None  # Asterisk does not check odd lengths
    assert fault_towards_asterisk(Frame(kind)) == "the server sent an audio frame of length 0"


@pytest.mark.parametrize("kind", sorted(set(range(256)) - {0x00, *FRAME_BYTES}), ids=kind_name)
@pytest.mark.parametrize("payload", [b"", b"5"], ids=["empty", "one-byte"])
def test_nothing_else_may_be_sent(kind: int, payload: bytes) -> None:
    fault = fault_towards_asterisk(Frame(kind, payload))
    assert fault is not None
    assert fault.startswith(f"the server sent a frame of kind {kind_name(kind)}: only audio and hangup are allowed")
    assert fault.isprintable()


def test_who_sends_a_digit_is_told_to_send_tones() -> None:
    assert "in-band tones" in str(fault_towards_asterisk(Frame(0x03, b"5")))
    assert "in-band tones" not in str(fault_towards_asterisk(Frame(0x01, OPENING[3:])))


# Findings

FINE = Heard(
    kind=Kind.SLIN, pace=1.0, law=None, disorder=None, has_wav_header=False, odd_bytes=0, audio_s=60.0, peak=0.5,
    offset=0.0, clipped=0.0, longest_pause_s=0.5, worst_burst_s=0.02,
)  # fmt: skip


def test_a_normal_call_has_no_findings() -> None:
    assert findings_on_caller(FINE) == []
    assert findings_on_server(FINE) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"pace": 0.5, "law": "µ-law"}, "µ-law labelled slin, which is noise: say c(slin), as in Dial("),
        ({"pace": 0.5, "law": "A-law"}, "A-law labelled slin, which is noise: say c(slin), as in Dial("),
        ({"pace": 0.5}, "µ-law, A-law or another codec labelled slin"),
        ({"pace": 0.1}, "slin audio comes 0.10 times as fast as it plays: say c(slin)"),
        ({"pace": 2.0}, "slin16 (16000 Hz) labelled slin, as Asterisk before 20.17, 21.12, 22.7 and 23.1 does"),
        ({"pace": 6.0}, "slin48 (48000 Hz) labelled slin"),
        ({"kind": Kind.SLIN16, "pace": 0.5}, "slin16 audio comes 0.50 times as fast as it plays: is its kind right?"),
        ({"pace": 0.5, "frame_s": 0.02}, "audio came slower than it plays, in whole frames: is the network too slow"),
        ({"peak": 0.0}, "the caller sent nothing but digital silence"),
        ({"clipped": 0.05}, "clipped: 5.0 % of the caller's samples are at the limit"),
        ({"offset": -0.1}, "the caller's audio is off centre by -10 %"),
    ],
    ids=["u-law", "a-law", "some-law", "gsm", "slin16", "slin48", "half-slin16", "slow", "silence", "clip", "offset"],
)
def test_what_is_wrong_with_a_callers_audio_is_one_finding(change: dict[str, Any], says: str) -> None:
    (finding,) = findings_on_caller(FINE._replace(**change))
    assert finding.startswith(says)
    assert "\n" not in finding


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"longest_pause_s": 2.1}, "the server sent nothing for 2.1 s: where the caller's audio pauses too, Asterisk"),
        ({"worst_burst_s": 0.5}, "500 ms of the server's audio came at once: a bridge in Asterisk drops what"),
    ],
    ids=["pause", "burst"],
)
def test_what_is_wrong_with_how_a_server_sends_is_one_finding(change: dict[str, Any], says: str) -> None:
    (finding,) = findings_on_server(FINE._replace(**change))
    assert finding.startswith(says)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"disorder": "byte-swapped"}, "audio is byte-swapped, which is noise: send little-endian samples"),
        ({"disorder": "shifted by one byte"}, "audio is shifted by one byte, which is noise: cut audio between"),
        ({"texture": "compressed"}, "audio is as noisy as compressed or encrypted bytes are (MP3, Opus, G.722 …): "),
        ({"has_wav_header": True}, "sent a WAV file's header as sound, which is heard as a click: send its samples"),
    ],
    ids=["swapped", "shifted", "compressed", "header"],
)
def test_bytes_out_of_order_are_a_finding_whoever_sends_them(change: dict[str, Any], says: str) -> None:
    for rules, who in ((findings_on_caller, "the caller"), (findings_on_server, "the server")):
        (finding,) = rules(FINE._replace(**change))
        assert finding.startswith(who)
        assert says in finding


def test_frames_of_odd_length_are_a_finding_unless_another_codec_explains_them() -> None:
    (finding,) = findings_on_server(FINE._replace(odd_bytes=7))
    assert finding.startswith("7 of the server's audio frames have an odd length")
    assert len(findings_on_caller(FINE._replace(odd_bytes=7, pace=0.1))) == 1


@pytest.mark.parametrize(
    "change",
    [{"pace": 0.0}, {"pace": 0.93}, {"pace": 1.07}, {"audio_s": 1.0, "peak": 0.0}, {"pace": 2.0, "is_steady": False}],
)
def test_too_little_to_tell_is_no_finding(change: dict[str, Any]) -> None:
    assert findings_on_caller(FINE._replace(**change)) == []
