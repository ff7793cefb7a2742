"""Sound to a pipe: what its reader gets, and readers that are slow, stop, or go away."""

from __future__ import annotations

import errno
import io
import os
import select
import time
import wave
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from audiosocket_cli.audio import pipe_output as pipe
from audiosocket_cli.audio.growing_wav import HEADER_BYTES
from audiosocket_cli.audio.pipe_output import MAX_WAITING, UNKNOWN_BYTES, SoundPipe
from support.running import wait_until

PIPE_BYTES = 65536


def noise(samples: int) -> bytes:
    return np.random.default_rng(1).integers(-9000, 9000, samples).astype("<i2").tobytes()


@dataclass
class Pipe:
    """Both ends of a pipe."""

    reader: int
    writer: int

    def read(self, size: int) -> bytes:
        """Read so many bytes, however many pieces they come in."""
        data = b""
        while len(data) < size:
            assert select.select([self.reader], [], [], 60)[0], f"nothing came after {len(data)} bytes"
            piece = os.read(self.reader, size - len(data))
            assert piece, f"the pipe ended after {len(data)} bytes"
            data += piece
        return data

    def is_full(self) -> bool:
        """Whether the writer waits for the reader."""
        return not select.select([], [self.writer], [], 0)[1]

    def close_reader(self) -> None:
        os.close(self.reader)
        self.reader = -1

    def end(self, sound: SoundPipe) -> None:
        """Let its writer find that the reader is gone, before another pipe has the same number."""
        self.close_reader()
        wait_until(lambda: sound._pipe._error)


@pytest.fixture
def ends() -> Iterator[Pipe]:
    both = Pipe(*os.pipe())
    yield both
    for descriptor in (both.reader, both.writer):
        if descriptor >= 0:
            os.close(descriptor)


@pytest.fixture
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe, "_LAST_CHANCE_S", 0.2)


@pytest.mark.parametrize("rate_hz", [8000, 44100, 192000])
@pytest.mark.parametrize("channels", [1, 2], ids=["mono", "stereo"])
def test_the_reader_gets_a_wav_of_unknown_length(ends: Pipe, rate_hz: int, channels: int) -> None:
    sound = SoundPipe(ends.writer, 8000, channels)
    sound.set_rate(rate_hz)
    sound.append(noise(1000))
    sound.append(noise(500))
    assert sound.duration_s == 1500 / channels / rate_hz
    data = ends.read(HEADER_BYTES + 3000)
    assert int.from_bytes(data[40:44], "little") == UNKNOWN_BYTES
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (rate_hz, channels, 2)
        assert file.readframes(1500 // channels) == noise(1000) + noise(500)


def test_headerless_is_the_samples_alone(ends: Pipe) -> None:
    sound = SoundPipe(ends.writer, 8000, headerless=True)
    sound.append(noise(1000))
    sound.close()
    sound.finish()
    os.close(ends.writer)
    ends.writer = -1
    assert ends.read(2000) == noise(1000)
    assert os.read(ends.reader, 1) == b""


def test_each_piece_is_there_before_the_next(ends: Pipe) -> None:
    sound = SoundPipe(ends.writer, 8000, headerless=True)
    for number in range(3):
        sound.append(noise(100 + number))
        assert ends.read(200 + 2 * number) == noise(100 + number)


def test_it_has_no_files_and_leaves_the_descriptor_open(ends: Pipe) -> None:
    sound = SoundPipe(ends.writer, 8000)
    sound.append(noise(10))
    sound.close()
    sound.close()
    sound.finish()
    assert sound.paths == []
    os.fstat(ends.writer)


def test_a_slow_reader_holds_up_nobody_and_gets_all_of_it(ends: Pipe) -> None:
    sound = SoundPipe(ends.writer, 8000, headerless=True)
    begun_s = time.monotonic()
    for _ in range(50):
        sound.append(noise(4000))
    assert time.monotonic() - begun_s < 15  # nobody reads before that
    assert PIPE_BYTES < 50 * 8000
    assert ends.read(50 * 8000) == noise(4000) * 50
    sound.finish()


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "non-blocking"])
def test_a_pipe_that_somebody_made_non_blocking_is_waited_for(ends: Pipe, blocking: bool) -> None:
    os.set_blocking(ends.writer, blocking)
    sound = SoundPipe(ends.writer, 8000, headerless=True)
    sound.append(noise(PIPE_BYTES))
    time.sleep(0.1)
    assert ends.read(2 * PIPE_BYTES) == noise(PIPE_BYTES)
    sound.finish()


def test_a_reader_who_is_a_minute_behind_is_given_up(ends: Pipe) -> None:
    sound = SoundPipe(ends.writer, 8000, headerless=True)
    sound.append(noise(PIPE_BYTES))  # the writer is stuck with this piece
    wait_until(ends.is_full)
    for _ in range(MAX_WAITING):
        sound.append(noise(4000))
    with pytest.raises(OSError, match="the reader of standard output is a minute behind") as caught:
        sound.append(noise(4000))
    assert caught.value.errno == errno.ETIMEDOUT
    assert sound.duration_s == (PIPE_BYTES + MAX_WAITING * 4000) / 8000
    ends.end(sound)


@pytest.mark.usefixtures("_no_patience")
@pytest.mark.parametrize("pieces", [1, MAX_WAITING + 1], ids=["some-waits", "as-much-as-can-waits"])
def test_a_reader_who_stopped_is_waited_for_so_long_and_no_longer(ends: Pipe, pieces: int) -> None:
    sound = SoundPipe(ends.writer, 8000, headerless=True)
    sound.append(noise(PIPE_BYTES))
    wait_until(ends.is_full)
    for _ in range(pieces - 1):
        sound.append(noise(10))
    begun_s = time.monotonic()
    with pytest.raises(OSError, match="the reader of standard output stopped reading"):
        sound.finish()
    assert 0.15 < time.monotonic() - begun_s < 15  # at 0.2 s for each piece, all that can wait would take 24 s
    ends.end(sound)


def test_a_reader_who_is_gone_is_a_broken_pipe_at_the_next_piece(ends: Pipe) -> None:
    sound = SoundPipe(ends.writer, 8000)
    ends.close_reader()
    with pytest.raises(BrokenPipeError):
        wait_until(lambda: sound.append(noise(10)))
    for _ in range(2):
        with pytest.raises(BrokenPipeError):
            sound.append(noise(10))
    with pytest.raises(BrokenPipeError):
        sound.finish()


def test_a_reader_who_goes_away_while_it_is_waited_for_is_a_broken_pipe(ends: Pipe) -> None:
    sound = SoundPipe(ends.writer, 8000)
    sound.append(noise(PIPE_BYTES))
    wait_until(ends.is_full)
    ends.close_reader()
    with pytest.raises(BrokenPipeError):
        sound.finish()


def test_a_full_disk_behind_standard_output_is_told_at_the_end_at_the_latest() -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        sound = SoundPipe(full.fileno(), 8000)
        sound.append(noise(10))
        with pytest.raises(OSError, match="No space left on device") as caught:
            sound.finish()
    assert caught.value.errno == errno.ENOSPC
