"""Sounds as calls say them: in time or not at all, with no more in memory than calls need."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.asterisk.facts import frame_bytes
from audiosocket_cli.audio.files import Remarks, Sound, load_audio
from audiosocket_cli.audio.pcm import Samples, from_slin, level_dbfs, to_slin, tone
from audiosocket_cli.call.sources.basic import Playback, PromptSource, silence_frame
from audiosocket_cli.call.sources.prompts import AHEAD_S, Prompt, Room, Speech, Threads, Track
from audiosocket_cli.call.sources.speech_notes import SpeechNotes
from audiosocket_cli.codec import KIND_BY_RATE, Frame, Kind
from audiosocket_cli.errors import FileError
from support.fakes import prompt_of
from support.running import COMMAND, Serve, missing, run


@dataclass
class SlowSound:
    """A sound whose blocks come when they are let go."""

    blocks_s: float = 0.1
    count: int = 1000
    name: str = "slow"
    duration_s: float | None = None
    remarks: Remarks = field(default_factory=Remarks)
    is_pipe: bool = False
    fails_after: int | None = None

    def __post_init__(self) -> None:
        self.let_go = threading.Semaphore(0)
        self.made = self.opened = self.closed = 0

    def open(self) -> SlowSound:
        self.opened += 1
        return self

    def blocks(self, rate_hz: int) -> Iterator[Samples]:
        for number in range(self.count):
            self.let_go.acquire()
            if number == self.fails_after:
                raise FileError("cannot read slow: it is damaged")
            self.made += 1
            yield np.full(round(self.blocks_s * rate_hz), number % 1000 + 1, np.int16)

    def close(self) -> None:
        self.closed += 1

    def give_up(self) -> None:
        pass


def let(sound: SlowSound, blocks: int) -> None:
    for _ in range(blocks):
        sound.let_go.release()


def until(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.002)


def wait_for_frame(playback: Playback) -> None:
    """Wait until a whole frame has been converted, or the rest."""
    speech, size = playback._speech, frame_bytes(playback.kind)
    until(lambda: speech.is_all_there or speech._track.end - speech.position >= size)


def said_of(source: PromptSource | Playback, frames: int, kind: int | None = Kind.SLIN) -> Samples:
    said = [source.next_frame(kind) for _ in range(frames)]
    return from_slin(b"".join(frame.payload for frame in said if frame is not None))


# One speech


def test_of_a_long_sound_only_what_comes_next_is_converted() -> None:
    let(sound := SlowSound(), 1000)
    track = Track(sound, 8000, Threads(), keep=False)
    speech = Speech(track, 8000)
    most = round(AHEAD_S / sound.blocks_s) + 1
    until(lambda: sound.made >= most - 1)
    time.sleep(0.05)
    assert sound.made <= most
    for number in range(400):
        until(lambda: speech.is_ready)
        data = speech.take(1600)
        assert data == to_slin(np.full(800, number + 1, np.int16))
    assert sound.made <= 400 + most
    speech.close()
    until(lambda: sound.closed)
    assert sound.made <= 400 + most


def test_what_is_not_there_in_time_is_silence_that_is_counted_and_told() -> None:
    let(sound := SlowSound(count=20, is_pipe=True), 1)
    source = PromptSource(Prompt(sound))
    loud: list[bool] = []

    def say(loud_frames: int) -> None:
        until(lambda: loud.append(said_of(source, 1).any()) or sum(loud) == loud_frames)

    say(5)
    assert not said_of(source, 10).any()
    let(sound, 19)
    say(100)
    (text,) = source.close()
    found = re.match(r"(\d+\.\d\d) s of silence were added: the sound was not read as fast as it plays", text)
    assert found
    assert float(found[1]) >= 0.2


def test_damage_is_told_after_what_was_before_it() -> None:
    let(sound := SlowSound(fails_after=5, is_pipe=True), 6)
    playback = Playback(Prompt(sound), Kind.SLIN)
    until(lambda: playback._speech.is_all_there)
    assert said_of(playback, 25).all()
    assert playback.next_frame(None) is None
    assert not playback.finished
    assert playback.close() == ["cannot read slow: it is damaged [sound-file]"]
    assert playback.speech_notes.has_failed


# Many calls


def test_calls_share_a_short_sound_that_is_converted_once_for_each_rate() -> None:
    made: list[int] = []

    def make(rate_hz: int) -> Samples:
        made.append(rate_hz)
        return tone(440, rate_hz, 1.0)

    prompt = prompt_of(make)
    made.clear()
    for kind in (Kind.SLIN16, Kind.SLIN, Kind.SLIN16):
        prompt.prepare(kind)
        for _ in range(20):
            np.testing.assert_array_equal(said_of(PromptSource(prompt), 50, kind), make(KIND_RATE[kind]))
            made.pop()
    assert made == [16000]


def test_calls_share_the_frames_of_a_short_sound() -> None:
    prompt = prompt_of(lambda rate_hz: tone(440, rate_hz, 0.13))
    prompt.prepare(Kind.SLIN16)
    first, second = (PromptSource(prompt, times=0) for _ in range(2))
    ours = [first.next_bytes(Kind.SLIN16) for _ in range(14)]
    for one, other in zip(ours, [second.next_bytes(Kind.SLIN16) for _ in range(7)] * 2, strict=True):
        assert one is other
    filled_up = np.concatenate([tone(440, 16000, 0.13), np.zeros(160, np.int16)])
    np.testing.assert_array_equal(from_slin(b"".join(frame[3:] for frame in ours[7:] if frame)), filled_up)


def test_a_kept_sound_of_minutes_is_said_like_a_short_one() -> None:
    prompt = prompt_of(lambda rate_hz: np.arange(70 * rate_hz + 8, dtype=np.int64).astype(np.int16))
    assert prompt.is_kept
    source = PromptSource(prompt, post_roll_ms=0)
    said = b"".join(data[3:] for data in iter(lambda: source.next_bytes(Kind.SLIN), None))
    expected = np.arange(70 * 8000 + 160, dtype=np.int64).astype(np.int16)
    expected[70 * 8000 + 8 :] = 0
    np.testing.assert_array_equal(from_slin(said), expected)
    assert source.finished


KIND_RATE = {kind: rate_hz for rate_hz, kind in KIND_BY_RATE.items()}


def test_what_does_not_fit_in_the_room_is_converted_by_each_call(tmp_path: Path) -> None:
    soundfile.write(path := tmp_path / "tone.wav", tone(440, 44100, 3.0), 44100)
    prompt = Prompt(Sound(path), Room(free_bytes=0))
    assert not prompt.is_kept
    whole = load_audio(path, 16000)
    for _ in range(2):
        source = PromptSource(prompt)
        until(lambda source=source: from_slin(source.next_frame(Kind.SLIN16).payload).any())
        rest = said_of(source, 1)
        position = int(np.flatnonzero(whole)[0])
        assert rest.any()
        assert position < 320
        source.close()
    playback = Playback(prompt, Kind.SLIN16)
    frames: list[Frame] = []
    wait_for_frame(playback)
    while (frame := playback.next_frame(None)) is not None:
        frames.append(frame)
        wait_for_frame(playback)
    assert playback.speech_notes.missed == 0
    np.testing.assert_array_equal(from_slin(b"".join(frame.payload for frame in frames)), whole)


def test_rounds_of_a_long_sound_join_without_a_seam(tmp_path: Path) -> None:
    samples = np.arange(1, 30001, dtype=np.int16)
    soundfile.write(path := tmp_path / "ramp.wav", samples, 8000)
    playback = Playback(Prompt(Sound(path), Room(free_bytes=0)), Kind.SLIN, times=3)
    said = b""
    wait_for_frame(playback)
    while (frame := playback.next_frame(None)) is not None:
        said += frame.payload
        time.sleep(0.0005)
        wait_for_frame(playback)
    assert playback.speech_notes.missed == 0
    np.testing.assert_array_equal(from_slin(said), np.tile(samples, 3))


def test_a_file_that_is_gone_ends_an_endless_loop(tmp_path: Path) -> None:
    soundfile.write(path := tmp_path / "tone.wav", tone(440, 8000, 0.1), 8000)
    prompt = Prompt(Sound(path), Room(free_bytes=0))
    path.unlink()
    source = PromptSource(prompt, times=0)

    def says_silence() -> None:
        assert source.next_frame(Kind.SLIN) == silence_frame(Kind.SLIN)

    until(lambda: (says_silence(), source.speech_notes.has_failed)[1])
    for _ in range(50):
        says_silence()
        time.sleep(0.002)
    assert source.close() == [f"cannot read {path}: no such file or directory [sound-file]"]
    assert isinstance(source.speech_notes, SpeechNotes)
    assert not source.finished


def test_threads_are_begun_as_they_are_needed_and_one_that_waits_holds_up_no_other() -> None:
    threads, gate, done = Threads(2), threading.Event(), threading.Event()
    threads.do(gate.wait)
    threads.do(done.set)
    assert done.wait(10)
    gate.set()


# As a user runs it


def rss_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_long_prompt_in_all_kinds_takes_little_memory(serve: Serve, tmp_path: Path) -> None:
    """It was a whole copy for each kind: 645 MB."""
    with soundfile.SoundFile(tmp_path / "long.wav", "w", 48000, 1, "PCM_16") as file:
        for _ in range(600):
            file.write(tone(440, 48000, 1.0))
    if not os.path.exists("/proc/self/statm"):
        missing("only Linux tells memory this way")
    serving = serve("--play", tmp_path / "long.wav", "--record", "calls", "--json")
    before = rss_bytes(serving.process.pid)
    callers = []
    for rate_hz in KIND_BY_RATE:
        words = ["play", "-", serving.target, "--rate", str(rate_hz), "--wait", "3"]
        caller = subprocess.Popen([*COMMAND, *words], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert caller.stdin is not None
        caller.stdin.write(bytes(rate_hz // 10))
        caller.stdin.close()
        callers.append(caller)
    most = 0
    while any(caller.poll() is None for caller in callers):
        most = max(most, rss_bytes(serving.process.pid))
        time.sleep(0.05)
    assert all(caller.returncode == 0 for caller in callers)
    assert most - before < 80 << 20
    recordings = sorted((tmp_path / "calls").glob("*.wav"))
    assert len(recordings) == len(KIND_BY_RATE)
    for recording in recordings:
        said = soundfile.read(recording, dtype="int16")[0][:, 1]
        assert level_dbfs(said[said != 0]) == pytest.approx(-15, abs=0.5)


@pytest.mark.parametrize("how", ["stdin", "fifo", "headerless"])
def test_a_pipe_without_an_end_is_played_as_it_comes(serve: Serve, tmp_path: Path, how: str) -> None:
    serving = serve("--record", "calls", "--json")
    header = (
        b""
        if how == "headerless"
        else b"RIFF\xff\xff\xff\xffWAVEfmt "
        + bytes.fromhex("10000000 0100 0100 401f0000 803e0000 0200 1000")
        + b"data\xff\xff\xff\xff"
    )
    path = "-"
    if how == "fifo":
        os.mkfifo(path := str(tmp_path / "pipe.wav"))
    words = [*COMMAND, "play", path, serving.target, "--json", *(["--rate", "8000"] if how == "headerless" else [])]
    playing = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert playing.stdin is not None
    assert playing.stdout is not None
    writer = open(path, "wb", buffering=0) if how == "fifo" else playing.stdin  # noqa: SIM115
    second = to_slin(tone(440, 8000, 1.0))
    with writer:
        writer.write(header + second * 2)
        writer.flush()
        assert serving.wait_for('"call"')  # long before the end
        deadline_s = time.monotonic() + 3
        while time.monotonic() < deadline_s:
            writer.write(second[:3200])
            writer.flush()
            time.sleep(0.09)
        assert playing.poll() is None
    if how == "fifo":
        playing.stdin.close()
    result = json.loads(playing.stdout.read())
    playing.stdout.close()
    assert playing.wait(60) == 0
    assert result["complete"] is True
    assert result["played_s"] > 3
    assert result["total_s"] == result["played_s"]


def test_a_pipe_too_slow_is_padded_and_told(serve: Serve) -> None:
    serving = serve("--json")
    words = [*COMMAND, "play", "-", serving.target, "--rate", "8000", "--json"]
    playing = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert playing.stdin is not None
    assert playing.stdout is not None
    playing.stdin.write(to_slin(tone(440, 8000, 1.0)))
    playing.stdin.flush()
    serving.wait_for('"call"')
    time.sleep(3)
    playing.stdin.write(to_slin(tone(440, 8000, 1.0)))
    playing.stdin.close()
    result = json.loads(playing.stdout.read())
    playing.stdout.close()
    assert playing.wait(60) == 0
    assert result["played_s"] == pytest.approx(2.0, abs=0.02)
    assert result["padded_s"] > 0.5
    assert any("s of silence were added" in finding for finding in result["call"]["findings"])


@pytest.mark.parametrize("damage", ["cut", "zeroed"])
def test_a_damaged_stream_is_played_to_the_damage(serve: Serve, damage: str) -> None:
    noise = np.random.default_rng(5).normal(0, 0.1, 16000 * 20)
    soundfile.write(file := io.BytesIO(), noise, 16000, format="FLAC")
    data, at = file.getvalue(), len(file.getvalue()) // 10
    data = data[:at] if damage == "cut" else data[:at] + bytes(5000) + data[at + 5000 :]
    done = run("play", "-", serve().target, "--duration", "4", "--json", stdin=data)
    result = json.loads(done.stdout)
    assert done.stderr == ""
    assert 1 < result["played_s"] < 2.1
    if damage == "cut":
        assert done.returncode == 0
        assert any(
            "s of the 20.00 s that its header promises are missing" in finding for finding in result["call"]["findings"]
        )
    else:
        assert (done.returncode, result["complete"]) == (5, False)
        assert any("flac decoder" in finding for finding in result["call"]["findings"])


def test_a_damaged_file_that_is_short_is_known_before_the_call(tmp_path: Path) -> None:
    soundfile.write(path := tmp_path / "noise.flac", np.random.default_rng(5).normal(0, 0.1, 320000), 16000)
    path.write_bytes(path.read_bytes()[:50000])
    done = run("play", path, "127.0.0.1:1")
    assert (done.returncode, done.stderr.count("\n")) == (5, 1)


def test_a_true_warning_is_told_before_the_call_and_not_with_every_call(serve: Serve, tmp_path: Path) -> None:
    soundfile.write(path := tmp_path / "tone.wav", tone(440, 8000, 1.0), 8000)
    path.write_bytes(path.read_bytes()[:-8000])
    done = run("play", path, serve().target)
    assert done.returncode == 0
    assert done.stderr == f"{path}: it is cut short: its header promises 1.00 s, but it has 0.50 s\n"
    assert "cut short" not in done.stdout
