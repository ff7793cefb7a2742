"""What JSON files are in a folder: seen by name, size and time; links not followed; a walk that ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audiosocket_cli.calls_index import folder_scan
from audiosocket_cli.calls_index.folder_scan import FolderSeen, Skipped, scan


def seen(root: Path, skipped: Skipped | None = None) -> dict[bytes, FolderSeen]:
    return {folder.path: folder for folder in scan(os.fsencode(root), skipped or Skipped())}


def names(folder: FolderSeen) -> set[bytes]:
    return {file.name for file in folder.files or ()}


def test_json_files_of_all_folders_are_seen_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "2026-11-30" / "10").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    for name in ("a.json", "a.wav", "b.json.part", ".audiosocket-x.json", "2026-11-30/10/c\n.json", ".hidden/d.json"):
        (tmp_path / name).touch()
    found = seen(tmp_path)
    assert found.keys() == {b"", b"2026-11-30", b"2026-11-30/10"}
    assert names(found[b""]) == {b"a.json"}
    assert names(found[b"2026-11-30/10"]) == {b"c\n.json"}


def test_the_digest_changes_with_a_name_a_size_and_a_time(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("1")
    digests = [seen(tmp_path)[b""].digest()]
    assert seen(tmp_path)[b""].digest() == digests[0]
    file.write_text("22")
    digests.append(seen(tmp_path)[b""].digest())
    os.utime(file, ns=(1, 1))
    digests.append(seen(tmp_path)[b""].digest())
    (tmp_path / "b.json").touch()
    digests.append(seen(tmp_path)[b""].digest())
    assert len(set(digests)) == 4


def test_links_are_counted_and_not_followed(tmp_path: Path) -> None:
    inside = tmp_path / "calls"
    inside.mkdir()
    (tmp_path / "secret.json").touch()
    (inside / "loop").symlink_to(inside)
    (inside / "up").symlink_to("..")
    (inside / "secret.json").symlink_to(tmp_path / "secret.json")
    (inside / "a.wav").symlink_to("nowhere")
    skipped = Skipped()
    found = seen(inside, skipped)
    assert found.keys() == {b""}
    assert names(found[b""]) == set()
    assert skipped.links == 3


def test_a_walk_goes_no_deeper_than_its_limit(tmp_path: Path) -> None:
    (tmp_path / "/".join("a" * 40)).mkdir(parents=True)
    skipped = Skipped()
    assert len(seen(tmp_path, skipped)) == folder_scan.MAX_DEPTH + 1
    assert skipped.too_deep == 1


def test_more_folders_than_the_limit_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(9):
        (tmp_path / str(number)).mkdir()
    monkeypatch.setattr(folder_scan, "MAX_FOLDERS", 4)
    skipped = Skipped()
    assert len(seen(tmp_path, skipped)) == 4
    assert skipped.too_deep == 6


def test_a_folder_that_cannot_be_read_is_told_and_the_first_one_is_an_error(tmp_path: Path) -> None:
    def known(path: bytes, mtime_ns: int) -> tuple[bytes, ...] | None:
        return None if path else (b"gone",)

    skipped = Skipped()
    assert [folder.path for folder in scan(os.fsencode(tmp_path), skipped, known)] == [b""]
    assert skipped.unreadable_count == 1
    assert "no such file" in skipped.unreadable[0]
    with pytest.raises(OSError, match="No such file"):
        seen(tmp_path / "nowhere")


def test_folders_that_are_known_are_not_read_again(tmp_path: Path) -> None:
    (tmp_path / "day").mkdir()
    (tmp_path / "a.json").touch()
    times = {folder.path: folder.mtime_ns for folder in scan(os.fsencode(tmp_path), Skipped())}

    def known(path: bytes, mtime_ns: int) -> tuple[bytes, ...] | None:
        return ((b"day",) if not path else ()) if times.get(path) == mtime_ns else None

    assert [folder.files for folder in scan(os.fsencode(tmp_path), Skipped(), known)] == [None, None]
    (tmp_path / "day" / "b.json").touch()
    os.utime(tmp_path / "day", ns=(5, 5))
    assert [folder.path for folder in scan(os.fsencode(tmp_path), Skipped(), known) if folder.files] == [b"day"]
