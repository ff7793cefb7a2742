"""Files that are whole or not there, private, and never overwritten unasked."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiosocket_cli.disk import give_name, is_folder, small_text, status_of, working_folder, write_file
from audiosocket_cli.errors import FileError, UsageError


def test_a_file_is_private_and_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "out"
    write_file(str(path), [b"one"], force=False)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"one", 0o600)
    with pytest.raises(UsageError, match="it exists; choose another name or add --force"):
        write_file(str(path), [b"two"], force=False)
    path.chmod(0o644)
    write_file(str(path), [b"two"], force=True)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"two", 0o600)
    assert list(path.parent.iterdir()) == [path]


def failing(error: BaseException) -> Iterator[bytes]:
    yield b"begun"
    raise error


@pytest.mark.parametrize("error", [UsageError("no"), OSError(5, "Input/output error")], ids=repr)
def test_what_fails_leaves_neither_a_file_nor_spoils_the_one_that_was(tmp_path: Path, error: Exception) -> None:
    path = tmp_path / "out"
    with pytest.raises((UsageError, FileError)):
        write_file(str(path), failing(error), force=False)
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"old")
    with pytest.raises((UsageError, FileError)):
        write_file(str(path), failing(error), force=True)
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"old", [path])


def test_who_interrupts_keeps_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        write_file(str(path), failing(KeyboardInterrupt()), force=False)
    assert path.exists()


def test_a_named_pipe_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read = io.BytesIO()
    reader = threading.Thread(target=lambda: read.write(path.read_bytes()))
    reader.start()
    write_file(str(path), [b"one", b"two"], force=False)
    reader.join(10)
    assert read.getvalue() == b"onetwo"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it is a folder; name a file in it"):
        write_file(str(tmp_path), [], force=True)


def test_a_small_text_is_read_with_a_mark_or_without(tmp_path: Path) -> None:
    path = tmp_path / "text"
    for mark in ("", "\ufeff"):
        path.write_text(f"{mark}é\n")
        assert small_text(path, 10, "words") == "é\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"12345", "it is longer than 4 bytes; name a file of words"),
        (b"\xff", "it is not text in UTF-8; name a file of words"),
        (None, "no such file or directory"),
    ],
    ids=["long", "binary", "none"],
)
def test_what_is_no_small_text_is_refused(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "text"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FileError, match=f"^cannot read {path}: {says}$"):
        small_text(path, 4, "words")


def test_a_working_folder_is_there_for_as_long_as_its_process_uses_it(tmp_path: Path) -> None:
    left = tmp_path / ".audiosocket-0123abc_"
    left.mkdir()
    (left / "begun").write_text("x")
    with working_folder(tmp_path) as first:
        assert not left.exists()
        (first / "half").write_text("x")
        with working_folder(tmp_path) as second:
            assert (first / "half").exists()
            assert {first, second} == set(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []


def test_a_file_gets_a_name_that_is_free_and_no_other(tmp_path: Path) -> None:
    for name in ("half", "taken"):
        (tmp_path / name).write_text(name)
    with pytest.raises(FileExistsError):
        give_name(tmp_path / "half", tmp_path / "taken")
    give_name(tmp_path / "half", tmp_path / "free")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"taken": "taken", "free": "half"}


def test_what_is_at_a_path_is_known_or_told(tmp_path: Path) -> None:
    assert is_folder(tmp_path)
    assert status_of(tmp_path / "nothing") is None
    for no_name in ("a\0b", "a\ud800b"):
        assert status_of(tmp_path / no_name) is None
    with pytest.raises(FileError, match="file name too long"):
        status_of(tmp_path / ("n" * 300))
