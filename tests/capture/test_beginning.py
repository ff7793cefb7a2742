"""Which files are recordings and which are captures, whatever their names."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.capture.beginning import begins_capture, is_recording
from audiosocket_cli.codec import Kind
from support.packets import HANGUP, OPENING, a_call, audio, digit, pcap, pcapng

SLIN = tone(440, 8000, 0.25).astype("<i2").tobytes()
CAPTURES = {
    "pcap": pcap(a_call()),
    "pcapng": pcapng(a_call()),
    "gzip": gzip.compress(pcap(a_call())),
    "lines": b'\xef\xbb\xbf\n{"t": 1.2, "digit": "5"}\n',
    "caller": OPENING + b"".join(map(audio, range(20))),
    "caller at a high rate": OPENING + audio(1, 7680, Kind.SLIN192),
    "caller who says nothing": OPENING,
    "caller who is hung up": OPENING + HANGUP,
    "server": b"".join(map(audio, range(20))),
    "server that says little": audio(1) + audio(2) + HANGUP,
    "keys": digit("1") + b"".join(map(audio, range(20))),
}


@pytest.mark.parametrize("name", CAPTURES)
@pytest.mark.parametrize("suffix", ["raw", "pcm", "sln", "al", "wav", "txt"])
def test_a_capture_is_one_under_any_name(name: str, suffix: str) -> None:
    assert not is_recording(CAPTURES[name][:4096], Path(f"call.{suffix}"))


@pytest.mark.parametrize(
    "name", ["x.raw", "x.sln", "x.SLN16", "x.ul", "x.al", "x.mu", "x.pcm", "x.ulaw", "x.g722", "x.g729", "x.gsm"]
)
def test_bytes_that_tell_nothing_are_a_recording_by_a_suffix_of_any_length(name: str) -> None:
    for head in (SLIN, bytes(4096), b"{" + SLIN, np.random.default_rng(1).bytes(4096)):
        assert is_recording(head[:4096], Path(name))
        assert not is_recording(head[:4096], Path("x.bin"))


@pytest.mark.parametrize(
    "head",
    [b"RIFF\0\0\0\0WAVEfmt ", b"fLaC\0\0\0\x22", b"wvpk" + bytes(40), (b"\x0bw" + bytes(126)) * 9],
    ids=["WAV", "FLAC", "WavPack", "AC-3"],
)
def test_sound_is_a_recording_under_any_name(head: bytes) -> None:
    assert is_recording(head, Path("x"))


@given(st.binary(max_size=500), st.sampled_from([b"", b"\1\0\x10", OPENING, b"\x10\1\x40"]))
def test_any_bytes_are_told(data: bytes, start: bytes) -> None:
    begins_capture(start + data)
