"""What waits for its turn: samples in order, whole, filled up at the end; lines of text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.call.bots.speech_queue import Lines, SpeechQueue


@given(st.lists(st.binary(max_size=100), max_size=20), st.integers(1, 40).map(lambda half: 2 * half))
def test_all_that_was_written_is_said_in_order_whatever_its_pieces(pieces: list[bytes], size: int) -> None:
    queue, said = SpeechQueue(), b""
    for piece in pieces:
        queue.add(piece)
        while len(queue) >= size:
            said += queue.take(size) or b""
    data = b"".join(pieces)
    assert queue.odd is bool(len(data) % 2)
    while len(queue):
        said += queue.take(size) or b""  # the first look at a rest leaves it time to grow
    whole = data[: len(data) & ~1]
    assert said == whole.ljust(-(-len(whole) // size) * size, b"\0")
    assert queue.take(size) is None


@given(st.lists(st.binary(max_size=50) | st.just(b"12345678"), max_size=30))
def test_what_is_read_and_said_at_once_is_said_as_if_it_had_been_queued(pieces: list[bytes]) -> None:
    short, long, most = SpeechQueue(), SpeechQueue(), 60
    for piece in pieces:
        read = [piece]
        is_full = len(long) >= most
        said = short.read_and_take(lambda read=read: read.pop() or None, 8, most)  # type: ignore[misc]
        assert bool(read) is is_full  # what is left waits in the pipe
        if not is_full:
            long.add(piece)
        assert said == long.take(8)
        assert (len(short), short.odd) == (len(long), long.odd)


def test_a_rest_that_has_just_begun_to_arrive_is_waited_for_once() -> None:
    queue = SpeechQueue()
    queue.add(b"ab")
    assert queue.take(4) is None
    queue.add(b"cd")
    assert queue.take(4) == b"abcd"
    queue.add(b"ef")
    assert queue.take(4) is None
    assert queue.take(4) == b"ef\0\0"


def test_what_is_cleared_is_counted() -> None:
    queue = SpeechQueue()
    queue.add(b"abcde")
    assert queue.clear() == 4
    assert not queue.odd
    queue.add(b"fg")
    assert (queue.take(2), len(queue)) == (b"fg", 0)


@given(st.lists(st.text(st.characters(exclude_characters="\n\r", codec="utf-8"))), st.integers(1, 30))
def test_lines_come_whole_and_in_order(lines: list[str], size: int) -> None:
    waiting, taken = Lines(), []
    data = "".join(f"{line}\r\n" for line in lines).encode()
    for at in range(0, len(data), size):
        waiting.feed(data[at : at + size])
        taken += waiting.take(2)
    while waiting.waiting:
        taken += waiting.take(3)
    assert taken == lines


def test_a_line_without_an_end_is_cut_and_the_last_one_is_taken_at_the_end() -> None:
    waiting = Lines()
    waiting.feed(b"x" * 10_000)
    waiting.feed(b"last")
    assert [len(line) for line in waiting.take(10)] == [10_000]
    waiting.end()
    waiting.end()
    assert waiting.take(10) == ["last"]


Item = tuple[str, int]
"""Bytes of samples to add, or a mark with as many of them after it."""


@given(st.lists(st.tuples(st.just("samples"), st.integers(0, 40)) | st.tuples(st.just("mark"), st.integers(0, 60))),
       st.booleans(), st.integers(1, 5))  # fmt: skip
def test_a_mark_passes_with_the_samples_that_it_stands_after(items: list[Item], mixed: bool, frame: int) -> None:
    """Whether all samples lie in one piece or in several, as they do after another mark that waits for a file."""
    queue, size, added, places = SpeechQueue(), 2 * frame, 0, dict[str, int]()
    for number, (what, count) in enumerate(items):
        if what == "samples":
            queue.add(bytes([7]) * 2 * count)
            added += 2 * count
        else:
            queue.add_mark(str(number), count)
            places[str(number)] = max(0, added - count - count % 2)
        if mixed and not queue._later and queue._next:  # as a file that has just been said leaves the rest
            queue._later.append(bytearray(queue._next))
            queue._next.clear()
    taken, passed = 0, dict[str, int]()
    while len(queue) or queue.marks:
        data = queue.take(size)
        taken += len((data or b"").rstrip(b"\0"))
        for name in queue.passed:
            passed[name] = taken
        queue.passed.clear()
    assert passed.keys() == places.keys()
    for name, place in places.items():
        assert place <= passed[name] <= max(place + size, size)


def test_marks_are_told_in_the_order_of_their_places_also_a_thousand() -> None:
    queue = SpeechQueue()
    for number in range(1000):
        queue.add(bytes([1]) * 320)
        queue.add_mark(str(number))
    queue.add_mark("back", 320)
    for _ in range(100):
        queue.take(320)
    assert queue.passed == [str(number) for number in range(100)]
    for _ in range(900):
        queue.take(320)
    assert queue.passed[-3:] == ["998", "back", "999"]
    assert queue.marks == 0


class _Speech:
    """A file of which nothing has been read yet."""

    position = 0
    is_over = is_all_there = False

    def take(self, size: int) -> None:
        return None

    def close(self) -> None:
        pass


def test_pieces_behind_a_file_are_kept_together_however_small_they_are() -> None:
    queue = SpeechQueue()
    queue.add_file(_Speech)  # type: ignore[arg-type]
    for _ in range(3):
        queue.add(bytes([1, 1]))
        queue.add(bytes([1]))
        queue.add(bytes([1]))
    queue.add_mark("one")
    queue.add(bytes([2, 2]))
    assert len(queue._later) == 4  # the file, six samples, the mark, a sample
    assert len(queue) == 1 + 12 + 2
    assert queue.take(320) is None
    assert queue.clear() == 14
