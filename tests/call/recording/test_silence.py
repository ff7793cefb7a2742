"""Silence of any length, from wherever it comes: true in time in every file and pipe, small in memory and on disk."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.growing_wav import HEADER_BYTES, GrowingWav
from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.call.recording.destinations import FileOutput, Output, PipeOutput
from audiosocket_cli.call.recording.disk_thread import Disk
from audiosocket_cli.call.recording.recording import Decode, Layout, Recording
from audiosocket_cli.capture.exports import as_jsonl
from audiosocket_cli.codec import Kind, rate_of
from audiosocket_cli.model import Ending, How, Side
from support.captured import UUID_1, a_call, sent, speech, steady, whole
from support.fakes import TimedFrame, runs_of
from support.faults import needs_proc
from support.recorded import arriving, as_mu_law, new_call, noise
from support.running import need, run

HOUR_S = 3600.0


def record_late(
    output: Output, heard: list[TimedFrame], duration_s: float, layout: Layout = Layout.CALLER, **options: object
) -> Recording:
    """Record a call that says nothing for long: batches as the session hands them over, where there is anything."""
    call, recording = new_call(), Recording(layout, output, **options)  # type: ignore[arg-type]
    recording.opened(call)
    batch: list[TimedFrame] = []
    for timed in heard:
        batch.append(timed)
        if len(batch) == 40:
            recording.frames(runs_of(batch), [], timed.at_s)
            batch = []
    recording.frames(runs_of(batch), [], duration_s)
    call.duration_s = duration_s
    call.ending = Ending(Side.CALLER, How.CLOSED, "caller closed")
    recording.closed(call)
    return recording


def finish(recording: Recording) -> None:
    assert recording._sink is not None
    recording._sink.finish()


@pytest.mark.parametrize("layout", [Layout.CALLER, Layout.STEREO, Layout.MIX], ids=str)
@pytest.mark.parametrize(
    ("kind", "silent_s"),
    [(Kind.SLIN, 20 * 60.0), (Kind.SLIN, 12 * HOUR_S), (Kind.SLIN48, 5 * 60.0), (Kind.SLIN192, 60.0)],
    ids=["slin-20min", "slin-12h", "slin48-5min", "slin192-1min"],
)
def test_a_caller_who_is_silent_first_is_recorded_whole(
    tmp_path: Path, layout: Layout, kind: Kind, silent_s: float
) -> None:
    rate_hz = rate_of(kind)
    said = noise(2.0, rate_hz)
    recording = record_late(
        FileOutput.in_folder(tmp_path), arriving(said, silent_s, kind), silent_s + 2, layout, disk=Disk()
    )
    finish(recording)
    assert recording.error is None
    (path,) = recording.paths
    start = round(silent_s * rate_hz)
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnframes()) == (rate_hz, start + len(said))
        file.setpos(start)
        frames = np.frombuffer(file.readframes(len(said)), "<i2").reshape(len(said), -1)
    np.testing.assert_array_equal(frames[:, 0], said)
    with soundfile.SoundFile(path) as sound:
        sound.seek(start)
        np.testing.assert_array_equal(sound.read(dtype="int16", always_2d=True)[:, 0], said)
    assert path.stat().st_blocks * 512 < 20 * said.nbytes + (1 << 20)


def test_sox_and_ffmpeg_hear_what_comes_after_a_hole(tmp_path: Path) -> None:
    said = noise(1.0)
    recording = record_late(FileOutput.in_folder(tmp_path), arriving(said, 1800.0), 1801.0)
    path = str(recording.paths[0])
    trimmed = [path, "-t", "raw", "-", "trim", "1800"]
    assert subprocess.run([need("sox"), *trimmed], capture_output=True, check=True).stdout == said.tobytes()
    after = ["-v", "error", "-i", path, "-af", "atrim=start=1800", "-f", "s16le", "-"]
    assert subprocess.run([need("ffmpeg"), *after], capture_output=True, check=True).stdout == said.tobytes()


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".raw"])
def test_other_containers_hold_a_long_silence(tmp_path: Path, suffix: str) -> None:
    recording = record_late(FileOutput(tmp_path / f"call{suffix}"), arriving(noise(1.0), 1800.0), 1801.0, disk=Disk())
    finish(recording)
    (path,) = recording.paths
    assert path.name == f"call{suffix}"
    if suffix == ".raw":
        assert path.stat().st_size == 1801 * 16000
    else:
        assert soundfile.info(path).frames == 1801 * 8000


def test_silence_goes_on_in_the_next_part(tmp_path: Path) -> None:
    wav = GrowingWav(tmp_path / "call.wav", 8000, 2)
    before, after = noise(1.0), noise(1.0, seed=2)
    wav.append(before.tobytes())
    wav.append_silence(3 * (1 << 30))  # 12 GiB
    wav.append(after.tobytes())
    wav.close()
    wav.finish()
    assert [path.name for path in wav.paths] == ["call.wav", "call.part2.wav", "call.part3.wav", "call.part4.wav"]
    frames = [soundfile.info(path).frames for path in wav.paths]
    assert sum(frames) == wav.frames == 3 * (1 << 30) + 8000
    for path in wav.paths:
        with wave.open(str(path)) as file:
            assert path.stat().st_size == HEADER_BYTES + 4 * file.getnframes()
    with wave.open(str(wav.paths[-1])) as file:
        file.setpos(file.getnframes() - 4000)
        assert file.readframes(4000) == after.tobytes()
    assert sum(path.stat().st_blocks for path in wav.paths) * 512 < 1 << 20


def test_a_late_speaker_in_mu_law_is_found_out_as_well(tmp_path: Path) -> None:
    heard = as_mu_law(tone(440, 8000, 3.0), 60.0)
    recording = record_late(FileOutput.in_folder(tmp_path), heard, 63.0, decode=Decode.AUTO)
    assert recording.law == "µ-law"
    assert recording.duration_s == pytest.approx(63.0, abs=0.1)


def test_what_a_caller_said_while_it_waited_to_be_let_in_is_no_slow_disk(tmp_path: Path) -> None:
    heard = [timed._replace(at_s=1.0) for timed in arriving(noise(200.0))]
    disk, goes_on = Disk(), threading.Event()
    disk.do(lambda: goes_on.wait(60))  # until all is handed over
    recording = Recording(Layout.STEREO, FileOutput.in_folder(tmp_path), rate_hz=48000, disk=disk)
    recording.opened(new_call())
    recording.frames(runs_of(heard), runs_of([TimedFrame(1.0, heard[0].frame)]), 2.0)  # 38 MB once converted
    call = new_call()
    call.duration_s = 2.0
    recording.closed(call)
    goes_on.set()
    finish(recording)
    assert recording.error is None
    assert soundfile.info(recording.paths[0]).frames == pytest.approx(200 * 48000, abs=48000)


def read_all(descriptor: int, sink: list[int]) -> None:
    size = 0
    while data := os.read(descriptor, 1 << 16):
        size += len(data)
    sink.append(size)


@pytest.mark.parametrize("headerless", [False, True])
def test_a_pipe_gets_a_long_silence_in_pieces(headerless: bool) -> None:
    reader, writer = os.pipe()
    sizes: list[int] = []
    thread = threading.Thread(target=read_all, args=(reader, sizes))
    thread.start()
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    recording = record_late(
        PipeOutput(writer, headerless=headerless), arriving(noise(1.0), 6 * HOUR_S), 6 * HOUR_S + 1, Layout.STEREO
    )
    finish(recording)
    os.close(writer)
    thread.join(60)
    os.close(reader)
    assert recording.error is None
    assert sizes == [round(6 * HOUR_S + 1) * 8000 * 4 + HEADER_BYTES * (not headerless)]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 100_000


@pytest.mark.parametrize("append", [False, True], ids=["at-its-end", "append-only"])
def test_standard_output_that_is_a_file_gets_a_hole(tmp_path: Path, append: bool) -> None:
    path = tmp_path / "out.wav"
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | (os.O_APPEND if append else 0))
    said = noise(1.0)
    recording = record_late(PipeOutput(descriptor), arriving(said, HOUR_S), HOUR_S + 1)
    finish(recording)
    os.close(descriptor)
    assert path.stat().st_size == HEADER_BYTES + round(HOUR_S + 1) * 16000
    assert path.stat().st_blocks * 512 < 1 << 20
    with path.open("rb") as file:
        file.seek(-len(said) * 2, os.SEEK_END)
        assert file.read() == said.tobytes()


def test_a_hole_is_not_made_over_what_stands_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "out.raw"
    path.write_bytes(b"\xff" * 200_000)
    descriptor = os.open(path, os.O_RDWR)
    recording = record_late(PipeOutput(descriptor, headerless=True), arriving(noise(0.1), 5.0), 5.1)
    finish(recording)
    os.close(descriptor)
    data = path.read_bytes()
    assert not any(data[: 5 * 16000])
    assert len(data) == 200_000


def test_more_than_4_gib_to_a_file_on_standard_output_keeps_the_header_of_unknown_length(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    recording = record_late(PipeOutput(descriptor), arriving(noise(1.0), 80 * HOUR_S), 80 * HOUR_S + 1)
    finish(recording)
    os.close(descriptor)
    assert path.stat().st_size == HEADER_BYTES + round(80 * HOUR_S + 1) * 16000
    with path.open("rb") as file:
        assert file.read(HEADER_BYTES)[40:] == (0x7FFFF000).to_bytes(4, "little")


def paused(pause_s: float) -> list[object]:
    call = a_call(me=Side.SERVER)
    caller = sent(call, Side.CALLER, [*speech(1.0), *speech(1.0)], [*steady(0.02, 50), *steady(pause_s + 1.02, 50)])
    server = sent(call, Side.SERVER, [*speech(1.0)], [*steady(0.02, 50)])
    return list(whole(call, caller, server, pause_s + 2.1))


def test_dump_writes_a_pause_of_12_hours_as_a_hole(tmp_path: Path) -> None:
    needs_proc()
    capture = tmp_path / "call.jsonl"
    capture.write_bytes(b"".join(as_jsonl(paused(12 * HOUR_S))))  # type: ignore[arg-type]
    script = (
        "import sys; from audiosocket_cli.cli import main\n"
        "try: main()\n"
        "finally: print(*(line for line in open('/proc/self/status') if 'VmHWM' in line), file=sys.stderr)"
    )
    args = ["dump", str(capture), "--wav", str(tmp_path / "wav")]
    done = subprocess.run(
        [sys.executable, "-c", script, *args], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stderr.split()[-2]) < 200_000  # kB, the most
    path = tmp_path / "wav" / f"{UUID_1}.wav"
    assert soundfile.info(path).duration == pytest.approx(12 * HOUR_S + 2, abs=0.3)
    assert path.stat().st_blocks * 512 < 1 << 20
    with soundfile.SoundFile(path) as file:
        file.seek(round((12 * HOUR_S + 1.2) * 8000))
        assert np.abs(file.read(800, dtype="int16", always_2d=True)[:, 0]).max() > 100


@pytest.mark.parametrize("days", [2, 300, 30_000])
def test_dump_ends_a_file_before_a_pause_that_is_no_call(tmp_path: Path, days: int) -> None:
    capture = tmp_path / "call.jsonl"
    capture.write_bytes(b"".join(as_jsonl(paused(days * 86_400.0))))  # type: ignore[arg-type]
    done = run("dump", capture, "--wav", tmp_path / "wav", "--stats", timeout=60)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    told = f"a WAV file is not complete: after 1.0 s follows a pause of {days}.0 days, where its file ends"
    assert told in done.stderr
    (path,) = (tmp_path / "wav").iterdir()
    assert soundfile.info(path).duration == pytest.approx(1.0, abs=0.1)
    assert soundfile.read(path)[0].any()
