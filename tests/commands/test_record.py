"""`audiosocket record` as a user runs it: both directions, files of every kind, live pipes, and all that goes wrong."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import time
import uuid
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.pcm import Samples, level_dbfs, tone
from audiosocket_cli.codec import KIND_BY_RATE, Frame, FrameDecoder, Kind, encode, kind_of, uuid_frame
from support.peers import in_time, read_to_end
from support.running import CLOCK, COMMAND, Serve, need, rest_of, run, wait_until

CALL_1 = uuid.UUID(int=1)
RATES = list(KIND_BY_RATE)


@dataclass
class Recorder:
    """A running `audiosocket record` that waits for calls."""

    process: subprocess.Popen[bytes]
    port: int
    listening: str

    def end(self, number: int = 0) -> tuple[int, str, str]:
        """Send a signal (0: none), wait, and return exit code, stdout and the rest of stderr.

        That our calls are odd, with their bursts and their noise, is left out of the summary: it is for other tests.
        """
        if number:
            self.process.send_signal(number)
        out, err = rest_of(self.process)
        told = re.sub(
            r", findings in \d+ calls? \(audiosocket help .*\)$",
            "",
            err.decode(),
            flags=re.MULTILINE,
        )
        return self.process.returncode, (out or b"").decode(errors="replace"), told

    def call(self, samples: Samples, kind: int = Kind.SLIN, number: int = 1) -> None:
        """Place a call that says samples at once, and see it to its end."""
        with self.connected(number) as peer:
            peer.sendall(frames_of(samples, kind))
            peer.shutdown(socket.SHUT_WR)
            read_to_end(peer)

    @contextlib.contextmanager
    def connected(self, number: int = 1) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as peer:
            peer.sendall(encode(uuid_frame(uuid.UUID(int=number))))
            yield peer


Record = Callable[..., Recorder]


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    """Start `audiosocket record` on a free port; it is ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*args: str | Path, stdout: int = subprocess.PIPE) -> Recorder:
        process = subprocess.Popen(
            [*COMMAND, "record", *map(str, args), "--listen", "127.0.0.1:0"],
            stdout=stdout,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
        )
        started.append(process)
        assert process.stderr is not None
        listening = process.stderr.readline().decode().rstrip("\n")
        port = re.search(r":(\d+)", listening)
        assert port, f"record did not start: {listening} {process.stderr.read().decode()}"
        return Recorder(process, int(port[1]), listening)

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        rest_of(process)


def frames_of(samples: Samples, kind: int = Kind.SLIN) -> bytes:
    size = 2 * next(rate_hz for rate_hz, known in KIND_BY_RATE.items() if known == kind) // 50
    data = samples.tobytes()
    return b"".join(encode(Frame(kind, data[start : start + size])) for start in range(0, len(data), size))


def speak(peer: socket.socket, samples: Samples) -> None:
    """Say samples at 8000 Hz as long as they last."""
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for number in in_time(len(samples) // 160):
        peer.sendall(frames_of(samples[number * 160 : number * 160 + 160]))


def noise(seconds: float, rate_hz: int = 8000, seed: int = 1) -> Samples:
    """Samples that are never 0, so that a pause before them shows, and as often above it as below."""
    rng = np.random.default_rng(seed)
    size = round(seconds * rate_hz)
    return (rng.integers(1, 9000, size) * rng.choice([-1, 1], size)).astype(np.int16)


def content(path: Path) -> tuple[Samples, int]:
    samples, rate_hz = soundfile.read(path, dtype="int16")
    return samples, rate_hz


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    """0.4 s of noise at 8 kHz."""
    path = tmp_path / "prompt.wav"
    soundfile.write(path, noise(0.4), 8000)
    return path


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# Answering


def test_the_next_call_is_recorded_sample_for_sample(record: Record, tmp_path: Path) -> None:
    recorder = record("new/call.wav")
    with recorder.connected() as peer:
        speak(peer, noise(0.5))
        peer.shutdown(socket.SHUT_WR)
        read_to_end(peer)
    code, out, err = recorder.end()
    assert recorder.listening == (
        f"listening on 127.0.0.1:{recorder.port} (this machine only; --listen :{recorder.port} opens it to the "
        "network), recording to new/call.wav"
    )
    assert (code, err) == (0, "answered 1 call with 0.5 s of caller audio\n")
    lines = out.splitlines()
    assert len(lines) == 2, lines
    assert re.fullmatch(CLOCK + rf"call {CALL_1} from 127\.0\.0\.1:\d+", lines[0])
    assert re.match(CLOCK + rf"{CALL_1} ended by caller \((closed|reset)\) after 0\.[456]\d s, ", lines[1])
    assert "new/call.wav" in lines[1]
    samples, rate_hz = content(tmp_path / "new" / "call.wav")
    assert rate_hz == 8000
    np.testing.assert_array_equal(samples[samples != 0], noise(0.5))
    assert names(tmp_path) == ["new/call.wav"]
    assert (tmp_path / "new" / "call.wav").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("layout", "columns"),
    [("caller", [1]), ("server", [0]), ("stereo", [1, 0]), ("mix", [1])],
    ids=["caller", "server", "stereo", "mix"],
)
def test_the_layout_says_whose_sound_is_in_the_file(
    record: Record, tmp_path: Path, layout: str, columns: list[int]
) -> None:
    recorder = record("call.wav", "--layout", layout)
    with recorder.connected() as peer:
        speak(peer, noise(0.5))
        peer.shutdown(socket.SHUT_WR)
        read_to_end(peer)
    assert recorder.end()[0] == 0
    samples, _ = content(tmp_path / "call.wav")
    columns_there = samples.reshape(len(samples), -1).T
    assert len(columns_there) == len(columns)
    for column, spoken in zip(columns_there, columns, strict=True):
        heard = column[column != 0]
        np.testing.assert_array_equal(heard, noise(0.5) if spoken else [])


def test_each_file_has_the_rate_of_the_kind_that_is_sent(record: Record, tmp_path: Path) -> None:
    recorder = record("{uuid}.wav", "--calls", str(len(RATES)))
    for rate_hz in RATES:
        recorder.call(noise(0.2, rate_hz), kind_of(rate_hz), number=rate_hz)
    assert recorder.end()[0] == 0
    for rate_hz in RATES:
        samples, recorded_hz = content(tmp_path / f"{uuid.UUID(int=rate_hz)}.wav")
        assert recorded_hz == rate_hz
        np.testing.assert_array_equal(samples, noise(0.2, rate_hz))


@pytest.mark.parametrize("rate_hz", RATES)
def test_rate_converts_and_keeps_length_and_level(record: Record, tmp_path: Path, rate_hz: int) -> None:
    recorder = record("call.wav", "--rate", str(rate_hz))
    recorder.call(tone(440, 16000, 0.5), Kind.SLIN16)
    assert recorder.end()[0] == 0
    samples, recorded_hz = content(tmp_path / "call.wav")
    assert (recorded_hz, len(samples)) == (rate_hz, rate_hz // 2)
    assert level_dbfs(samples[rate_hz // 20 : -rate_hz // 20]) == pytest.approx(-15.0, abs=0.1)


@pytest.mark.parametrize("suffix", [".flac", ".opus", ".mp3", ".aiff"])
def test_the_suffix_says_the_container(record: Record, tmp_path: Path, suffix: str) -> None:
    recorder = record(f"call{suffix}")
    recorder.call(tone(440, 8000, 0.5))
    code, out, err = recorder.end()
    assert (code, err) == (0, "answered 1 call with 0.5 s of caller audio\n")
    assert f"call{suffix}" in out
    assert names(tmp_path) == [f"call{suffix}"]
    path = tmp_path / f"call{suffix}"
    samples, rate_hz = content(path)
    assert len(samples) == rate_hz // 2
    assert level_dbfs(samples[rate_hz // 20 : -rate_hz // 20]) == pytest.approx(-15.0, abs=0.1)
    assert path.stat().st_mode & 0o777 == 0o600


def test_three_calls_into_one_folder_have_a_file_and_its_json_each(record: Record, tmp_path: Path) -> None:
    recorder = record("calls/", "--calls", "3")
    with recorder.connected(1) as first, recorder.connected(1) as twin:
        first.sendall(frames_of(noise(0.2, seed=1)))
        twin.sendall(frames_of(noise(0.2, seed=2)))
        time.sleep(0.2)
        recorder.call(noise(0.2, seed=3), number=2)
    code, out, err = recorder.end()
    assert (code, err) == (0, "answered 3 calls with 0.6 s of caller audio\n")
    assert out.count(" ended by caller") == 3
    files = [f"{CALL_1}-2", f"{CALL_1}", f"{uuid.UUID(int=2)}"]
    assert names(tmp_path) == [f"calls/{name}{suffix}" for name in files for suffix in (".json", ".wav")]
    starts = set()
    for name in files:
        told = json.loads((tmp_path / "calls" / f"{name}.json").read_text())
        assert told["uuid"] == name[:36]
        assert told["recording"]["files"] == [f"{name}.wav"]
        assert told["caller"]["audio_s"] == pytest.approx(0.2)
        samples, _ = content(tmp_path / "calls" / f"{name}.wav")
        starts.add(samples[samples != 0][:1600].tobytes())
    assert starts == {noise(0.2, seed=seed).tobytes() for seed in (1, 2, 3)}


def test_the_fields_of_a_name_are_filled_in(record: Record, tmp_path: Path) -> None:
    recorder = record("{date}/{peer} {time} {uuid}.flac")
    recorder.call(noise(0.1))
    assert recorder.end()[0] == 0
    sound, facts = (
        sorted(tmp_path.rglob("*.*"), key=lambda path: path.suffix, reverse=True)[1],
        next(tmp_path.rglob("*.json")),
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", sound.parent.name)
    assert re.fullmatch(rf"127\.0\.0\.1_\d+ \d\d-\d\d-\d\d {CALL_1}\.flac", sound.name)
    assert facts == sound.with_suffix(".json")
    assert json.loads(facts.read_text())["recording"]["files"] == [sound.name]


@pytest.mark.parametrize(
    ("options", "seconds", "reason"),
    [
        (["--duration", "0.4"], 0.4, "longer than 0.4 s"),
        (["--until-silence", "0.6"], 1.0, "silent for 0.6 s"),
    ],
    ids=["duration", "until-silence"],
)
def test_a_limit_hangs_up_and_the_recording_is_done(
    record: Record, tmp_path: Path, options: list[str], seconds: float, reason: str
) -> None:
    recorder = record("call.wav", *options)
    with recorder.connected() as peer:
        speak(peer, noise(0.2))
        assert read_to_end(peer)[-1] == Frame(Kind.HANGUP)
    code, out, _ = recorder.end()
    assert code == 0
    assert f"ended by server (hangup: {reason})" in out
    samples, _ = content(tmp_path / "call.wav")
    assert seconds - 0.3 <= len(samples) / 8000 < seconds + 8
    np.testing.assert_array_equal(samples[samples != 0], noise(0.2))


def test_json_lines_tell_the_call(record: Record, tmp_path: Path) -> None:
    recorder = record("call.wav", "--json")
    recorder.call(noise(0.2))
    code, out, _ = recorder.end()
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [event["event"] for event in events] == ["listening", "call", "ended"]
    assert events[0]["record"] == "call.wav"
    assert events[2]["files"] == ["call.wav"]
    assert events[2]["call"]["recording"] == {
        "files": ["call.wav"], "layout": "caller", "rate_hz": 8000, "duration_s": 0.2, "error": None,
    }  # fmt: skip


# Signals


@pytest.mark.parametrize(
    ("name", "number", "code"),
    [("call.wav", signal.SIGINT, 130), ("call.flac", signal.SIGTERM, 143)],
    ids=["int", "term"],
)
def test_a_signal_hangs_up_and_completes_the_file(
    record: Record, tmp_path: Path, name: str, number: int, code: int
) -> None:
    recorder = record(name)
    with socket.create_connection(("127.0.0.1", recorder.port), timeout=20) as peer:
        # In one piece, so that whoever answers has heard all of it.
        peer.sendall(encode(uuid_frame(uuid.UUID(int=1))) + frames_of(noise(0.2)))
        peer.recv(1)
        recorder.process.send_signal(number)
        assert read_frames_behind_the_first_byte(peer)[-1] == Frame(Kind.HANGUP)
    assert recorder.end()[::2] == (code, "answered 1 call with 0.2 s of caller audio\n")
    assert names(tmp_path) == [name]
    np.testing.assert_array_equal(content(tmp_path / name)[0][:1600], noise(0.2))


def read_frames_behind_the_first_byte(peer: socket.socket) -> list[Frame]:
    decoder, frames = FrameDecoder(), []
    decoder.feed(bytes([Kind.SLIN]))
    while data := peer.recv(65536):
        frames += decoder.feed(data)
    return frames


def test_a_signal_before_any_call_leaves_no_file(record: Record, tmp_path: Path) -> None:
    recorder = record("call.flac")
    assert recorder.end(signal.SIGINT) == (130, "", "answered 0 calls with 0.0 s of caller audio\n")
    assert names(tmp_path) == []


def test_sigkill_while_a_flac_grows_leaves_a_valid_wav_that_is_not_overwritten(record: Record, tmp_path: Path) -> None:
    recorder = record("call.flac")
    with recorder.connected() as peer:
        peer.sendall(frames_of(noise(3.0)))
        growing = tmp_path / "call.unconverted.wav"
        wait_until(lambda: growing.exists() and growing.stat().st_size > 10_000)
        recorder.end(signal.SIGKILL)
    assert names(tmp_path) == ["call.unconverted.wav"]
    samples, _ = content(tmp_path / "call.unconverted.wav")
    assert len(samples) > 4000
    np.testing.assert_array_equal(samples, noise(3.0)[: len(samples)])

    again = run("record", tmp_path / "call.flac", "--listen", "127.0.0.1:0")
    cure = f"{tmp_path}/call.unconverted.wav exists; move that away or add --force"
    assert (again.returncode, again.stderr) == (
        2, f"audiosocket: error: cannot record to {tmp_path}/call.flac: {cure}\n",
    )  # fmt: skip
    forced = record("call.flac", "--force")
    forced.call(noise(0.2))
    assert forced.end()[0] == 0
    assert names(tmp_path) == ["call.flac"]


# What goes wrong


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ([], 2, "Missing argument 'OUT' (see audiosocket record --help)"),
        ([""], 2, "cannot record to a file without a name: name a file, or a folder with a slash after it"),
        (["call"], 2, "cannot record to call: write its name with .wav, .flac, *, or call/ for a folder"),
        (["call.xyz"], 2, "cannot record to call.xyz: write its name with .wav, *"),
        (["call.wve"], 2, "cannot record to call.wve: write its name with .wav, *"),
        (["{id}.wav"], 2, "{id}.wav has an unknown field {id}: choose from {uuid}, {date}, {time}, {peer}"),
        (["{uuid!r}.wav"], 2, "{uuid!r}.wav has an unknown field {uuid!r}: choose from *"),
        (["OLD"], 2, "cannot record to OLD: it exists; choose another name or add --force"),
        (["OLD/"], 2, "cannot record to OLD: it is a file; name a folder"),
        (["OLD/call.wav"], 2, "cannot record to OLD/call.wav: OLD is a file; name a folder"),
        (["OLD/new/call.wav"], 2, "cannot record to OLD/new/call.wav: not a directory"),
        (["/proc/calls/call.wav"], 2, "cannot record to /proc/calls/call.wav: no such file or directory"),
        (["x" * 300 + ".wav"], 2, "cannot record to x*: file name too long"),
        (["NEW/", "--force"], 2, "--force does not apply to NEW: a taken name gets a number; leave out --force"),
        (["NEW/call.wav", "--calls", "2"], 2,
         "NEW/call.wav has room for one call, not 2: name a folder, or use {uuid} in the name"),
        (["-", "--calls", "2"], 2, "standard output has room for one call, not 2: name a folder, or use {uuid} *"),
        (["-", "--force"], 2, "--force is for files: leave it out"),
        (["NEW/call.wav", "--raw"], 2, "--raw works only with -: for a file, use the suffix .raw (call.raw)"),
        (["NEW/call.wav", "--uuid", str(CALL_1)], 2,
         "--uuid needs a TARGET to call: name one, or leave it out"),
        (["NEW/call.wav", "--kind", "slin16"], 2, "--kind needs a TARGET to call: name one, or leave it out"),
        (["NEW/call.wav", ":1", "--listen", ":2"], 2, "--listen is for calls to us: leave it out, or the TARGET"),
        (["NEW/call.wav", ":1", "--calls", "1"], 2, "--calls is for calls to us: leave it out, or the TARGET"),
        (["NEW/call.wav", "--kind", "opus"], 2, "*'opus' is not a kind of audio; choose from slin, *"),
        (["NEW/call.wav", "--rate", "11025"], 2, "*no kind carries 11025 Hz; choose from 8000, *"),
        (["NEW/call.wav", "--duration", "0"], 2, "*'--duration'*"),
        (["NEW/call.wav", "--until-silence", "nan"], 2, "*'nan' is not a length of time*"),
        (["NEW/call.wav", "--layout", "both"], 2, "*'--layout'*"),
        (["NEW/call.wav", "--uuid", "7"], 2, "*'7' is not a UUID: *"),
        (["NEW/call.wav", "127.0.0.1:x"], 2, "*'127.0.0.1:x' is not an address: *"),
    ],
    ids=lambda value: " ".join(value)[-40:] or "none" if isinstance(value, list) else "",
)  # fmt: skip
def test_what_cannot_be_recorded_is_one_line_with_a_cure_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("OLD").write_bytes(b"old")
    if args == ["OLD"]:
        Path("OLD").rename("OLD.wav")
        args, message = ["OLD.wav"], message.replace("OLD", "OLD.wav")
    done = run("record", *args)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.count("\n") == 1
    assert fnmatch(done.stderr.strip(), f"audiosocket: error: {message}"), done.stderr
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_force_overwrites_when_the_call_is_there_and_not_before(record: Record, tmp_path: Path) -> None:
    old = tmp_path / "call.wav"
    old.write_bytes(b"old")
    recorder = record("call.wav", "--force")
    assert old.read_bytes() == b"old"
    recorder.call(noise(0.2))
    assert recorder.end()[0] == 0
    np.testing.assert_array_equal(content(old)[0], noise(0.2))


@pytest.mark.parametrize("name", ["call.wav", "call.flac"])
def test_a_name_that_is_taken_meanwhile_is_not_overwritten(record: Record, tmp_path: Path, name: str) -> None:
    recorder = record(name)
    (tmp_path / name).write_bytes(b"theirs")
    recorder.call(noise(0.2))
    code, out, err = recorder.end()
    assert code == 1
    assert "recording failed: File exists" in out
    assert err == "answered 1 call with 0.2 s of caller audio, 1 recording failed\n"
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"theirs"]


def test_a_conversion_that_fails_keeps_the_wav_and_says_so(record: Record, tmp_path: Path) -> None:
    recorder = record("call.flac")
    with recorder.connected() as peer:
        peer.sendall(frames_of(noise(0.2)))
        wait_until((tmp_path / "call.unconverted.wav").exists)
        (tmp_path / "call.flac").write_bytes(b"theirs")
    code, out, err = recorder.end()
    assert code == 1
    assert "recording failed: cannot convert to call.flac: file exists (kept as call.unconverted.wav)" in out
    assert err == "answered 1 call with 0.2 s of caller audio, 1 recording failed\n"
    assert names(tmp_path) == ["call.flac", "call.unconverted.wav"]
    assert (tmp_path / "call.flac").read_bytes() == b"theirs"
    np.testing.assert_array_equal(content(tmp_path / "call.unconverted.wav")[0][:1600], noise(0.2))


@contextlib.contextmanager
def small_disk(size_bytes: int) -> Iterator[None]:
    """What is started in here cannot make larger files."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_ends_the_recording_loudly_and_not_the_call(record: Record, tmp_path: Path) -> None:
    with small_disk(20_000):
        recorder = record("call.flac")
    with recorder.connected() as peer:
        peer.sendall(frames_of(noise(3.0)))
        time.sleep(1.2)
        peer.sendall(frames_of(noise(0.5)))
        peer.shutdown(socket.SHUT_WR)
        assert Frame(Kind.HANGUP) not in read_to_end(peer)
    code, out, err = recorder.end()
    assert (code, err) == (1, "answered 1 call with 3.5 s of caller audio, 1 recording failed\n")
    assert "recording failed: File too large" in out
    assert " ended by caller" in out
    assert names(tmp_path) == ["call.unconverted.wav"]
    soundfile.info(tmp_path / "call.unconverted.wav")


# Pipes


@contextlib.contextmanager
def reader(recorder: Recorder, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program on the recorder's standard output."""
    with subprocess.Popen(
        command, stdin=recorder.process.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert recorder.process.stdout is not None
        recorder.process.stdout.close()
        recorder.process.stdout = None
        yield process


@pytest.mark.parametrize(("layout", "channels"), [("caller", 1), ("stereo", 2)], ids=["mono", "stereo"])
def test_sox_reads_a_call_from_a_pipe(record: Record, tmp_path: Path, layout: str, channels: int) -> None:
    recorder = record("-", "--layout", layout)
    with reader(recorder, need("sox"), "-", "-b", "16", str(tmp_path / "out.wav")) as sox:
        with recorder.connected() as peer:
            speak(peer, noise(0.5))
            peer.shutdown(socket.SHUT_WR)
            read_to_end(peer)
        code, _, err = recorder.end()
        assert (sox.wait(20), sox.stderr and sox.stderr.read()) == (0, b"")
    assert code == 0
    assert re.search(r"ended by caller .*recorded 0\.\d\d s\nanswered 1 call", err)
    samples, rate_hz = content(tmp_path / "out.wav")
    left = samples[:, 0] if channels == 2 else samples
    assert (rate_hz, samples.ndim) == (8000, channels)
    np.testing.assert_array_equal(left[left != 0], noise(0.5))


@pytest.mark.parametrize("rate_hz", [8000, 192000])
def test_ffmpeg_reads_a_call_from_a_pipe_without_complaint(record: Record, tmp_path: Path, rate_hz: int) -> None:
    recorder = record("-")
    command = [need("ffmpeg"), "-v", "error", "-i", "-", str(tmp_path / "out.flac")]
    with reader(recorder, *command) as ffmpeg:
        recorder.call(noise(0.5, rate_hz), kind_of(rate_hz))
        assert recorder.end()[0] == 0
        said = ffmpeg.communicate(timeout=20)[1].decode()
    assert (ffmpeg.returncode, said) == (0, "")
    samples, recorded_hz = content(tmp_path / "out.flac")
    assert recorded_hz == rate_hz
    np.testing.assert_array_equal(samples, noise(0.5, rate_hz))


def test_samples_come_out_of_the_pipe_while_the_call_lasts(record: Record) -> None:
    recorder = record("-")
    assert recorder.process.stdout is not None
    with recorder.connected() as peer:
        speak(peer, noise(1.2))
        header = os.read(recorder.process.stdout.fileno(), 44)
        samples = os.read(recorder.process.stdout.fileno(), 65536)
        assert recorder.process.poll() is None
    assert header[:4] == b"RIFF"
    assert len(samples) >= 2 * 2000
    assert samples == noise(1.2).tobytes()[: len(samples)]


def test_raw_is_samples_and_nothing_else(record: Record) -> None:
    recorder = record("-", "--raw", "--rate", "8000")
    recorder.call(noise(0.5))
    assert recorder.process.communicate(timeout=20)[0] == noise(0.5).tobytes()
    assert recorder.process.returncode == 0


def test_json_goes_to_stderr_where_stdout_is_for_sound(record: Record) -> None:
    recorder = record("-", "--raw", "--json")
    recorder.call(noise(0.1))
    code, _, err = recorder.end()
    assert code == 0
    events = [json.loads(line)["event"] for line in err.splitlines() if line.startswith("{")]
    assert events[-2:] == ["call", "ended"]  # where it listens may have been read while waiting for that


def test_head_gets_its_bytes_and_ends_the_call_in_silence(record: Record) -> None:
    recorder = record("-", "--raw")
    with reader(recorder, "head", "-c", "8000") as head:
        with recorder.connected() as peer:
            speak(peer, noise(2.0))
            assert read_to_end(peer)[-1] == Frame(Kind.HANGUP)
        code, _, err = recorder.end()
        assert head.stdout is not None
        assert head.stdout.read() == noise(2.0).tobytes()[:8000]
    assert code == 0
    assert "ended by server (hangup: nobody reads the recording any more)" in err
    assert len(err.splitlines()) == 3  # call, ended, answered


def test_a_reader_that_stops_holds_up_no_call_and_gets_all_of_it_later(record: Record) -> None:
    recorder = record("-", "--raw")
    said = noise(8.0)  # twice as much as a pipe holds
    with recorder.connected() as peer:
        peer.sendall(frames_of(said))
        time.sleep(1.2)
        begun_s = time.monotonic()
        peer.shutdown(socket.SHUT_WR)
        heard = read_to_end(peer)
        assert time.monotonic() - begun_s < 15  # nobody reads on before that
    assert sum(frame.kind == Kind.SLIN for frame in heard) * 0.02 >= 0.5  # of 1.2 s
    assert recorder.process.poll() is None
    assert recorder.process.communicate(timeout=20)[0] == said.tobytes()
    assert recorder.process.returncode == 0


def test_a_standard_output_that_is_full_fails_the_recording_and_not_the_call(record: Record) -> None:
    with open("/dev/full", "wb") as full:
        recorder = record("-", stdout=full.fileno())
    with recorder.connected() as peer:
        speak(peer, noise(1.7))
        peer.shutdown(socket.SHUT_WR)
        assert Frame(Kind.HANGUP) not in read_to_end(peer)
    code, _, err = recorder.end()
    assert code == 1
    assert "recording failed: No space left on device" in err
    assert err.splitlines()[-1] == "answered 1 call with 1.7 s of caller audio, 1 recording failed"
    assert "Traceback" not in err


def test_a_full_standard_output_is_noticed_by_the_end_of_a_short_call(record: Record) -> None:
    with open("/dev/full", "wb") as full:
        recorder = record("-", stdout=full.fileno())
    recorder.call(noise(0.1))
    assert recorder.end()[0] == 1


# Placing


def test_what_a_server_says_is_recorded_sample_for_sample(serve: Serve, prompt: Path, tmp_path: Path) -> None:
    serving = serve("--play", prompt, "--hangup")
    done = run("record", tmp_path / "answer.wav", serving.target, "--uuid", str(CALL_1))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(CLOCK + rf"call {CALL_1} to {serving.target}", lines[0])
    assert re.match(CLOCK + rf"{CALL_1} ended by server \(hangup\) after \d+\.\d\d s, server -\d\d\.\d dBFS", lines[1])
    samples, rate_hz = content(tmp_path / "answer.wav")
    assert rate_hz == 8000
    np.testing.assert_array_equal(samples[samples != 0], noise(0.4))


@pytest.mark.parametrize("kind", ["slin", "slin16", "slin192"])
def test_a_server_hears_a_silent_line_of_the_kind_asked_for(serve: Serve, tmp_path: Path, kind: str) -> None:
    serving = serve("--record", "heard", "--json")
    done = run("record", tmp_path / "answer.wav", serving.target, "--kind", kind, "--duration", "0.3")
    assert done.returncode == 0, done.stderr
    heard = json.loads(serving.wait_for('"event": "ended"'))["call"]
    assert list(heard["caller"]["frames"]) == [kind]
    assert 0.04 <= heard["caller"]["audio_s"] < 1
    (wav,) = (tmp_path / "heard").glob("*.wav")
    samples, _ = content(wav)
    assert set(samples.ravel().tolist()) == {0, 1}  # all zeros would be a phone that is muted


def test_a_folder_has_the_placed_call_with_its_json(serve: Serve, tmp_path: Path) -> None:
    done = run("record", f"{tmp_path}/out/", serve("--tone", "440").target, "--duration", "0.5", "--layout", "stereo")
    assert done.returncode == 0, done.stderr
    (wav,), (facts,) = (tmp_path / "out").glob("*.wav"), (tmp_path / "out").glob("*.json")
    assert facts == wav.with_suffix(".json")
    assert json.loads(facts.read_text())["recording"]["layout"] == "stereo"
    samples, _ = content(wav)
    assert not samples[:, 0].any()
    assert samples[:, 1].any()


def test_a_server_that_falls_silent_is_hung_up_on(serve: Serve, prompt: Path, tmp_path: Path) -> None:
    serving = serve("--play", prompt)
    done = run("record", tmp_path / "answer.flac", serving.target, "--until-silence", "0.6")
    assert done.returncode == 0
    assert ": silent for 0.6 s)" in done.stdout
    assert 0.85 <= soundfile.info(tmp_path / "answer.flac").duration < 10


def test_sox_reads_a_placed_call_from_a_pipe(serve: Serve, prompt: Path) -> None:
    serving = serve("--play", prompt, "--hangup")
    command = " ".join([*COMMAND, "record", "-", serving.target])
    done = subprocess.run(
        ["bash", "-c", f"{command} | {need('sox')} - -n stat; exit ${{PIPESTATUS[0]}}"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    assert re.search(r"Maximum amplitude: +0\.274", done.stderr)
    assert re.search(r"Length \(seconds\): +(0\.[6-9]|[1-9])", done.stderr)


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        (encode(Frame(Kind.DTMF, b"5")), 4, "(fault: the server sent a frame of kind dtmf"),
        (encode(Frame(Kind.HANGUP)), 0, "ended by server (hangup)"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", 4, "(fault: not an AudioSocket server: it answered in HTTP)"),
    ],
    ids=["digit", "hangup", "http"],
)
def test_how_a_server_ends_it_is_in_the_exit_code(tmp_path: Path, answer: bytes, code: int, says: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [*COMMAND, "record", tmp_path / "answer.wav", f"127.0.0.1:{listener.getsockname()[1]}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        peer, _ = listener.accept()
        with peer:
            peer.recv(19)
            peer.sendall(answer)
            peer.shutdown(socket.SHUT_WR)
            out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (code, "")
    assert says in out
    soundfile.info(tmp_path / "answer.wav")


def test_nobody_to_call_is_exit_code_3_and_keeps_the_old_file(tmp_path: Path) -> None:
    old = tmp_path / "answer.wav"
    old.write_bytes(b"old")
    done = run("record", old, "127.0.0.1:1", "--force")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "audiosocket: error: cannot connect to 127.0.0.1:1: connection refused; is a server listening there?\n"
    )
    assert old.read_bytes() == b"old"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"])
def test_a_signal_ends_a_placed_call_in_order(
    serve: Serve, prompt: Path, tmp_path: Path, number: int, code: int
) -> None:
    serving = serve("--play", prompt, "--loop")
    process = subprocess.Popen(
        [*COMMAND, "record", tmp_path / "answer.opus", serving.target], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    serving.wait_for("call")
    time.sleep(0.7)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (code, b"")
    assert b"ended by caller (closed: interrupted)" in out
    assert names(tmp_path) == ["answer.opus", "prompt.wav"]
    assert soundfile.info(tmp_path / "answer.opus").duration >= 0.6


def test_a_placed_recording_that_fails_is_exit_code_1_and_not_the_end_of_the_call(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--tone", "440")
    with small_disk(10_000):
        done = run("record", tmp_path / "answer.wav", serving.target, "--duration", "1.8")
    assert (done.returncode, done.stderr) == (1, "")
    assert "recording failed: File too large" in done.stdout
    assert ": longer than 1.8 s)" in done.stdout


def test_standard_output_that_is_a_file_gets_a_true_header(serve: Serve, prompt: Path, tmp_path: Path) -> None:
    serving = serve("--play", prompt, "--hangup")
    with (tmp_path / "out.wav").open("wb") as file:
        done = subprocess.run([*COMMAND, "record", "-", serving.target], stdout=file, timeout=30, check=False)
    assert done.returncode == 0
    with wave.open(str(tmp_path / "out.wav")) as heard:
        assert heard.getnframes() == len(heard.readframes(1 << 30)) // 2
        assert 0.5 <= heard.getnframes() / heard.getframerate() < 10
