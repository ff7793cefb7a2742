"""Bytes of an input as they come: all of them, once, in order, at the place where they stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.capture.window import Window
from support.captures import in_pieces


@given(st.binary(max_size=300), st.integers(1, 40), st.lists(st.integers(0, 60), max_size=30))
def test_what_is_taken_is_the_input_in_order(data: bytes, piece: int, sizes: list[int]) -> None:
    window = Window(in_pieces(data, piece))
    taken = b""
    for size in sizes:
        is_there = window.ensure(size)
        assert is_there is (len(data) - len(taken) >= size)
        assert window.offset == len(taken)
        if not is_there:
            assert window.size == len(data) - len(taken)
            break
        assert window.size >= size
        taken += window.take(size)
    assert data.startswith(taken)


def test_the_end_is_read_once() -> None:
    reads = [b"ab", b"", b"never"]
    window = Window(lambda size: reads.pop(0))
    assert not window.ensure(3)
    assert not window.ensure(3)
    assert reads == [b"never"]


def test_nothing_is_read_that_is_at_hand() -> None:
    def read(size: int) -> bytes:
        pytest.fail("it was asked for more")

    window = Window(read)
    window.data = b"abcd"
    assert window.ensure(4)
    assert window.take(4) == b"abcd"


@given(st.binary(min_size=1, max_size=300), st.integers(1, 40), st.integers(1, 50))
def test_reads_may_be_whole_units_and_lose_nothing(data: bytes, piece: int, unit: int) -> None:
    window = Window(in_pieces(data, piece))
    window.unit = unit
    taken = b""
    while window.ensure(unit):
        assert window.offset == len(taken)
        taken += window.take(unit)
    assert taken + window.take(window.size) == data


def test_reads_leave_no_part_of_a_unit() -> None:
    sizes: list[int] = []

    def read(size: int) -> bytes:
        sizes.append(size)
        return bytes(size)

    window = Window(read)
    assert window.ensure(7)
    window.unit = 7
    window.take(window.size // 7 * 7)
    for _ in range(3):
        window.ensure(7)
        assert window.size % 7 == 0
        window.take(window.size)
    assert len(sizes) == 4
