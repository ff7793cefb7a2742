"""What passes in a call is kept in columns, and comes out as it went in."""

from __future__ import annotations

import gc

from audiosocket_cli.chunks import Chunk, Chunks

SOME: list[Chunk] = [(0.02, 0.0, 1, b"a"), (0.04, 0.007, 1, b"b"), (0.08, 0.0, 2, b"cd"), (0.1, 0.0, 1, b"e")]


def test_chunks_come_out_as_they_went_in() -> None:
    chunks = Chunks(SOME[:1])
    chunks.extend(SOME[1:3])
    chunks.add(0.1, b"e")
    assert list(chunks) == SOME
    assert len(chunks) == 4
    at_s, held_s, frames = chunks.columns
    assert at_s.tolist() == [0.02, 0.04, 0.08, 0.1]
    assert held_s.tolist() == [0.0, 0.007, 0.0, 0.0]
    assert frames.tolist() == [1, 1, 2, 1]


def test_all_are_taken_once() -> None:
    chunks = Chunks(SOME)
    assert list(chunks.take_all()) == SOME
    assert list(chunks) == list(chunks.take_all()) == []
    chunks.append(SOME[1])
    assert list(chunks) == SOME[1:2]


def test_the_last_of_others_are_added() -> None:
    echoed = Chunks(SOME[:1])
    echoed.add_last_of(Chunks([(1.0, 0.0, 1, b"x"), (1.02, 0.0, 1, b"y"), (1.04, 0.0, 1, b"z")]), 2)
    assert list(echoed) == [SOME[0], (1.02, 0.0, 1, b"y"), (1.04, 0.0, 1, b"z")]


def test_those_since_a_number_are_there_again() -> None:
    chunks = Chunks(SOME)
    for number in range(6):
        assert list(chunks.since(number)) == SOME[number:]
    assert list(chunks) == SOME


def test_frames_are_no_work_for_the_garbage_collector() -> None:
    chunks = Chunks()
    gc.collect()
    before = len(gc.get_objects())
    for number in range(1000):
        chunks.add(number / 50, b"frame")
    assert len(gc.get_objects()) - before < 100
