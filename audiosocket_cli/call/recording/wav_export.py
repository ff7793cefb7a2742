"""Captured calls to WAV files, through the tap that records live ones."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from audiosocket_cli.analysis.selection import EVERYTHING, Selection
from audiosocket_cli.audio.containers import WAV_SUFFIX, container_of
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.recording.destinations import FileOutput
from audiosocket_cli.call.recording.recording import Layout, Recording
from audiosocket_cli.call.taps.tap import FLUSH_S
from audiosocket_cli.capture.items import Captured, CapturedCall, Ended, Item, Over
from audiosocket_cli.chunks import Chunks
from audiosocket_cli.codec import encode
from audiosocket_cli.errors import UsageError
from audiosocket_cli.model import Call, Side
from audiosocket_cli.runs import in_runs

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NS: Final = 1_000_000_000
_MAX_PAUSE_S: Final = 86_400.0
"""In seconds: a longer pause is not a call on hold, but a changed clock or joined files, and would fill many WAV
files."""


class Pause(NamedTuple):
    """A pause that is too long to be written, in seconds of its call."""

    from_s: float
    to_s: float

    def __str__(self) -> str:
        days = (self.to_s - self.from_s) / 86_400
        return f"after {self.from_s:.1f} s follows a pause of {days:.1f} days, where its file ends"


class WavExport:
    """Writes each call that passes to a WAV file, both sides on true time; one, where there is but one.

    What is selected by time begins at the time that was asked for: second 0 of the file is second `from_s` of the call.
    """

    def __init__(self, name: Path | str, selection: Selection = EVERYTHING, *, force: bool = False) -> None:
        """Write what is selected to DIR/<uuid>.wav, or to the file that has been named, and, from the second call on,
        to others beside it, as NAME-2.wav. Nothing is made, nor refused, before there is a capture to watch."""
        self.name = str(name)
        self.files: list[Path] = []
        self.errors: list[str] = []
        self.pauses: list[Pause] = []
        """Those before which files end."""
        self.notes: list[str] = []
        """What was done to true time, of each file that has something to tell."""
        self._selection = selection
        self._force = force
        self.is_one_file = names_a_file(name)
        """Whether a file was named rather than a folder."""
        self._output = FileOutput(name, overwrite=force) if self.is_one_file else FileOutput.in_folder(Path(name))
        self._is_prepared = False
        self._writing: dict[CapturedCall, _Writing] = {}
        self._calls = 0

    def watch(self, items: Iterable[Item], *, both: bool) -> Iterator[Item]:
        """Hand on all items, and write what they hold; `both` says that they may hold both sides of a call.

        Raises `UsageError` for a name that cannot be, or is taken.
        """
        if not self._is_prepared:
            _refuse_other_sound(self.name)
            self._output.prepare()
            self._is_prepared = True
        both = both and self._selection.side is None
        for item in items:
            if isinstance(item, Captured):
                if self._selection.takes(item):
                    self._of(item.call, None if both else item.side).take(item)
                elif item.call in self._writing:
                    self._writing[item.call].note_time(item.at_s)
            elif isinstance(item, Ended | Over) and item.call in self._writing:
                if isinstance(item, Over):
                    self._end(self._writing.pop(item.call))
                else:
                    self._writing[item.call].note_time(item.at_s)
            yield item

    def close(self) -> None:
        """Complete the files of calls that have not ended."""
        while self._writing:
            self._end(self._writing.popitem()[1])

    def _of(self, call: CapturedCall, side: Side | None) -> _Writing:
        writing = self._writing.get(call)
        if writing is None:
            self._calls += 1
            layout = Layout(side.value) if side else Layout.STEREO
            writing = _Writing(call, self._calls, self._next_output(), layout, self._selection)
            self._writing[call] = writing
        return writing

    def _next_output(self) -> FileOutput:
        if self.is_one_file and self._calls > 1:
            path = Path(self.name)
            path = path.with_name(f"{path.stem}-{self._calls}{path.suffix}")
            self._output = FileOutput(path, overwrite=self._force)
        return self._output

    def _end(self, writing: _Writing) -> None:
        writing.finish()
        self.files += writing.recording.paths
        self.notes += [f"{path.name}: {note}" for path in writing.recording.paths[:1] for note in writing.notes]
        if writing.recording.error:
            self.errors.append(writing.recording.error)
        elif writing.pause:
            self.pauses.append(writing.pause)


def names_a_file(name: Path | str) -> bool:
    """Whether a name is that of a WAV file, rather than of a folder, or of a file for each call."""
    path = Path(name)
    is_file = path.suffix.lower() == WAV_SUFFIX and "{" not in path.name
    return is_file and not str(name).endswith(os.sep) and not os.path.isdir(path)


def _refuse_other_sound(name: Path | str) -> None:
    """Refuse what is meant as a sound file, and would be a folder of WAV files."""
    path = Path(name)
    if os.path.isdir(path) or str(name).endswith(os.sep) or path.suffix.lower() in ("", WAV_SUFFIX):
        return
    try:
        container_of(path)
    except UsageError:
        return  # no sound has that suffix
    raise UsageError(
        f"cannot write {path}: --wav writes WAV; name it {path.with_suffix(WAV_SUFFIX)}, or {path}{os.sep} for a folder"
    )


class _Writing:
    """A captured call on its way through the tap that records live ones."""

    def __init__(
        self, captured: CapturedCall, number: int, output: FileOutput, layout: Layout, selection: Selection
    ) -> None:
        me = captured.me or Side.SERVER
        self._since_s, self._until_s = max(0.0, selection.from_s), selection.to_s
        started_ns = (captured.started_ns or 0) + self._since_s * _NS
        self.recording = Recording(layout, output)
        self._call = Call(
            me, captured.caller, captured.uuid or UUID(int=number), _EPOCH + timedelta(microseconds=started_ns / 1000),
            Pacer(0.0),
        )  # fmt: skip
        self._batches = {side: Chunks() for side in Side}
        self._flushed_s = 0.0
        self.pause: Pause | None = None
        """Before which its file ends."""
        self.recording.opened(self._call)

    @property
    def notes(self) -> list[str]:
        """What the recording has to tell."""
        return self._call.notes

    def take(self, item: Captured) -> None:
        at_s = item.at_s - self._since_s
        pause_s = at_s - self._call.duration_s
        if pause_s > _MAX_PAUSE_S and self.pause is None:
            self.pause = Pause(self._call.duration_s, item.at_s)
        if self.pause is not None:
            return
        self._batches[item.side].add(at_s, encode(item.frame))
        self.note_time(item.at_s)
        if at_s - self._flushed_s >= FLUSH_S:
            self._flush()

    def note_time(self, at_s: float) -> None:
        """Hear that the call has lasted as long, whatever of that is selected.

        A pause that is too long to be written is not waited through.
        """
        lasted_s = min(at_s, self._until_s) - self._since_s
        if lasted_s - self._call.duration_s <= _MAX_PAUSE_S:
            self._call.duration_s = max(self._call.duration_s, lasted_s)

    def finish(self) -> None:
        self._flush()
        self.recording.closed(self._call)

    def _flush(self) -> None:
        self._flushed_s = self._call.duration_s
        heard, said = (in_runs(self._batches[side]) for side in (self._call.me.other, self._call.me))
        self.recording.frames(heard, said, self._flushed_s)
        self._batches = {side: Chunks() for side in Side}
