"""What is sent: read once, in pieces where it is large, with the checksums of what was read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from audiosocket_cli.stores import content as content_module
from audiosocket_cli.stores.content import (
    FileChangedError,
    LargeContent,
    SmallContent,
    open_content,
    read_pieces,
    sha256_of,
)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_module, "PIECE_BYTES", 10)
    monkeypatch.setattr(content_module, "MAX_SINGLE_BYTES", 20)


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 20, 21, 35])
@pytest.mark.usefixtures("small_pieces")
def test_a_file_is_read_whole_whatever_its_size(tmp_path: Path, size: int) -> None:
    data = bytes(range(size))
    path = tmp_path / "file"
    path.write_bytes(data)
    found = open_content(path)
    assert isinstance(found, LargeContent if size > 20 else SmallContent)
    assert found.size == size
    assert found.sha256() == hashlib.sha256(data).hexdigest()
    assert [len(piece) for piece in read_pieces(path, size)] == [10] * (size // 10) + [size % 10] * bool(size % 10)


@pytest.mark.usefixtures("small_pieces")
def test_an_etag_proves_a_content_where_it_is_an_md5(tmp_path: Path) -> None:
    data = b"0123456789abcdefghijABC"
    path = tmp_path / "file"
    path.write_bytes(data)
    large = open_content(path)
    parts = hashlib.md5(b"".join(hashlib.md5(data[at : at + 10]).digest() for at in (0, 10, 20))).hexdigest()
    for content in (large, SmallContent(data)):
        assert content.proved_by(hashlib.md5(data).hexdigest())
        assert not content.proved_by(hashlib.md5(b"other").hexdigest())
        assert not content.proved_by("0x8D1234567890")
        assert not content.proved_by(None)
    assert large.proved_by(f"{parts}-3")
    assert not large.proved_by(f"{parts}-2")


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("change", ["grow", "shrink", "rewrite"])
def test_a_file_that_changes_while_it_is_read_is_told(tmp_path: Path, change: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(35))
    pieces = read_pieces(path, 35)
    next(pieces)
    with open(path, "r+b") as file:
        if change == "shrink":
            file.truncate(12)
        else:
            file.seek(0 if change == "rewrite" else 35)
            file.write(b"x")
    with pytest.raises(FileChangedError, match="file changed while it was read"):
        list(pieces)


@pytest.mark.usefixtures("small_pieces")
def test_a_large_file_that_differs_the_second_time_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(35))
    content = open_content(path)
    assert isinstance(content, LargeContent)
    list(content.pieces())
    path.write_bytes(bytes(34) + b"x")
    with pytest.raises(FileChangedError, match="has changed since it was sent"):
        list(content.pieces())
    assert content.sha256() == sha256_of([bytes(35)])


def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    os.mkfifo(path)
    with pytest.raises(OSError, match="not a file"):
        open_content(path)
