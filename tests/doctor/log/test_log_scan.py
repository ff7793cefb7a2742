from __future__ import annotations

import io
import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.doctor.log import log_scan
from audiosocket_cli.doctor.log.log_scan import _ANCHORS, MAX_LINE_BYTES, READ_BYTES, lines_in

FILLER = (
    b"[2026-11-29 10:00:00.123] VERBOSE[1234][C-0000000a] pbx.c: Executing [100@internal:1] Set(accept=pipe address)"
)


def found_in(data: bytes) -> list[bytes]:
    return list(lines_in(io.BytesIO(data).readinto))


@pytest.mark.parametrize("literal", list(_ANCHORS))
@pytest.mark.parametrize("before", range(9))
def test_a_literal_is_found_wherever_it_begins(literal: bytes, before: int) -> None:
    line = b"x" * before + literal + b" y"
    assert found_in(FILLER + b"\n" + line + b"\n" + FILLER) == [line]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from([FILLER, b"", *_ANCHORS, b"a pipe, an addr, UUID", b"\xff\0", b"AudioSocket" * 3]), max_size=40
    ),
    st.integers(1, 70),
)
def test_all_lines_with_a_literal_are_found_however_they_are_read(lines: list[bytes], size: int) -> None:
    data = b"\n".join(lines)
    file = io.BytesIO(data)

    def read_into(view: memoryview) -> int:
        return file.readinto(view[:size])

    expected = [line for line in lines if any(literal in line for literal in _ANCHORS)]
    assert list(lines_in(read_into)) == expected


def test_lines_at_the_borders_of_blocks_are_whole() -> None:
    line = b"AudioSocket " + b"z" * 90
    data = (line + b"\n") * (3 * READ_BYTES // len(line))
    assert found_in(data) == [line] * (3 * READ_BYTES // len(line))


def test_a_file_without_a_line_end_is_looked_at_in_parts() -> None:
    data = b"x" * (READ_BYTES - 5) + b"AudioSocket" + b"y" * (2 * READ_BYTES)
    found = found_in(data)
    assert found
    assert all(b"AudioSocket" in line and len(line) <= MAX_LINE_BYTES for line in found)


def test_memory_does_not_grow_with_the_log() -> None:
    def peak(blocks: int) -> int:
        left = [blocks]
        block = (FILLER + b"\n") * (READ_BYTES // (len(FILLER) + 1)) + b"AudioSocket\n"

        def read_into(view: memoryview) -> int:
            if not left[0]:
                return 0
            left[0] -= 1
            count = min(len(view), len(block))
            view[:count] = block[:count]
            return count

        tracemalloc.start()
        for _ in lines_in(read_into):
            pass
        reached = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return reached

    assert peak(200) < 16 << 20 < 200 * READ_BYTES


def test_an_error_of_reading_is_passed_on() -> None:
    def read_into(view: memoryview) -> int:
        raise OSError(5, os.strerror(5))

    with pytest.raises(OSError, match=os.strerror(5)):
        list(lines_in(read_into))


def test_words_that_are_only_like_a_literal_are_left_out_before_a_line_is_cut() -> None:
    block = log_scan._Block()
    data = b"an audio socket, 12 websockets, a packet of audio and its pipe, addr and buffer\n" * 5000
    block.fill(io.BytesIO(data).readinto, b"")
    assert len(block._sure(np.arange(len(data) // 8))) == 0


@pytest.mark.parametrize("literal", list(_ANCHORS))
def test_each_four_bytes_of_a_literal_have_others_to_compare(literal: bytes) -> None:
    for word in _ANCHORS[literal]:
        away, other = log_scan._CHECKS[log_scan._number(word)]
        assert log_scan._number(literal[literal.index(word) + away :][:4]) == other
