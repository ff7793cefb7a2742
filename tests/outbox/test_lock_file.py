"""Locks that end with the process that holds them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from audiosocket_cli.outbox.lock_file import LockFile, is_locked

HOLD = """
import sys
from pathlib import Path
from audiosocket_cli.outbox.lock_file import LockFile
assert LockFile(Path(sys.argv[1])).try_take()
print("held", flush=True)
sys.stdin.read()
"""


def test_one_has_it_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    one, other = LockFile(path), LockFile(path)
    assert one.try_take(b"mine")
    assert one.try_take()
    assert one.is_held
    assert path.read_bytes() == b"mine"
    assert not other.try_take(b"yours")
    assert not other.is_held
    assert is_locked(path)
    one.release()
    one.release()
    assert not is_locked(path)
    assert other.try_take(b"y")
    assert path.read_bytes() == b"y"
    other.release(remove=True)
    assert not path.exists()
    assert not is_locked(path)


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert is_locked(path)
        assert not LockFile(path).try_take()
        holder.kill()
        holder.wait()
    assert not is_locked(path)
    lock = LockFile(path)
    assert lock.try_take()
    lock.release()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files that others cannot use")
def test_what_root_locks_is_the_folder_owners(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12346)
    lock = LockFile(tmp_path / "lock")
    assert lock.try_take()
    status = (tmp_path / "lock").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (12345, 12346, 0o600)
    lock.release()
