"""Calls that a process which died did not put: found by their files, and by their events.

A call that is complete has its JSON: it was to be put within a tenth of a second. One without JSON, whose JSON nobody
is about to write any more, was cut; its recording is valid to the last second. A call that only its events tell of was
cut too.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.calls_index.call_json import read_call
from audiosocket_cli.disk import PART, clear_half_made
from audiosocket_cli.name_pattern import FIELD, folders_of, regex_of
from audiosocket_cli.outbox.call_files import CallFiles
from audiosocket_cli.outbox.lock_file import is_locked
from audiosocket_cli.outbox.processes import SpoolProcess
from audiosocket_cli.outbox.spool import Spool
from audiosocket_cli.outbox.waiting import LiveCall

_MARGIN_S: Final = 60.0
"""File systems count time in steps of up to two seconds, and those of other machines have a clock of their own."""

_CAPTURE: Final = ".pcapng"

_SOUND: Final = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".au", ".caf", ".raw")
"""Suffixes of recordings, which may be others than that of a pattern: who looks for all has a folder only."""


@dataclass(frozen=True, slots=True)
class Found:
    """A call that a process which died had not put, or whose end it had not told."""

    files: CallFiles | None
    """Its files, if they are not in the spool."""
    lives: Sequence[LiveCall]
    """Its entries among live calls."""
    result: dict[str, Any] | None
    """The content of its JSON; None for one that was cut."""
    is_old: bool = False
    """Whether it ended long ago: no event tells of it."""

    @property
    def started(self) -> dict[str, Any]:
        """The object of its `call` event, as far as it is known."""
        with contextlib.suppress(ValueError, IndexError):
            told = json.loads(self.lives[0].body)
            if isinstance(told, dict):
                return told
        return {}


def find(
    spool: Spool, dead: Sequence[SpoolProcess], *, since: float | None = None, with_lives: bool = True
) -> Iterator[Found]:
    """Yield what `dead` processes have left. `since` is the time, in seconds since 1970, from which on complete calls
    are looked for, if not the spool's checkpoint; without `with_lives` only files are looked at, of calls long ago."""
    lives = spool.dead_calls() if with_lives else []
    checkpoint = (spool.checkpoint if since is None else since) - _MARGIN_S
    live = spool.processes.being_recorded()
    for pattern, capture in {(process.record, process.capture) for process in dead if process.record is not None}:
        if pattern in live and not FIELD.search(pattern):
            continue  # one file, which has no JSON whose lock would say so, is being recorded now
        of_it = [process for process in dead if process.record == pattern]
        started_at = min(process.started_at for process in of_it) - _MARGIN_S
        is_uploaded = any(process.upload for process in of_it)
        for group in groups(pattern, capture, min(checkpoint, started_at)):
            found = _judge(spool, group, lives, checkpoint=checkpoint, started_at=started_at)
            if found is not None and (is_uploaded or found.lives):
                found = replace(found, is_old=not with_lives)
                yield found if is_uploaded else replace(found, files=None)
                lives = [live for live in lives if live not in found.lives]
    yield from (Found(None, (live,), None) for live in lives)


def _judge(
    spool: Spool, group: Group, lives: Sequence[LiveCall], *, checkpoint: float, started_at: float
) -> Found | None:
    """Return what is to be done about the files of one name, if anything is."""
    if group.is_live:
        return None
    of_its_uuid = [live for live in lives if live.uuid == group.uuid]
    if group.has_json:
        return _judge_complete(spool, group, of_its_uuid, checkpoint)
    if not group.recordings or group.changed_at(group.recordings[0]) < started_at:
        return None
    files = group.files(None)
    return None if spool.is_known(files) else Found(files, of_its_uuid[:1], None)


def _judge_complete(spool: Spool, group: Group, lives: Sequence[LiveCall], checkpoint: float) -> Found | None:
    is_new = group.changed_at(group.json) >= checkpoint
    result = read_call(os.fsencode(group.json)).call if is_new or lives else None
    if result is None:
        return None
    mine = [live for live in lives if _started_at(live) == result["started_at"]]
    files = group.files(result)
    if is_new and not spool.is_known(files):
        return Found(files, mine, result)
    return Found(None, mine, result) if mine else None


def _started_at(live: LiveCall) -> Any:
    return Found(None, (live,), None).started.get("started_at")


class Group:
    """The files of one name."""

    def __init__(self, folder: Path, name: str, uuid: str | None, capture: Path | None, files: Sequence[str]) -> None:
        """`files` are its recordings' names."""
        self.uuid = uuid
        self.json = folder / f"{name}.json"
        self.recordings = sorted((folder / file for file in files), key=_place)
        # Not as the folder was listed: since then a call may have begun, or its JSON may have got its name. The process
        # that has a call holds the JSON's part before its recording is there, and until the JSON has its name.
        self.is_live = is_locked(folder / f"{name}.json{PART}")
        self.has_json = self.json.is_file()  # a pipe of its name hides no call
        self._name = name
        self._capture = capture

    @staticmethod
    def changed_at(path: Path) -> float:
        """Return when a file was changed last; 0.0 for one that is gone."""
        try:
            return path.stat().st_mtime
        except OSError:
            return 0.0

    def files(self, result: dict[str, Any] | None) -> CallFiles:
        """Return them as a call with this content of its JSON, or as one that was cut."""
        told = result or {}
        named = told.get("capture")
        own = named.get("file") if isinstance(named, dict) else f"{self._name}{_CAPTURE}"
        capture = None if self._capture is None or not own else self._capture / os.path.basename(str(own))
        return CallFiles(
            self._name,
            self.uuid,
            str(told.get("peer", "unknown")),
            str(told["started_at"]) if "started_at" in told else self._begun(),
            tuple(self.recordings),
            self.json if self.has_json else None,
            capture if capture is not None and capture.is_file() else None,
            is_cut=result is None,
        )

    def _begun(self) -> str:
        """Return when the first file was made, as well as that is known."""
        with contextlib.suppress(OSError):
            status = self.recordings[0].stat()
            made_at = getattr(status, "st_birthtime", status.st_mtime)
            return datetime.fromtimestamp(made_at, UTC).isoformat(timespec="milliseconds")
        return datetime.now(UTC).isoformat(timespec="milliseconds")


def groups(pattern: str, capture: str | None, since: float) -> Iterator[Group]:
    """Yield the files that can have the names of a pattern, by name, in folders that changed since a time."""
    path = Path(pattern)
    folder = Path(os.path.dirname(FIELD.split(pattern)[0]))
    places = Path(os.path.dirname(pattern)).parts[len(folder.parts) :]
    is_json = re.compile(rf"{regex_of(path.stem)}(-\d+)?\.json").fullmatch
    names_of = _names_of(path)
    for place in folders_of(folder, places):
        if Group.changed_at(place) >= since:
            clear_half_made(place, is_json)  # and give JSON its name that is complete
            for name, (uuid, files) in names_of(place).items():
                yield Group(place, name, uuid, None if capture is None else Path(capture), files)


def _names_of(pattern: Path) -> Callable[[Path], dict[str, tuple[str | None, list[str]]]]:
    """Return what finds the calls of a folder: by name, their UUID and their recordings."""
    suffixes = sorted({*_SOUND, pattern.suffix})
    number = r"(?:-\d+)?" if FIELD.search(str(pattern)) else ""
    ours = re.compile(
        rf"(?P<name>{regex_of(pattern.stem, group='uuid')}{number})"
        rf"(?P<rest>(?:\.mirror(?:-\d+)?)?\.json|"
        rf"(?:\.mirror(?:-\d+)?)?(?:\.unconverted)?(?:\.part\d+(?:-\d+)?)?(?:{'|'.join(map(re.escape, suffixes))}))"
    )

    def find_names(folder: Path) -> dict[str, tuple[str | None, list[str]]]:
        found: dict[str, tuple[str | None, list[str]]] = {}
        with contextlib.suppress(OSError):
            for name in os.listdir(folder):
                match = ours.fullmatch(name)
                if match is not None:
                    _, files = found.setdefault(match["name"], (match.groupdict().get("uuid"), []))
                    if match["rest"] != ".json":
                        files.append(name)
        return found

    return find_names


def _place(path: Path) -> tuple[bool, int, str]:
    """Sort recordings: the call's own before its mirror's, the parts of each in order."""
    part = re.search(r"\.part(\d+)", path.name)
    return ".mirror" in path.name, int(part[1]) if part else 1, path.name
