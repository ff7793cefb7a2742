"""`audiosocket talk` as a user runs it, with files in place of a headset."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.dtmf import detect_digits
from audiosocket_cli.audio.files import HELLO
from audiosocket_cli.audio.pcm import Samples
from audiosocket_cli.codec import Frame, Kind, encode
from support.bots import bot
from support.likeness import alikeness, place_of
from support.peers import free_port, reset
from support.running import COMMAND, Serve, Serving, rest_of, run, wait_until
from support.terminal import Terminal


def samples_of(path: Path) -> tuple[Samples, int]:
    samples, rate_hz = soundfile.read(path, dtype="int16")
    return samples, rate_hz


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_an_echo_comes_back_to_the_loudspeaker(serve: Serve, tmp_path: Path, rate_hz: int) -> None:
    serving = serve("--echo")
    out, record = tmp_path / "out.wav", tmp_path / "record.wav"
    done = run("talk", serving.target, "--input", HELLO, "--output", out, "--record", record, "--rate", str(rate_hz),
               "--wait", "0.5", "--json")  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert result["schema"] == "audiosocket.talk/1"
    recorded, recorded_hz = samples_of(record)
    played, played_hz = samples_of(out)
    assert (recorded_hz, played_hz) == (rate_hz, rate_hz)
    assert out.stat().st_mode & 0o777 == 0o600
    assert alikeness(recorded, played, rate_hz) > 0.85
    assert 0 <= place_of(recorded[:rate_hz], played)[0] / rate_hz < 0.25
    if rate_hz == 8000:
        said = samples_of(HELLO)[0]
        assert alikeness(said, played) > 0.85
        assert 0.06 < place_of(said[:rate_hz], played)[0] / rate_hz < 0.4  # two buffers of 60 ms, less what is taken
    both = [result["microphone"], result["loudspeaker"]]
    assert [end["name"] for end in both] == [str(HELLO), str(out)]
    assert [end["rate_hz"] for end in both] == [rate_hz, rate_hz]
    assert result["turns"] == 0  # an echo is no answer
    assert result["call"]["talk"]["pressed"] == []


def test_the_result_for_people(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--echo")
    done = run("talk", serving.target, "--input", HELLO, "--output", tmp_path / "out.wav", "--wait", "0.1")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"sent \d+ frames, digits none; \d+ late, worst [\d.]+ ms", lines[0])
    assert lines[3].endswith("s: end of the input")
    assert lines[-2].startswith(f"microphone {HELLO} at 8000 Hz")
    assert lines[-1].startswith(f"loudspeaker {tmp_path / 'out.wav'} at 8000 Hz")


def test_after_the_input_it_stays_until_the_server_hangs_up(serve: Serve, tone_file: Path, tmp_path: Path) -> None:
    serving = serve("--play", HELLO, "--hangup")
    done = run("talk", serving.target, "--input", tone_file, "--output", tmp_path / "out.wav", "--json")
    assert done.returncode == 0, done.stderr
    call = json.loads(done.stdout)["call"]
    assert (call["ended_by"], call["ended_how"]) == ("server", "hangup")
    assert call["duration_s"] > 4.4
    said, heard = samples_of(HELLO)[0], samples_of(tmp_path / "out.wav")[0]
    assert alikeness(said, heard) > 0.85
    assert place_of(said[-4000:], heard)[1] > 0.9  # its last word: what was in the buffer at the hangup was written


PARROT = """
import sys
said, quiet = b"", 0
while frame := sys.stdin.buffer.read(320):
    quiet = quiet + 1 if not any(frame) else 0
    said += frame
    if quiet == 25 and any(said):  # half a second
        sys.stdout.buffer.write(said[:8000])
        sys.stdout.buffer.flush()
        said = b""
"""


def test_an_answer_is_timed(serve: Serve, tone_file: Path, tmp_path: Path) -> None:
    (tmp_path / "parrot.py").write_text(PARROT)
    serving = serve("--exec", f"{sys.executable} {tmp_path / 'parrot.py'}")
    words = ["--input", tone_file, "--output", tmp_path / "out.wav", "--wait", "1.5", "--json"]
    done = run("talk", serving.target, *words)
    result = json.loads(done.stdout)
    assert (done.returncode, result["turns"]) == (0, 1)
    assert 440 <= result["answered_median_ms"] < 1500  # half a second later, and on a busy machine more


def test_keys_are_digits_and_q_hangs_up(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--echo", "--json")
    with Terminal("talk", serving.target, "--input", HELLO, "--output", "out.wav", cwd=tmp_path) as terminal:
        terminal.wait_for("0-9 \\* # A-D are sent as digits; q hangs up")
        terminal.wait_for("0:0[01]  you")
        terminal.type("1\x1b[A2")
        terminal.wait_for("keys 12")
        terminal.type("#d")
        terminal.wait_for("keys 12#D")
        terminal.type("q")
        assert terminal.end(0) == 0
    assert "digits 12#D" in terminal.text
    assert "hung up by a key" in terminal.text
    assert "\x1b[?25h" in terminal.raw  # the cursor is back
    ended = json.loads(serving.wait_for('"ended"'))
    assert [press["digit"] for press in ended["call"]["dtmf"]] == ["1", "2", "#", "D"]


def test_what_is_typed_is_not_shown_and_the_terminal_is_as_before(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--echo")
    with Terminal(
        "talk", serving.target, "--input", HELLO, "--output", "out.wav", cwd=tmp_path, TERM="dumb"
    ) as terminal:
        terminal.wait_for("q hangs up")
        serving.wait_for("call")
        terminal.type("7")
        serving.wait_for("digit 7")
        assert not terminal.echoes
        assert terminal.end(signal.SIGINT) == 130
        assert terminal.echoes
    lines = [line for line in terminal.text.splitlines() if line.strip() == "7"]
    assert lines == []


def test_where_nobody_answers_the_terminal_is_as_before(tmp_path: Path) -> None:
    with Terminal(
        "talk", f"127.0.0.1:{free_port()}", "--input", HELLO, "--output", "out.wav", cwd=tmp_path
    ) as terminal:
        assert terminal.end(0) == 3
        assert terminal.echoes
    assert list(tmp_path.iterdir()) == []


def test_without_a_terminal_no_key_is_read(serve: Serve, tone_file: Path, tmp_path: Path) -> None:
    serving = serve("--echo", "--json")
    words = ["talk", serving.target, "--input", tone_file, "--output", tmp_path / "out.wav", "--wait", "0.2"]
    done = run(*words, stdin=b"123q")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(serving.wait_for('"ended"'))["call"]["dtmf"] == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"])
def test_a_signal_hangs_up_and_completes_the_file(serve: Serve, tmp_path: Path, number: int, code: int) -> None:
    serving = serve("--echo")
    words = ["talk", serving.target, "--input", str(HELLO), "--output", "out.wav", "--json"]
    process = subprocess.Popen(
        [*COMMAND, *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    serving.wait_for("call")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.0)
    process.send_signal(number)
    out, err = rest_of(process)
    assert (process.returncode, err) == (code, "")
    assert json.loads(out)["call"]["ended_reason"] == "interrupted"
    assert len(samples_of(tmp_path / "out.wav")[0]) > 4000


def digits_in(recording: Path) -> list[str]:
    """The digits that are heard in a recording, which may still grow."""
    return [one.digit for one in detect_digits(*samples_of(recording))] if recording.exists() else []


def test_a_caller_hears_us_and_our_keys(answer: Callable[..., Serving], tmp_path: Path) -> None:
    port = free_port()
    with Terminal(
        "talk", "--listen", f"127.0.0.1:{port}", "--input", HELLO, "--output", "heard.wav", cwd=tmp_path
    ) as us:
        us.wait_for("q hangs up")
        us.wait_for("listening on .*\n")
        words = ["record", "said.wav", f"127.0.0.1:{port}", "--kind", "slin16"]
        caller = subprocess.Popen([*COMMAND, *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        us.wait_for("call .* from")
        us.type("47")
        wait_until(lambda: digits_in(tmp_path / "said.wav") == ["4", "7"])
        us.type("q")
        assert us.end(0) == 0
        rest_of(caller)
    assert "as tones: Asterisk ends a call" in us.text
    assert "hung up by a key" in us.text
    assert digits_in(tmp_path / "said.wav") == ["4", "7"]
    assert samples_of(tmp_path / "said.wav")[1] == 16000
    assert samples_of(tmp_path / "heard.wav")[1] == 16000


def test_a_caller_is_recorded_and_the_log_is_json(
    answer: Callable[..., Serving], tone_file: Path, tmp_path: Path
) -> None:
    words = ["--input", tone_file, "--output", tmp_path / "heard.wav", "--record", tmp_path / "caller.wav"]
    us = answer("talk", *words, "--json")
    assert run("play", HELLO, us.target, "--record", tmp_path / "answer.wav").returncode == 0
    code, lines, err = us.end(0)
    assert code == 0
    ended = json.loads(lines[-1])
    assert ended["event"] == "ended"
    assert ended["call"]["talk"]["microphone"]["name"] == str(tone_file)
    assert "microphone " in err
    for name in ("heard.wav", "caller.wav"):
        heard, rate_hz = samples_of(tmp_path / name)
        assert alikeness(samples_of(HELLO)[0], heard[:: rate_hz // 8000]) > 0.85
    assert place_of(samples_of(tone_file)[0], samples_of(tmp_path / "answer.wav")[0])[1] > 0.9


def test_a_connection_that_is_no_call_does_not_take_the_headset(
    answer: Callable[..., Serving], tone_file: Path, tmp_path: Path
) -> None:
    us = answer("talk", "--input", tone_file, "--output", tmp_path / "heard.wav")
    with socket.create_connection(("127.0.0.1", us.port)):
        pass
    assert run("play", HELLO, us.target, "--record", tmp_path / "answer.wav").returncode == 0
    assert us.end(0)[0] == 0
    assert place_of(samples_of(tone_file)[0], samples_of(tmp_path / "answer.wav")[0])[1] > 0.9


def test_pipes_take_the_place_of_both(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--echo")
    samples, _ = samples_of(HELLO)
    words = ["talk", serving.target, "--input", "-", "--output", "-", "--wait", "0.3"]
    done = subprocess.run([*COMMAND, *words], input=samples.tobytes(), capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout[:4] == b"RIFF"
    heard = np.frombuffer(done.stdout[44:], "<i2")
    assert alikeness(samples, heard) > 0.85
    assert b"loudspeaker standard output at 8000 Hz" in done.stderr


def test_when_nobody_reads_the_pipe_it_hangs_up(serve: Serve) -> None:
    serving = serve("--echo", "--json")
    words = [*COMMAND, "talk", serving.target, "--input", str(HELLO), "--output", "-"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read(4000)
    process.stdout.close()
    _, err = rest_of(process)
    assert process.returncode == 0
    assert b"nobody reads the sound any more" in err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["bot:9092", "--listen", ":9092"], 2, "TARGET bot:9092 places a call and --listen waits for one"),
        (["--listen", ":0", "--rate", "8000"], 2, "--rate works only with TARGET"),
        (["--listen", ":0", "--output", "-"], 2, "--output - works only with TARGET"),
        (["--output", "-", "--capture", "-"], 2, "the sound and the capture both go to standard output"),
        (["--output", "a.wav", "--record", "./a.wav"], 2, "--output and --record are both a.wav: name two files"),
        (["--output", "x.nosuch"], 2, "cannot record to x.nosuch: write its name with .wav"),
        (["--output", "text.wav"], 2, "cannot record to text.wav: it exists; choose another name or add --force"),
        (["--input", "there.wav", "--output", "there.wav", "--force"], 2, "it is the file to play"),
        (["--input", "nowhere.wav"], 5, "cannot read nowhere.wav: no such file"),
        (["--input", "text.wav"], 5, "cannot play text.wav"),
        (["--rate", "9000"], 2, "no kind carries 9000 Hz"),
        (["--wait", "x", "--input", "there.wav"], 2, "'x'"),
        (["127.0.0.1:1"], 3, "127.0.0.1:1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_one_line(tone_file: Path, tmp_path: Path, words: list[str], code: int, says: str) -> None:
    tone_file.rename(tmp_path / "there.wav")
    (tmp_path / "text.wav").write_text("no sound")
    words += [] if "--input" in words else ["--input", "there.wav"]
    words += [] if "--output" in words else ["--output", "out.wav"]
    done = subprocess.run([*COMMAND, "talk", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
    assert says in done.stderr
    assert not (tmp_path / "out.wav").exists()


def test_a_lost_connection_is_a_failure(tone_file: Path, tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    words = ["talk", f"127.0.0.1:{listener.getsockname()[1]}", "--input", tone_file, "--output", tmp_path / "out.wav"]
    process = subprocess.Popen([*COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peer, _ = listener.accept()
    with listener:
        peer.recv(1000)
        reset(peer)
        out, _ = rest_of(process)
    assert process.returncode == 1
    assert "ended by server (reset)" in out


def test_what_ends_a_call_in_asterisk_ends_it_here(tone_file: Path, tmp_path: Path) -> None:
    with bot(lambda heard: encode(Frame(Kind.DTMF, b"1"))) as target:
        done = run("talk", target, "--input", tone_file, "--output", tmp_path / "out.wav")
    assert done.returncode == 4


def test_a_full_disk_fails_and_ends_no_call(serve: Serve, tone_file: Path) -> None:
    serving = serve("--echo")
    words = [*COMMAND, "talk", serving.target, "--input", str(tone_file), "--output", "-", "--wait", "0.2"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert "the loudspeaker is lost: cannot write standard output: no space left on device" in done.stderr
    assert "end of the input" in done.stderr


def test_the_name_of_the_output_may_have_fields(serve: Serve, tone_file: Path, tmp_path: Path) -> None:
    uuid = "11111111-2222-4333-8444-555555555555"
    serving = serve("--echo")
    words = ["--input", tone_file, "--output", tmp_path / "new" / "{uuid}.wav", "--uuid", uuid, "--wait", "0"]
    done = run("talk", serving.target, *words)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"{uuid}.wav"]
