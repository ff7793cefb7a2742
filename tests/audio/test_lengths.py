"""How long sound files say that they are, and whether another follows: held against what libsndfile writes."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.audio.lengths import (
    EndWatch,
    has_frame_count,
    is_cut_ogg,
    is_in_blocks,
    join_mark,
    promised_bytes,
    size_correction,
    what_is_joined,
)

NOISE = np.random.default_rng(1).uniform(-0.5, 0.5, 8000)


def written(kind: str, subtype: str | None = None, endian: str = "FILE") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, NOISE, 8000, subtype, endian, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["AIFF", "AU", "W64"])
def test_a_header_promises_as_many_bytes_as_there_are(kind: str) -> None:
    data = written(kind)
    assert promised_bytes(data[:4096]) == len(data)


def test_without_a_length_nothing_is_promised() -> None:
    assert promised_bytes(b".snd" + bytes(10)) is None
    assert promised_bytes(written("FLAC")[:4096]) is None
    assert promised_bytes(b"FORM\x7f\xff\xff\xff" + bytes(100)) is None


@pytest.mark.parametrize(("kind", "subtype", "endian"), [("AU", "PCM_16", "FILE"), ("CAF", "PCM_16", "FILE"),
                                                         ("WAV", "PCM_16", "BIG")])  # fmt: skip
def test_a_size_of_0_is_corrected_so_that_libsndfile_plays_to_the_end(kind: str, subtype: str, endian: str) -> None:
    data = bytearray(written(kind, subtype, endian))
    assert size_correction(bytes(data[:4096]), len(data)) is None
    at, width = (8, 4) if kind == "AU" else (data.index(b"data") + 4, 8 if kind == "CAF" else 4)
    data[at : at + width] = bytes(width)
    correction = size_correction(bytes(data[:4096]), len(data))
    assert correction is not None
    place, true = correction
    data[place : place + len(true)] = true
    assert len(soundfile.read(io.BytesIO(bytes(data)))[0]) == pytest.approx(len(NOISE), abs=2)


@pytest.mark.parametrize(
    ("kind", "subtype", "is_it"),
    [("AU", "PCM_16", False), ("AU", "G721_32", True), ("AIFF", "PCM_16", False), ("AIFF", "GSM610", True),
     ("W64", "PCM_16", False), ("W64", "GSM610", True), ("FLAC", "PCM_16", False)],
)  # fmt: skip
def test_blocks_are_known_by_the_header(kind: str, subtype: str, is_it: bool) -> None:
    assert is_in_blocks(written(kind, subtype)[:4096]) is is_it


@pytest.mark.parametrize("kind", ["AIFF", "AU", "W64", "CAF", "FLAC", "OGG"])
@pytest.mark.parametrize("piece", [1000, 1 << 20])
def test_a_second_file_is_seen_however_it_comes(kind: str, piece: int) -> None:
    data = written(kind)
    mark = join_mark(data[:4096])
    assert mark is not None
    for whole, expected in ((data, None), (data * 2, mark.format)):
        watch = EndWatch(whole[:4096])
        for at in range(0, len(whole), piece):
            watch.feed(whole[at : at + piece])
        assert watch.joined == expected
        assert what_is_joined(io.BytesIO(whole), whole[:4096], len(whole)) == expected


@given(st.integers(1, 20_000))
def test_an_ogg_file_is_cut_wherever_it_is_cut(missing: int) -> None:
    data = written("OGG")
    part = data[: max(100, len(data) - missing)]
    assert is_cut_ogg(io.BytesIO(part), part[:4096], len(part))
    assert not is_cut_ogg(io.BytesIO(data), data[:4096], len(data))


def test_a_promise_that_is_not_kept_is_known_at_the_end() -> None:
    data = written("AU")
    for part, is_cut in ((data, False), (data[:-100], True)):
        watch = EndWatch(part[:4096])
        watch.feed(part)
        assert watch.is_cut is is_cut


def test_an_mp3_says_how_long_it_is_where_it_has_a_tag() -> None:
    assert has_frame_count(written("MP3")[:4096])
    assert not has_frame_count(b"\xff\xfb" + bytes(400))


@given(st.binary(max_size=400), st.sampled_from([b"", b"FORM", b".snd", b"riff", b"caff", b"RIFX", b"OggS", b"fLaC"]))
def test_any_head_is_judged(data: bytes, start: bytes) -> None:
    head = start + data
    promised_bytes(head)
    correction = size_correction(head, len(head) + 100_000)
    assert correction is None or 0 < len(correction[1]) <= 8
    is_in_blocks(head)
    watch = EndWatch(head)
    watch.feed(head)
