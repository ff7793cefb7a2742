from __future__ import annotations

import bz2
import gzip
import lzma
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from audiosocket_cli.doctor.log.log_files import LogFiles
from audiosocket_cli.errors import FileError, UsageError
from support.nobody import as_nobody

LINE = b"[Nov 29 10:00:00] ERROR[1][C-00000001] app_audiosocket.c: Channel is not answered"
OLDER = LINE.replace(b"Nov 29", b"Nov 28")


def lines_of(*names: object) -> list[bytes]:
    return list(LogFiles([str(name) for name in names]).lines())


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_packed_files_are_read_as_plain_ones(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "full").write_bytes(pack((b"other\n" + LINE + b"\n") * 5000))
    assert lines_of(tmp_path / "full") == [LINE] * 5000


def test_files_of_one_log_are_read_in_the_order_of_their_times(tmp_path: Path) -> None:
    (tmp_path / "messages").write_bytes(LINE + b"\n")
    (tmp_path / "messages.1.gz").write_bytes(gzip.compress(OLDER + b"\n"))
    assert lines_of(tmp_path / "messages", tmp_path / "messages.1.gz") == [OLDER, LINE]


def test_a_damaged_file_is_read_to_its_damage(tmp_path: Path) -> None:
    (tmp_path / "full.gz").write_bytes(gzip.compress((LINE + b"\n") * 50_000)[:-200])
    files = LogFiles([str(tmp_path / "full.gz")])
    assert len(list(files.lines())) > 1000
    assert "cut" in files.faults[0]


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    reading, writing = os.pipe()

    def write() -> None:
        with open(writing, "wb") as file:
            for _ in range(3000):
                file.write(LINE + b"\n")

    threading.Thread(target=write).start()
    assert lines_of(f"/dev/fd/{reading}") == [LINE] * 3000
    os.close(reading)


def test_an_empty_log_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "full").write_bytes(b"")
    assert lines_of(tmp_path / "full") == []


def test_a_growing_log_is_read_to_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "full"
    path.write_bytes(LINE + b"\n")
    with path.open("ab", buffering=0) as file:
        file.write(LINE[:20])
        assert lines_of(path) == [LINE]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"\x0a\x0d\x0d\x0a" + bytes(500), "not text"), (b"PK\x03\x04rest", "unzip")],
    ids=["capture", "zip"],
)
def test_what_is_no_log_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(FileError, match=reason):
        lines_of(tmp_path / "file")


def test_what_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is a folder"):
        lines_of(tmp_path)
    with pytest.raises(FileError, match="no such file"):
        lines_of(tmp_path / "none")


def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "full").touch(mode=0o000)
    with as_nobody(), pytest.raises(FileError, match="permission denied; run as a user"):
        lines_of(tmp_path / "full")


def test_standard_input_is_named_once() -> None:
    with pytest.raises(UsageError, match="twice"):
        LogFiles(["-", "-"])


def test_a_file_that_grows_is_read_to_where_it_ended_at_first(tmp_path: Path) -> None:
    path = tmp_path / "full"
    path.write_text("AudioSocket 1\n" * 1000)
    lines = LogFiles([str(path)]).lines()
    count = 0
    for line in lines:
        assert line == b"AudioSocket 1"
        count += 1
        if count % 1000 == 1:  # as fast as it is read
            with path.open("a") as file:
                file.write("AudioSocket 1\n" * 200_000)
        assert count < 10_000
    assert count == 1000


def test_a_stop_ends_a_pipe_to_which_nothing_more_is_written_with_what_came(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)
    os.write(writer, b"AudioSocket 1\nAudioSocket 2\n" + b"x" * 65_000)
    files = LogFiles([str(pipe)])
    threading.Timer(0.3, files.stop).start()
    assert list(files.lines()) == [b"AudioSocket 1", b"AudioSocket 2"]
    assert files.is_stopped
    assert files.read_bytes > 65_000
    os.close(writer)
