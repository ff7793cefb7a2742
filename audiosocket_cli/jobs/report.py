"""`report`: a page to look at, of a call, of a folder or capture of calls, of a load test, or of a check."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from audiosocket_cli.analysis.dumping import Reading
from audiosocket_cli.capture.items import CapturedCall, Damage
from audiosocket_cli.capture.lacks import left_out_of
from audiosocket_cli.disk import write_file
from audiosocket_cli.errors import FileError, NothingError, OutputError, UsageError
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.jobs.reports import prepare_reports
from audiosocket_cli.report.call_files import (
    CallFiles,
    PagePlace,
    files_of_json,
    files_of_recording,
    is_cut,
    json_of_recording,
    page_data,
)
from audiosocket_cli.report.call_page import call_page
from audiosocket_cli.report.call_sound import can_be_linked
from audiosocket_cli.report.captured_calls import CapturedFigures, captured_calls, side_of, write_sound
from audiosocket_cli.report.day import address_of, is_one_of, page_path, refuse_kept, write_day
from audiosocket_cli.report.day_call import DayCall, day_call
from audiosocket_cli.report.day_data import day_data, day_of
from audiosocket_cli.report.day_folder import Beside
from audiosocket_cli.report.day_page import day_page
from audiosocket_cli.report.input_kind import ADVICE, InputKind, ReportInput, look_at
from audiosocket_cli.text import counted_with_commas, printable
from audiosocket_cli.ui.capture_rows import damage_line
from audiosocket_cli.ui.console import put_bytes, say, shown_path
from audiosocket_cli.ui.live_line import live_line

_STDIN: Final = "-"
_STDOUT: Final = "-"

_MAX_DAMAGES: Final = 5
"""Places where captures are damaged that are told."""


@dataclass(frozen=True, slots=True)
class ReportWanted:
    """The command line."""

    inputs: tuple[str, ...]
    output: str
    """A file, a folder for a day with a page for each call, or - for standard output."""
    embed: bool = False
    call: str | None = None
    force: bool = False
    open_page: bool = False


def report(wanted: ReportWanted) -> Outcome:
    """Make the page. Raises `UsageError`, `FileError`, `NothingError` and `OutputError`."""
    with _readable(wanted.inputs) as paths:
        inputs = [look_at(path) for path in paths]
        return _Report(wanted, inputs, paths[wanted.inputs.index(_STDIN)] if _STDIN in wanted.inputs else None).make()


_STDIN_FILE: Final = "standard input"


@contextlib.contextmanager
def _readable(names: Sequence[str]) -> Iterator[list[Path]]:
    """Provide inputs as files: standard input is read to its end, and kept in a file until the end of the block."""
    if names.count(_STDIN) > 1:
        raise UsageError("standard input can be read once: name - only once")
    if not all(names):
        raise UsageError("an INPUT has no name: name a file, a folder, or - for standard input")
    with tempfile.TemporaryDirectory(prefix="audiosocket-") as folder:
        yield [_kept(Path(folder)) if name == _STDIN else Path(name) for name in names]


def _kept(folder: Path) -> Path:
    path = folder / _STDIN_FILE
    try:
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
    except OSError as error:
        raise OutputError(f"cannot keep standard input: {(error.strerror or str(error)).lower()}") from None
    return path


class _Report:
    """A page on its way."""

    def __init__(self, wanted: ReportWanted, inputs: Sequence[ReportInput], passing: Path | None) -> None:
        """`passing` is the input that will not be there when the page is looked at: what came by standard input."""
        self._wanted, self._inputs, self._passing = wanted, inputs, passing
        self._paths = [each.path for each in inputs]
        self._damaged = False
        self._notes = _Notes()

    def make(self) -> Outcome:
        """Make the page that fits the inputs."""
        kinds = {each.kind for each in self._inputs}
        if kinds != {InputKind.CAPTURE} and self._wanted.call is not None:
            raise UsageError("--call chooses a call of a capture: leave it out")
        if self._wanted.embed and kinds & {InputKind.BENCH, InputKind.CHECK}:
            raise UsageError("--embed puts the sound of calls into a page: leave it out")
        if kinds == {InputKind.FOLDER}:
            self._make_day()
        elif kinds == {InputKind.CAPTURE}:
            self._make_captured()
        elif kinds == {InputKind.BENCH}:
            self._prepare(self._paths)
            self._write(self._bench_page())
        elif kinds == {InputKind.CHECK}:
            self._prepare(self._paths)
            self._write(self._check_page())
        elif kinds <= {InputKind.CALL, InputKind.RECORDING}:
            self._make_call(self._one_call())
        else:
            what = " and ".join(sorted(f"{each.kind.value} ({each.path})" for each in self._inputs[:3]))
            raise UsageError(f"there is no page of {what} together: give inputs of one kind")
        return Outcome(damaged=self._damaged)

    # One call.

    def _one_call(self) -> CallFiles:
        """Return the call of a JSON, of a recording, or of both."""
        calls = [
            files_of_json(each.path, each.content)
            if each.kind is InputKind.CALL and each.content is not None
            else files_of_recording(each.path)
            for each in self._inputs
        ]
        if len(calls) == 1:
            return calls[0]
        jsons = [each for each in self._inputs if each.kind is InputKind.CALL]
        sounds = [each.path for each in self._inputs if each.kind is InputKind.RECORDING]
        if len(jsons) != 1 or not sounds:
            raise UsageError(
                f"there is no page of {len(calls)} calls given one by one: give one with its recording, or their folder"
            )
        of_json = calls[self._inputs.index(jsons[0])]
        notes = tuple(note for note in of_json.not_measured if note[0] not in ("sound", "all of the recording"))
        return replace(of_json, recordings=tuple(sounds), not_measured=notes)

    def _make_call(self, files: CallFiles) -> None:
        self._prepare(files.paths)
        wav = None
        if files.recordings and not self._wanted.embed and not can_be_linked(files.recordings[0], self._passing):
            wav = self._wav_beside(files.paths)
        elif self._wanted.embed and not files.recordings:
            say("there is no recording to embed: the page has no sound")
        data = page_data(files, PagePlace(self._folder, self._wanted.embed, wav, self._passing))
        self._damaged |= is_cut(data)
        self._write(call_page(data), wav if wav is not None and wav.exists() else None)

    def _wav_beside(self, kept: Sequence[Path]) -> Path:
        """Return the name of the WAV file that belongs to the page: none of the files that are kept, and no recording
        of a call. Raises `UsageError` where there cannot be one."""
        path = Path(self._wanted.output)
        if self._wanted.output == _STDOUT or (path.exists() and not path.is_file()):
            where = "on standard output" if self._wanted.output == _STDOUT else "that is not a file"
            raise UsageError(f"the sound cannot be a file beside a page {where}: add --embed")
        wav = path.with_name(f"{path.stem}.wav")
        if is_one_of(wav, kept) or json_of_recording(wav) is not None:
            wav = path.with_name(f"{path.stem}.sound.wav")
        if os.path.lexists(wav) and not self._wanted.force:
            raise UsageError(f"{wav} exists, where the page's sound goes; name another page, or add --force or --embed")
        return wav

    # Captures.

    def _make_captured(self) -> None:
        found = captured_calls(self._paths, self._wanted.call, self._notes)
        self._damaged = bool(found.result.damages)
        if not found.calls:
            if self._wanted.call is not None:
                raise NothingError(f"no call in {self._paths[0]} has a UUID that begins with {self._wanted.call!r:.60}")
            raise NothingError(f"there is no call in {self._paths[0]}: {ADVICE}")
        if len(found.calls) == 1:
            self._make_captured_call(found.calls[0], is_one_sided=found.is_one_sided)
        else:
            self._make_captured_day(found.calls, found.left_out)

    def _make_captured_call(self, call: CapturedFigures, *, is_one_sided: bool) -> None:
        self._prepare(self._paths)
        if self._wanted.embed:
            with tempfile.TemporaryDirectory(prefix="audiosocket-") as folder:
                wav = Path(folder) / "call.wav"
                self._write(self._captured_page(call, wav, is_one_sided=is_one_sided))
            return
        wav = self._wav_beside(self._paths)
        self._write(self._captured_page(call, wav, is_one_sided=is_one_sided), wav if wav.exists() else None)

    def _captured_page(self, call: CapturedFigures, wav: Path, *, is_one_sided: bool) -> bytes:
        sounds, pause = write_sound(self._paths, call, wav, self._notes)
        notes = [] if sounds else [("sound", "the capture holds no audio of the call")]
        if pause is not None:
            notes.append(("all of the sound", str(pause)))
        if call.rows_left_out:
            notes.append(("all events", f"{call.rows_left_out} more are left out"))
        files = CallFiles(
            call.name, call.figures, None, tuple(sounds), tuple(call.rows), self._paths[0],
            side_of(call) if is_one_sided else "stereo", tuple(notes),
        )  # fmt: skip
        return call_page(page_data(files, PagePlace(self._folder, self._wanted.embed, passing=self._passing)))

    def _make_captured_day(self, calls: Sequence[CapturedFigures], left_out: int) -> None:
        """Make the page of all calls of captures."""
        if self._wanted.embed:
            raise UsageError(f"--embed is for one call, and there are {len(calls)}: choose with --call")
        shown = [day_call(each.figures, key=each.name, folder="", name=each.name) for each in calls]
        title = f"Calls in {', '.join(printable(path.name) for path in self._paths[:3])}"
        day = day_of(title, shown, Beside())
        path, _ = page_path(self._wanted.output)
        refuse_kept(path, self._paths)
        folder = path.absolute().parent
        self._write(day_page(day, day_data(day, lambda each: address_of(each, folder))), shown_as=path)
        if left_out:
            say(f"{left_out} more calls are left out: choose with --call")

    # Folders.

    def _make_day(self) -> None:
        if self._wanted.output == _STDOUT:
            raise UsageError("the page of a folder goes to a file or a folder: name one with -o")
        if self._wanted.embed and not page_path(self._wanted.output)[1]:
            raise UsageError("--embed is for the pages of calls: name a folder with -o, or leave it out")
        with live_line() as show:
            written = write_day(
                self._paths, self._wanted.output, make_page=self._page_of_day_call, force=self._wanted.force,
                tell=lambda what, done, total: show(f"{what}: {done:,} of {counted_with_commas(total, 'call')}"),
            )  # fmt: skip
        for remark in written.remarks:
            say(remark)
        pages = f", {counted_with_commas(written.pages, 'page')} of calls beside it" if written.pages else ""
        say(f"wrote {shown_path(written.path)}: {counted_with_commas(written.calls, 'call')}{pages}")
        self._open(written.path)

    def _page_of_day_call(self, call: DayCall, path: Path) -> bytes:
        """Return the page of a call of a day, which will be written to that path."""
        if call.json is not None:
            found = look_at(call.json)
            if found.content is None or found.kind is not InputKind.CALL:
                raise FileError(f"{call.json} is not the JSON of a call any more")
            files = files_of_json(call.json, found.content)
        else:
            files = replace(files_of_recording(call.recordings[0]), name=call.key, recordings=call.recordings)
        return call_page(page_data(files, PagePlace(path.absolute().parent, self._wanted.embed)))

    # Results.

    def _bench_page(self) -> bytes:
        from audiosocket_cli.report.bench_page import bench_page

        contents = [each.content for each in self._inputs if each.content is not None]
        return bench_page(contents, [_STDIN_FILE if path == self._passing else str(path) for path in self._paths])

    def _check_page(self) -> bytes:
        from audiosocket_cli.check.matrix import matrix_of
        from audiosocket_cli.check.results import read_report
        from audiosocket_cli.ui.check_page import check_page

        return check_page(matrix_of([read_report(path) for path in self._paths], [path.stem for path in self._paths]))

    # The page.

    @property
    def _folder(self) -> Path:
        """The folder of the page."""
        return Path.cwd() if self._wanted.output == _STDOUT else Path(self._wanted.output).absolute().parent

    def _refuse_folder(self) -> None:
        output = self._wanted.output
        if output != _STDOUT and page_path(output)[1]:
            raise UsageError(f"{output} is a folder, and this is one page: name a file in it")

    def _prepare(self, kept: Sequence[Path]) -> None:
        """Check that the page can be written, before anything that takes time, and that it replaces none of the files
        that it is made of."""
        self._refuse_folder()
        if self._wanted.output != _STDOUT:
            refuse_kept(Path(self._wanted.output), kept)
            prepare_reports(force=self._wanted.force, output=Path(self._wanted.output))

    def _write(self, content: bytes, wav: Path | None = None, shown_as: Path | None = None) -> None:
        """Write the page, and say what was written."""
        if self._wanted.output == _STDOUT:
            put_bytes([content])
            return
        path = shown_as or Path(self._wanted.output)
        write_file(str(path), [content], force=self._wanted.force)
        beside = f", and its sound to {shown_path(wav)}" if wav is not None else ""
        say(f"wrote {shown_path(path)} ({len(content) / 1e6:.1f} MB){beside}")
        self._open(path)

    def _open(self, path: Path) -> None:
        if not self._wanted.open_page:
            return
        import webbrowser

        try:
            is_open = webbrowser.open(path.absolute().as_uri())
        except (webbrowser.Error, OSError):
            is_open = False
        if not is_open:
            say(f"there is no browser to open {shown_path(path)} with")


class _Notes:
    """Says where captures are damaged."""

    def __init__(self) -> None:
        self._told: list[Damage] = []
        """Captures are read a second time for their sound."""
        self._left_out: list[str] = []

    def damaged(self, damage: Damage, file: str, *, is_beyond_resync: bool) -> None:
        if damage not in self._told and len(self._told) < _MAX_DAMAGES:
            self._told.append(damage)
            say(f"{file}: {damage_line(damage)}" if file else damage_line(damage))

    def remarked(self, call: CapturedCall, file: str) -> None:
        """Do nothing: the page has the remarks on a call."""

    def ended(self, reading: Reading) -> None:
        """Say what of it could not be read; what came of the rest is said by whoever makes the page."""
        for line in (f"{reading.name}: {text}" for text in left_out_of(reading.capture)):
            if line not in self._left_out:
                self._left_out.append(line)
                say(line)

    def failed(self, error: FileError) -> None:
        say(str(error))
