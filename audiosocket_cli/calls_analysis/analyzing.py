"""All calls of folders and buckets measured: what is new or changed, and no more, into the parts of a folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.calls_analysis.columns import empty_row
from audiosocket_cli.calls_analysis.here import Done
from audiosocket_cli.calls_analysis.ledger import Ledger
from audiosocket_cli.calls_analysis.listed_call import ListedCall, utf8
from audiosocket_cli.calls_analysis.listing import Listed, files_of, source_of
from audiosocket_cli.calls_analysis.parquet_parts import clear_unfinished, part_path, rewrite_part
from audiosocket_cli.calls_index.places import outermost
from audiosocket_cli.errors import MissingLibraryError

SCHEMA: Final = "audiosocket.analysis/1"

MAX_TOLD: Final = 10
"""Calls that are named of each kind; all are counted."""

_WRITE_AT: Final = 20_000
"""Rows that wait for their parts."""

MeasureAll = Callable[[Iterable[ListedCall]], Iterator[Done]]
"""Yields each call once it is measured, in any order."""

Progress = Callable[[int, int], object]
"""Gets how many calls are measured, and of how many."""


@dataclass(slots=True)
class Analysis:
    """What a run did."""

    calls: int = 0
    """Those that are there."""
    measured: int = 0
    unchanged: int = 0
    no_calls: int = 0
    """Files that hold no call."""
    problems: int = 0
    """Rows of this run with a problem."""
    later: int = 0
    """Calls that could not be measured this time."""
    killed: int = 0
    """Calls that ended each process that measured them: their rows say so."""
    gone: int = 0
    """Calls that have a row, and are not there any more."""
    vanished: int = 0
    """Calls whose files were removed meanwhile."""
    parts: int = 0
    """Parts that were written."""
    seconds: float = 0.0
    told: list[str] = field(default_factory=list)
    """The first calls that have a problem, each with what it is."""
    listed: Listed = field(default_factory=Listed)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "schema": SCHEMA, "calls": self.calls, "measured": self.measured, "unchanged": self.unchanged,
            "no_calls": self.no_calls, "problems": self.problems, "later": self.later, "killed": self.killed,
            "gone": self.gone, "vanished": self.vanished, "parts": self.parts, "going_on": self.listed.going_on,
            "seconds": round(self.seconds, 1), "told": self.told,
        }  # fmt: skip


def analyze(
    sources: Sequence[str], out: Path, measure_all: MeasureAll, *, anew: bool = False,
    progress: Progress = lambda done, total: None,
) -> Analysis:  # fmt: skip
    """Measure all calls that were not measured as they are now. Raises `FileError` for a source that cannot be read,
    `UsageError`, `NetworkError` and `OutputError`; what was measured until then is kept."""
    began_s, done = time.monotonic(), Analysis()
    places = outermost([source_of(source) for source in sources])
    with Ledger(out) as ledger:
        clear_unfinished(out)
        ledger.forget_days([date for date in ledger.days() if not part_path(out, date).exists()])
        _write_parts(ledger, out, done)  # rows of a run that was killed, whose old places are known only now
        if anew:
            ledger.forget_all()
        for place in places:
            ledger.take_files(str(place), files_of(place, done.listed))
        _measure(ledger, out, measure_all, done, progress)
        _write_parts(ledger, out, done)
        done.gone = ledger.gone()
    done.seconds = time.monotonic() - began_s
    return done


def _measure(ledger: Ledger, out: Path, measure_all: MeasureAll, done: Analysis, progress: Progress) -> None:
    done.calls, to_measure = ledger.counts()
    done.unchanged = done.calls - to_measure
    finished, waiting = 0, ledger.waiting()
    progress(0, to_measure)
    for each in measure_all(ledger.to_measure()):
        _take(ledger, each, done)
        finished, waiting = finished + 1, waiting + 1
        progress(finished, to_measure)
        if waiting >= _WRITE_AT:
            _write_parts(ledger, out, done)
            waiting = 0


def _take(ledger: Ledger, each: Done, done: Analysis) -> None:
    found = each.attempt
    if found.fatal is not None:
        raise MissingLibraryError(found.fatal)
    if found.is_gone:
        done.vanished += 1
    elif found.later is not None:
        done.later += 1
        _tell(done, each.call, f"{found.later}; the next run tries it again")
    elif each.killed is not None:
        done.killed += 1
        row = _row_of_killed(each.call, each.killed)
        _tell(done, each.call, row["problem"])
        ledger.note(each.call, row)
    else:
        ledger.note(each.call, found.row)
        if found.row is None:
            done.no_calls += 1
            return
        done.measured += 1
        if found.row["problem"] is not None:
            done.problems += 1
            _tell(done, each.call, found.row["problem"])


def _row_of_killed(call: ListedCall, how: str) -> dict[str, Any]:
    row = empty_row(call)
    row |= {"files": [utf8(each.name) for each in call.sounds], "not_measured": ["all"]}
    row["problem"] = f"measuring it failed: {how}"
    return row


def _tell(done: Analysis, call: ListedCall, what: str) -> None:
    if len(done.told) < MAX_TOLD:
        done.told.append(f"{utf8(call.folder)}/{utf8(call.call)}: {what}")


def _write_parts(ledger: Ledger, out: Path, done: Analysis) -> None:
    """Put all rows that wait into their parts."""
    ledger.commit()
    for date in ledger.waiting_days():
        rewrite_part(out, date, ledger.waiting_keys(date), ledger.waiting_rows(date))
        done.parts += 1
    ledger.settle()
