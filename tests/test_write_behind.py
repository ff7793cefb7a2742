"""Jobs on a file that wait for another thread: bounded, waited for, given up."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable

import pytest

from audiosocket_cli.write_behind import MAX_WAITING_BYTES, WriteBehind


class Written(WriteBehind):
    """Nothing but what there is to count."""

    def take(self, size: int) -> None:
        self._take(size)

    def write(self, size: int) -> None:
        self._written_bytes += size

    def fail(self, error: OSError) -> None:
        self._error = error


def at_once(job: Callable[[], object]) -> None:
    job()


PIECE = MAX_WAITING_BYTES >> 4


def test_what_waits_has_a_bound_and_what_is_written_waits_no_longer() -> None:
    file = Written(at_once)
    for _ in range(17):
        file.take(PIECE)
    with pytest.raises(OSError, match="the disk is too slow") as slow:
        file.take(1)
    assert slow.value.errno == errno.EBUSY
    file.write(PIECE)
    file.take(1)


def test_a_large_piece_leaves_room_for_what_comes_before_it_is_written() -> None:
    file = Written(at_once)
    file.take(3 * MAX_WAITING_BYTES)
    for _ in range(16):
        file.take(PIECE)
    with pytest.raises(OSError, match="the disk is too slow"):
        file.take(1)


def test_a_failure_is_told_with_the_next_bytes_and_at_the_end() -> None:
    file = Written(at_once)
    file.fail(OSError(errno.EIO, "broken"))
    for tell in (lambda: file.take(1), file.wait_until_written):
        with pytest.raises(OSError, match="broken"):
            tell()


def test_the_jobs_before_it_are_waited_for() -> None:
    jobs: list[Callable[[], object]] = []
    done: list[str] = []

    def work() -> None:
        time.sleep(0.05)
        done.append("before")
        while jobs:
            jobs.pop(0)()

    file = Written(jobs.append)
    worker = threading.Thread(target=work)
    worker.start()
    assert file.wait_until_written()
    assert done == ["before"]
    worker.join()


def test_who_gives_up_waits_no_longer() -> None:
    file = Written(lambda job: None)
    threading.Timer(0.05, file.abort).start()
    assert not file.wait_until_written()
