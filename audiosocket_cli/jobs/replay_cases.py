"""The calls of many captures, each with its expected answer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from audiosocket_cli.analysis.compare import Answer
from audiosocket_cli.call.sources.script import Script
from audiosocket_cli.capture.items import Opened
from audiosocket_cli.capture.opening import open_capture
from audiosocket_cli.errors import FileError, NothingError, UsageError
from audiosocket_cli.jobs.expectation import CAPTURES, SUFFIX, stem_of
from audiosocket_cli.jobs.replay import SAME, ReplayWanted, read_expected, read_wanted, with_expectation
from audiosocket_cli.text import counted
from audiosocket_cli.ui.console import say

_SHOWN: int = 8
"""The number of digits of a UUID that name a call in a capture of several."""


@dataclass(frozen=True, slots=True)
class ReplayCase:
    """A call that is to be placed, and what is expected of it."""

    name: str
    wanted: ReplayWanted
    script: Script
    old: Answer | None
    """None for a script, which contains what it expects."""


def find_cases(wanted: ReplayWanted, captures: Sequence[str]) -> list[ReplayCase]:
    """Read all calls of captures, and of those in folders, before anything connects.

    Raises `UsageError`, `FileError`, and `NothingError` where there is nothing to replay.
    """
    found = [each for name in captures for each in _files(Path(name))]
    if wanted.expect is not None and wanted.expect != SAME and len(found) > 1 and not os.path.isdir(wanted.expect):
        raise UsageError(
            f"--expect {wanted.expect} is one file for {len(found)} captures: name a folder with files of the same "
            "names, or same"
        )
    return [case for path, inner in found for case in _cases(wanted, path, inner)]


def _files(path: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the captures of a folder, each also by its name in there, or a capture."""
    if not os.path.isdir(path):
        if str(path) == "-":
            raise UsageError("standard input cannot be combined with other captures: name files")
        yield path, Path(path.name)
        return
    files = _files_below(path)
    captures = [each for each in files if stem_of(each) is not None]
    beside = {each.with_name(f"{stem_of(each)}{SUFFIX}") for each in captures}
    for each in files:
        if each.name.endswith(SUFFIX) and each not in beside:
            raise FileError(f"{each} has no capture of that name beside it")
    if not captures:
        raise NothingError(f"there are no captures in {path}: they end in {', '.join(CAPTURES)}")
    left_out = len(files) - len(captures) - len(beside.intersection(files))
    if left_out:
        say(f"{path}: left out {counted(left_out, 'file')}: captures end in {', '.join(CAPTURES)}")
    yield from ((each, each.relative_to(path)) for each in captures)


def _files_below(folder: Path) -> list[Path]:
    """Return the files of a folder and of those in it, without hidden ones. Raises `FileError` for what nobody lets us
    look into: no capture is left out without a word."""

    def fail(error: OSError) -> NoReturn:
        raise error

    below = (Path(inner, name) for inner, _, names in os.walk(folder, onerror=fail) for name in names)
    try:
        return sorted(each for each in below if not each.name.startswith(".") and each.is_file())
    except OSError as error:
        raise FileError(f"cannot read {error.filename}: {(error.strerror or str(error)).lower()}") from None


def _cases(wanted: ReplayWanted, path: Path, inner: Path) -> Iterator[ReplayCase]:
    expect = wanted.expect / inner if wanted.expect is not None and os.path.isdir(wanted.expect) else wanted.expect
    of_file = with_expectation(replace(wanted, captured=str(path), expect=expect))
    names = [of_file.call] if of_file.call else _calls_in(path)
    for name in names:
        alone = of_file if len(names) == 1 else replace(of_file, call=name)
        script = read_wanted(alone)
        old = None if script.has_steps else read_expected(alone)
        shown = str(path) if len(names) == 1 else f"{path} {(name or '')[:_SHOWN]}"
        yield ReplayCase(shown, alone, script, old)


def _calls_in(path: Path) -> list[str | None]:
    """Return the calls of a capture by name; None for what holds none, as a script."""
    return [found.call.name for found in open_capture(path, scripts=True).runs() if isinstance(found, Opened)] or [None]
