"""The codec: one table drives encoder and decoder, then properties for what no table can list."""

from __future__ import annotations

import doctest
from dataclasses import FrozenInstanceError
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

import audiosocket_cli
from audiosocket_cli import codec
from audiosocket_cli.codec import (
    Frame,
    FrameDecoder,
    Kind,
    decode_digit,
    decode_uuid,
    describe_error,
    digit_frame,
    encode,
    is_audio,
    kind_name,
    kind_of,
    peek_header,
    rate_of,
    uuid_frame,
)
from audiosocket_cli.errors import AudioSocketError, FrameError, IncompleteFrameError, ProtocolError

RATES = {
    "slin": (0x10, 8000),
    "slin12": (0x11, 12000),
    "slin16": (0x12, 16000),
    "slin24": (0x13, 24000),
    "slin32": (0x14, 32000),
    "slin44": (0x15, 44100),
    "slin48": (0x16, 48000),
    "slin96": (0x17, 96000),
    "slin192": (0x18, 192000),
}
KNOWN = {"hangup": 0x00, "uuid": 0x01, "dtmf": 0x03, "error": 0xFF} | {name: kind for name, (kind, _) in RATES.items()}
UNKNOWN = {f"0x{kind:02x}": kind for kind in (0x02, 0x04, 0x0F, 0x19, 0x7F, 0xFE)}
NAMES = KNOWN | UNKNOWN
LENGTHS = {0: b"\x00\x00", 1: b"\x00\x01", 320: b"\x01\x40", 65535: b"\xff\xff"}

PATTERN = bytes(range(255, -1, -1)) * 256
CASES = [
    pytest.param(Frame(kind, PATTERN[:size]), bytes([kind]) + length + PATTERN[:size], id=f"{name}-{size}")
    for name, kind in NAMES.items()
    for size, length in LENGTHS.items()
]

UUID_TEXT = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
UUID_RAW = bytes.fromhex("f81d4fae7dec11d0a76500a0c91e6bf6")

frames_lists = st.lists(st.builds(Frame, st.integers(0, 255), st.binary(max_size=700)), max_size=8)


@st.composite
def streams_in_pieces(draw: st.DrawFn) -> tuple[list[Frame], list[bytes]]:
    """Frames, and their bytes in pieces of any size, empty ones included."""
    frames = draw(frames_lists)
    stream = b"".join(map(encode, frames))
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    return frames, [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


# The table, both ways


@pytest.mark.parametrize(("frame", "data"), CASES)
def test_a_frame_encodes_to_kind_big_endian_length_and_payload(frame: Frame, data: bytes) -> None:
    assert encode(frame) == data


@pytest.mark.parametrize(("frame", "data"), CASES)
def test_a_frame_decodes_whole(frame: Frame, data: bytes) -> None:
    decoder = FrameDecoder()
    assert decoder.feed(data) == [frame]
    assert (decoder.offset, decoder.buffered) == (len(data), b"")
    decoder.finish()


@pytest.mark.parametrize(("frame", "data"), CASES)
def test_a_frame_decodes_byte_by_byte(frame: Frame, data: bytes) -> None:
    decoder = FrameDecoder()
    early = [i for i in range(len(data) - 1) if decoder.feed(data[i : i + 1])]
    assert early == []
    assert (decoder.offset, decoder.buffered) == (0, data[:-1])
    [decoded] = decoder.feed(data[-1:])
    assert decoded == frame
    assert type(decoded.payload) is bytes
    assert (decoder.offset, decoder.buffered) == (len(data), b"")


@pytest.mark.parametrize(("frame", "data"), CASES)
def test_a_frame_decodes_with_bytes_behind_it(frame: Frame, data: bytes) -> None:
    decoder = FrameDecoder()
    behind = b"\x10\x00\x05abc"
    assert decoder.feed(data + behind) == [frame]
    assert (decoder.offset, decoder.buffered) == (len(data), behind)


# Any stream


@given(frames_lists)
def test_any_frames_round_trip(frames: list[Frame]) -> None:
    assert FrameDecoder().feed(b"".join(map(encode, frames))) == frames


@given(streams_in_pieces())
def test_any_split_gives_the_same_frames_at_the_same_offsets(case: tuple[list[Frame], list[bytes]]) -> None:
    frames, pieces = case
    decoder = FrameDecoder()
    decoded: list[Frame] = []
    fed = 0
    for piece in pieces:
        decoded += decoder.feed(piece)
        fed += len(piece)
        assert decoder.offset == sum(len(encode(frame)) for frame in decoded)
        assert decoder.offset + len(decoder.buffered) == fed
    assert decoded == frames
    decoder.finish()


@given(st.lists(st.binary(max_size=1500), max_size=8))
def test_garbage_never_raises_on_feed_and_is_kept_byte_for_byte(pieces: list[bytes]) -> None:
    decoder = FrameDecoder()
    decoded = b"".join(encode(frame) for piece in pieces for frame in decoder.feed(piece))
    assert decoded + decoder.buffered == b"".join(pieces)


@given(st.binary(max_size=1500))
def test_finish_raises_exactly_when_the_stream_ends_inside_a_frame(data: bytes) -> None:
    decoder = FrameDecoder()
    decoder.feed(data)
    left = decoder.buffered
    if not left:
        decoder.finish()
        return
    with pytest.raises(IncompleteFrameError) as caught:
        decoder.finish()
    error = caught.value
    expected = 3 + int.from_bytes(left[1:3], "big") if len(left) >= 3 else None
    assert (error.offset, error.kind, error.received_bytes) == (decoder.offset, left[0], len(left))
    assert error.expected_bytes == expected
    assert expected is None or len(left) < expected, "a whole frame was held back"


def test_the_offset_is_that_of_the_next_frame() -> None:
    decoder = FrameDecoder()
    decoder.feed(encode(Frame(Kind.UUID, UUID_RAW)) + b"\x10\x00")
    assert decoder.offset == 19
    decoder.feed(b"\x02ab" + b"\x00\x00\x00" + b"\x03")
    assert decoder.offset == 19 + 5 + 3


@pytest.mark.parametrize(
    ("cut", "received_bytes", "expected_bytes", "text"),
    [
        pytest.param(b"\x12", 1, None, "ended inside the frame at byte 3: 1 of its 3-byte header", id="after-kind"),
        pytest.param(b"\x12\x02", 2, None, "ended inside the frame at byte 3: 2 of its 3-byte header", id="in-length"),
        pytest.param(b"\x12\x02\x80", 3, 643, "ended inside the frame at byte 3: 3 of 643 bytes", id="before-payload"),
        pytest.param(
            b"\x12\x02\x80abcd", 7, 643, "ended inside the frame at byte 3: 7 of 643 bytes", id="inside-payload"
        ),
    ],
)
def test_an_incomplete_frame_says_what_is_there(
    cut: bytes, received_bytes: int, expected_bytes: int | None, text: str
) -> None:
    decoder = FrameDecoder()
    decoder.feed(b"\x00\x00\x00" + cut)
    with pytest.raises(IncompleteFrameError) as caught:
        decoder.finish()
    error = caught.value
    assert isinstance(error, ProtocolError)
    assert (error.offset, error.kind) == (3, 0x12)
    assert (error.received_bytes, error.expected_bytes) == (received_bytes, expected_bytes)
    assert str(error) == text


# What cannot be encoded


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        pytest.param(Frame(-1), "kind -1 is not a byte (0 to 255)", id="kind-below-a-byte"),
        pytest.param(Frame(256), "kind 256 is not a byte (0 to 255)", id="kind-above-a-byte"),
        pytest.param(
            Frame(0x10, bytes(65536)),
            "payload of 65536 bytes is longer than the 65535 a frame can hold",
            id="payload-too-long",
        ),
    ],
)
def test_encode_refuses(frame: Frame, text: str) -> None:
    with pytest.raises(FrameError) as caught:
        encode(frame)
    assert str(caught.value) == text
    assert caught.value.kind == frame.kind
    assert isinstance(caught.value, ValueError)


# Names and words


@pytest.mark.parametrize(("name", "kind"), NAMES.items(), ids=NAMES)
def test_a_kind_has_its_name_or_its_number(name: str, kind: int) -> None:
    assert kind_name(kind) == name


def test_there_are_thirteen_kinds() -> None:
    assert {kind.name.lower(): kind.value for kind in Kind} == KNOWN


def test_a_frame_cannot_be_changed() -> None:
    frame = Frame(Kind.HANGUP)
    with pytest.raises(FrozenInstanceError):
        frame.kind = Kind.ERROR  # type: ignore[misc]


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (Frame(0x00), "Frame(hangup, 0 bytes)"),
        (Frame(0x10, bytes(range(8))), "Frame(slin, 8 bytes: 00 01 02 03 04 05 06 07)"),
        (Frame(0x10, bytes(range(9))), "Frame(slin, 9 bytes: 00 01 02 03 04 05 06 07 …)"),
        (Frame(0x7F, b"\n"), "Frame(0x7f, 1 bytes: 0a)"),
    ],
    ids=["empty", "8-bytes", "9-bytes", "unknown"],
)
def test_repr_shows_kind_length_and_first_bytes(frame: Frame, text: str) -> None:
    assert repr(frame) == text


@pytest.mark.parametrize("kind", NAMES.values(), ids=NAMES)
def test_repr_is_bounded(kind: int) -> None:
    shown = repr(Frame(kind, PATTERN[:65535]))
    assert len(shown) < 64
    assert shown.isprintable()


@pytest.mark.parametrize(
    ("data", "header"),
    [(b"", None), (b"\x12\x02", None), (b"\x12\x02\x80", (0x12, 640)), (b"\xfe\xff\xffabc", (0xFE, 65535))],
    ids=["nothing", "cut", "whole", "with-payload"],
)
def test_peek_header_reads_the_first_three_bytes(data: bytes, header: tuple[int, int] | None) -> None:
    assert peek_header(data) == header


# Audio kinds


@pytest.mark.parametrize(("kind", "rate_hz"), RATES.values(), ids=RATES)
def test_an_audio_kind_and_its_rate_match_both_ways(kind: int, rate_hz: int) -> None:
    assert rate_of(kind) == rate_hz
    assert kind_of(rate_hz) is Kind(kind)


def test_nine_kinds_and_no_others_are_audio() -> None:
    assert [kind for kind in range(256) if is_audio(kind)] == [kind for kind, _ in RATES.values()]


@pytest.mark.parametrize(
    ("kind", "text"), [(Kind.DTMF, "kind dtmf carries no audio"), (0x19, "kind 0x19 carries no audio")]
)
def test_a_kind_without_audio_has_no_rate(kind: int, text: str) -> None:
    with pytest.raises(FrameError) as caught:
        rate_of(kind)
    assert str(caught.value) == text
    assert caught.value.kind == kind


@pytest.mark.parametrize("rate_hz", [0, -8000, 8001, 11025])
def test_a_rate_without_a_kind_is_refused_with_those_there_are(rate_hz: int) -> None:
    with pytest.raises(ValueError, match=f"no kind carries {rate_hz} Hz ") as caught:
        kind_of(rate_hz)
    assert "8000, 12000, 16000, 24000, 32000, 44100, 48000, 96000, 192000" in str(caught.value)


# Payloads


def test_a_uuid_travels_as_its_16_raw_bytes() -> None:
    assert uuid_frame(UUID(UUID_TEXT)) == Frame(Kind.UUID, UUID_RAW)
    assert decode_uuid(UUID_RAW) == UUID(UUID_TEXT)


@pytest.mark.parametrize("payload", [b"", UUID_RAW[:15], UUID_RAW + b"\0", UUID_TEXT.encode()], ids=len)
def test_a_uuid_of_another_length_is_refused(payload: bytes) -> None:
    with pytest.raises(FrameError) as caught:
        decode_uuid(payload)
    assert str(caught.value) == f"a UUID has 16 bytes, not {len(payload)}"
    assert caught.value.kind == Kind.UUID


@pytest.mark.parametrize("digit", "0123456789*#ABCD")
def test_a_digit_travels_as_one_ascii_byte(digit: str) -> None:
    assert digit_frame(digit) == Frame(Kind.DTMF, digit.encode("ascii"))
    assert decode_digit(digit.encode("ascii")) == digit


@pytest.mark.parametrize("digit", ["", "12", "a", "E", " ", "\n", "é", "\N{FULLWIDTH DIGIT FIVE}"], ids=ascii)
def test_what_is_no_digit_is_not_made_a_frame(digit: str) -> None:
    with pytest.raises(FrameError) as caught:
        digit_frame(digit)
    assert caught.value.kind == Kind.DTMF
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("payload", [b"", b"12", b"a", b"E", b"\0", b"\n", b"\xb5", bytes(65535)], ids=lambda p: p[:4])
def test_a_payload_that_is_no_digit_is_refused(payload: bytes) -> None:
    with pytest.raises(FrameError) as caught:
        decode_digit(payload)
    assert caught.value.kind == Kind.DTMF
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 64


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ("", "no code given"),
        ("00", "unknown code 0x00"),
        ("01", "the calling party hung up"),
        ("02", "a frame could not be forwarded"),
        ("04", "out of memory"),
        ("05", "the calling party hung up and out of memory"),
        ("07", "the calling party hung up and a frame could not be forwarded and out of memory"),
        ("08", "unknown code 0x08"),
        ("81", "the calling party hung up and unknown code 0x80"),
        ("01 02", "unknown code 01 02"),
        ("00 01 02 03 04 05 06 07", "unknown code 00 01 02 03 04 05 06 07"),
        ("00 01 02 03 04 05 06 07 08", "unknown code 00 01 02 03 04 05 06 07 …"),
    ],
)
def test_an_error_frame_says_in_words(payload: str, text: str) -> None:
    assert describe_error(bytes.fromhex(payload)) == text


# The library's front door


def test_the_public_names_are_these() -> None:
    assert sorted(audiosocket_cli.__all__) == [
        "AudioSocketError", "BotCall", "CallOverError", "Caller", "Ending", "ErrorCode", "FileError", "Frame",
        "FrameDecoder", "FrameError", "IncompleteFrameError", "Kind", "NetworkError", "ProtocolError", "Serving",
        "UsageError", "decode_digit", "decode_uuid", "describe_error", "dial", "digit_frame", "encode", "is_audio",
        "kind_name", "kind_of", "rate_of", "serve", "serving", "uuid_frame",
    ]  # fmt: skip
    assert [name for name in audiosocket_cli.__all__ if not hasattr(audiosocket_cli, name)] == []


@pytest.mark.parametrize("error", [FrameError, ProtocolError, IncompleteFrameError])
def test_every_error_of_the_codec_can_be_caught_as_one(error: type[Exception]) -> None:
    assert issubclass(error, AudioSocketError)


def test_the_example_in_the_documentation_runs() -> None:
    result = doctest.testmod(codec)
    assert result.attempted >= 3
    assert result.failed == 0
