"""`audiosocket play` as a user runs it, against our `serve` and against servers that misbehave."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.pcm import level_dbfs, tone
from audiosocket_cli.codec import Frame, FrameDecoder, Kind, digit_frame, encode, kind_of
from support.peers import FRAME
from support.running import COMMAND, Serve, Serving, missing, run


class OneCall:
    """A server for one call: keeps what arrives, with times, and answers the UUID with given bytes."""

    def __init__(self, answer: bytes, then: Callable[[socket.socket], None] | None) -> None:
        self.frames: list[tuple[float, Frame]] = []
        self.no_delay: int | None = None
        self._answer = answer
        self._then = then
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.target = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        peer, _ = self._listener.accept()
        with peer:
            decoder = FrameDecoder()
            first = True
            while data := self._receive(peer):
                self.frames += [(time.monotonic(), frame) for frame in decoder.feed(data)]
                if first:
                    first = False
                    peer.sendall(self._answer)
                    if self._then:
                        self._then(peer)
                        if peer.fileno() < 0:
                            return

    @staticmethod
    def _receive(peer: socket.socket) -> bytes:
        try:
            return peer.recv(65536)
        except ConnectionResetError:
            return b""

    def join(self) -> None:
        self._thread.join(30)
        self._listener.close()


@contextmanager
def one_call(answer: bytes = b"", then: Callable[[socket.socket], None] | None = None) -> Iterator[OneCall]:
    server = OneCall(answer, then)
    try:
        yield server
    finally:
        server.join()


def test_it_behaves_as_asterisk_does(tone_file: Path) -> None:
    with one_call() as server:
        done = run("play", tone_file, server.target, "--uuid", "0f0e0d0c-0b0a-4908-8706-050403020100", "--json")
    assert done.returncode == 0
    assert server.frames[0][1] == Frame(Kind.UUID, bytes.fromhex("0f0e0d0c0b0a49088706050403020100"))
    audio = [frame for _, frame in server.frames[1:]]
    assert {(frame.kind, len(frame.payload)) for frame in audio} == {(Kind.SLIN, 320)}
    assert b"".join(frame.payload for frame in audio) == soundfile.read(tone_file, dtype="int16")[0].tobytes()
    # That frames keep their pace is a promise about time: the least delayed of each third judge it.
    late_s = np.array([at_s for at_s, _ in server.frames[1:]]) - np.arange(75) * 0.02
    slipped_s = json.loads(done.stdout)["call"]["caller"]["slipped_ms"] / 1000
    assert np.ptp(late_s.reshape(3, 25).min(1)) < 0.03 + slipped_s


def test_the_summary_tells_what_happened(serve: Serve, tone_file: Path, tmp_path: Path) -> None:
    serving = serve("--play", tone_file, "--hangup")
    out = tmp_path / "answer.wav"
    done = run("play", tone_file, serving.target, "--until-hangup", "--record", out)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    assert re.fullmatch(r"sent \d+ frames, 1\.50 of 1\.50 s of audio; \d+ late, worst [\d.]+ ms", lines[0])
    assert re.fullmatch(
        r"connected in [\d.]+ ms; first audio back after [\d.]+ ms, first speech after [\d.]+ ms", lines[1]
    )
    assert re.fullmatch(r"heard \d\.\d\d s at -1[56]\.\d dBFS, (no gaps|\d+ gaps? [\d.]+ s)", lines[2])
    assert re.fullmatch(r"ended by server \(hangup\) after \d+\.\d\d s: server hung up", lines[3])
    assert lines[4] == f"recorded {os.path.relpath(out)}" or lines[4] == f"recorded {out}"
    heard, rate_hz = soundfile.read(out, dtype="int16")
    original, _ = soundfile.read(tone_file, dtype="int16")
    assert rate_hz == 8000
    # A gap, of a machine that stood still, is silence in the recording.
    np.testing.assert_array_equal(heard[heard != 0], original[original != 0])
    assert out.stat().st_mode & 0o777 == 0o600


def test_json_has_the_same_facts(serve: Serve, tone_file: Path) -> None:
    serving = serve("--echo")
    done = run("play", tone_file, serving.target, "--wait", "0.5", "--json")
    result = json.loads(done.stdout)
    assert done.returncode == 0
    assert result["schema"] == "audiosocket.play/1"
    assert result["complete"] is True
    assert result["frames_sent"] == 100
    assert 0 < result["first_speech_ms"] < 10_000
    assert 1 < result["call"]["server"]["audio_s"] < 2.1
    assert result["call"]["caller"]["frames"]["slin"]["frames"] == 100
    assert (result["call"]["ended_by"], result["call"]["ended_how"]) == ("caller", "closed")


@pytest.mark.parametrize("rate_hz", [8000, 12000, 16000, 24000, 32000, 44100, 48000, 96000, 192000])
def test_each_rate_has_its_kind(serve: Serve, tmp_path: Path, rate_hz: int) -> None:
    path = tmp_path / "tone.flac"
    soundfile.write(path, tone(440, 44100, 0.5), 44100)
    serving = serve("--record", "calls", "--json")
    done = run("play", path, serving.target, "--rate", str(rate_hz))
    assert done.returncode == 0, done.stderr
    result = json.loads(serving.wait_for('"ended"'))["call"]
    assert list(result["caller"]["frames"]) == [kind_of(rate_hz).name.lower()]
    (wav,) = (tmp_path / "calls").glob("*.wav")
    samples, recorded_hz = soundfile.read(wav, dtype="int16")
    assert (recorded_hz, len(samples)) == (rate_hz, rate_hz // 2)
    middle = samples[rate_hz // 20 : -rate_hz // 20]
    assert level_dbfs(middle) == pytest.approx(-15.0, abs=0.1)


@pytest.mark.parametrize(
    ("options", "seconds", "dbfs"),
    [
        (["--loop", "3"], 4.5, -15.0),
        (["--start", "0.5", "--duration", "0.3"], 0.3, -15.0),
        (["--gain", "-20"], 1.5, -35.0),
        (["--duration", "0.333"], 0.333, -15.0),
    ],
    ids=["loop", "cut", "gain", "odd-length"],
)
def test_what_is_said_of_the_file_is_exact(tone_file: Path, options: list[str], seconds: float, dbfs: float) -> None:
    with one_call() as server:
        assert run("play", tone_file, server.target, *options).returncode == 0
    said = np.frombuffer(b"".join(frame.payload for _, frame in server.frames[1:]), "<i2")
    assert len(said) == round(seconds * 8000)
    assert level_dbfs(said) == pytest.approx(dbfs, abs=0.1)


def test_a_gain_that_clips_says_how_much(tone_file: Path) -> None:
    with one_call() as server:
        done = run("play", tone_file, server.target, "--gain", "20")
    assert re.fullmatch(r"clipped \d+ samples: choose a lower --gain\n", done.stderr)


@pytest.mark.parametrize("kind", ["wav", "raw"])
def test_standard_input_is_played(tone_file: Path, kind: str) -> None:
    samples, _ = soundfile.read(tone_file, dtype="int16")
    stdin = tone_file.read_bytes() if kind == "wav" else samples.tobytes()
    with one_call() as server:
        done = run("play", "-", server.target, *(["--rate", "8000"] if kind == "raw" else []), stdin=stdin)
    assert done.returncode == 0, done.stderr
    assert b"".join(frame.payload for _, frame in server.frames[1:]) == samples.tobytes()


def test_silence_goes_out_while_it_waits(tone_file: Path) -> None:
    with one_call() as server:
        done = run("play", tone_file, server.target, "--duration", "0.1", "--wait", "0.5")
    assert done.returncode == 0
    assert [any(frame.payload) for _, frame in server.frames[1:]] == [True] * 5 + [False] * 25


def close(peer: socket.socket) -> None:
    peer.close()


@pytest.mark.parametrize(
    ("answer", "then", "code", "says"),
    [
        (encode(Frame(Kind.HANGUP)), None, 1, "ended by server (hangup) after *: server hung up"),
        (b"", close, 1, "ended by server (*"),
        (encode(digit_frame("5")), None, 4, "*only audio and hangup are allowed (send in-band tones instead*"),
        (encode(Frame(Kind.SLIN)), None, 4, "*of length 0; Asterisk ends the call here [[]server-sends-empty-audio[]]"),
        (b"\x10\x01\x40abc", lambda peer: peer.shutdown(socket.SHUT_WR), 1, "*server closed, in mid-frame"),
    ],
    ids=["hangup", "close", "digit", "empty-audio", "half-a-frame"],
)  # fmt: skip
def test_a_server_that_ends_the_call_early(
    tone_file: Path, answer: bytes, then: Callable[[socket.socket], None] | None, code: int, says: str
) -> None:
    with one_call(answer, then) as server:
        done = run("play", tone_file, server.target)
    assert done.returncode == code, done.stdout
    assert any(fnmatch(line, says) for line in done.stdout.splitlines()), done.stdout
    assert "Traceback" not in done.stderr


def test_waiting_for_a_hangup_that_does_not_come_times_out(tone_file: Path) -> None:
    with one_call() as server:
        done = run("play", tone_file, server.target, "--until-hangup", "--wait", "0.3")
    assert (done.returncode, done.stderr) == (7, "the server did not hang up within 0.3 s of the end of the file\n")


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["int", "term", "hup"],
)
def test_a_signal_ends_the_call_in_order(tone_file: Path, number: int, code: int) -> None:
    with one_call() as server:
        process = subprocess.Popen(
            [*COMMAND, "play", tone_file, server.target, "--until-hangup"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while len(server.frames) < 10:
            time.sleep(0.02)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (code, "")
    assert "ended by caller (closed) after" in out
    assert out.splitlines()[3].endswith(": interrupted")


def wait_for_socket(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has a TCP socket, however long it takes to start."""
    folder = Path(f"/proc/{process.pid}/fd")
    if not folder.exists():
        missing("this system has no /proc")
    sockets = 0
    while sockets < 3:  # the loop has a pair of its own, for signals
        assert process.poll() is None
        with contextlib.suppress(FileNotFoundError):
            sockets = sum(str(link.readlink()).startswith("socket:") for link in folder.iterdir())
        time.sleep(0.01)


def test_a_signal_while_connecting_is_silent() -> None:
    # A listener with a full backlog never answers: the connect hangs until it is told to stop.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        process = subprocess.Popen(
            [*COMMAND, "play", "-", f"127.0.0.1:{full.getsockname()[1]}", "--rate", "8000"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(bytes(320))
        process.stdin.close()
        process.stdin = None
        wait_for_socket(process)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        for filler in fillers:
            filler.close()
    assert (process.returncode, out, err) == (130, b"", b"")


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["missing.wav"], 5, "cannot read missing.wav: no such file or directory"),
        ([__file__], 5, "cannot play *: it is text, not sound; name a sound file"),
        (["/"], 5, "cannot read /: is a directory"),
        (["TONE", "127.0.0.1:1"], 3, "cannot connect to 127.0.0.1:1: connection refused; is a server listening there?"),
        (["TONE", "no.such.host.invalid"], 3, "cannot connect to no.such.host.invalid:9092: *"),
        (["TONE", "127.0.0.1:x"], 2, "*'127.0.0.1:x' is not an address: *"),
        (["TONE", "--rate", "11025"], 2, "*no kind carries 11025 Hz; choose from 8000, 12000, *"),
        (["TONE", "--uuid", "42"], 2, "*'42' is not a UUID: write it as 8-4-4-4-12 hexadecimal digits*"),
        (["TONE", "--start", "9"], 5, "cannot play *: it holds no audio in that range"),
        (["TONE", "--record", "x.xyz"], 2, "cannot record to x.xyz: write its name with .wav, .flac, *"),
        (["TONE", "--record", "TONE"], 2, "cannot record to *: it is the file to play"),
        (["TONE", "--record", "OLD"], 2, "cannot record to *: it exists; choose another name or add --force"),
        (["TONE", "--record", "/proc/x/y.wav"], 2, "cannot record to /proc/x/y.wav: *"),
        (["TONE", "--wait", "nan"], 2, "*'nan' is not a length of time*"),
        (["TONE", "a..b:1"], 3, "cannot connect to a..b:1: not a valid host name; is the host name right?"),
        (["TONE", "127.0.0.1:" + "9" * 5000], 2, "*is not an address*"),
        (["TONE", "--rate", "²"], 2, "*no kind carries ² Hz*"),
        (["-"], 5, "cannot play standard input: it is text, not sound; name a sound file"),
    ],
    ids=lambda value: "-".join(value)[-30:] if isinstance(value, list) else "",
)
def test_what_cannot_be_played_is_one_line_with_a_cure(
    tone_file: Path, args: list[str], code: int, message: str
) -> None:
    old = tone_file.with_name("old.wav")
    old.write_bytes(b"old")
    given = {"TONE": str(tone_file), "OLD": str(old)}
    done = run("play", *(given.get(arg, arg) for arg in args), stdin=b"no sound")
    assert old.read_bytes() == b"old"
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.count("\n") == 1
    assert fnmatch(done.stderr.strip(), f"audiosocket: error: {message}"), done.stderr


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not an AudioSocket server: it answered in HTTP"),
        (b"\x10\x01\x40" + bytes(100), "server did not finish a frame; Asterisk ends the call here"),
        (b"\x55\x00\xff", "kind 0x55"),
    ],
    ids=["http", "unfinished-frame", "unknown-header"],
)
def test_a_server_that_breaks_the_protocol_is_exit_code_4(tone_file: Path, answer: bytes, says: str) -> None:
    with one_call(answer) as server:
        done = run("play", tone_file, server.target, "--wait", "5")
    assert (done.returncode, done.stderr) == (4, "")
    assert says in done.stdout


def test_a_server_that_does_not_read_ends_the_call_as_in_asterisk(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, tone(440, 8000, 30), 8000)
    gone = threading.Event()
    with one_call(then=lambda peer: gone.wait(60) and None) as server:
        done = run("play", path, server.target, "--rate", "192000", timeout=60)
        gone.set()
    assert done.returncode == 4
    assert "the server, or the network, takes no more: our buffers are full; Asterisk ends the call here" in done.stdout


def test_a_server_that_floods_does_not_hold_up_what_we_say(tone_file: Path) -> None:
    flood = encode(Frame(Kind.SLIN, bytes(320))) * 200

    def pour(peer: socket.socket) -> None:
        end_s = time.monotonic() + 1.0
        while time.monotonic() < end_s:
            peer.sendall(flood)

    with one_call(then=pour) as server:
        done = run("play", tone_file, server.target, "--json")
    assert json.loads(done.stdout)["frames_sent"] >= 70


def test_a_server_that_vanishes_after_the_file_is_no_hangup(tone_file: Path) -> None:
    def vanish(peer: socket.socket) -> None:
        left = 12 * len(FRAME)  # the file has five frames, and silence follows
        while left and (data := peer.recv(left)):
            left -= len(data)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()

    with one_call(then=vanish) as server:
        done = run("play", tone_file, server.target, "--duration", "0.1", "--until-hangup")
    assert done.returncode == 1
    assert "server reset the connection" in done.stdout


def test_a_hangup_before_the_end_of_the_file_is_exit_code_1(tone_file: Path) -> None:
    with one_call(encode(Frame(Kind.HANGUP))) as server:
        assert run("play", tone_file, server.target, "--until-hangup").returncode == 1


def test_an_old_recording_is_kept_until_there_is_a_call(tone_file: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.wav"
    old.write_bytes(b"old")
    assert run("play", tone_file, "127.0.0.1:1", "--record", old, "--force").returncode == 3
    assert old.read_bytes() == b"old"


def test_empty_standard_input_is_named() -> None:
    done = run("play", "-")
    assert (done.returncode, done.stderr) == (5, "audiosocket: error: cannot play standard input: it is empty\n")


def test_force_overwrites_a_recording(serve: Serve, tone_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    out.write_bytes(b"old")
    done = run("play", tone_file, serve("--echo").target, "--record", out, "--force", "--wait", "0.2")
    assert done.returncode == 0, done.stderr
    assert soundfile.info(out).duration > 1.5


# Answering


def test_listening_it_plays_to_the_caller_and_hangs_up(
    answer: Callable[..., Serving], tmp_path: Path, tone_file: Path
) -> None:
    playing = answer("play", tone_file, "--gain", "-6")
    done = run("record", tmp_path / "heard.wav", playing.target, "--kind", "slin16")
    code, lines, _ = playing.end(0)
    assert (code, done.returncode) == (0, 0)
    assert "ended by server (hangup: end of audio)" in lines[-1]
    heard, rate_hz = soundfile.read(tmp_path / "heard.wav", dtype="int16")
    assert rate_hz == 16000
    loud = np.flatnonzero(np.abs(heard) > 100)
    assert len(loud) / rate_hz == pytest.approx(1.5, abs=0.05)  # but for a gap, of a machine that stood still
    assert level_dbfs(heard[loud]) == pytest.approx(-21.0, abs=0.2)


def test_a_caller_who_hangs_up_before_the_end_is_code_1(answer: Callable[..., Serving], tone_file: Path) -> None:
    playing = answer("play", tone_file, "--loop", "9")
    assert run("play", tone_file, playing.target, "--duration", "0.3").returncode == 0
    code, _, err = playing.end(0)
    assert code == 1
    assert err.splitlines()[-1] == "the caller hung up before everything was played"


@pytest.mark.parametrize(
    ("wait", "caller", "code", "says"),
    [
        ("0.3", ["--until-hangup"], 7, "the caller did not hang up within 0.3 s of the end of the file"),
        ("1m", ["--wait", "3"], 0, "answered 1 call with "),
    ],
    ids=["never", "in time"],
)
def test_a_caller_who_does_not_hang_up_in_time_is_code_7(
    answer: Callable[..., Serving], tone_file: Path, wait: str, caller: list[str], code: int, says: str
) -> None:
    playing = answer("play", tone_file, "--duration", "0.5", "--until-hangup", "--wait", wait)
    assert run("play", tone_file, playing.target, "--duration", "0.2", *caller).returncode == 0
    returned, _, err = playing.end(0)
    assert returned == code, err
    assert err.splitlines()[-1].startswith(says)


def test_standard_input_is_played_to_a_caller_too(answer: Callable[..., Serving], tmp_path: Path) -> None:
    samples = tone(500, 8000, 0.5)
    wav = io.BytesIO()
    soundfile.write(wav, samples, 8000, format="WAV")
    process = subprocess.Popen(
        [*COMMAND, "play", "-", "--listen", "127.0.0.1:0"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(wav.getvalue())
    process.stdin.close()
    target = process.stderr.readline().decode().split()[2]
    assert run("record", tmp_path / "heard.wav", target).returncode == 0
    assert process.wait(10) == 0
    process.stderr.close()
    assert process.stdout is not None
    process.stdout.close()
    heard, _ = soundfile.read(tmp_path / "heard.wav", dtype="int16")
    first = np.flatnonzero(heard)[0] - 1
    np.testing.assert_array_equal(heard[first : first + len(samples)], samples)
