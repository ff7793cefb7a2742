"""A month of calls is measured once; after that, what changed, whatever ended the run before."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from audiosocket_cli.calls_analysis import analyzing
from audiosocket_cli.calls_analysis.analyzing import analyze
from audiosocket_cli.calls_analysis.attempt import Attempt, attempt
from audiosocket_cli.calls_analysis.call_files import CallFiles
from audiosocket_cli.calls_analysis.here import Done
from audiosocket_cli.calls_analysis.ledger import Ledger
from audiosocket_cli.calls_analysis.parquet_parts import part_path
from audiosocket_cli.errors import MissingLibraryError
from support.analyzed import make_calls, rows_in


class PowerCutError(Exception):
    """What ends a run in its middle."""


class Measuring:
    """Measures calls in this process, and counts them."""

    def __init__(self, dies_after: int = 10**9) -> None:
        self.names: list[str] = []
        self.dies_after = dies_after

    def __call__(self, calls: Iterable[CallFiles]) -> Iterator[Done]:
        for call in calls:
            if len(self.names) >= self.dies_after:
                raise PowerCutError
            self.names.append(call.call)
            yield Done(call, attempt(call))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_calls(tmp_path / "calls", 9, 1.5)
    return tmp_path / "calls"


def test_only_what_changed_is_measured_again_and_its_old_rows_are_gone(folder: Path, tmp_path: Path) -> None:
    out, first = tmp_path / "out", Measuring()
    done = analyze([str(folder)], out, first)
    assert (done.calls, done.measured, done.unchanged, done.parts) == (9, 9, 0, 3)
    before = rows_in(out)
    assert len(before) == 9
    assert {str(row[-1]) for row in before} == {"2026-11-30", "2026-12-01", "2026-12-02"}
    again = Measuring()
    assert (analyze([str(folder)], out, again).unchanged, again.names) == (9, [])
    changed = sorted(first.names)[:2]
    (folder / f"{changed[0]}.wav").write_bytes((folder / f"{changed[1]}.wav").read_bytes())
    os.utime(folder / f"{changed[1]}.json", (1, 1))
    again = Measuring()
    done = analyze([str(folder)], out, again)
    assert (sorted(again.names), done.measured, done.unchanged) == (changed, 2, 7)
    anew = tmp_path / "anew"
    analyze([str(folder)], anew, Measuring())
    assert rows_in(out) == rows_in(anew)
    assert rows_in(out) != before


def test_a_run_that_was_cut_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    out, cut, rest = tmp_path / "out", Measuring(dies_after=4), Measuring()
    with pytest.raises(PowerCutError):
        analyze([str(folder)], out, cut)
    assert rows_in(out) == [] if list(out.glob("*/*.parquet")) else True
    done = analyze([str(folder)], out, rest)
    assert (len(cut.names), len(rest.names), done.unchanged) == (4, 5, 4)
    assert not set(cut.names) & set(rest.names)
    assert len(rows_in(out)) == 9


def test_a_cut_between_a_part_and_the_ledger_is_mended(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    written = []

    def rewrite(*given: object) -> None:
        if written:
            raise PowerCutError
        written.append(given)
        original(*given)  # type: ignore[arg-type]

    original = analyzing.rewrite_part
    monkeypatch.setattr(analyzing, "rewrite_part", rewrite)
    with pytest.raises(PowerCutError):
        analyze([str(folder)], out, Measuring())
    assert len(rows_in(out)) == 3
    monkeypatch.undo()
    again = Measuring()
    analyze([str(folder)], out, again)
    assert (again.names, len(rows_in(out))) == ([], 9)


def test_a_call_whose_day_changed_after_a_cut_has_one_row(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row may be in a part already, while the ledger does not know of it."""
    for path in folder.iterdir():
        if path.suffix == ".json" or path.stem != min(each.stem for each in folder.iterdir()):
            path.unlink()
    (sound,) = folder.iterdir()
    os.utime(sound, (1, 86_400))

    def cut(_: Ledger) -> None:
        raise PowerCutError

    monkeypatch.setattr(Ledger, "settle", cut)
    with pytest.raises(PowerCutError):
        analyze([str(folder)], tmp_path / "out", Measuring())
    monkeypatch.undo()
    os.utime(sound, (1, 86_400 * 3))
    analyze([str(folder)], tmp_path / "out", Measuring())
    assert rows_in(tmp_path / "out", "call, date::VARCHAR") == [(sound.stem, "1970-01-04")]


def test_rows_are_written_in_steps_and_days_that_were_removed_are_measured_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analyzing, "_WRITE_AT", 2)
    out = tmp_path / "out"
    assert analyze([str(folder)], out, Measuring()).parts > 3
    assert len(rows_in(out)) == 9
    part_path(out, "2026-12-01").unlink()
    again = Measuring()
    analyze([str(folder)], out, again)
    assert (len(again.names), len(rows_in(out))) == (3, 9)


def test_rows_of_calls_that_are_gone_stay_and_are_counted(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = analyze([str(folder), str(folder / ".")], out, Measuring())
    assert done.calls == 9
    next(folder.glob("*.wav")).unlink()
    next(folder.glob("*.json")).unlink()
    done = analyze([str(folder)], out, Measuring())
    assert done.gone in (0, 1)
    for path in folder.iterdir():
        path.unlink()
    assert analyze([str(folder)], out, Measuring()).gone == 9
    assert len(rows_in(out)) == 9


def test_what_failed_is_told_and_kept_or_tried_again(folder: Path, tmp_path: Path) -> None:
    def measure(calls: Iterable[CallFiles]) -> Iterator[Done]:
        for number, call in enumerate(calls):
            outcomes = [Attempt(later="permission denied"), Attempt(is_gone=True), Attempt()]
            yield Done(call, outcomes[number] if number < 3 else attempt(call), "signal 11" if number == 2 else None)

    done = analyze([str(folder)], tmp_path / "out", measure)
    assert (done.measured, done.later, done.vanished, done.killed) == (6, 1, 1, 1)
    assert done.told[0].endswith(": permission denied; the next run tries it again")
    assert done.told[1].endswith(": measuring it failed: signal 11")
    problems = [row for row in rows_in(tmp_path / "out", "problem, call") if row[0]]
    assert [problem for problem, _ in problems] == ["measuring it failed: signal 11"]
    again = Measuring()
    analyze([str(folder)], tmp_path / "out", again)
    assert len(again.names) == 2
    everything = Measuring()
    analyze([str(folder)], tmp_path / "out", everything, anew=True)
    assert (len(everything.names), len(rows_in(tmp_path / "out"))) == (9, 9)


def test_a_library_that_is_missing_ends_the_run(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingLibraryError, match="soundfile is not installed"):
        analyze(
            [str(folder)],
            tmp_path / "out",
            lambda calls: iter([Done(next(iter(calls)), Attempt(fatal="soundfile is not installed"))]),
        )
