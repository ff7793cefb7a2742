"""The files of one call: its JSON, its recording, and the page that is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.analysis.rows import Row
from audiosocket_cli.analysis.sound_picture import SoundFiles, picture_of
from audiosocket_cli.audio.growing_wav import first_of
from audiosocket_cli.doctor.files.recording import judge_recording
from audiosocket_cli.errors import FileError, MissingLibraryError, UsageError
from audiosocket_cli.finding import Status, tagged
from audiosocket_cli.report.call_data import ShownCall, ShownSound, call_data
from audiosocket_cli.report.call_sound import can_be_linked, embedded, linked, why_unheard, write_wav
from audiosocket_cli.report.day import address_of
from audiosocket_cli.report.input_kind import InputKind, look_at
from audiosocket_cli.report.json_values import list_of, mapping_of, text_of
from audiosocket_cli.text import counted

_MAX_FILES: Final = 1000
_MAX_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class CallFiles:
    """A call, by what there is of it."""

    name: str
    """Its name where it has no UUID."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """Its JSON; nothing of a recording alone."""
    json: Path | None = None
    """The file of that."""
    recordings: tuple[Path, ...] = ()
    """The parts of its recording that are there."""
    rows: tuple[Row, ...] = ()
    """Of a captured call."""
    capture: Path | None = None
    """The capture that it is in."""
    layout: str | None = None
    """Which sides are recorded, where that is known besides the JSON."""
    not_measured: tuple[tuple[str, str], ...] = ()

    @property
    def paths(self) -> list[Path]:
        """All files that it is made of."""
        return [path for path in (self.json, self.capture, *self.recordings) if path is not None]


@dataclass(frozen=True, slots=True)
class PagePlace:
    """Where a page goes, and its sound."""

    folder: Path
    """The folder of the page: links lead from there."""
    embed: bool = False
    """Whether the page itself has the sound."""
    wav: Path | None = None
    """Where a WAV file may be written if browsers do not play the recording."""
    passing: Path | None = None
    """A file that will not be there when the page is looked at: nothing leads to it."""


def files_of_json(path: Path, content: Mapping[str, Any]) -> CallFiles:
    """Return the call of a JSON file, with its recording, which is beside it."""
    recording = mapping_of(content.get("recording"))
    names = [name for name in list_of(recording.get("files"))[:_MAX_FILES] if isinstance(name, str) and name]
    found: list[Path] = []
    missing: list[Path] = []
    for name in names:
        file = path.parent / Path(name.replace("\0", "")).name  # beside it, wherever it says
        (found if not missing and _is_file(file) else missing).append(file)
    notes = []
    left_out = len(list_of(recording.get("files"))[_MAX_FILES:])
    if left_out:
        notes.append(("all of the recording", f"{counted(left_out, 'more file')} left out"))
    if missing:
        notes.append(("all of the recording" if found else "sound", f"there is no file {text_of(missing[0].name)}"))
    elif not found:
        notes.append(("sound", "the call was not recorded"))
    return CallFiles(path.stem, content, path, tuple(found), not_measured=tuple(notes))


def files_of_recording(path: Path) -> CallFiles:
    """Return the call of a recording, with the JSON beside it, if that is of the same call."""
    found = json_of_recording(path)
    if found is not None:
        return files_of_json(*found)
    return CallFiles(path.name, {"findings": _findings_in(path)}, None, (path,))


def json_of_recording(path: Path) -> tuple[Path, Mapping[str, Any]] | None:
    """Return the JSON beside a recording, and what it says; None where that is not of the same call."""
    json = path.with_name(f"{Path(first_of(path.name)).stem}.json")
    content = _call_in(json) if _is_file(json) else {}
    if path.name in list_of(mapping_of(content.get("recording")).get("files")):
        return json, content
    return None


def _call_in(json: Path) -> Mapping[str, Any]:
    """Return the call of a JSON file; an empty one where it has none."""
    try:
        found = look_at(json)
    except (FileError, UsageError):
        return {}
    return found.content if found.kind is InputKind.CALL and found.content is not None else {}


def _findings_in(path: Path) -> list[str]:
    """Return what is wrong with a recording alone. Raises `FileError` for one that cannot be read."""
    try:
        found = judge_recording(path)
    except OSError as error:
        raise FileError(_unreadable(path, error)) from None
    return [tagged(each.id, each.what) for each in found if each.status is not Status.OK and each.id != "file-damaged"]


def _unreadable(path: Path, error: OSError) -> str:
    return f"cannot read {path}: {(error.strerror or str(error)).lower()}"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that cannot be one
        return False


def page_data(files: CallFiles, place: PagePlace) -> dict[str, Any]:
    """Return the data of a call's page: see `call_data`. Raises `FileError` for a recording that cannot be read, and
    `OutputError`."""
    shown = ShownCall(files.name, files.figures, files.rows, _links(files, place), files.not_measured)
    if not files.recordings:
        return call_data(shown, None)
    try:
        sound = SoundFiles(files.recordings)
        picture = picture_of(sound)
    except MissingLibraryError:
        raise
    except (FileError, OSError) as error:
        why = str(error) if isinstance(error, FileError) else _unreadable(files.recordings[0], error)
        if files.json is None:
            raise FileError(why) from None
        return call_data(replace(shown, not_measured=(*shown.not_measured, ("sound", text_of(why)))), None)
    paths = list(files.recordings)
    if place.embed:
        found = embedded(sound, picture)
    elif can_be_linked(paths[0], place.passing):
        found = linked(paths, place.folder)
    elif place.wav is not None:
        found = linked(write_wav(sound, place.wav), place.folder)
    else:
        found = why_unheard(paths)
    data = call_data(shown, ShownSound(picture, found.src, found.is_embedded, files.layout))
    data["not_measured"] += [list(note) for note in found.notes]
    return data


def is_cut(data: Mapping[str, Any]) -> bool:
    """Whether the recording of a page's data is damaged, cut short, or not readable."""
    missing = [why for what, why in data["not_measured"] if what in ("sound", "all of the recording")]
    return any("it is cut short" in why or why.startswith("cannot ") for why in missing)


def _links(files: CallFiles, place: PagePlace) -> list[tuple[str, str]]:
    named = [("the call's JSON", files.json), ("the capture", files.capture)]
    if files.capture is None:
        parts = files.recordings[:_MAX_LISTED]
        named += [("recording" if len(parts) == 1 else f"recording, part {n}", path) for n, path in enumerate(parts, 1)]
    there = [(text, path) for text, path in named if path is not None and path != place.passing]
    return [(text, address_of(path, place.folder)) for text, path in there]
