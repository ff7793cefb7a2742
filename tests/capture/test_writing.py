"""Where live captures go: whole blocks, under the right name, never over what was there; a failure is told."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from audiosocket_cli.capture import writing
from audiosocket_cli.capture.items import Captured
from audiosocket_cli.capture.opening import open_capture
from audiosocket_cli.capture.writing import BlockFile, CaptureFile, CaptureFolder, CapturePipe, Ends, parse_capture
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.errors import UsageError
from audiosocket_cli.model import Side
from support.fakes import OPENING, UUID_1

ENDS = Ends(("10.0.0.9", 9092), ("10.0.0.5", 40000), Side.SERVER)
DATA = encode(Frame(Kind.SLIN, b"ab" * 160))


def at_once(job: Callable[[], object]) -> None:
    job()


def frames_in(path: Path) -> list[bytes]:
    return [encode(item.frame) for item in open_capture(str(path)) if isinstance(item, Captured)]


def test_a_folder_gets_a_private_file_for_each_call_by_its_uuid(tmp_path: Path) -> None:
    folder = CaptureFolder(tmp_path / "new", "a test")
    for _ in range(2):
        trace = folder.begin(ENDS, at_once)
        trace.received(OPENING)
        trace.received(DATA)
        trace.close()
    files = sorted((tmp_path / "new").iterdir())
    assert [file.name for file in files] == [f"{UUID_1}-2.pcapng", f"{UUID_1}.pcapng"]
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert frames_in(file) == [OPENING, DATA]


def test_a_connection_without_a_uuid_is_called_by_its_time_and_peer(tmp_path: Path) -> None:
    trace = CaptureFolder(tmp_path, "a test").begin(ENDS, at_once)
    trace.close()
    (file,) = tmp_path.iterdir()
    assert file.match("????-??-??_??-??-??_10.0.0.5_40000.pcapng")
    assert trace.path == file


def test_one_file_takes_all_connections_and_is_not_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "all.pcapng"
    output = CaptureFile(path, "a test")
    assert not path.exists()
    for port in (40000, 40001):
        trace = output.begin(Ends(ENDS.ours, ("10.0.0.5", port), Side.SERVER), at_once)
        trace.received(OPENING)
        trace.close()
    output.close()
    assert frames_in(path) == [OPENING, OPENING]
    with pytest.raises(UsageError, match="it exists; choose another name or add --force"):
        CaptureFile(path, "a test")
    with pytest.raises(UsageError, match="choose another name or name a folder"):
        CaptureFile(path, "a test", overwrite=None)
    output = CaptureFile(path, "a test", overwrite=True)
    output.begin(ENDS, at_once).close()
    output.close()
    assert frames_in(path) == []


@pytest.mark.parametrize(
    ("name", "says"),
    [("a.wav", "a capture is not a sound file"), ("{uuid}.pcapng", "names of captures have no fields"),
     ("file/a.pcapng", "file is a file; name a folder")],
)  # fmt: skip
def test_a_name_that_cannot_be_is_refused(name: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=says):
        parse_capture(str(tmp_path / name), "a test")


def test_the_name_tells_a_file_a_folder_and_standard_output(tmp_path: Path) -> None:
    kinds = {"a.pcapng": CaptureFile, "a": CaptureFolder, "b.d/": CaptureFolder}
    for name, kind in kinds.items():
        assert type(parse_capture(f"{tmp_path}/{name}", "a test")) is kind
    assert CapturePipe(os.dup(1), "a test").has_stdout


def test_a_block_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "blocks"
    file = BlockFile(lambda: (path, os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)), at_once)
    file.put(b"first")
    write = os.write
    calls: list[int] = []

    def full(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:3])

    monkeypatch.setattr(writing.os, "write", full)
    file.put(b"second")
    monkeypatch.undo()
    assert path.read_bytes() == b"first"
    with pytest.raises(OSError, match="No space left"):
        file.put(b"third")
    file.close()
    file.close()
    with pytest.raises(OSError, match="No space left"):
        file.wait_until_written()


def test_further_connections_of_a_call_have_a_word_in_their_name(tmp_path: Path) -> None:
    folder = CaptureFolder(tmp_path, "a test")
    beside = folder.beside("mirror")
    for output in (folder, beside, beside):
        trace = output.begin(ENDS, at_once)
        trace.received(OPENING)
        trace.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{UUID_1}.mirror-2.pcapng", f"{UUID_1}.mirror.pcapng", f"{UUID_1}.pcapng"
    ]  # fmt: skip
    beside.begin(ENDS, at_once).close()
    assert len(list(tmp_path.glob("????-??-??_??-??-??_10.0.0.5_40000.mirror.pcapng"))) == 1
    one_file = CaptureFile(tmp_path / "all.pcapng", "a test")
    assert one_file.beside("mirror") is one_file
