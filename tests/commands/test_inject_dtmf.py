"""`audiosocket inject-dtmf` as a user runs it: against our server, against one of another make, towards a caller."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from audiosocket_cli.audio.dtmf import detect_digits
from audiosocket_cli.codec import KIND_BY_RATE, kind_name
from support.running import COMMAND, Serve, Serving, need, rest_of, run

Answer = Callable[..., Serving]

SILENCE = b"\x10\x01\x40" + bytes(320)
TONE = b"\x10\x01\x40" + (8000 * np.sin(np.arange(160) * 0.3)).astype("<i2").tobytes()


class OtherServer:
    """A server of another make: it reads bytes, notes when each frame came, and answers as `script` says.

    `script(at_s, digits)` returns what to send each 20 ms; None hangs up by closing.
    """

    def __init__(self, script: Callable[[float, str], bytes | None] = lambda at_s, digits: SILENCE) -> None:
        self.frames: list[tuple[float, int, bytes]] = []
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.target = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive()

    @property
    def digits(self) -> list[tuple[float, str]]:
        start_s = self.frames[0][0] if self.frames else 0.0
        return [(at_s - start_s, payload.decode()) for at_s, kind, payload in self.frames if kind == 3]

    @property
    def audio_times(self) -> list[float]:
        return [at_s for at_s, kind, _ in self.frames if kind >= 0x10]

    def _serve(self) -> None:
        with contextlib.suppress(ConnectionError):  # the caller closed while we spoke
            self._talk()

    def _talk(self) -> None:
        peer, _ = self._listener.accept()
        with self._listener, peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.settimeout(0.002)
            start_s = next_s = time.monotonic()
            buffer = b""
            while True:
                try:
                    data = peer.recv(65536)
                    if not data:
                        return
                    buffer += data
                except TimeoutError:
                    pass
                now_s = time.monotonic()
                while len(buffer) >= 3 and len(buffer) >= 3 + int.from_bytes(buffer[1:3], "big"):
                    size = 3 + int.from_bytes(buffer[1:3], "big")
                    self.frames.append((now_s, buffer[0], buffer[3:size]))
                    buffer = buffer[size:]
                if now_s >= next_s:
                    next_s += 0.02
                    answer = self._script(now_s - start_s, "".join(digit for _, digit in self.digits))
                    if answer is None:
                        peer.shutdown(socket.SHUT_WR)
                        peer.settimeout(10)  # the caller closes when it has seen this: that may take a while
                        while peer.recv(65536):
                            pass
                        return
                    peer.sendall(answer)


def assert_in_time(at_s: list[float], expected_s: list[float], near_s: float) -> None:
    """Digits come in time: what a machine that stands still delays is one or two of them."""
    late_s = np.array(at_s) - expected_s
    assert min(late_s) > -0.1
    assert np.median(late_s) < near_s


def test_our_server_hears_the_digits_in_order_and_in_time(serve: Serve) -> None:
    serving = serve("--json", "--calls", "1")
    done = run("inject-dtmf", "12w34#", serving.target, "--json")
    assert done.returncode == 0
    result = json.loads(done.stdout)
    presses = json.loads(serving.wait_for('"ended"'))["call"]["dtmf"]
    assert "".join(press["digit"] for press in presses) == "1234#"
    near_s = 0.03 + result["call"]["caller"]["slipped_ms"] / 1000
    assert_in_time([press["at_s"] for press in presses], [1.0, 1.35, 2.2, 2.55, 2.9], near_s)
    assert result["schema"] == "audiosocket.inject-dtmf/1"
    assert [press["digit"] for press in result["pressed"]] == list("1234#")
    assert (result["complete"], result["failures"], result["digits"]) == (True, [], "12w34#")


def test_a_server_of_another_make_hears_them_too_while_audio_keeps_its_pace() -> None:
    server = OtherServer()
    done = run("inject-dtmf", "12w34#", server.target)
    server.wait()
    assert done.returncode == 0
    assert "pressed 1 at 1.00, 2 at 1.35, 3 at 2.20, 4 at 2.55, # at 2.90 s" in done.stdout
    assert server.frames[0][1:2] == (1,)
    assert len(server.frames[0][2]) == 16
    assert "".join(digit for _, digit in server.digits) == "1234#"
    assert_in_time([at_s for at_s, _ in server.digits], [1.0, 1.35, 2.2, 2.55, 2.9], 0.1)
    audio = server.audio_times
    assert 170 < len(audio) < 198
    assert np.percentile(np.diff(audio), 95) < 0.1
    # The pace of the least delayed, from a quarter to the next: 20.3 ms a frame would be 15 ms in each.
    late_s = [part.min() for part in np.array_split(np.array(audio) - np.arange(len(audio)) * 0.02, 4)]
    assert abs(np.median(np.diff(late_s))) < 0.01


@pytest.mark.parametrize("rate_hz", KIND_BY_RATE)
def test_tones_are_heard_at_every_rate(serve: Serve, tmp_path: Path, rate_hz: int) -> None:
    serving = serve("--record", "calls", "--detect-dtmf", "--json", "--calls", "1")
    options = ["--in-band-only", "--after", "0.1", "--gap", "0.2", "--wait", "0.2", "--rate", rate_hz]
    assert run("inject-dtmf", "0*D", serving.target, *map(str, options)).returncode == 0
    call = json.loads(serving.wait_for('"ended"'))["call"]
    samples, recorded_hz = soundfile.read(next((tmp_path / "calls").glob("*.wav")), dtype="int16")
    assert recorded_hz == rate_hz
    assert "".join(heard.digit for heard in detect_digits(samples, rate_hz)) == "0*D"
    assert [(press["digit"], press["in_band"]) for press in call["dtmf"]] == [(digit, True) for digit in "0*D"]
    assert list(call["caller"]["frames"]) == [kind_name(KIND_BY_RATE[rate_hz])]


def test_a_key_that_comes_as_frame_and_as_tones_counts_once(serve: Serve) -> None:
    serving = serve("--detect-dtmf", "--json", "--calls", "1")
    assert run("inject-dtmf", "7", serving.target, "--in-band", "--after", "0.3", "--wait", "1").returncode == 0
    call = json.loads(serving.wait_for('"ended"'))["call"]
    assert [(press["digit"], "in_band" in press) for press in call["dtmf"]] == [("7", False)]
    assert (
        "digits come as frames and as tones at once: each is counted as a frame only [digits-twice]" in call["findings"]
    )


def test_keys_are_pressed_over_a_file_and_the_answer_is_recorded(serve: Serve, tmp_path: Path, tone_file: Path) -> None:
    serving = serve("--echo", "--calls", "1")
    out = tmp_path / "both.flac"
    done = run("inject-dtmf", "5", serving.target, "--audio", tone_file, "--after", "0.5", "--record", out,
               "--layout", "stereo")  # fmt: skip
    assert done.returncode == 0
    samples, rate_hz = soundfile.read(out, dtype="int16")
    original, _ = soundfile.read(tone_file, dtype="int16")
    np.testing.assert_array_equal(samples[: len(original), 0], original)
    assert np.abs(samples[:rate_hz, 1]).max() == np.abs(original).max()  # the echo


def asks_for_a_key(at_s: float, digits: str) -> bytes | None:
    """A menu: speaks for 0.6 s, waits for a key, answers it after 0.2 s, and hangs up on 9."""
    if digits.endswith("9"):
        return None
    asked = 0.2 < at_s < 0.8
    return TONE if asked or (digits and at_s > 1.7) else SILENCE


def test_a_menu_is_heard_out_answered_and_judged() -> None:
    server = OtherServer(asks_for_a_key)
    done = run("inject-dtmf", "1", server.target, "--after-silence", "--after", "0.5", "--expect-audio-within", "20")
    server.wait()
    assert done.returncode == 0, done.stdout + done.stderr
    ((pressed_s, digit),) = server.digits
    assert digit == "1"
    assert 1.2 < pressed_s < 10  # 0.5 s after it fell silent, and not while it spoke
    assert "speech" in done.stdout.splitlines()[-1]


def test_a_hangup_that_is_expected_is_success_and_one_that_is_not_is_told() -> None:
    server = OtherServer(asks_for_a_key)
    done = run("inject-dtmf", "9", server.target, "--after", "0.3", "--expect-hangup")
    assert done.returncode == 0
    assert "ended by server (closed)" in done.stdout
    done = run("inject-dtmf", "99", OtherServer(asks_for_a_key).target, "--after", "0.3")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "pressed 1 of 2 digits before the call ended"


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["--expect-audio-within", "0.4"], 1, "expected speech within 0.4 s of the last digit: there was none"),
        (["--expect-hangup", "--wait", "0.4"], 1, "expected a hangup within 0.4 s of the last digit: there was none"),
        (["--after-silence", "--timeout", "0.5"], 7, "pressed nothing: the other side did not speak within 0.5 s"),
    ],
    ids=["no-audio", "no-hangup", "no-silence"],
)
def test_what_is_expected_and_does_not_come_is_a_line_and_a_code(args: list[str], code: int, says: str) -> None:
    done = run("inject-dtmf", "1", OtherServer().target, "--after", "0.1", *args)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (code, says)


def test_a_server_that_sends_what_ends_a_call_in_asterisk_is_code_4() -> None:
    done = run("inject-dtmf", "1", OtherServer(lambda at_s, digits: b"\x03\x00\x015").target)
    assert done.returncode == 4
    assert "the server sent a frame of kind dtmf" in done.stdout


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["12x4"], 2, "'12x4' has 'x' at position 3, which cannot be dialled: write 0-9, \\*, # and A-D, with w for *"),
        ([""], 2, "'' has no digit to dial: *"),
        (["ww"], 2, "'ww' has no digit to dial: *"),
        (["1", "127.0.0.1:9", "--gap", "0"], 2, "*--gap*"),
        (
            ["1", "127.0.0.1:9", "--in-band", "--gap", "0.1"],
            2,
            "--gap 0.1 is too short for tones of 0.1 s: 0.15 or more",
        ),
        (["1", "127.0.0.1:9", "--in-band", "--in-band-only"], 2, "--in-band and --in-band-only exclude each other: *"),
        (
            ["1", "127.0.0.1:9", "--listen", ":0"],
            2,
            "TARGET 127.0.0.1:9 places a call and --listen waits for one*",
        ),
        (
            ["1", "--listen", ":0", "--rate", "16000"],
            2,
            "--rate works only with TARGET: with --listen the caller sets it",
        ),
        (
            ["1", "--listen", ":0", "--uuid", "0" * 32],
            2,
            "--uuid works only with TARGET: with --listen the caller sets it",
        ),
        (["1", "127.0.0.1:9", "--audio", "nosuch.wav"], 5, "cannot read nosuch.wav: no such file or directory"),
        (["1", "127.0.0.1:9", "--record", "x.xyz"], 2, "cannot record to x.xyz: write its name with .wav, *"),
        (["1", "127.0.0.1:9"], 3, "cannot connect to 127.0.0.1:9: connection refused; is a server listening there?"),
        (["x", "nosuchhost.invalid"], 2, "'x' has 'x' at position 1, which cannot be dialled*"),
    ],
    ids=lambda value: "-".join(value) or "empty" if isinstance(value, list) else None,
)
def test_what_cannot_be_pressed_is_one_line_with_a_cure(args: list[str], code: int, message: str) -> None:
    done = run("inject-dtmf", *args)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.count("\n") == 1
    pattern = "audiosocket: error: " + message.replace("\\*", "[*]")
    assert fnmatch(done.stderr.strip(), pattern), done.stderr


def test_towards_a_caller_keys_are_tones_and_it_says_why(answer: Answer, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "inject-dtmf", "12w34#*0", "--listen", "127.0.0.1:0", "--after", "0.3"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    why, listening = process.stderr.readline(), process.stderr.readline()
    assert why == "pressing keys as tones in the audio: Asterisk ends a call in which a server sends a DTMF frame\n"
    target = listening.split()[2]
    out = tmp_path / "heard.wav"
    recorded = run("record", out, target, "--detect-dtmf", "--kind", "slin16")
    told, err = rest_of(process)
    assert (process.returncode, recorded.returncode) == (0, 0)
    assert "hangup: all digits pressed" in told
    assert "pressed 1 at 0.30, 2 at 0.65, 3 at 1.50, 4 at 1.85, # at 2.20, * at 2.55, 0 at 2.90 s" in err
    assert [line.split("digit ")[1][0] for line in recorded.stdout.splitlines() if "digit " in line] == list("1234#*0")
    samples, rate_hz = soundfile.read(out, dtype="int16")
    soundfile.write(tmp_path / "heard.raw", soxr.resample(samples, rate_hz, 22050), 22050, "PCM_16", format="RAW")
    decoded = subprocess.run(
        [need("multimon-ng"), "-q", "-a", "DTMF", "-t", "raw", tmp_path / "heard.raw"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert decoded.stdout.split() == [word for digit in "1234#*0" for word in ("DTMF:", digit)]


def test_a_caller_who_hangs_up_too_soon_is_code_1(answer: Answer, tone_file: Path) -> None:
    pressing = answer("inject-dtmf", "123456789", "--after", "0.2")
    assert run("play", tone_file, pressing.target, "--duration", "0.6").returncode == 0
    code, _, err = pressing.end(0)
    assert code == 1
    assert "of 9 digits before the call ended" in err
