"""Calls to be analyzed, and what measures them but for one that it dies of.

`DEADLY_MEASURER` is a program that measures calls, as `calls_analysis.process` does.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import duckdb

from audiosocket_cli.calls_analysis import process
from audiosocket_cli.calls_analysis.attempt import Attempt, attempt
from audiosocket_cli.calls_analysis.ledger import Ledger
from audiosocket_cli.calls_analysis.listed_call import ListedCall
from audiosocket_cli.calls_analysis.listing import Listed, files_of
from support.days import BEGINS, make_call, voices

DEADLY: Final = "deadly"
SLOW: Final = "slow"
DEADLY_MEASURER: Final = (
    sys.executable, "-c",
    f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r}); from support.analyzed import main; main()",
)  # fmt: skip


def attempt_or_die(call: ListedCall) -> Attempt:
    """Measure a call; kill this process if it is the deadly one, and take long for the slow one."""
    if call.call == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
    if call.call == SLOW:
        time.sleep(1000)
    return attempt(call)


def make_calls(folder: Path, count: int, length_s: float = 3.0, days: int = 3) -> list[str]:
    """Make short calls of several days in a folder, and return their names."""
    chance, both = random.Random(7), voices()
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        make_call(folder, BEGINS + timedelta(days=number % days, minutes=number), chance, both, length_s)
    return sorted(path.stem for path in folder.glob("*.json"))


def calls_in(folder: Path, scratch: Path) -> list[ListedCall]:
    """Return the calls of a folder as they are measured."""
    with Ledger(scratch) as ledger:
        ledger.take_files(str(folder), files_of(folder, Listed()))
        return list(ledger.to_measure())


def rows_in(out: Path, columns: str = "*") -> list[tuple[Any, ...]]:
    """Return what is in the parts of a folder, in the order of the calls' names."""
    with duckdb.connect() as database:
        query = f"SELECT {columns} FROM read_parquet('{out}/*/*.parquet', hive_partitioning = true) ORDER BY call"
        return database.execute(query).fetchall()


def one_by_one(calls: Sequence[ListedCall]) -> Iterator[tuple[ListedCall, Attempt]]:
    """Measure calls in this process."""
    for call in calls:
        yield call, attempt(call)


def main() -> None:
    """Be the program."""
    process.attempt = attempt_or_die  # type: ignore[attr-defined]
    process.main(sys.stdin.buffer, sys.stdout.buffer)
