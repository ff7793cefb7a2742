"""`calls analyze`: the sound of all calls measured again, into Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from audiosocket_cli.calls_analysis.analyzing import MAX_TOLD, Analysis, analyze
from audiosocket_cli.calls_analysis.here import Done, measure_here
from audiosocket_cli.calls_analysis.listed_call import ListedCall
from audiosocket_cli.calls_index.parquet import check_parquet
from audiosocket_cli.errors import NothingError
from audiosocket_cli.jobs.calls import tell_skipped
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.text import counted_with_commas
from audiosocket_cli.ui.console import put_result, say
from audiosocket_cli.ui.live_line import live_line

_STEP = 1.25
"""Without a terminal, a line tells the progress whenever so many times as many calls are done; at most some dozens."""
_FIRST_TOLD = 1_000


@dataclass(frozen=True, slots=True)
class AnalyzeWanted:
    """The command line."""

    places: Sequence[str]
    """Folders, and URLs of stores."""
    output: Path
    dask: str | None
    jobs: int
    """Processes of this machine; without meaning on a cluster."""
    anew: bool
    as_json: bool


def calls_analyze(wanted: AnalyzeWanted) -> Outcome:
    """Measure the calls, and say what was done. Raises `UsageError`, `FileError`, `NetworkError`, `OutputError` and
    `NothingError`."""
    check_parquet()
    with live_line() as show:
        done = analyze(wanted.places, wanted.output, _measurer(wanted), anew=wanted.anew, progress=_Progress(show).tell)
    tell_skipped(done.listed.skipped)
    for line in (*done.listed.incomplete, *done.told):
        say(line)
    more = done.problems + done.later + done.killed - MAX_TOLD
    if more > 0:
        say(f"{counted_with_commas(more, 'more call')} with a problem: see the column problem")
    if not done.calls and not done.gone:
        raise NothingError(f"there is no call in {', '.join(wanted.places)}: name the folder of --record, or a bucket")
    told = put_result(done.as_json(), _lines(done, wanted), as_json=wanted.as_json)
    failed = done.later > 0 or done.killed > 0 or not told
    return Outcome(failed=failed, unreachable=bool(done.listed.incomplete))


def _measurer(wanted: AnalyzeWanted) -> Callable[[Iterable[ListedCall]], Iterator[Done]]:
    if wanted.dask is None:
        return lambda calls: measure_here(calls, wanted.jobs)
    from audiosocket_cli.calls_analysis.cluster import check_dask, measure_on

    check_dask()
    url = wanted.dask
    return lambda calls: measure_on(url, calls, say)


class _Progress:
    """Says how far it is: in a line that changes on a terminal, else in a few lines."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._next = _FIRST_TOLD

    def tell(self, done: int, total: int) -> None:
        if not total:
            return
        text = f"measured {done:,} of {counted_with_commas(total, 'call')}"
        self._show(text)
        if done >= self._next:
            self._next = round(done * _STEP)
            say(text)


def _lines(done: Analysis, wanted: AnalyzeWanted) -> Iterator[str]:
    calls = counted_with_commas(done.calls - done.no_calls, "call")
    yield f"{calls}: {done.measured:,} measured in {done.seconds:.1f} s, {done.unchanged:,} as before"
    told = (
        (done.problems, "with a problem: see the column problem"),
        (done.killed, "that ended the process which measured them: their rows say so"),
        (done.later, "not measured this time"),
        (done.listed.going_on, "not over yet"),
        (done.vanished, "removed meanwhile"),
        (done.gone, "no longer there: their rows stay"),
    )
    for number, what in told:
        if number:
            yield f"{counted_with_commas(number, 'call')} {what}"
    days = counted_with_commas(done.parts, "part")
    yield f"{days} written: SELECT * FROM '{wanted.output}/*/*.parquet'" if done.parts else "nothing to write"
