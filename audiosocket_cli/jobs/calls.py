"""`calls`: the calls of folders and buckets, found, listed, exported, cut and, when they are too old, removed."""

from __future__ import annotations

import contextlib
import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from audiosocket_cli.calls_index.csv_lines import csv_lines
from audiosocket_cli.calls_index.filters import Filter, check_digits, check_uuid
from audiosocket_cli.calls_index.folder_place import FolderPlace
from audiosocket_cli.calls_index.folder_scan import Skipped
from audiosocket_cli.calls_index.moments import parse_keep_s, parse_moment
from audiosocket_cli.calls_index.places import Places
from audiosocket_cli.calls_index.retention import Removal, before_of, removals
from audiosocket_cli.calls_index.row import Row
from audiosocket_cli.disk import prove_folder, working_folder, write_file
from audiosocket_cli.errors import NetworkError, NothingError, OutputError, UsageError
from audiosocket_cli.finding_pages import finding_ids
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.jobs.reports import prepare_reports
from audiosocket_cli.stores.store_error import StoreError
from audiosocket_cli.stores.store_url import StoreUrl
from audiosocket_cli.text import counted, counted_with_commas
from audiosocket_cli.ui.calls_list import (
    call_lines,
    problem_line,
    removal_line,
    size_text,
    total_lines,
)
from audiosocket_cli.ui.console import drop_output, put_lines, say

if TYPE_CHECKING:
    from audiosocket_cli.calls_index.clips import Clip

_SHOWN: Final = 50
"""Calls that a table shows without --limit."""
_PROBLEMS: Final = 3


@dataclass(frozen=True, slots=True)
class CallsWanted:
    """The command line."""

    places: Sequence[Path | StoreUrl]
    since: str | None
    until: str | None
    uuid: str | None
    peer: str | None
    digits: str | None
    findings: Sequence[str]
    longer: float | None
    shorter: float | None
    ended_by: str | None
    slower: float | None
    result: str | None
    sort: str
    limit: int | None
    as_json: bool
    csv: bool
    parquet: Path | None
    clip: str | None
    output: Path | None
    keep: str | None
    delete: bool
    rebuild: bool
    force: bool


def calls(wanted: CallsWanted) -> Outcome:
    """Find the calls, and do with them what is wanted. Raises `UsageError`, `FileError` and `NothingError`."""
    _check(wanted)
    those = _filter(wanted)
    with Places(wanted.places, say, anew=wanted.rebuild) as places:
        is_complete = _update(places)
        count, first = places.problems(_PROBLEMS)
        if count:
            say(problem_line(count, first))
        if wanted.keep is not None:
            return _keep(wanted, those, places)
        if not places.totals(those).calls:
            if not is_complete:
                raise NetworkError("there is no such call among those that are known")
            raise NothingError(_nothing(wanted, places))
        if wanted.slower is not None:
            _tell_unmeasured(wanted, places)
        return _export(wanted, those, places) | Outcome(unreachable=not is_complete)


def _update(places: Places) -> bool:
    """Bring the indexes up to date; say what they may lack, and whether that is nothing."""
    is_complete = True
    for updated in places.update():
        tell_skipped(updated.skipped)
        for line in updated.incomplete:
            is_complete = False
            say(line)
    return is_complete


def _export(wanted: CallsWanted, those: Filter, places: Places) -> Outcome:
    if wanted.clip is not None:
        return _clip(wanted, places, places.rows(those, wanted.sort, wanted.limit))
    if wanted.parquet is not None:
        _write_parquet(wanted.parquet, places.rows(those, wanted.sort, wanted.limit), force=wanted.force)
    elif wanted.csv:
        put_lines(csv_lines(places.rows(those, wanted.sort, wanted.limit)))
    elif wanted.as_json:
        rows = places.rows(those, wanted.sort, wanted.limit)
        put_lines(json.dumps(row.as_json(), ensure_ascii=False) for row in rows)
    else:
        limit = wanted.limit or _SHOWN
        put_lines(call_lines(places.rows(those, wanted.sort, limit)))
        totals = places.totals(those)
        put_lines(total_lines(totals, min(limit, totals.calls)))
    return Outcome()


def _write_parquet(path: Path, rows: Iterator[Row], *, force: bool) -> None:
    from audiosocket_cli.calls_index.parquet import parquet_bytes

    write_file(str(path), parquet_bytes(rows), force=force)
    say(f"wrote {path}")


# What is wanted.


def _check(wanted: CallsWanted) -> None:
    """Refuse what does not go together, before anything is read. Raises `UsageError` and `MissingLibraryError`."""
    if wanted.clip is not None:
        from audiosocket_cli.calls_index.clips import parse_clip

        parse_clip(wanted.clip)
        if wanted.output is None:
            raise UsageError("--clip needs a folder for the sounds: add -o DIR")
    if wanted.keep is not None:
        parse_keep_s(wanted.keep)
        _check_folders(wanted)
    if wanted.parquet is not None:
        from audiosocket_cli.calls_index.parquet import check_parquet

        check_parquet()
        prepare_reports(force=wanted.force, parquet=wanted.parquet)


def _check_folders(wanted: CallsWanted) -> None:
    """Refuse buckets to --keep: what ends there, their stores end better. Raises `UsageError`."""
    bucket = next((place for place in wanted.places if not isinstance(place, Path)), None)
    if bucket is not None:
        raise UsageError(
            f"--keep is for folders, not for {bucket}: let a lifecycle rule of the store remove old objects "
            "(audiosocket help buckets)"
        )


def _filter(wanted: CallsWanted) -> Filter:
    now = datetime.now().astimezone()
    for finding in wanted.findings:
        _check_finding(finding)
    since = None if wanted.since is None else parse_moment(wanted.since, now)
    before = None if wanted.until is None else parse_moment(wanted.until, now, end=True)
    if since is not None and before is not None and since >= before:
        raise UsageError(f"--since {wanted.since} is not before --until {wanted.until}: exchange them")
    return Filter(
        since=since,
        before=before,
        uuid=None if wanted.uuid is None else check_uuid(wanted.uuid),
        peer=wanted.peer,
        digits=None if wanted.digits is None else check_digits(wanted.digits),
        findings=tuple(wanted.findings),
        longer_s=wanted.longer,
        shorter_s=wanted.shorter,
        ended_by=wanted.ended_by,
        slower_ms=None if wanted.slower is None else wanted.slower * 1000,
        result=wanted.result,
    )


def _check_finding(finding: str) -> None:
    known = finding_ids()
    if finding not in known:
        near = difflib.get_close_matches(finding.lower(), known, 3, 0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "audiosocket help findings lists them"
        raise UsageError(f"{finding!r:.60} is not the id of a finding: {hint}")


def _nothing(wanted: CallsWanted, places: Places) -> str:
    names = ", ".join(map(str, wanted.places))
    all_calls = places.totals(Filter()).calls
    if not all_calls:
        return f"there is no JSON of a call in {names}: name the folder of --record, or the URL of --upload"
    return f"none of {counted_with_commas(all_calls, 'call')} in {names} matches: use fewer options"


def tell_skipped(skipped: Skipped) -> None:
    """Say what a walk through folders left out."""
    if skipped.links:
        say(f"{counted(skipped.links, 'link')} to folders or JSON files not followed")
    if skipped.unreadable_count:
        more = skipped.unreadable_count - len(skipped.unreadable)
        say(f"cannot read {'; '.join(skipped.unreadable)}{f'; and {more} more' if more else ''}")
    if skipped.too_deep:
        say(f"{counted(skipped.too_deep, 'folder')} not looked into: too deep, or too many")


def _tell_unmeasured(wanted: CallsWanted, places: Places) -> None:
    totals = places.totals(Filter())
    if totals.with_turns < totals.calls:
        say(f"--slower leaves out {counted_with_commas(totals.calls - totals.with_turns, 'call')} whose turns were not "
            "measured")  # fmt: skip


# Sounds.


def _clip(wanted: CallsWanted, places: Places, rows: Iterator[Row]) -> Outcome:
    assert wanted.clip is not None
    assert wanted.output is not None
    from audiosocket_cli.calls_index.clips import ClipFolder, Cutting, cut_clips, parse_clip

    wish, done = parse_clip(wanted.clip), Cutting()
    with contextlib.ExitStack() as stack:
        try:
            prove_folder(wanted.output)
            out = ClipFolder(wanted.output, stack.enter_context(working_folder(wanted.output)))
        except OSError as error:
            raise UsageError(_unwritable(wanted.output, error)) from None
        clips = (clip for row in rows for clip in cut_clips(row, places.at_hand, wish, out, done, say))
        is_told = _put_done(_clip_lines(wanted, clips))
    told = (
        (done.there_already, "there already"),
        (done.left_out, "left out, as one call has too many"),
        (done.beyond_end, "not made: the recording ends before"),
    )
    others = [f"{number} {what}" for number, what in told if number]
    say(", ".join([f"cut {counted_with_commas(done.made, 'clip')} into {wanted.output}", *others]))
    if done.without_recording:
        say(f"{counted_with_commas(done.without_recording, 'call')} without a recording beside the JSON")
    return Outcome(failed=done.failures > 0 or not is_told, found_nothing=not (done.made or done.there_already))


def _clip_lines(wanted: CallsWanted, clips: Iterator[Clip]) -> Iterator[str]:
    try:
        for clip in clips:
            yield json.dumps(clip.as_json(), ensure_ascii=False) if wanted.as_json else str(clip.path)
    except StoreError:
        raise
    except OSError as error:
        raise OutputError(_unwritable(wanted.output, error)) from None


def _unwritable(folder: Path | None, error: OSError) -> str:
    return f"cannot write to {folder}: {(error.strerror or str(error)).lower()}"


def _put_done(lines: Iterator[str]) -> bool:
    """Put a line on each thing as it is done. Where nobody reads them all is done all the same; returns False where
    standard output failed otherwise."""
    try:
        put_lines(lines)
    except OSError as error:
        drop_output()
        for _ in lines:
            pass
        return isinstance(error, BrokenPipeError)
    return True


# Retention.


@dataclass(slots=True)
class _Kept:
    calls: int = 0
    files: int = 0
    size_bytes: int = 0
    kept: int = 0

    def add(self, removal: Removal) -> None:
        if removal.kept is not None:
            self.kept += 1
            return
        self.calls += 1
        self.files += len(removal.files)
        self.size_bytes += removal.size_bytes


def _keep(wanted: CallsWanted, those: Filter, places: Places) -> Outcome:
    assert wanted.keep is not None
    before, done = before_of(parse_keep_s(wanted.keep), datetime.now(UTC)), _Kept()
    lines = _removal_lines(wanted, _removals(wanted, those, before, places), done)
    try:
        told = _put_done(lines)
    finally:  # an interruption, too, leaves something removed
        say(_kept_line(wanted, done))
        if done.kept:
            say(f"{counted_with_commas(done.kept, 'older call')} kept: see above")
    if wanted.delete:
        for index in places.indexes:
            index.update()
    return Outcome(failed=done.kept > 0 or not told)


def _removals(wanted: CallsWanted, those: Filter, before: datetime, places: Places) -> Iterator[Removal]:
    those = replace(those, not_since=before.isoformat(timespec="milliseconds"))
    folders = [place for place in wanted.places if isinstance(place, Path)]
    for index in places.indexes:
        assert isinstance(index.place, FolderPlace)
        rows = list(index.rows(those, "oldest"))  # not one by one: the index is not held while files are removed
        yield from removals(index.place.folder, rows, before, folders, delete=wanted.delete)


def _removal_lines(wanted: CallsWanted, found: Iterator[Removal], done: _Kept) -> Iterator[str]:
    """Yield a line on each call; of a table only the first ones, and all that are kept."""
    for removal in found:
        done.add(removal)
        if wanted.as_json:
            yield json.dumps(removal.as_json(), ensure_ascii=False)
        elif removal.kept is not None or done.calls <= _SHOWN:
            yield removal_line(removal)


def _kept_line(wanted: CallsWanted, done: _Kept) -> str:
    calls = counted_with_commas(done.calls, "call")
    if not done.calls:
        return f"no call to remove that ended more than {wanted.keep} ago"
    what = f"{calls} that ended more than {wanted.keep} ago: {counted_with_commas(done.files, 'file')}"
    if wanted.delete:
        return f"removed {what}, {size_text(done.size_bytes)} freed"
    return f"would remove {what}, {size_text(done.size_bytes)}; add --delete to do it"
