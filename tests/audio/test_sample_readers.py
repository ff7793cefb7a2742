"""Samples that we read ourselves: the same that libsndfile makes of them, block by block, skipped or read."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.audio.sample_readers import (
    CODING_BYTES,
    SampleReader,
    SlinReader,
    floats,
    length_of,
    read_fully,
    read_past,
)
from audiosocket_cli.audio.wav_header import WavHeader
from audiosocket_cli.errors import FileError


class Pipe(io.BytesIO):
    """Bytes that come a few at a time, and once."""

    def seekable(self) -> bool:
        return False

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(7, size) if size is not None and size >= 0 else 7)


@pytest.mark.parametrize("coding", CODING_BYTES)
def test_floats_are_those_of_libsndfile(coding: str) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.random.default_rng(2).uniform(-1, 1, 4000), 8000, coding, "LITTLE", "RAW")
    file.seek(0)
    expected, _ = soundfile.read(
        file, dtype="float32", format="RAW", subtype=coding, endian="LITTLE", samplerate=8000, channels=1
    )
    np.testing.assert_array_equal(floats(file.getvalue(), coding), expected)


@given(
    st.sampled_from([io.BytesIO, Pipe]),
    st.integers(1, 2),
    st.binary(max_size=400),
    st.integers(1, 90),
    st.integers(0, 60),
)
def test_frames_come_whole_in_order_and_after_what_was_skipped(
    make: type[io.BytesIO], channels: int, data: bytes, size: int, skipped: int
) -> None:
    header = WavHeader("PCM_16", 8000, channels, 2 * channels, 0, None)
    reader = SampleReader(make(data), header, "x", limit=len(data) // header.block_bytes * header.block_bytes)
    reader.skip(skipped)
    blocks = []
    while len(block := reader.read(size)):
        assert block.shape[1] == channels
        blocks.append(block)
    whole = floats(data[: len(data) // header.block_bytes * header.block_bytes], "PCM_16").reshape(-1, channels)
    np.testing.assert_array_equal(np.concatenate([np.zeros((0, channels)), *blocks]), whole[skipped:])
    reader.close()
    reader.close()


def test_a_pipe_that_ends_before_its_header_says_is_told() -> None:
    header = WavHeader("PCM_16", 8000, 1, 2, 0, 16000)
    reader = SampleReader(Pipe(bytes(8000)), header, "x", limit=16000)
    read_past(reader, 100_000)
    assert reader.remarks == ["it is cut short: 0.50 s that its header promises are missing"]


def test_headerless_samples_that_are_not_slin_are_refused_before_they_are_heard() -> None:
    sound = tone(440, 8000, 1.0)
    reader = SlinReader(cast(BinaryIO, io.BytesIO(sound.tobytes())), 8000, "x")
    assert reader.frames == 8000
    np.testing.assert_array_equal(reader.read(8000)[:, 0] * 32768, sound)
    file = io.BytesIO()
    soundfile.write(file, sound, 8000, "ULAW", format="RAW")
    with pytest.raises(FileError, match="cannot play x: it is µ-law, not 16-bit samples"):
        SlinReader(cast(BinaryIO, file), 8000, "x")


def test_lengths_and_whole_reads() -> None:
    assert length_of(io.BytesIO(bytes(101)), 20, 2) == 40
    assert length_of(Pipe(bytes(101)), 20, 2) is None
    assert read_fully(Pipe(bytes(100)), 50) == bytes(50)
    assert read_fully(Pipe(bytes(20)), 50) == bytes(20)
