"""The watch over programs: what is new sets a bit, once, on real pipes; what cannot be watched counts as ready."""

from __future__ import annotations

import gc
import os
import select
import subprocess
from collections.abc import Iterator

import pytest

from audiosocket_cli.call.bots.watch import Ready, Watch

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="the system has no epoll: all counts as ready")

READ, OTHER, END = 1, 2, 4


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    yield reader, writer
    os.close(reader)
    os.close(writer)


def looked(ready: Ready) -> int:
    ready.look()
    return ready.bits


def test_what_is_new_is_ready_until_a_read_found_nothing(pipe: tuple[int, int]) -> None:
    ready = Ready(Watch())
    ready.add(pipe[0], READ)
    assert ready.bits == READ  # from the start, whatever it holds
    ready.found_nothing(READ)
    assert looked(ready) == 0
    for _ in range(3):
        os.write(pipe[1], b"ab")
        assert looked(ready) == READ
        assert os.read(pipe[0], 1) == b"a"
        assert looked(ready) == READ  # there is more
        assert os.read(pipe[0], 9) == b"b"
        ready.found_nothing(READ)
        assert looked(ready) == 0


def test_what_goes_on_being_ready_is_told_once(pipe: tuple[int, int]) -> None:
    watch = Watch()
    ready = Ready(watch)
    ready.add(pipe[0], READ)
    os.write(pipe[1], b"a")
    assert looked(ready) == READ
    told = []
    ready.bits = 0
    for _ in range(3):  # it talks, and each time that it is tried there is something
        os.write(pipe[1], b"a")
        told.append(looked(ready))
    assert told == [0, 0, 0]
    ready.found_nothing(READ)
    assert looked(ready) == READ


def test_the_end_of_a_stream_is_not_told_again(pipe: tuple[int, int]) -> None:
    ready = Ready(Watch())
    reader, writer = os.pipe()
    ready.add(reader, READ)
    os.close(writer)
    assert looked(ready) == READ
    ready.found_end(READ)
    assert looked(ready) == 0
    ready.close()
    os.close(reader)


def test_frames_that_are_due_together_share_a_look(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    ready = Ready(Watch())
    ready.add(pipe[0], READ)
    ready.found_nothing(READ)
    ready.look_again()
    os.write(pipe[1], b"a")
    ready.look_again()
    assert ready.bits == 0
    now_s += 0.001
    ready.look_again()
    assert ready.bits == READ


def test_what_came_between_the_last_read_and_its_note_is_ready(pipe: tuple[int, int]) -> None:
    ready = Ready(Watch())
    ready.add(pipe[0], READ)
    with pytest.raises(BlockingIOError):
        os.read(pipe[0], 9)
    os.write(pipe[1], b"a")
    ready.found_nothing(READ)
    assert looked(ready) == READ


def test_one_look_is_for_all_and_each_has_its_own_bits(pipe: tuple[int, int]) -> None:
    watch = Watch()
    silent, heard = Ready(watch), Ready(watch)
    others = os.pipe()
    silent.add(others[0], READ)
    heard.add(pipe[0], OTHER)
    for ready in (silent, heard):
        ready.found_nothing(READ | OTHER)
    os.write(pipe[1], b"a")
    silent.look()
    assert (silent.bits, heard.bits) == (0, OTHER)
    for descriptor in others:
        os.close(descriptor)


def test_the_end_of_a_stream_and_of_a_process_are_something_new() -> None:
    ready = Ready(Watch())
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    end = os.pidfd_open(process.pid)
    ready.add(process.stdout.fileno(), READ)
    ready.add(end, END)
    ready.found_nothing(READ | END)
    assert looked(ready) == 0
    process.stdin.close()
    process.wait()
    assert looked(ready) == READ | END
    ready.close()
    os.close(end)
    process.stdout.close()


def test_what_cannot_be_watched_is_always_ready(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    ready = Ready(Watch())
    ready.add(-1, END)
    ready.found_nothing(END)
    assert looked(ready) == END
    monkeypatch.delattr(select, "epoll")
    ready.add(pipe[0], READ)
    ready.found_nothing(READ | END)
    assert looked(ready) == READ | END


def test_it_takes_a_descriptor_while_it_watches_any_and_closing_twice_is_safe(pipe: tuple[int, int]) -> None:
    def count() -> int:
        gc.collect()  # what earlier tests left may hold some
        return len(os.listdir("/proc/self/fd"))

    before, watch = count(), Watch()
    copies = [os.dup(pipe[0]), os.dup(pipe[0])]
    ready = [Ready(watch), Ready(watch)]
    for one, copy in zip(ready, copies, strict=True):
        one.add(copy, READ)
    assert count() == before + 3
    for one, copy in zip(ready, copies, strict=True):
        one.close()
        one.close()
        os.close(copy)
    assert count() == before
    assert looked(ready[0]) == READ
