"""The files of a call, as text that survives moves of the folder and names that are not UTF-8."""

from __future__ import annotations

import os
from pathlib import Path

from audiosocket_cli.outbox.call_files import CallFiles, PathNames


def files(*recordings: Path, **more: Path) -> CallFiles:
    return CallFiles("name", "uuid", "192.0.2.1:5000", "2026-11-30T12:00:00+00:00", recordings, **more)


def test_the_json_is_the_last_of_the_files() -> None:
    call = files(Path("a.wav"), Path("a.part2.wav"), json=Path("a.json"), capture=Path("a.pcapng"))
    assert [str(path) for path in call.paths] == ["a.wav", "a.part2.wav", "a.pcapng", "a.json"]


def test_a_folder_may_be_moved_with_its_spool() -> None:
    before, after = PathNames(Path("/calls")), PathNames(Path("/archive/calls"))
    text = before.text(files(Path("/calls/day/a.wav"), json=Path("/elsewhere/a.json")))
    assert after.read(text) == ((Path("/archive/calls/day/a.wav"),), Path("/elsewhere/a.json"), None)


def test_names_that_are_not_utf_8_survive() -> None:
    odd = Path(os.fsdecode(b'/calls/\xff\n".wav'))
    names = PathNames(Path("/calls"))
    text = names.text(files(odd))
    assert text.isascii()
    assert names.read(text) == ((odd,), None, None)
