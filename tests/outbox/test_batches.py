"""Changes of a spool's file, committed together."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiosocket_cli.outbox.batches import Batches, Sums
from audiosocket_cli.outbox.spool_file import connect, open_spool_file


class Made:
    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self.told = threading.Event()
        self.folder = folder
        self.batches = Batches(open_spool_file(folder), "the spool", self.tell)

    def tell(self, line: str) -> None:
        self.lines.append(line)
        self.told.set()

    def notes(self) -> list[str]:
        with contextlib.closing(connect(self.folder)) as reader:
            return [name for (name,) in reader.execute("SELECT name FROM notes WHERE length(name) = 1 ORDER BY 1")]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    return Made(tmp_path)


def note(name: str, into: str = "notes") -> object:
    def job(connection: sqlite3.Connection, sums: Sums) -> None:
        connection.execute(f"INSERT INTO {into} VALUES (?, 'x')", (name,))
        sums.add("noted", 1)

    return job


def test_what_was_put_is_there_after_what_is_waited_for(made: Made) -> None:
    assert made.batches.put(note("a"))
    made.batches.do(note("b"))
    assert made.notes() == ["a", "b"]
    assert made.batches.put(note("c"))
    assert made.batches.close() == 0
    assert made.notes() == ["a", "b", "c"]
    assert made.lines == []


def test_totals_add_up_over_batches(made: Made) -> None:
    made.batches.do(note("a"))
    made.batches.do(note("b"))
    seen: list[int] = []
    made.batches.do(lambda connection, sums: seen.append(sums.values["noted"]))
    assert seen == [2]
    made.batches.close()


def test_a_job_that_cannot_be_done_holds_up_no_other(made: Made) -> None:
    made.batches.put(note("a"))
    made.batches.put(note("a"))  # taken
    with pytest.raises(OSError, match="internal"):
        made.batches.do(lambda connection, sums: [][0])
    made.batches.put(note("b"))
    assert made.batches.close() == 0
    assert made.notes() == ["a", "b"]
    assert len(made.lines) == 2
    assert all(line.startswith("internal error in the spool") for line in made.lines)


def test_any_number_of_jobs_that_cannot_be_done_holds_up_no_other(made: Made) -> None:
    for _ in range(1500):
        made.batches.put(note("a"))
    made.batches.put(note("b"))
    assert made.batches.close() == 0
    assert made.notes() == ["a", "b"]
    assert len(made.lines) == 1499


def test_a_disk_that_fails_is_told_once_and_tried_again(made: Made) -> None:
    """A table that is not there stands for a disk that is full: to SQLite both are an operational error."""
    made.batches.put(note("a"))
    made.batches.put(note("b", into="absent"))
    assert made.told.wait(60)
    with pytest.raises(OSError, match="cannot write the spool: no such table"):
        made.batches.do(note("c"))
    with contextlib.closing(connect(made.folder)) as other:
        other.execute("CREATE TABLE absent (name, value)")
    made.told.clear()
    assert made.told.wait(60)
    made.batches.do(note("d"))
    made.batches.close()
    assert made.notes() == ["a", "d"]
    assert made.lines == [
        "cannot write the spool: no such table: absent (calls go on; trying again)",
        "the spool can be written again",
    ]


def test_the_end_does_not_wait_for_a_disk_that_fails(made: Made) -> None:
    made.batches.put(note("a", into="absent"))
    assert made.told.wait(60)
    assert made.batches.close() >= 1
