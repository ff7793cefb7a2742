"""Pipes as files: what came can be read again, is kept within a bound, and may be corrected on its way."""

from __future__ import annotations

import io
import os
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.audio import pipe_input
from audiosocket_cli.audio.lengths import EndWatch
from audiosocket_cli.audio.pipe_input import VAST_BYTES, Corrected, Pump, Rewindable, spooled
from audiosocket_cli.errors import FileError

KEPT_BYTES = 1 << 20


class Pieces(io.RawIOBase):
    """A pipe that gives no more than so many bytes at a time, and cannot seek."""

    def __init__(self, data: bytes, piece: int = 1000) -> None:
        self._file, self._piece = io.BytesIO(data), piece

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._file.read(min(size, self._piece) if size >= 0 else self._piece)


def pipe(data: bytes, piece: int = 1000) -> BinaryIO:
    return cast(BinaryIO, Pieces(data, piece))


@given(st.binary(min_size=1, max_size=5000), st.integers(1, 999), st.integers(0, 5000))
def test_what_was_read_comes_again_from_any_place(data: bytes, piece: int, place: int) -> None:
    file = Rewindable(pipe(data, piece))
    whole = b""
    while more := file.read(512):
        whole += more
    assert whole == data
    assert file.tell() == len(data)
    assert file.seek(place) == place
    assert file.read(len(data)) == data[place:]
    assert file.seek(0, os.SEEK_END) == VAST_BYTES


def test_only_the_first_megabyte_comes_again() -> None:
    file = Rewindable(pipe(bytes(KEPT_BYTES + 5000), 1 << 16))
    while file.read(1 << 16):
        pass
    file.seek(KEPT_BYTES)
    with pytest.raises(OSError, match="came through the pipe earlier is gone"):
        file.read(10)


def test_who_watches_sees_each_byte_once() -> None:
    data = b".snd" + bytes(range(256)) * 20
    seen: list[bytes] = []
    file = Rewindable(pipe(data))

    class Watch(EndWatch):
        def feed(self, data: bytes) -> None:
            seen.append(data)

    file.watch = Watch(data)
    file.read(2000)
    file.seek(0)
    while file.read(700):
        pass
    assert b"".join(seen) == data


def test_a_pipe_is_spooled_to_a_file_and_closed() -> None:
    source = pipe(b"abc" * 1000)
    with spooled(source, "x") as file:
        assert source.closed
        assert file.seekable()
        assert file.read() == b"abc" * 1000


def test_too_much_to_spool_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe_input, "MAX_SPOOLED_BYTES", 1 << 20)
    with pytest.raises(FileError, match="cannot play x: more than 1 MB came through the pipe"):
        spooled(pipe(bytes((1 << 20) + 1), 1 << 16), "x")


@given(st.binary(min_size=30, max_size=60), st.integers(0, 26), st.integers(0, 40), st.integers(1, 60))
def test_corrected_bytes_are_others_wherever_one_reads_from(data: bytes, at: int, start: int, size: int) -> None:
    file = Corrected(io.BytesIO(data), at, b"true")
    whole = data[:at] + b"true" + data[at + 4 :]
    file.seek(start)
    assert file.read(size) == whole[start : start + size]
    assert file.tell() == min(start + size, max(start, len(data)))


def test_a_pump_carries_all_into_a_real_pipe() -> None:
    data = os.urandom(300_000)
    pump = Pump(Rewindable(pipe(data, 4096)))
    with pump.pipe as carried:
        received = b""
        while more := carried.read(1 << 16):
            received += more
    assert received == data
