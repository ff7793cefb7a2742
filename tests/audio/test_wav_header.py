"""The header of a WAV file: read as it was written, and held against the file's size."""

from __future__ import annotations

import io
import struct

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.audio.wav_header import UNKNOWN_LENGTH, WavFault, WavHeader, fault_after, fault_of, read_wav_header

SLIN = WavHeader("PCM_16", 8000, 1, 2, 44, 1000)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize("channels", [1, 2])
def test_it_says_what_libsndfile_wrote(subtype: str, kind: str, channels: int) -> None:
    file = io.BytesIO()
    silence = [[0.0] * channels] * 500
    soundfile.write(file, silence, 16000, subtype, format=kind)
    header = read_wav_header(io.BytesIO(file.getvalue()))
    assert header is not None
    width = {"PCM_U8": 1, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8, "ULAW": 1, "ALAW": 1}.get(subtype, 2)
    assert header[:4] == (subtype, 16000, channels, width * channels)
    assert header.data_bytes == 500 * width * channels
    assert fault_of(header, len(file.getvalue()), io.BytesIO(file.getvalue())) is None


@given(st.binary(max_size=200), st.sampled_from([b"", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0"]))
def test_any_bytes_are_a_header_or_none(data: bytes, start: bytes) -> None:
    header = read_wav_header(io.BytesIO(start + data))
    assert header is None or header.data_at <= len(start + data)


def test_samples_coded_in_blocks_have_no_coding() -> None:
    file = io.BytesIO()
    soundfile.write(file, [0.0] * 500, 8000, "GSM610", format="WAV")
    header = read_wav_header(io.BytesIO(file.getvalue()))
    assert header is not None
    assert header.coding is None


@pytest.mark.parametrize(
    ("said", "there", "what"),
    [
        (1000, 1000, None),
        (1000, 900, "it is cut short: its header promises 0.06 s, but it has 0.06 s"),
        (16000, 8000, "it is cut short: its header promises 1.00 s, but it has 0.50 s"),
        (0xFFFFFFFF, 8000, UNKNOWN_LENGTH),
        (0x7FFFF000, 8000, UNKNOWN_LENGTH),
        (None, 8000, UNKNOWN_LENGTH),
        (1000, 1500, None),
        (1000, 99_000, "its header says 0.06 s, but the file has more: it is played to the end of the file"),
    ],
)
def test_its_length_is_held_against_the_size_of_the_file(said: int | None, there: int, what: str | None) -> None:
    fault = fault_of(SLIN._replace(data_bytes=said), 44 + there, io.BytesIO(bytes(44 + there)))
    assert (fault and fault.what) == what


def chunk(name: bytes, size: int) -> bytes:
    return name + struct.pack("<I", size) + bytes(size)


JOINED = WavFault("several WAV files are joined in it", is_joined=True)
SECOND = WavFault("more samples follow in a second data chunk, and only the first is played", goes_on=False)
MORE = WavFault("its header says 0.06 s, but the file has more: it is played to the end of the file")
FOLLOWING = {
    "a chunk": (chunk(b"LIST", 4000), None),
    "a chunk with a name of any characters": (chunk(b"_PMX", 4000), None),
    "a chunk and padding": (chunk(b"LIST", 4000) + bytes(2000), None),
    "a file": (b"RIFF\0\0\0\0WAVE" + bytes(4000), JOINED),
    "a file of the kind BW64": (b"BW64\0\0\0\0WAVE" + bytes(4000), JOINED),
    "a file after chunks": (chunk(b"LIST", 3) + b"\0" + chunk(b"_PMX", 5) + b"RF64\0\0\0\0WAVE", JOINED),
    "a file within a chunk": (b"LIST\xa0\x0f\0\0RIFF\0\0\0\0WAVE" + bytes(4000), None),
    "samples in a second chunk": (chunk(b"LIST", 4) + chunk(b"data", 100), SECOND),
    "samples": (bytes(range(200)) * 20, MORE),
    "padding": (bytes(1000), None),
}


@pytest.mark.parametrize(("following", "fault"), FOLLOWING.values(), ids=FOLLOWING)
@pytest.mark.parametrize("padding", [b"", b"\0"], ids=["even", "odd"])
@pytest.mark.parametrize("read", [0, 13, 2048])
def test_what_follows_the_samples_is_chunks_another_file_or_more_samples(
    following: bytes, fault: WavFault | None, padding: bytes, read: int
) -> None:
    header, data = SLIN._replace(data_bytes=1000 + len(padding)), padding + following
    assert fault_after(header, io.BytesIO(data[read:]), len(data), data[:read]) == fault


@given(st.binary(max_size=400), st.integers(0, 400))
def test_any_bytes_may_follow_the_samples(data: bytes, read: int) -> None:
    fault = fault_after(SLIN, io.BytesIO(data[read:]), len(data), data[:read])
    assert fault in (None, JOINED, SECOND)
