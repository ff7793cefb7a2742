"""The page of a day, written: `report` of a folder of calls."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import quote

from audiosocket_cli.disk import write_file
from audiosocket_cli.errors import FileError, NothingError, UsageError
from audiosocket_cli.report.day_call import DayCall
from audiosocket_cli.report.day_data import Day, Tell, day_data, day_of, shown_name
from audiosocket_cli.report.day_folder import Beside, calls_of
from audiosocket_cli.report.day_page import day_page, left_out_line, told

INDEX: Final = "index.html"

PAGES: Final = "calls"
"""The folder of the pages of calls, beside the page of the day."""

MakePage = Callable[[DayCall, Path], bytes]
"""Returns the page of a call that will be written to that path. May raise `FileError`."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written."""

    path: Path
    calls: int
    pages: int
    remarks: tuple[str, ...]
    """What to tell the user: files that are no calls, pages that could not be made."""


def write_day(
    folders: Sequence[Path], out: str | Path, *, make_page: MakePage | None = None, force: bool = False,
    tell: Tell = lambda what, done, total: None,
) -> Written:  # fmt: skip
    """Write the page of the calls of some folders: to the file `out`, or, where that is a folder, to its index.html.

    With a folder and `make_page` each call gets a page of its own, which its row leads to. Raises `FileError` for a
    folder that cannot be read, `NothingError` where there is no call, `UsageError` for a page that is there already,
    unless `force`, and `OutputError`.
    """
    beside = Beside()
    path, is_folder = page_path(out)
    if os.path.lexists(path) and not force:
        raise UsageError(f"cannot write {path}: it exists; choose another name or add --force")
    found = (call for folder in folders for call in _calls_in(folder, beside, named=len(folders) > 1))
    day = day_of(f"Calls in {_names(folders)}", found, beside)
    if not day.calls:
        there = ", ".join(told(kind, count) for kind, count in beside.counts.items()) or "nothing"
        raise NothingError(f"there is no call in {', '.join(map(str, folders))}, which holds {there}")
    refuse_kept(path, [each for call in day.calls for each in (*call.recordings, call.json) if each is not None])
    made = 0
    remarks: list[str] = []
    if is_folder and make_page is not None:
        made, remarks = _write_pages(day, path.parent, make_page, force=force, tell=tell)
    write_day_page(day, path, force=force, tell=tell)
    if day.left_out:
        remarks.append(left_out_line(day.left_out))
    remarks += [told(kind, count) for kind, count in beside.counts.items()]
    return Written(path, len(day.calls), made, tuple(remarks))


def page_path(out: str | Path) -> tuple[Path, bool]:
    """Return the page that is written for an output, and whether that is a folder: it is one, or ends in a slash."""
    is_folder = os.path.isdir(out) or str(out).endswith(os.sep)
    return (Path(out) / INDEX if is_folder else Path(out)), is_folder


def refuse_kept(path: Path, kept: Iterable[Path]) -> None:
    """Raise `UsageError` where a page would replace a file that it is made of."""
    if is_one_of(path, kept):
        raise UsageError(f"cannot write {path}: the page is made of that file; name another one, such as page.html")


def is_one_of(path: Path, files: Iterable[Path]) -> bool:
    """Whether a name is that of one of some files. A link that leads to one is a name of its own, which can be
    replaced."""
    wanted = _in_true_folder(path)
    return any(each.name == path.name and _in_true_folder(each) == wanted for each in files)


def _in_true_folder(path: Path) -> str:
    return os.path.join(os.path.realpath(path.absolute().parent), path.name)


def write_day_page(day: Day, path: Path, *, force: bool, tell: Tell = lambda what, done, total: None) -> None:
    """Read the recordings of calls and write their page. Raises `UsageError` and `OutputError`."""
    folder = path.absolute().parent
    found = day_data(day, lambda each: address_of(each, folder), tell)
    write_file(str(path), [day_page(day, found)], force=force)


def address_of(path: Path, folder: Path) -> str:
    """Return the address of a file for a page in a folder."""
    relative = os.path.relpath(path.absolute(), folder)
    shown = quote(os.fsencode(relative).replace(os.fsencode(os.sep), b"/"))
    return shown if shown.startswith("../") else f"./{shown}"  # a colon in a name is none of a scheme


def _calls_in(folder: Path, beside: Beside, *, named: bool) -> Iterator[DayCall]:
    name = shown_name(Path(folder.name or folder))
    try:
        for call in calls_of(folder, beside):
            yield replace(call, key=f"{name}/{call.key}") if named else call
    except OSError as error:
        raise FileError(f"cannot read {folder}: {(error.strerror or str(error)).lower()}") from None


def _names(folders: Sequence[Path]) -> str:
    names = [shown_name(Path(folder.absolute().name or folder)) for folder in folders[:3]]
    more = f" and {len(folders) - 3} more" if len(folders) > 3 else ""
    return f"{', '.join(names)}{more}"


def _write_pages(day: Day, folder: Path, make_page: MakePage, *, force: bool, tell: Tell) -> tuple[int, list[str]]:
    """Write the page of each call; of what fails, the call is left without."""
    names: set[str] = set()
    calls, failed = [], []
    for number, call in enumerate(day.calls):
        tell("making pages", number, len(day.calls))
        path = folder / PAGES / f"{_free_name(call.key, names)}.html"
        try:
            write_file(str(path), [make_page(call, path)], force=force)
            calls.append(replace(call, page=address_of(path, folder.absolute())))
        except FileError as error:
            failed.append(str(error))
            calls.append(call)
    day.calls = calls
    remarks = failed[:10] + ([f"{len(failed) - 10} more calls without a page"] if len(failed) > 10 else [])
    return len(calls) - len(failed), remarks


def _free_name(key: str, names: set[str]) -> str:
    """Return a file name for a call that no other call has, of characters that every system takes."""
    plain = (
        "".join(char if (char.isascii() and char.isalnum()) or char in "-_." else "-" for char in key)[-100:].strip(
            ".-"
        )
        or "call"
    )
    name, count = plain, 1
    while name.lower() in names:
        count += 1
        name = f"{plain}-{count}"
    names.add(name.lower())
    return name
