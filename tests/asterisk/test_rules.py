"""The rules about Asterisk: frame sizes, whose fault an opening is, what may be sent."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audiosocket_cli.asterisk.facts import frame_bytes
from audiosocket_cli.asterisk.rules import (
    PROXY_V1_SIGNATURE,
    PROXY_V2_SIGNATURE,
    fault_of_opening,
    fault_towards_asterisk,
)
from audiosocket_cli.codec import RATE_BY_KIND, Frame, kind_name

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


@pytest.mark.parametrize("size", range(len(OPENING) + 1))
def test_a_valid_opening_is_no_fault_at_any_byte(size: int) -> None:
    assert fault_of_opening(OPENING[:size]) is None


def test_audio_in_the_same_segment_is_no_fault() -> None:
    assert fault_of_opening(OPENING + b"\x10\x01\x40" + bytes(320)) is None


@pytest.mark.parametrize("uuid", [b"", OPENING[3:-1], UUID_TEXT], ids=len)
def test_a_uuid_of_another_length_is_named_by_its_length(uuid: bytes) -> None:
    fault = fault_of_opening(bytes([1, 0, len(uuid)]) + uuid)
    assert fault == f"its UUID has {len(uuid)} bytes, not 16 (36 means that it was sent as text) [uuid-length]"


@pytest.mark.parametrize("kind", RATE_BY_KIND, ids=kind_name)
def test_audio_before_the_uuid_is_named_by_its_kind(kind: int) -> None:
    fault = fault_of_opening(bytes([kind]) + frame_bytes(kind).to_bytes(2, "big") + bytes(8))
    assert fault == f"{kind_name(kind)} audio came before the UUID; the first frame must be the UUID [uuid-not-first]"


@pytest.mark.parametrize("received", STRANGERS.values(), ids=STRANGERS)
def test_a_stranger_is_no_audiosocket_peer(received: bytes) -> None:
    fault = fault_of_opening(received)
    assert fault is not None
    assert fault.startswith("not an AudioSocket peer")


@pytest.mark.parametrize("line_end", [b"", b"\r\n", b"\n", b"\r"], ids=ascii)
def test_a_web_browser_is_recognised_and_quoted_up_to_its_first_line(line_end: bytes) -> None:
    assert fault_of_opening(b"GET / HTTP/1.1" + line_end * 2) == (
        "not an AudioSocket peer: it began with 'GET / HTTP/1.1' (a web browser, or a probe?) [not-audiosocket]"
    )


def test_bytes_of_a_stranger_are_shown_beside_those_expected() -> None:
    assert fault_of_opening(STRANGERS["random"]) == (
        "not an AudioSocket peer: it began with 9f 3c 77 00 1a e5 42 42, not with a UUID frame (01 00 10 …) "
        "[not-audiosocket]"
    )


@given(st.binary(max_size=100) | st.builds(bytes.__add__, st.sampled_from([b"G", b"\x01", b"\x10"]), st.binary()))
@example(b"G\x1b[2J\x1b]0;owned\x07")
@example(b"G\x85\xe2\x80\xa8\x7f\0\t\v\f'\"\\")
@example(b"G" * 65536)
@example(b"\x9b31m")
@example(b"P")
@example(PROXY_V1_SIGNATURE)
@example(PROXY_V2_SIGNATURE)
def test_any_opening_is_judged_in_one_harmless_line_as_soon_as_it_can_be(received: bytes) -> None:
    fault = fault_of_opening(received)
    signatures = (PROXY_V1_SIGNATURE, PROXY_V2_SIGNATURE)
    may_be_proxied = received not in signatures and any(each.startswith(received) for each in signatures)
    assert (fault is None) == (may_be_proxied or OPENING.startswith(received[:3]))
    assert fault is None or (fault.isprintable() and len(fault) < 300)


@pytest.mark.parametrize("payload", [b"", b"\x01", bytes(320)], ids=len)
def test_a_hangup_of_any_length_may_be_sent(payload: bytes) -> None:
    assert fault_towards_asterisk(Frame(0x00, payload)) is None


@pytest.mark.parametrize("kind", RATE_BY_KIND, ids=kind_name)
def test_audio_may_be_sent_unless_its_length_is_0(kind: int) -> None:
    assert fault_towards_asterisk(Frame(kind, b"\0\0")) is None
    assert fault_towards_asterisk(Frame(kind, b"\0")) is None  # Asterisk does not check odd lengths
    assert (
        fault_towards_asterisk(Frame(kind)) == "the server sent an audio frame of length 0 [server-sends-empty-audio]"
    )


@pytest.mark.parametrize("kind", sorted(set(range(256)) - {0x00, *RATE_BY_KIND}), ids=kind_name)
@pytest.mark.parametrize("payload", [b"", b"5"], ids=["empty", "one-byte"])
def test_nothing_else_may_be_sent(kind: int, payload: bytes) -> None:
    fault = fault_towards_asterisk(Frame(kind, payload))
    assert fault is not None
    assert fault.startswith(f"the server sent a frame of kind {kind_name(kind)}: only audio and hangup are allowed")
    assert fault.isprintable()


def test_who_sends_a_digit_is_told_to_send_tones() -> None:
    assert "in-band tones" in str(fault_towards_asterisk(Frame(0x03, b"5")))
    assert "in-band tones" not in str(fault_towards_asterisk(Frame(0x01, OPENING[3:])))
