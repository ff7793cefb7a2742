"""The file of a spool: made, opened again, or refused in one line."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from audiosocket_cli.outbox import spool_file
from audiosocket_cli.outbox.spool_file import NAME, open_spool_file
from support.nobody import as_nobody
from support.refusals import refusal


def refusal_of(folder: Path) -> str:
    text = refusal(open_spool_file, folder)
    assert text.startswith(f"cannot use the spool {folder}: ")
    assert text.endswith("for --spool")
    return text


def test_it_is_made_privately_and_opened_again(tmp_path: Path) -> None:
    folder = tmp_path / "calls" / "spool"
    for _ in range(2):
        with contextlib.closing(open_spool_file(folder)) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert (folder / NAME).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / NAME).stat().st_size > 2 << 20  # room for a full disk


def test_several_processes_may_have_it_open(tmp_path: Path) -> None:
    with contextlib.closing(open_spool_file(tmp_path)), contextlib.closing(open_spool_file(tmp_path)) as other:
        other.execute("INSERT INTO totals VALUES ('x', 1)")


def test_garbage_in_its_place_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"garbage " * 1000)
    assert "is not a spool, or is damaged" in refusal_of(tmp_path)
    assert (tmp_path / NAME).read_bytes() == b"garbage " * 1000


def test_a_spool_of_a_later_version_is_refused(tmp_path: Path) -> None:
    with contextlib.closing(open_spool_file(tmp_path)) as connection:
        connection.execute(f"PRAGMA user_version = {spool_file.FORMAT + 1}")
    assert "of a later version of audiosocket" in refusal_of(tmp_path)


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / NAME)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    assert "is of another program" in refusal_of(tmp_path)


def test_a_file_a_folder_or_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "it is a file; name a folder" in refusal_of(tmp_path / "file")
    (tmp_path / "one" / NAME).mkdir(parents=True)
    assert f"{NAME} in it is not a file" in refusal_of(tmp_path / "one")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / NAME).symlink_to("/dev/null")
    assert f"{NAME} in it is not a file" in refusal_of(tmp_path / "two")


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o711)
    folder = Path("spool")
    open_spool_file(folder).close()
    folder.chmod(0o500)
    with as_nobody(folder, folder / NAME):
        assert "it cannot be written to" in refusal_of(folder)
    folder.chmod(0o700)


@pytest.mark.parametrize(
    ("kind", "is_refused"), [("nfs4", True), ("fuse.sshfs", True), ("cifs", True), ("ext4", False), ("overlay", False)]
)
def test_network_disks_are_refused(
    tmp_path: Path, kind: str, is_refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mountinfo"
    folder = tmp_path / "with space" / "spool"
    point = str(tmp_path / "with space").replace(" ", "\\040")
    mounts.write_text(
        f"22 1 8:1 / / rw - btrfs /dev/sda1 rw\n36 22 0:45 / {point} rw,noatime shared:1 - {kind} host:/x rw\n"
    )
    monkeypatch.setattr(spool_file, "_MOUNTS", mounts)
    if is_refused:
        assert f"it is on a network disk ({kind}); name a folder on a local disk" in refusal_of(folder)
    else:
        open_spool_file(folder).close()


def test_a_disk_that_is_full_is_called_full_whatever_sqlite_calls_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_spool_file(tmp_path).close()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(spool_file.shutil, "disk_usage", lambda folder: usage._replace(free=4096))

    def fail(path: Path) -> sqlite3.Connection:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(spool_file, "_connect", fail)
    assert "its disk is full (disk I/O error); make room on it, or name another folder" in refusal_of(tmp_path)
