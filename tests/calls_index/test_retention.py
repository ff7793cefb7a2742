"""Old calls go with all that is theirs, and with nothing else: whatever their JSON says."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from audiosocket_cli.calls_index import retention
from audiosocket_cli.calls_index.retention import Removal, before_of, removals
from audiosocket_cli.calls_index.row import row_of
from audiosocket_cli.errors import FileError, UsageError

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(days=90)
OLD, NEW = NOW - timedelta(days=100), NOW - timedelta(days=80)


def uuid_of(number: int) -> str:
    return str(UUID(int=number, version=4))


def call_in(folder: Path, number: int = 1, started_at: object = OLD, **changed: Any) -> Path:
    """Leave a call with two parts of a recording and a capture in a folder; return its JSON file."""
    uuid = uuid_of(number)
    folder.mkdir(parents=True, exist_ok=True)
    call = {
        "schema": "audiosocket.call/1", "uuid": uuid, "duration_s": 60.0,
        "started_at": started_at.isoformat() if isinstance(started_at, datetime) else started_at,
        "recording": {"files": [f"{uuid}.wav", f"{uuid}.part2.wav"]}, "capture": {"file": f"{uuid}.pcapng"},
    } | changed  # fmt: skip
    for name in (f"{uuid}.wav", f"{uuid}.part2.wav", f"{uuid}.pcapng"):
        (folder / name).write_bytes(b"x" * 5000)
        os.utime(folder / name, (OLD.timestamp(), OLD.timestamp()))
    path = folder / f"{uuid}.json"
    path.write_text(json.dumps(call))
    return path


def removed(root: Path, *paths: Path, places: tuple[Path, ...] = (), delete: bool = True) -> list[Removal]:
    rows = [row_of(json.loads(path.read_text()), folder=str(path.parent), name=path.name) for path in paths]
    return list(removals(root, rows, BEFORE, places, delete=delete))


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


@pytest.fixture
def bystanders(tmp_path: Path) -> Iterator[set[str]]:
    """What must be there after all that is done here."""
    root = tmp_path / "calls"
    call_in(root, 99, NEW)
    for name in (
        "notes.txt",
        f"{uuid_of(1)}-2.wav",
        f"{uuid_of(1)}x.wav",
        "all.pcapng",
        f"{uuid_of(1)}.unconverted.wav",
    ):
        (root / name).write_text("mine")
    (tmp_path / "secret.wav").write_text("secret")
    there = files(tmp_path)
    yield there
    assert there <= files(tmp_path)


def test_all_of_an_old_call_is_removed_and_nothing_else(tmp_path: Path, bystanders: set[str]) -> None:
    root = tmp_path / "calls"
    path = call_in(root)
    new = root / f"{uuid_of(99)}.json"
    (dry,) = removed(root, path, new, delete=False)
    assert (dry.removed, dry.kept) == (False, None)
    assert dry.size_bytes >= 15_000
    assert path.exists()
    (done,) = removed(root, path, new)
    assert done.files == dry.files == [f"{uuid_of(1)}{end}" for end in (".wav", ".part2.wav", ".pcapng", ".json")]
    assert (done.removed, done.kept, done.size_bytes) == (True, None, dry.size_bytes)
    assert files(tmp_path) == bystanders
    assert done.as_json()["removed"] is True


def test_calls_of_subfolders_go_and_a_capture_is_found_in_the_folder_that_is_named(
    tmp_path: Path, bystanders: set[str]
) -> None:
    path = call_in(tmp_path / "calls" / "2026-08-22")
    (tmp_path / "caps").mkdir()
    (path.with_suffix(".pcapng")).rename(tmp_path / "caps" / f"{uuid_of(1)}.pcapng")
    (done,) = removed(tmp_path / "calls", path, places=(tmp_path / "calls", tmp_path / "caps"))
    assert done.kept is None
    assert str(tmp_path / "caps" / f"{uuid_of(1)}.pcapng") in done.files
    assert files(tmp_path) == bystanders


def test_what_is_gone_already_is_no_reason_to_keep_the_rest(tmp_path: Path, bystanders: set[str]) -> None:
    path = call_in(tmp_path / "calls")
    path.with_suffix(".wav").unlink()
    (done,) = removed(tmp_path / "calls", path)
    assert done.removed
    assert files(tmp_path) == bystanders


UNCERTAIN: dict[str, dict[str, Any]] = {
    "a path": {"recording": {"files": ["../secret.wav"]}},
    "an absolute path": {"recording": {"files": ["/etc/hostname"]}},
    "another call's": {"recording": {"files": [f"{uuid_of(99)}.wav"]}},
    "the JSON of its name": {"recording": {"files": [f"{uuid_of(1)}.json"]}},
    "a part file": {"recording": {"files": [f"{uuid_of(1)}.json.part"]}},
    "a longer name": {"recording": {"files": [f"{uuid_of(1)}x.wav"]}},
    "a name with a zero": {"recording": {"files": [f"{uuid_of(1)}.wav\0"]}},
    "dots": {"recording": {"files": [".."]}},
    "a number": {"recording": {"files": [5]}},
    "text": {"recording": {"files": "all"}},
    "a mirror's path": {"mirror": {"files": ["../secret.wav"]}},
    "no time": {"started_at": None},
    "1970": {"started_at": "1970-01-01T00:00:00Z"},
}


@pytest.mark.parametrize("changed", UNCERTAIN.values(), ids=UNCERTAIN)
def test_a_call_that_is_not_certain_is_kept_whole(
    changed: dict[str, Any], tmp_path: Path, bystanders: set[str]
) -> None:
    path = call_in(tmp_path / "calls", **({"started_at": OLD.isoformat()} | changed))
    before = files(tmp_path)
    (done,) = removed(tmp_path / "calls", path)
    assert done.kept is not None
    assert not done.removed
    assert files(tmp_path) == before


@pytest.mark.parametrize("name", ["all.pcapng", "../secret.wav", "notes.txt", 5, None])
def test_a_capture_that_is_not_the_calls_own_stays(name: object, tmp_path: Path, bystanders: set[str]) -> None:
    path = call_in(tmp_path / "calls", capture={"file": name})
    path.with_suffix(".pcapng").unlink()
    assert removed(tmp_path / "calls", path)[0].removed
    assert files(tmp_path) == bystanders


@pytest.mark.parametrize("uuid", ["../secret", "/tmp/secret", "sub/../../secret", "", None, 5, "x" * 36])
def test_a_uuid_that_is_a_path_leads_nowhere(uuid: object, tmp_path: Path, bystanders: set[str]) -> None:
    (tmp_path / "secret.pcapng").touch()
    os.utime(tmp_path / "secret.pcapng", (OLD.timestamp(), OLD.timestamp()))
    path = call_in(tmp_path / "calls", uuid=uuid, capture={"file": f"{uuid}.pcapng"})
    assert removed(tmp_path / "calls", path)[0].removed
    assert files(tmp_path) == bystanders | {"secret.pcapng", f"calls/{uuid_of(1)}.pcapng"}


def test_a_capture_that_was_changed_later_is_that_of_another_call(tmp_path: Path, bystanders: set[str]) -> None:
    path = call_in(tmp_path / "calls")
    path.with_suffix(".pcapng").touch()
    assert removed(tmp_path / "calls", path)[0].kept == f"its capture {uuid_of(1)}.pcapng was changed later"
    assert path.with_suffix(".wav").exists()


@pytest.mark.parametrize("recording", [None, {"files": []}])
def test_a_recording_that_the_json_does_not_name_keeps_the_call(
    recording: object, tmp_path: Path, bystanders: set[str]
) -> None:
    path = call_in(tmp_path / "calls", recording=recording)
    (kept,) = removed(tmp_path / "calls", path)
    assert kept.kept == f"its JSON names no recording, but there is {uuid_of(1)}.wav"
    for name in (f"{uuid_of(1)}.wav", f"{uuid_of(1)}.part2.wav"):
        (tmp_path / "calls" / name).unlink()
    assert removed(tmp_path / "calls", path)[0].removed


def test_a_hard_link_frees_nothing(tmp_path: Path, bystanders: set[str]) -> None:
    path = call_in(tmp_path / "calls")
    os.link(path.with_suffix(".wav"), tmp_path / "kept.wav")
    (done,) = removed(tmp_path / "calls", path)
    assert 8192 <= done.size_bytes < 3 * 8192 + 4096
    assert (tmp_path / "kept.wav").exists()


@pytest.mark.parametrize("delete", [False, True])
def test_a_dry_run_says_as_the_removal_that_a_folder_is_read_only(
    delete: bool, tmp_path: Path, bystanders: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = call_in(tmp_path / "calls")
    monkeypatch.setattr(retention.os, "access", lambda name, mode, dir_fd: False)  # root may write anywhere
    (kept,) = removed(tmp_path / "calls", path, delete=delete)
    assert kept.kept == "nothing can be removed from its folder: permission denied"
    assert path.exists()


def test_links_are_not_followed(tmp_path: Path, bystanders: set[str]) -> None:
    root = tmp_path / "calls"
    path = call_in(root)
    path.with_suffix(".wav").unlink()
    path.with_suffix(".wav").symlink_to(tmp_path / "secret.wav")
    assert "is not a file" in (removed(root, path)[0].kept or "")
    outside = call_in(tmp_path / "outside", 2)
    (root / "linked").symlink_to(tmp_path / "outside")
    (kept,) = removed(root, root / "linked" / outside.name)
    assert kept.kept is not None
    (json_link,) = [root / f"{uuid_of(3)}.json"]
    json_link.symlink_to(call_in(tmp_path / "outside", 3))
    assert removed(root, json_link)[0].kept is not None
    assert outside.exists()


def test_a_folder_that_leads_out_is_refused(tmp_path: Path, bystanders: set[str]) -> None:
    outside = call_in(tmp_path / "outside", 2)
    row = row_of(json.loads(outside.read_text()), folder=str(tmp_path / "calls" / ".." / "outside"), name=outside.name)
    (kept,) = removals(tmp_path / "calls", [row], BEFORE, delete=True)
    assert "leads out" in (kept.kept or "")
    assert outside.exists()


def test_a_call_whose_json_is_being_written_or_has_changed_is_kept(tmp_path: Path, bystanders: set[str]) -> None:
    root = tmp_path / "calls"
    path = call_in(root)
    part = path.with_name(f"{path.name}.part")
    part.touch()
    assert "is writing its JSON" in (removed(root, path)[0].kept or "")
    part.unlink()
    old = row_of(json.loads(path.read_text()), folder=str(root), name=path.name)
    call_in(root, 1, NEW)
    (kept,) = removals(root, [old], BEFORE, delete=True)
    assert kept.kept == "its JSON has changed"
    path.write_text("{")
    assert "cannot be read" in (next(removals(root, [old], BEFORE, delete=True)).kept or "")
    assert path.exists()


def test_a_mirror_and_a_numbered_call_go_with_their_own_files(tmp_path: Path, bystanders: set[str]) -> None:
    root, uuid = tmp_path / "calls", uuid_of(1)
    path = call_in(root, recording={"files": [f"{uuid}-7.flac"]}, capture={"file": f"{uuid}-3.pcapng"},
                   mirror={"files": [f"{uuid}.mirror-4.flac"], "capture": f"{uuid}.mirror.pcapng"})  # fmt: skip
    path = path.rename(root / f"{uuid}-7.json")
    own = {f"{uuid}-7.flac", f"{uuid}-3.pcapng", f"{uuid}.mirror-4.flac", f"{uuid}.mirror-4.json",
           f"{uuid}.mirror.pcapng"}  # fmt: skip
    for name in own:
        (root / name).touch()
        os.utime(root / name, (OLD.timestamp(), OLD.timestamp()))
    (done,) = removed(root, path)
    assert set(done.files) == own | {path.name}
    assert not own & {each.name for each in root.iterdir()}


def test_after_a_failure_the_json_is_still_there(
    tmp_path: Path, bystanders: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = call_in(tmp_path / "calls")
    unlink = os.unlink

    def failing(name: str, dir_fd: int | None = None) -> None:
        if name.endswith(".pcapng"):
            raise PermissionError(13, "Permission denied")
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(retention.os, "unlink", failing)
    (done,) = removed(tmp_path / "calls", path)
    assert (done.removed, done.kept) == (
        False, f"permission denied: {uuid_of(1)}.pcapng, after 2 of its files were removed",
    )  # fmt: skip
    assert path.exists()
    monkeypatch.undo()
    assert removed(tmp_path / "calls", path)[0].removed


def test_two_at_once_are_refused_and_a_dry_run_is_not(tmp_path: Path, bystanders: set[str]) -> None:
    path = call_in(tmp_path / "calls")
    other = os.open(tmp_path / "calls", os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    assert len(removed(tmp_path / "calls", path, delete=False)) == 1
    with pytest.raises(UsageError, match="another process removes calls"):
        removed(tmp_path / "calls", path)
    os.close(other)
    assert removed(tmp_path / "calls", path)[0].removed


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot read"):
        list(removals(tmp_path / "no", [], BEFORE, delete=True))


def test_an_age_beyond_the_calendar_keeps_all() -> None:
    assert before_of(90 * 86400, NOW) == BEFORE
    assert before_of(1e12, NOW) <= datetime(2020, 1, 1, tzinfo=UTC)
