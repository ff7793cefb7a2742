"""`audiosocket serve --exec` as a user runs it: real programs answer real connections, and end as they should."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.pcm import Samples, from_slin, level_dbfs, to_slin
from audiosocket_cli.codec import Frame, FrameDecoder, Kind, digit_frame, encode, uuid_frame
from support.running import CLOCK, COMMAND, MAX_WAIT_S, Serve, Serving, children_of, is_running, need, run, wait_until

CALL_1 = str(uuid.UUID(int=1))


class Caller:
    """A caller in real time: silence, words and keys go out, and what comes back is kept with its time."""

    def __init__(self, serving: Serving, number: int = 1) -> None:
        self.uuid = uuid.UUID(int=number)
        self._socket = socket.create_connection(("127.0.0.1", serving.port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(encode(uuid_frame(self.uuid)))
        self.frames: list[tuple[float, Frame]] = []
        self._ended = threading.Event()
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def speak(self, seconds: float, samples: Samples | None = None) -> None:
        """Send 20 ms frames in time, for so long or until hung up on."""
        data = to_slin(samples) if samples is not None else b""
        begun_s = time.monotonic()
        for number in range(round(seconds * 50)):
            if self._ended.wait(max(0.0, begun_s + number * 0.02 - time.monotonic())):
                return
            with contextlib.suppress(OSError):
                payload = data[number * 320 : number * 320 + 320].ljust(320, b"\0")
                self._socket.sendall(encode(Frame(Kind.SLIN, payload)))

    def press(self, digit: str) -> float:
        """Press a key; returns when."""
        self._socket.sendall(encode(digit_frame(digit)))
        return time.monotonic()

    def wait_until(self, condition: Callable[[], object]) -> None:
        with self._changed:
            is_so = self._changed.wait_for(condition, MAX_WAIT_S)
        assert is_so, f"heard {len(self.frames)} frames, and nothing of the kind"

    def wait_for_end(self) -> None:
        self._reader.join(MAX_WAIT_S)
        assert not self._reader.is_alive(), "nobody hung up"

    def hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self.wait_for_end()
        self._socket.close()

    @property
    def heard(self) -> bytes:
        return b"".join(frame.payload for _, frame in self.frames)

    @property
    def is_spoken_to(self) -> bool:
        return bool(self.frames) and any(self.frames[-1][1].payload)

    def _read(self) -> None:
        decoder = FrameDecoder()
        with contextlib.suppress(OSError):
            while data := self._socket.recv(65536):
                with self._changed:
                    self.frames += [(time.monotonic(), frame) for frame in decoder.feed(data)]
                    self._changed.notify_all()
        self._ended.set()


Dial = Callable[..., Caller]


@pytest.fixture
def dial() -> Iterator[Dial]:
    """Call a server; every caller hangs up with the test."""
    callers: list[Caller] = []

    def place(serving: Serving, number: int = 1) -> Caller:
        callers.append(Caller(serving, number))
        return callers[-1]

    yield place
    for caller in callers:
        caller.hang_up()


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Path]:
    """Write an executable program, a shell script unless it says otherwise."""

    def write(text: str) -> Path:
        path = tmp_path / "bot"
        path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return write


def words(seconds: float, seed: int = 1) -> Samples:
    return np.random.default_rng(seed).integers(-8000, 8000, round(seconds * 8000)).astype(np.int16)


def delay_of(said: Samples, heard: Samples) -> tuple[int, float]:
    """Where `said` is in `heard`, in samples, and how alike they are there (1.0: the same)."""
    size = 1 << (len(said) + len(heard)).bit_length()
    spectrum = np.fft.rfft(heard.astype(float), size) * np.conj(np.fft.rfft(said.astype(float), size))
    correlation = np.fft.irfft(spectrum, size)[: len(heard)]
    at = int(np.argmax(correlation))
    energy = np.sqrt(np.square(said, dtype=float).sum() * np.square(heard[at : at + len(said)], dtype=float).sum())
    return at, correlation[at] / energy


def echo_of(said: Samples, heard: Samples) -> tuple[float, float]:
    """How late `said` comes back, in seconds, and how alike it is then: the middle of its tenths of a second.

    In the middle, because a program that is woken late parts an echo, and each part for itself is whole.
    """
    found = [(at, *delay_of(said[at : at + 800], heard)) for at in range(0, len(said), 800) if any(said[at : at + 800])]
    delays, likenesses = sorted(place - at for at, place, _ in found), sorted(likeness for *_, likeness in found)
    return delays[len(found) // 2] / 8000, likenesses[len(found) // 2]


def echo_in_a_call(caller: Caller, seconds: float, said: Samples) -> tuple[float, float]:
    """Say it, hang up once its echo is there or never will be, and return what `echo_of` does."""
    caller.speak(seconds, said)
    for _ in range(20):  # more where a busy machine has begun the program late
        if echo_of(said, from_slin(caller.heard))[1] > 0.99:
            break
        caller.speak(0.2)
    caller.hang_up()
    return echo_of(said, from_slin(caller.heard))


def ended(serving: Serving, caller: Caller) -> dict[str, object]:
    """Wait for a call's end and return its `program`."""
    result = serving.wait_for_end(str(caller.uuid))
    program: dict[str, object] = result["program"]
    return {"reason": result["ended_reason"], "findings": result["findings"], **program}


# Programs that speak and listen.


def test_cat_is_an_echo_and_its_end_is_in_the_calls_line_and_json(
    serve: Serve, tone_file: Path, tmp_path: Path
) -> None:
    serving = serve("--record", "calls", "--exec", "cat")
    played = run(
        "play", tone_file, serving.target, "--uuid", CALL_1, "--record", tmp_path / "back.wav", "--wait", "0.3"
    )
    assert played.returncode == 0, played.stderr
    serving.wait_for("ended by")
    code, lines, err = serving.end()
    assert (code, err) == (130, "answered 1 call with 1.8 s of caller audio\n")
    assert re.fullmatch(
        CLOCK + rf"{CALL_1} ended by caller \((closed|reset)\) after 1\.\d\d s, caller -15\.\d dBFS, no gaps, digits "
        rf"none, (\d+ frames? late, )?calls/{CALL_1}\.wav, program 1\.\d\d s, exit code 0",
        lines[1],
    )
    program = json.loads((tmp_path / "calls" / f"{CALL_1}.json").read_text())["program"]
    assert (program["command"], program["exit_code"], program["error"]) == (["cat"], 0, None)
    original, _ = soundfile.read(tone_file, dtype="int16")
    heard, _ = soundfile.read(tmp_path / "back.wav", dtype="int16")
    assert level_dbfs(heard[np.flatnonzero(heard)[0] :][:10000]) == pytest.approx(level_dbfs(original), abs=0.5)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000, 22050, 48000])
def test_an_echo_at_any_rate_comes_back_soon_and_unhurt(serve: Serve, dial: Dial, rate_hz: int) -> None:
    serving = serve("--exec-rate", str(rate_hz), "--exec", "cat")
    caller = dial(serving)
    said = np.concatenate([np.zeros(1600, np.int16), words(0.6)])
    smooth = np.convolve(said, np.hanning(9) / 4, "same").astype(np.int16)  # nothing near half the rate
    delay_s, likeness = echo_in_a_call(caller, 1.2, smooth)
    assert likeness > 0.98
    # In what was heard from the UUID on, so with the start of the program; a full pipe would be a second and more.
    assert delay_s < 0.6


def test_sox_makes_a_tone(serve: Serve, dial: Dial) -> None:
    sox = [need("sox"), "-q", "-n", "-t", "raw", "-r", "16000", "-e", "signed", "-b", "16", "-c", "1", "-"]
    serving = serve("--json", "--exec-rate", "16000", "--exec", *sox, "synth", "0.5", "sine", "1000", "gain", "-6")
    caller = dial(serving)
    caller.speak(5)
    caller.hang_up()
    heard = from_slin(caller.heard)
    spoken = heard[np.flatnonzero(heard)[0] : np.flatnonzero(heard)[-1] + 1]
    assert len(spoken) / 8000 == pytest.approx(0.5, abs=0.02)
    assert np.argmax(np.abs(np.fft.rfft(spoken[:4000]))) * 2 == 1000
    assert level_dbfs(spoken[400:-400]) == pytest.approx(-9.0, abs=0.2)
    assert ended(serving, caller)["exit_code"] == 0


def test_a_sentence_is_said_whole_then_300_ms_of_silence_then_the_hangup(
    serve: Serve, dial: Dial, tmp_path: Path
) -> None:
    say = f"{need('espeak-ng')} --stdout -s 300 good | tail -c +45"
    subprocess.run(["/bin/sh", "-c", f"{say} > sentence"], cwd=tmp_path, check=True)
    sentence = from_slin((tmp_path / "sentence").read_bytes())
    serving = serve("--json", "--shell", "--exec-rate", "22050", "--exec", say)
    caller = dial(serving)
    caller.speak(10)
    caller.hang_up()
    assert caller.frames[-1][1] == Frame(Kind.HANGUP)
    heard = from_slin(caller.heard)
    last = np.flatnonzero(np.abs(heard) > 4)[-1]
    spoken_s = (np.flatnonzero(np.abs(sentence) > 8)[-1] - np.flatnonzero(np.abs(sentence) > 8)[0]) / 22050
    assert (last - np.flatnonzero(np.abs(heard) > 4)[0]) / 8000 == pytest.approx(spoken_s, abs=0.05)
    assert (len(heard) - last) / 8000 >= 0.3
    program = ended(serving, caller)
    assert (program["reason"], program["findings"]) == ("the program exited with code 0", [])
    assert program["said_s"] == pytest.approx(len(sentence) / 22050, abs=0.021)


SHELL_KEYS = """
while read -r event <&3; do
    case $event in
    *'"digit": "#"'*) echo '{"hangup": true}' >&3 ;;
    *'"digit"'*) echo "$event" >&2 ;;
    esac
done
"""
PYTHON_KEYS = """#!/usr/bin/env python3
import json, os, sys
events = open(int(os.environ["AUDIOSOCKET_EVENTS_FD"]), "r+b", buffering=0)
for line in events:
    event = json.loads(line)
    if event.get("digit") == "#":
        events.write(b'{"hangup": true}\\n')
    elif event["event"] == "digit":
        print(line.decode().strip(), file=sys.stderr)
"""


@pytest.mark.parametrize("program", [SHELL_KEYS, PYTHON_KEYS], ids=["shell", "python"])
def test_keys_are_read_and_a_hangup_is_asked_for(
    serve: Serve, dial: Dial, script: Callable[[str], Path], program: str
) -> None:
    serving = serve("--json", "--exec", script(program))
    caller = dial(serving)
    for digit in "4*#":
        caller.press(digit)
        caller.speak(0.1)
    caller.speak(5)
    caller.hang_up()
    result = ended(serving, caller)
    assert (result["reason"], result["exit_code"], result["stopped_by"]) == ("the program hung up", 0, None)
    said = serving.end()[2].splitlines()
    pattern = CLOCK + rf'{CALL_1} \| {{"event": "digit", "digit": "(.)", "at_s": \d\.\d+}}'
    assert [match[1] for match in (re.fullmatch(pattern, line) for line in said) if match] == ["4", "*"]


BARGE_IN = """#!/usr/bin/env python3
import json, sys, threading
events = open(3, "r+b", buffering=0)
threading.Thread(target=lambda: sys.stdout.buffer.write(bytes([1, 1]) * 30000), daemon=True).start()
events.readline()
events.write(b'{"flush": true}\\n')
while b"flushed" not in events.readline(): pass
sys.stdin.read()
"""


def test_a_mark_is_told_when_the_caller_has_heard_what_is_before_it_and_a_flush_drops_it(
    serve: Serve, dial: Dial, script: Callable[[str], Path], tmp_path: Path
) -> None:
    path = script("""#!/usr/bin/env -S python3 -S
import json, sys
events = open(3, "r+b", buffering=0)
def do(**command): events.write(json.dumps(command).encode() + b"\\n")
def say(seconds): sys.stdout.buffer.write(b"\\x20\\x10" * int(8000 * seconds)); sys.stdout.buffer.flush()
say(0.6); do(mark="greeting", after_bytes=9600); say(8); do(mark="never heard")
for line in events:
    event = json.loads(line)
    if event["event"] == "mark":
        print(line.decode().strip(), file=open("marks", "a"), flush=True)
        do(flush=True)
        if event.get("dropped"): do(hangup=True, result="two marks")
""")
    serving = serve("--json", "--record", "calls", "--exec", path)
    caller = dial(serving)
    caller.speak(3)
    caller.wait_for_end()
    result = serving.wait_for_end(CALL_1)
    assert (result["result"], result["ended_reason"]) == ("two marks", "the program hung up")
    heard, dropped = map(json.loads, (tmp_path / "marks").read_text().splitlines())
    frames = next(at for at, (_, frame) in enumerate(caller.frames) if any(frame.payload))
    assert (heard["mark"], dropped["mark"], dropped["dropped"]) == ("greeting", "never heard", True)
    assert 0.6 <= heard["at_s"] <= dropped["at_s"]
    spoken = sum(any(frame.payload) for _, frame in caller.frames[frames:])
    assert 30 <= spoken <= 90  # the mark is after 0.6 s: 30 frames, and those until the flush; without it there are 130


def test_a_result_is_in_the_line_and_in_the_json_of_the_call(
    serve: Serve, dial: Dial, script: Callable[[str], Path], tmp_path: Path
) -> None:
    serving = serve("--record", "calls", "--exec", script("""echo '{"hangup": true, "result": "sales"}' >&3; cat"""))
    caller = dial(serving)
    caller.speak(1)
    caller.wait_for_end()
    assert ", digits none, result sales, " in serving.wait_for("ended by server")
    assert json.loads((tmp_path / "calls" / f"{CALL_1}.json").read_text())["result"] == "sales"


def test_speech_stops_within_60_ms_of_the_key_that_interrupts_it(
    serve: Serve, dial: Dial, script: Callable[[str], Path]
) -> None:
    serving = serve("--exec", script(BARGE_IN))
    stops_s = []
    for number in (1, 2, 3):
        caller = dial(serving, number)
        caller.wait_until(lambda caller=caller: caller.is_spoken_to)
        time.sleep(0.1)
        assert caller.is_spoken_to
        pressed_s = caller.press("1")
        time.sleep(0.2)
        caller.hang_up()
        stops_s.append(max(at_s for at_s, frame in caller.frames if any(frame.payload)) - pressed_s)
    assert min(stops_s) < 0.06  # a promise about time, so the least delayed of three judges it


# Programs that end in all ways.

ENDS = [
    ("sleep-ignores-its-input", "exec sleep 60", (None, "SIGTERM", "SIGTERM"), 0.3),
    ("ignores-sigterm", "trap '' TERM; while :; do sleep 0.02; done", (None, "SIGKILL", "SIGKILL"), 0.6),
    ("reads-to-the-end", "cat > /dev/null; exit 3", (3, None, None), 0.0),
    ("floods", "exec yes", (None, "SIGTERM", "SIGTERM"), 0.3),
]


@pytest.mark.parametrize(("text", "ending", "after_s"), [end[1:] for end in ENDS], ids=[end[0] for end in ENDS])
def test_when_the_caller_hangs_up_it_is_told_and_after_the_grace_made_to_end(
    serve: Serve,
    dial: Dial,
    script: Callable[[str], Path],
    text: str,
    ending: tuple[object, ...],
    after_s: float,
) -> None:
    serving = serve("--json", "--grace", "0.3", "--exec", script(text))
    caller = dial(serving)
    caller.speak(0.3)
    begun_s = time.monotonic()
    caller.hang_up()
    program = ended(serving, caller)
    assert after_s - 0.05 <= time.monotonic() - begun_s < 30  # and not the minute that it would take
    assert (program["exit_code"], program["signal"], program["stopped_by"]) == ending
    assert children_of(serving.process.pid) == set()


def test_one_that_crashes_ends_its_call_and_says_how(serve: Serve, dial: Dial, script: Callable[[str], Path]) -> None:
    serving = serve("--json", "--exec", script("sleep 0.2; kill -SEGV $$"))
    caller = dial(serving)
    caller.speak(5)
    caller.hang_up()
    program = ended(serving, caller)
    assert caller.frames[-1][1] == Frame(Kind.HANGUP)
    assert (program["exit_code"], program["signal"], program["reason"], program["findings"]) == (
        None, "SIGSEGV", "the program was killed by SIGSEGV", ["the program was killed by SIGSEGV [bot-failed]"],
    )  # fmt: skip


def test_its_children_end_with_it(serve: Serve, dial: Dial, script: Callable[[str], Path]) -> None:
    serving = serve("--json", "--grace", "0.2", "--exec", script("sleep 60 & echo $! >&2; exit 0"))
    caller = dial(serving)
    caller.speak(5)
    caller.hang_up()
    assert ended(serving, caller)["exit_code"] == 0
    pid = int(serving.end()[2].splitlines()[0].rpartition(" ")[2])
    wait_until(lambda: not is_running(pid), within_s=20)  # by itself it would go on for a minute


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["./no-such-bot"], "cannot run ./no-such-bot: there is no such program; is it executable, and on the PATH?"),
        (
            ["no-such-bot", "-x"],
            "cannot run no-such-bot -x: there is no such program; is it executable, and on the PATH?",
        ),
        (["cat 'open"], "cannot run cat 'open: no closing quotation"),
        ([""], "cannot run nothing: there is no such program; is it executable, and on the PATH?"),
    ],
    ids=["path", "name", "quotation", "empty"],
)
def test_one_that_does_not_exist_is_one_line_before_anything_listens(args: Sequence[str], message: str) -> None:
    done = run("serve", "--listen", "127.0.0.1:0", "--exec", *args)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"audiosocket: error: {message}\n")


def test_one_that_is_removed_while_we_serve_harms_only_the_calls_that_need_it(
    serve: Serve, dial: Dial, script: Callable[[str], Path]
) -> None:
    bot = script("exec cat")
    serving = serve("--json", "--exec", bot)
    first = dial(serving, 1)
    first.speak(0.2)
    bot.unlink()
    second = dial(serving, 2)
    second.speak(2)
    second.hang_up()
    result = serving.wait_for_end(str(second.uuid))
    reason = f"cannot run {bot}: no such file or directory"
    assert (result["ended_reason"], result["program"]["error"], result["findings"]) == (
        reason,
        reason,
        [f"{reason} [bot-failed]"],
    )
    first.speak(0.7, words(0.5))
    first.hang_up()
    assert echo_of(words(0.5), from_slin(first.heard))[1] > 0.99
    assert ended(serving, first)["exit_code"] == 0
    assert serving.end()[0] == 130


# Many, and side by side.


FLOODS = "case $AUDIOSOCKET_UUID in *1) yes & yes '' >&2 & yes '{\"flush\": true}' >&3 ;; *) exec cat ;; esac"


def test_a_call_beside_a_flooder_keeps_its_pace_and_its_echo(
    serve: Serve, dial: Dial, script: Callable[[str], Path], tmp_path: Path
) -> None:
    serving = serve("--json", "--grace", "0.2", "--exec", script(FLOODS))
    assert serving.process.stderr is not None
    threading.Thread(target=serving.process.stderr.read, daemon=True).start()  # the flood has a reader
    flooder, other = dial(serving, 1), dial(serving, 2)
    feeding = threading.Thread(target=flooder.speak, args=(2.0,))
    feeding.start()
    other.speak(2.0, words(1.5))
    feeding.join()
    resident = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{serving.process.pid}/status").read_text())
    flooder.hang_up()
    other.hang_up()
    assert resident is not None
    assert int(resident[1]) < 150_000
    times = [at_s for at_s, _ in other.frames]
    assert 70 < len(times) < 200  # of 100, and those until the hangup
    assert np.quantile(np.diff(times), 0.9) < 0.1
    delay_s, likeness = echo_of(words(1.5), from_slin(other.heard))
    assert delay_s < 0.45
    assert likeness > 0.99


def test_a_hundred_at_once_leave_nothing_behind(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--json", "--grace", "1", "--exec", "cat")
    pid = serving.process.pid

    def holdings() -> tuple[int, int, int]:
        threads = len(os.listdir(f"/proc/{pid}/task"))
        return len(os.listdir(f"/proc/{pid}/fd")), threads, len(children_of(pid))

    def call_all(numbers: range) -> None:
        peers = [socket.create_connection(("127.0.0.1", serving.port), timeout=10) for _ in numbers]
        for number, peer in zip(numbers, peers, strict=True):
            peer.sendall(encode(uuid_frame(uuid.UUID(int=number + 1))) + word)
        for peer in peers:
            heard = b""
            while word[3:] not in heard:
                data = peer.recv(65536)
                assert data
                heard += data
        assert len(children_of(pid)) == len(numbers)
        for peer in peers:
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(65536):
                pass
            peer.close()
        for _ in numbers:
            program = json.loads(serving.wait_for('"ended"'))["call"]["program"]
            assert (program["exit_code"], program["stopped_by"]) == (0, None)

    word = encode(Frame(Kind.SLIN, to_slin(words(0.02))))
    call_all(range(1))
    before = holdings()
    call_all(range(100))
    assert holdings() == before
    assert serving.end()[0] == 130


# The server's own end.


def test_sigint_lets_programs_end_in_the_grace_and_a_second_kills_them_at_once(
    serve: Serve, dial: Dial, script: Callable[[str], Path]
) -> None:
    serving = serve(
        "--json", "--grace", "30", "--exec", script("trap '' TERM; echo $$ >&2; while :; do sleep 0.1; done")
    )
    caller = dial(serving)
    caller.speak(0.3)
    assert serving.process.stderr is not None
    pid = int(serving.process.stderr.readline().rpartition(" ")[2])
    serving.process.send_signal(signal.SIGINT)
    caller.wait_for_end()
    caller.hang_up()
    assert caller.frames[-1][1] == Frame(Kind.HANGUP)
    time.sleep(0.3)
    assert (serving.process.poll(), is_running(pid)) == (None, True)
    begun_s = time.monotonic()
    code, lines, _ = serving.end(signal.SIGINT)
    assert time.monotonic() - begun_s < 20  # the grace is 30 s
    assert not is_running(pid)
    program = json.loads(lines[-1])["call"]["program"]
    assert (code, program["signal"], program["stopped_by"]) == (130, "SIGKILL", "SIGKILL")


def test_a_server_that_is_killed_leaves_programs_that_end_by_themselves(
    serve: Serve, dial: Dial, script: Callable[[str], Path]
) -> None:
    serving = serve("--exec", script("echo $$ >&2; exec cat"))
    caller = dial(serving)
    caller.speak(0.2)
    assert serving.process.stderr is not None
    pid = int(serving.process.stderr.readline().rpartition(" ")[2])
    serving.end(signal.SIGKILL)
    wait_until(lambda: not is_running(pid))


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-"], ids=["stdin", "stdout", "both"])
def test_a_server_without_its_own_streams_runs_programs_all_the_same(tmp_path: Path, closed: str) -> None:
    command = " ".join([*COMMAND, "serve", "--listen", "127.0.0.1:0", "--calls", "1", "--exec", "cat"])
    process = subprocess.Popen(["sh", "-c", f"exec {command} {closed}"], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    port = re.search(r":(\d+)", line)
    assert port, line
    caller = Caller(Serving(process, int(port[1]), line))
    _, likeness = echo_in_a_call(caller, 0.7, words(0.5))
    process.communicate(timeout=30)
    assert likeness > 0.99


def test_a_server_whose_standard_error_nobody_reads_ends_all_the_same(serve: Serve, tone_file: Path) -> None:
    serving = serve("--grace", "0.2", "--shell", "--exec", "yes >&2")
    assert run("play", tone_file, serving.target).returncode == 0
    serving.process.send_signal(signal.SIGINT)
    assert serving.process.wait(15) == 130  # standard error is a pipe, and full


def test_what_is_run_is_told_and_a_menu_that_never_reads_is_no_finding(serve: Serve, tone_file: Path) -> None:
    serving = serve("--json", "--calls", "1", "--grace", "0.2", "--exec", "sh", "-c", "sleep 1; exit 3")
    assert serving.listening.endswith("not recording, running sh -c 'sleep 1; exit 3'")
    assert run("play", tone_file, serving.target, "--loop", "5").returncode == 1
    call = json.loads(serving.wait_for('"ended"'))["call"]
    assert call["findings"] == ["the program exited with code 3 [bot-failed]"]


def test_a_menu_in_which_the_pipe_fills_up_is_no_finding_either(serve: Serve, tone_file: Path) -> None:
    serving = serve("--json", "--calls", "1", "--exec-rate", "48000", "--exec", "sleep", "2")
    assert run("play", tone_file, serving.target, "--loop", "5").returncode == 1
    call = json.loads(serving.wait_for('"ended"'))["call"]
    assert call["program"]["unread_s"] > 0.5
    assert call["findings"] == []


def test_a_slow_end_is_explained(serve: Serve, tone_file: Path) -> None:
    serving = serve("--calls", "1", "--grace", "3", "--exec", "sleep", "60")
    assert run("play", tone_file, serving.target, "--duration", "0.1").returncode == 0
    _, _, err = serving.end(0)
    assert err.splitlines()[0] == (
        "waiting for programs or recordings (1), --on-call-end commands (0); a second signal hangs up now"
    )
