"""Files in place of a microphone and a loudspeaker: in real time, with each fault told."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.files import Sound
from audiosocket_cli.audio.pcm import from_slin, tone
from audiosocket_cli.call.bots.sound_ends import GONE, Beat, FileMicrophone, FileSpeaker
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.recording.destinations import FileOutput, PipeOutput
from audiosocket_cli.call.sources.prompts import Prompt
from audiosocket_cli.errors import FileError
from audiosocket_cli.model import Call, Side, now_utc
from support.fakes import UUID_1
from support.running import wait_until


def call() -> Call:
    return Call(Side.CALLER, "somebody", UUID_1, now_utc(), Pacer(0.0))


def test_a_beat_comes_every_20_ms() -> None:
    times: list[float] = []
    beat = Beat("test", lambda: times.append(time.monotonic()))
    wait_until(lambda: len(times) >= 26)
    beat.stop()
    count = len(times)
    assert times[25] - times[0] > 0.42  # the mean; and the median, which no stall of the machine moves
    assert np.median(np.diff(times[:26])) == pytest.approx(0.02, abs=0.008)
    time.sleep(0.05)
    beat.stop()
    assert len(times) == count


def test_a_file_is_spoken_in_real_time_and_then_there_is_silence(tone_file: Path) -> None:
    microphone = FileMicrophone(Prompt(Sound(tone_file)), 8000)
    assert not microphone.buffer.level_s
    begun_s = time.monotonic()
    microphone.begin(call())
    heard = b""
    while not microphone.is_over:
        time.sleep(0.005)
        heard += microphone.buffer.take_rest()
    took_s = time.monotonic() - begun_s
    said = soundfile.read(tone_file, dtype="int16")[0]
    while len(heard) <= len(said) * 2 + 640:
        time.sleep(0.005)
        assert time.monotonic() < begun_s + 60, "no silence came"
        heard += microphone.buffer.take_rest()
    microphone.close()
    microphone.close()
    assert len(said) / 8000 - 0.15 < took_s < 12
    if not microphone.buffer.over + microphone.buffer.under:  # of a machine that stood still
        np.testing.assert_array_equal(from_slin(heard)[: len(said)], said)
        assert not from_slin(heard)[len(said) :].any()
    assert microphone.remarks() == []


def test_a_file_that_is_no_sound_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"RIFF no sound at all")
    with pytest.raises(FileError, match=r"x\.wav"):
        FileMicrophone(Prompt(Sound(tmp_path / "x.wav")), 8000)


def test_a_pipe_is_spoken_as_it_comes() -> None:
    read, write = os.pipe()
    source = os.fdopen(read, "rb", buffering=0)
    sound = tone(440, 8000, 0.5)
    os.write(write, sound.tobytes())
    microphone = FileMicrophone(Prompt(Sound(source, raw_rate_hz=8000)), 8000, is_live=True)
    microphone.begin(call())
    os.close(write)
    heard = b""
    while not microphone.is_over:
        time.sleep(0.005)
        heard += microphone.buffer.take_rest()
    microphone.close()
    heard += microphone.buffer.take_rest()
    if not microphone.buffer.over + microphone.buffer.under:  # of a machine that stood still
        assert heard.strip(b"\0") == sound.tobytes().strip(b"\0")


def test_a_pipe_that_is_too_slow_is_counted() -> None:
    read, write = os.pipe()
    os.write(write, tone(440, 8000, 0.6).tobytes())
    source = os.fdopen(read, "rb", buffering=0)
    microphone = FileMicrophone(Prompt(Sound(source, raw_rate_hz=8000)), 8000, is_live=True)
    microphone.begin(call())
    wait_until(lambda: microphone.speech_notes.missed > 10)
    os.close(write)
    microphone.close()
    assert microphone.facts()["late_ms"] >= 200
    assert "silence were added" in microphone.remarks()[0]


def test_what_is_heard_is_written_to_the_last_sample(tmp_path: Path) -> None:
    speaker = FileSpeaker(FileOutput(tmp_path / "heard.wav"), 8000)
    speaker.begin(call())
    said = tone(440, 8000, 0.5)
    for start in range(0, len(said), 160):
        speaker.buffer.put(said[start : start + 160].tobytes())
        time.sleep(0.02)
    speaker.close()
    speaker.close()
    heard = soundfile.read(tmp_path / "heard.wav", dtype="int16")[0]
    assert (tmp_path / "heard.wav").stat().st_mode & 0o777 == 0o600
    begin = int(np.flatnonzero(heard)[0]) - 1
    if not speaker.buffer.over + speaker.buffer.under:  # of a machine that stood still
        np.testing.assert_array_equal(heard[begin : begin + len(said)], said)
    assert speaker.facts()["files"] == [str(tmp_path / "heard.wav")]
    assert speaker.fault is None


def test_without_a_call_nothing_is_made(tmp_path: Path) -> None:
    speaker = FileSpeaker(FileOutput(tmp_path / "heard.wav"), 8000)
    speaker.close()
    assert list(tmp_path.iterdir()) == []
    assert speaker.facts()["files"] == []


def test_a_name_that_was_taken_meanwhile_is_told(tmp_path: Path) -> None:
    speaker = FileSpeaker(FileOutput(tmp_path / "heard.wav"), 8000)
    (tmp_path / "heard.wav").write_text("mine")
    speaker.begin(call())
    speaker.close()
    assert "heard.wav" in str(speaker.fault)
    assert (tmp_path / "heard.wav").read_text() == "mine"


def written_to(descriptor: int, until: Callable[[FileSpeaker], bool]) -> FileSpeaker:
    speaker = FileSpeaker(PipeOutput(descriptor), 8000)
    speaker.begin(call())
    wait_until(lambda: until(speaker))
    speaker.close()
    return speaker


def test_a_pipe_whose_reader_is_gone_is_told() -> None:
    read, write = os.pipe()
    os.close(read)
    assert written_to(write, lambda speaker: speaker.fault is not None).fault == GONE
    os.close(write)


def test_a_full_disk_is_told() -> None:
    with open("/dev/full", "wb") as full:
        speaker = written_to(full.fileno(), lambda speaker: speaker.fault is not None)
    assert speaker.fault == "cannot write standard output: no space left on device"
    assert speaker.facts()["error"] == speaker.fault
