"""Writing behind: in order, never waited for, and what fails is told."""

from __future__ import annotations

import asyncio
import errno
import threading
import time
from pathlib import Path

import pytest
import soundfile

from audiosocket_cli.audio.growing_wav import GrowingWav
from audiosocket_cli.call.recording.disk_thread import BehindSink, Disk
from audiosocket_cli.write_behind import MAX_WAITING_BYTES


class Stalled(GrowingWav):
    """A file on a disk that takes its time."""

    def __init__(self, path: Path, rate_hz: int, channels: int = 1, goes_on: threading.Event | None = None) -> None:
        self.goes_on = goes_on or threading.Event()
        super().__init__(path, rate_hz, channels)

    def append(self, data: bytes) -> None:
        self.goes_on.wait(30)
        super().append(data)


def behind(path: Path, kind: type[GrowingWav] = GrowingWav) -> BehindSink:
    return BehindSink(Disk(), lambda: kind(path, 8000), 8000, 1)


def test_what_is_appended_is_in_the_file_in_order_once_it_has_finished(tmp_path: Path) -> None:
    sink = behind(tmp_path / "a.wav")
    sink.set_rate(16000)
    for number in range(100):
        sink.append(number.to_bytes(2, "little") * 160)
    assert sink.duration_s == 1.0
    sink.close()
    sink.finish()
    assert sink.paths == [tmp_path / "a.wav"]
    samples, rate_hz = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert rate_hz == 16000
    assert samples.tolist() == [number for number in range(100) for _ in range(160)]


def test_nobody_waits_for_a_disk_that_stalls_and_nothing_is_lost(tmp_path: Path) -> None:
    disk, goes_on = Disk(), threading.Event()
    sink = BehindSink(disk, lambda: Stalled(tmp_path / "a.wav", 8000, goes_on=goes_on), 8000, 1)
    other = behind(tmp_path / "b.wav")
    begun_s = time.monotonic()
    for _ in range(50):
        sink.append(b"\x01\x00" * 160)
    other.append(b"\x02\x00" * 160)
    other.close()
    other.finish()
    assert time.monotonic() - begun_s < 5
    goes_on.set()
    sink.close()
    sink.finish()
    assert len(soundfile.read(tmp_path / "a.wav")[0]) == 8000


def test_a_disk_that_does_not_keep_up_ends_the_recording(tmp_path: Path) -> None:
    sink = behind(tmp_path / "a.wav", Stalled)
    for _ in range(2):
        sink.append(bytes(MAX_WAITING_BYTES))
    with pytest.raises(OSError, match="the disk is too slow"):
        sink.append(bytes(2))
    sink.abort()
    sink.finish()


@pytest.mark.parametrize("when", ["opened", "written"])
def test_what_failed_is_told_with_the_next_write_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if when == "written":
        monkeypatch.setattr(GrowingWav, "append", full)
    sink = behind(tmp_path / "a.wav" if when == "written" else tmp_path / "no" / "folder" / "a.wav")
    sink.append(bytes(320))
    with pytest.raises(OSError, match="No s"):
        sink.finish()
    with pytest.raises(OSError, match="No space left on device" if when == "written" else "No such file"):
        sink.append(bytes(320))
    sink.close()
    with pytest.raises(OSError, match="No s"):
        sink.finish()


def test_on_a_loop_the_disk_works_once_the_turn_is_over_and_in_order() -> None:
    done: list[int] = []

    async def turn() -> list[int]:
        disk = Disk()
        for number in range(100):
            disk.do(lambda number=number: done.append(number))
        time.sleep(0.05)
        before = list(done)
        finished = asyncio.Event()
        loop = asyncio.get_running_loop()
        disk.do(lambda: loop.call_soon_threadsafe(finished.set))
        await asyncio.wait_for(finished.wait(), 60)
        return before

    assert asyncio.run(turn()) == []
    assert done == list(range(100))
