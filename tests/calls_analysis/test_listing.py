"""The files of calls that are over, in folders and in a bucket."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

import pytest

from audiosocket_cli.calls_analysis.listing import Listed, files_of, source_of
from audiosocket_cli.errors import FileError, UsageError
from support.rclone_s3 import FRESH, rclone_s3
from support.store_process import BUCKET


def names_in(source: Path, listed: Listed) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for folder, call, file in files_of(source, listed):
        found.setdefault(f"{folder}/{call}", set()).add(file.name)
    return found


def test_calls_in_folders_are_found_and_those_that_go_on_are_not(tmp_path: Path) -> None:
    day = tmp_path / "2026-11-30"
    day.mkdir()
    for name in ("a.wav", "a.json", "a.part2.wav", "b.flac", "going.wav", "crashed.wav", "crashed.json.part", "x.pcap"):
        (day / name).write_bytes(b"1")
    (tmp_path / "top.json").write_bytes(b"{}")
    (tmp_path / "link.wav").symlink_to(day / "a.wav")
    os.mkfifo(day / "pipe.wav")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "c.wav").write_bytes(b"1")
    listed = Listed()
    with (day / "going.json.part").open("wb") as going:
        fcntl.flock(going, fcntl.LOCK_EX)
        found = names_in(tmp_path, listed)
    assert found == {
        f"{day}/a": {"a.wav", "a.json", "a.part2.wav"}, f"{day}/b": {"b.flac"}, f"{day}/crashed": {"crashed.wav"},
        f"{tmp_path}/top": {"top.json"},
    }  # fmt: skip
    assert (listed.going_on, listed.skipped.links) == (1, 1)


def test_a_mirror_that_is_over_waits_for_its_call(tmp_path: Path) -> None:
    for name in ("a-2.wav", "a.mirror-2.wav", "a.mirror-2.json", "b.wav", "b.mirror.wav", "c.wav", "c.mirror.wav"):
        (tmp_path / name).write_bytes(b"1")
    listed = Listed()
    with contextlib.ExitStack() as files:
        for name in ("a-2", "b", "b.mirror"):
            fcntl.flock(files.enter_context((tmp_path / f"{name}.json.part").open("wb")), fcntl.LOCK_EX)
        found = names_in(tmp_path, listed)
    assert found.keys() == {f"{tmp_path}/c", f"{tmp_path}/c.mirror"}
    assert listed.going_on == 2


def test_calls_in_a_bucket_are_found_by_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with rclone_s3(tmp_path, FRESH) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        for name in ("2026-11-30/a.wav", "2026-11-30/a.json", "b.wav", "b.pcapng", ".hidden/c.wav"):
            path = server.files / "calls" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        url = source_of(f"s3://{BUCKET}/calls/")
        found = {(folder, call, file.name, file.size) for folder, call, file in files_of(url, Listed())}
    assert found == {
        (f"s3://{BUCKET}/calls/2026-11-30", "a", "a.wav", 16), (f"s3://{BUCKET}/calls/2026-11-30", "a", "a.json", 17),
        (f"s3://{BUCKET}/calls", "b", "b.wav", 5),
    }  # fmt: skip


def test_what_is_no_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileError, match=r"cannot analyze .*file: it is not a folder; name the one of --record"):
        source_of(str(tmp_path / "file"))
    with pytest.raises(FileError, match="there is no such folder"):
        source_of(str(tmp_path / "gone"))
    with pytest.raises(UsageError, match="names no valid bucket"):
        source_of("s3://")


def test_a_folder_has_one_name_however_it_is_spelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "calls").mkdir()
    (tmp_path / "link").symlink_to("calls")
    monkeypatch.chdir(tmp_path)
    assert {source_of(name) for name in ("calls", "./calls/", "link", f"{tmp_path}/calls")} == {tmp_path / "calls"}
