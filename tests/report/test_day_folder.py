"""A folder of calls: what belongs together, and what else is there is counted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiosocket_cli.report import day_folder
from audiosocket_cli.report.day_call import DayCall
from audiosocket_cli.report.day_folder import (
    ALONE,
    BROKEN,
    CANNOT_READ,
    GONE,
    LINKS,
    OTHERS,
    TOO_DEEP,
    UNFINISHED,
    Beside,
    calls_of,
)
from support.days import make_day


def put_call(path: Path, *files: str, **more: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    call = {"schema": "audiosocket.call/1", "uuid": path.stem, "recording": {"files": list(files)}, **more}
    path.write_text(json.dumps(call))


def put_sound(path: Path) -> None:
    soundfile.write(path, np.ones((80, 2), np.int16), 8000)


def found_in(folder: Path) -> tuple[list[DayCall], Beside]:
    beside = Beside()
    return list(calls_of(folder, beside)), beside


def test_a_recorded_day_is_whole(tmp_path: Path) -> None:
    make_day(tmp_path, 5, length_s=(1, 2))
    calls, beside = found_in(tmp_path)
    assert len(calls) == 5
    assert beside.counts == {}
    for call in calls:
        assert call.json is not None
        assert call.recordings == (call.json.with_suffix(".wav"),)
        assert call.key == call.row.uuid


def test_what_a_call_names_belongs_to_it(tmp_path: Path) -> None:
    put_call(tmp_path / "a.json", "a.wav", "a.part2.wav", capture={"file": "a.pcapng"},
             mirror={"files": ["a-mirror.wav"], "capture": "a-mirror.pcapng"})  # fmt: skip
    for name in ("a.wav", "a.part2.wav", "a-mirror.wav"):
        put_sound(tmp_path / name)
    for name in ("a.pcapng", "a-mirror.pcapng"):
        (tmp_path / name).touch()
    (call,), beside = found_in(tmp_path)
    assert [path.name for path in call.recordings] == ["a.wav", "a.part2.wav"]
    assert beside.counts == {}


def test_what_a_mirror_answered_is_no_call_of_its_own(tmp_path: Path) -> None:
    put_call(tmp_path / "a-2.json", "a-2.wav", mirror={"files": ["a.mirror.wav"]})
    put_call(tmp_path / "a.mirror.json", "a.mirror.wav", capture={"file": "a.mirror.pcapng"})
    put_call(tmp_path / "b.mirror.json", "b.mirror.wav")  # its call is gone
    (tmp_path / "c.json.part").touch()  # its call goes on
    put_call(tmp_path / "c.mirror.json", "c.mirror.wav")
    for name in ("a-2.wav", "a.mirror.wav", "b.mirror.wav", "c.mirror.wav"):
        put_sound(tmp_path / name)
    (tmp_path / "a.mirror.pcapng").touch()
    calls, beside = found_in(tmp_path)
    assert [call.key for call in calls] == ["a-2", "b.mirror"]
    assert beside.counts == {UNFINISHED: 1}


def test_folders_by_day_are_looked_into(tmp_path: Path) -> None:
    put_call(tmp_path / "2026-11-29" / "a.json")
    put_call(tmp_path / "2026-11-30" / "a.json")
    put_call(tmp_path / "b.json")
    calls, _ = found_in(tmp_path)
    assert [call.key for call in calls] == ["b", "2026-11-29/a", "2026-11-30/a"]
    assert calls[1].row.folder == "2026-11-29"


def test_a_recording_without_json_is_a_call_with_its_parts(tmp_path: Path) -> None:
    for name in ("a.wav", "a.part2.wav", "a.part3.wav", "b.part2.wav", "c.flac"):
        put_sound(tmp_path / name)
    calls, beside = found_in(tmp_path)
    parts = {call.key: [path.name for path in call.recordings] for call in calls}
    assert parts == {"a": ["a.wav", "a.part2.wav", "a.part3.wav"], "b.part2": ["b.part2.wav"], "c": ["c.flac"]}
    assert beside.counts == {ALONE: 3}
    assert calls[0].json is None


def test_json_without_its_recording_is_said(tmp_path: Path) -> None:
    put_call(tmp_path / "a.json", "a.wav")
    put_call(tmp_path / "b.json")
    calls, beside = found_in(tmp_path)
    assert [call.recordings for call in calls] == [(), ()]
    assert beside.names == {GONE: ["a.json"]}


@pytest.mark.parametrize("name", ["../secret.wav", "/etc/passwd", "..", "sub/a.wav", "a\0b"])
def test_a_call_cannot_name_files_of_other_folders(tmp_path: Path, name: str) -> None:
    put_sound(tmp_path / "secret.wav")
    (tmp_path / "calls").mkdir()
    put_call(tmp_path / "calls" / "a.json", name)
    (call,), _ = found_in(tmp_path / "calls")
    assert call.recordings == ()


def test_a_recording_belongs_to_one_call(tmp_path: Path) -> None:
    put_call(tmp_path / "a.json", "a.wav")
    put_call(tmp_path / "b.json", "a.wav")
    put_sound(tmp_path / "a.wav")
    calls, beside = found_in(tmp_path)
    assert [len(call.recordings) for call in calls] == [1, 0]
    assert beside.names == {GONE: ["b.json"]}


def test_broken_json_is_told_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"schema": "audiosocket.ca')
    (tmp_path / "b.json").write_text("[" * 100_000)
    (tmp_path / "bench.json").write_text('{"schema": "audiosocket.bench/1"}')
    (tmp_path / "notes.txt").touch()
    calls, beside = found_in(tmp_path)
    assert calls == []
    assert beside.counts == {BROKEN: 2, OTHERS: 2}
    assert [text.split(": ")[0] for text in beside.names[BROKEN]] == ["a.json", "b.json"]
    assert "not JSON, or cut short" in beside.names[BROKEN][0]


def test_a_call_that_is_not_finished_is_shown_as_far_as_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.json.part").touch()
    put_sound(tmp_path / "a.wav")
    (call,), beside = found_in(tmp_path)
    assert call.key == "a"
    assert beside.names == {UNFINISHED: ["a.json.part"]}


def test_links_and_pipes_are_not_followed(tmp_path: Path) -> None:
    outside, calls_folder = tmp_path / "outside", tmp_path / "calls"
    put_call(outside / "x.json")
    calls_folder.mkdir()
    (calls_folder / "all").symlink_to(outside)
    (calls_folder / "loop").symlink_to(calls_folder)
    (calls_folder / "x.json").symlink_to(outside / "x.json")
    os.mkfifo(calls_folder / "a.wav")
    calls, beside = found_in(calls_folder)
    assert calls == []
    assert beside.counts == {LINKS: 3, OTHERS: 1}


def test_deep_folders_end_somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_folder, "MAX_DEPTH", 2)
    put_call(tmp_path / "1" / "2" / "a.json")
    put_call(tmp_path / "1" / "2" / "3" / "b.json")
    calls, beside = found_in(tmp_path)
    assert [call.key for call in calls] == ["1/2/a"]
    assert beside.names == {TOO_DEEP: ["1/2/3"]}


def test_a_folder_that_is_gone_or_closed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    put_call(tmp_path / "a.json")
    real = os.scandir

    def refused(path: Path) -> Any:
        if path == tmp_path / "closed":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refused)
    calls, beside = found_in(tmp_path)
    assert len(calls) == 1
    assert beside.names == {CANNOT_READ: ["closed: permission denied"]}


def test_only_the_first_names_are_kept(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}\u202e{'x' * 200}.txt").touch()
    _, beside = found_in(tmp_path)
    assert beside.counts == {OTHERS: 30}
    assert len(beside.names[OTHERS]) == 10
    assert beside.names[OTHERS][0].startswith("00\\u202exxx")


def test_our_own_hidden_files_are_not_told(tmp_path: Path) -> None:
    (tmp_path / ".audiosocket-calls.sqlite").touch()
    assert found_in(tmp_path)[1].counts == {}
