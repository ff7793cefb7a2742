"""A program as a source and a tap: small real processes on a call whose clock moves when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import os
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiosocket_cli.asterisk.facts import frame_bytes
from audiosocket_cli.audio.pcm import from_slin, to_slin
from audiosocket_cli.audio.resample import StreamResampler
from audiosocket_cli.call.bots import lifetime
from audiosocket_cli.call.bots.child import _bytes_in
from audiosocket_cli.call.bots.program import Program, ProgramOptions
from audiosocket_cli.call.events import Event, ProgramSaid
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.session import AnsweredSession
from audiosocket_cli.call.sources.basic import Source
from audiosocket_cli.call.sources.prompts import Threads
from audiosocket_cli.codec import Frame, Kind, digit_frame, encode, rate_of
from audiosocket_cli.model import Call, Digit, Ending, How, Side, now_utc
from support.fakes import OPENING, UUID_1, FakeClock, FakeWire, run_until
from support.running import MAX_WAIT_S, need, wait_until

TAIL_FRAMES, POST_ROLL_FRAMES = 5, 15
"""100 ms in which a phrase may go on, and 300 ms before the hangup."""

BOT = """
import json, os, sys, time
events = open(3, "r+b", buffering=0)
def do(**command): events.write(json.dumps(command).encode() + b"\\n")
def hear(): return json.loads(events.readline() or "{}")
def say(data): sys.stdout.buffer.write(data); sys.stdout.buffer.flush()
def log(*words): print(*words, file=sys.stderr, flush=True)
def asked():  # once all was taken that it has asked for so far
    do(nothing=True)
    while hear().get("event") != "error": pass
"""


def sh(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def python(script: str) -> list[str]:
    return [sys.executable, "-S", "-c", BOT + script]


class Stage:
    """A call that a program answers."""

    def __init__(
        self, command: list[str], *, rate_hz: int | None = None, grace_s: float = 5.0, kind: int = Kind.SLIN
    ) -> None:
        self.threads = Threads(2)
        self.program = Program(ProgramOptions(command, rate_hz, grace_s, self.threads), self._take)
        self.call = Call(Side.SERVER, "192.0.2.1:5060", UUID_1, now_utc(), Pacer(0.0))
        self.kind = kind
        self.log: list[str] = []
        self.said: list[Frame] = []
        self.over = False
        self.program.opened(self.call)

    def hear(self, data: bytes | None = None) -> None:
        payload = bytes(frame_bytes(self.kind)) if data is None else data
        assert self.program.answer(encode(Frame(self.kind, payload))) is None

    def tick(self) -> Frame | None:
        frame = self.program.next_frame(self.kind)
        if frame is None:
            self.over = True
        else:
            self.said.append(frame)
        return frame

    def until(self, condition: Callable[[], object]) -> None:
        """Let the call go on, the caller silent, until something has come about."""
        give_up_s = time.monotonic() + MAX_WAIT_S
        while not condition():
            assert time.monotonic() < give_up_s, (self.log, self.call.notes)
            self.hear()
            self.tick()
            time.sleep(0.001)

    def end(self) -> dict[str, object]:
        """Let the caller hang up; returns what became of the program."""
        self.call.ending = Ending(Side.CALLER, How.CLOSED, "caller closed")
        self.program.closed(self.call)
        return self.finish()

    def finish(self) -> dict[str, object]:
        asyncio.run(asyncio.wait_for(self.program.finish(), MAX_WAIT_S))
        return self.facts()

    def facts(self) -> dict[str, object]:
        program: dict[str, object] = self.program.facts()["program"]
        return program

    @property
    def speech(self) -> bytes:
        """What was said, without the frames that are nothing but silence."""
        return b"".join(frame.payload for frame in self.said if any(frame.payload))

    def _take(self, event: Event) -> None:
        assert isinstance(event, ProgramSaid)
        self.log.append(event.line)


Start = Callable[..., Stage]


@pytest.fixture
def start() -> Iterator[Start]:
    """Put programs on stage; they are ended with the test."""
    stages: list[Stage] = []

    def put(command: list[str], **options: object) -> Stage:
        stages.append(Stage(command, **options))  # type: ignore[arg-type]
        stages[-1].hear()
        return stages[-1]

    yield put
    for stage in stages:
        stage.program.kill()
        asyncio.run(stage.program.finish())


def noise(kind: int, frames: int) -> list[bytes]:
    samples = np.random.default_rng(kind).integers(1, 20000, frames * frame_bytes(kind) // 2).astype(np.int16)
    size = frame_bytes(kind)
    return [to_slin(samples)[at : at + size] for at in range(0, frames * size, size)]


def loud(stage: Stage) -> bytes:
    """What was said, without silence, of which noise has none: also inside a frame, where its rest came late."""
    samples = np.frombuffer(stage.speech, "<i2")
    return samples[samples != 0].tobytes()


def wait_for_exit(stage: Stage) -> None:
    """Wait until the program has ended, while no time passes for the caller: what it said waits in its pipe."""
    assert stage.program._running is not None
    os.waitid(os.P_PID, stage.program._running.child.pid, os.WEXITED | os.WNOWAIT)


def told_at(stage: Stage) -> dict[str, int]:
    """When the program is told of marks, by name, and of an error: after so many frames of speech."""
    told = dict[str, int]()
    send = stage.program._send_event

    def note(**facts: Any) -> None:
        told.setdefault(facts.get("mark", facts["event"]), len(stage.speech) // 320)
        send(**facts)

    stage.program._send_event = note  # type: ignore[method-assign]
    return told


def read_when(path: Path, size: int) -> bytes:
    for _ in range(2000):
        if path.exists() and path.stat().st_size >= size:
            break
        time.sleep(0.002)
    return path.read_bytes()


# What it hears and says.


@pytest.mark.parametrize("kind", [Kind.SLIN, Kind.SLIN16, Kind.SLIN44, Kind.SLIN48, Kind.SLIN192], ids=lambda k: k.name)
def test_a_program_that_copies_is_an_echo_sample_for_sample(start: Start, kind: Kind) -> None:
    stage = start(["cat"], kind=kind)
    heard = noise(kind, 20)
    for number, data in enumerate(heard, 1):
        stage.hear(data)
        while len(loud(stage)) < number * len(data):  # or `cat` may have no turn until its pipe is full
            stage.tick()
            time.sleep(0.001)
    assert loud(stage) == b"".join(heard)
    assert {frame.kind for frame in stage.said} == {kind}
    assert {len(frame.payload) for frame in stage.said} == {frame_bytes(kind)}


RATES = [(Kind.SLIN, 24000), (Kind.SLIN, 22050), (Kind.SLIN48, 16000), (Kind.SLIN44, 8000), (Kind.SLIN16, 16000)]
RATE_IDS = [f"{kind.name}-{rate_hz}" for kind, rate_hz in RATES]


@pytest.mark.parametrize(("kind", "rate_hz"), RATES, ids=RATE_IDS)
def test_it_hears_its_own_rate(start: Start, tmp_path: Path, kind: Kind, rate_hz: int) -> None:
    heard = [bytes(frame_bytes(kind)), *noise(kind, 30)]
    stage = start(sh(f"exec cat > {tmp_path}/heard"), rate_hz=rate_hz, kind=kind)  # the first frame is heard here
    for data in heard[1:]:
        stage.hear(data)
    expected = StreamResampler(rate_of(kind), rate_hz).feed(from_slin(b"".join(heard)))
    assert stage.end()["rate_hz"] == rate_hz
    np.testing.assert_array_equal(from_slin((tmp_path / "heard").read_bytes()), expected)


@pytest.mark.parametrize(("kind", "rate_hz"), RATES, ids=RATE_IDS)
def test_what_it_says_at_its_own_rate_is_said_at_the_calls_to_the_last_sample(
    start: Start, tmp_path: Path, kind: Kind, rate_hz: int
) -> None:
    samples = np.random.default_rng(3).integers(-9000, 9000, rate_hz // 5).astype(np.int16)
    (tmp_path / "speech").write_bytes(to_slin(samples))
    stage = start(["cat", str(tmp_path / "speech")], rate_hz=rate_hz, kind=kind)
    wait_for_exit(stage)
    stage.until(lambda: stage.over)
    tail = np.zeros(rate_hz // 50 * TAIL_FRAMES, np.int16)
    expected = to_slin(StreamResampler(rate_hz, rate_of(kind)).feed(np.concatenate([samples, tail])))
    said = b"".join(frame.payload for frame in stage.said)
    at = len(said) - len(expected) - POST_ROLL_FRAMES * frame_bytes(kind)
    assert said == bytes(at) + expected + bytes(POST_ROLL_FRAMES * frame_bytes(kind))
    assert stage.finish()["said_s"] == 0.2


def test_a_frame_that_is_not_filled_is_said_with_silence_behind_it(start: Start) -> None:
    stage = start(sh("printf '\\001\\002\\003\\004'; exec cat"))
    stage.until(lambda: stage.speech)
    assert stage.speech == b"\1\2\3\4" + bytes(316)


def test_half_a_sample_waits_for_its_other_half_or_all_that_follows_would_be_noise(
    start: Start, tmp_path: Path
) -> None:
    until_said = f"until [ -e {tmp_path}/said ]; do sleep 0.01; done"
    stage = start(sh(f"printf '\\001\\002\\003'; {until_said}; printf '\\004\\005\\006'; cat"))
    stage.until(lambda: stage.speech)
    (tmp_path / "said").touch()
    stage.until(lambda: len(stage.speech) >= 640)
    assert stage.speech == b"\1\2" + bytes(318) + b"\3\4\5\6" + bytes(316)
    stage.end()
    assert stage.call.notes == []


def test_half_a_sample_at_the_end_is_told(start: Start) -> None:
    stage = start(sh("printf '\\001\\002\\003'"))
    stage.until(lambda: stage.over)
    stage.finish()
    assert stage.speech == b"\1\2" + bytes(318)
    assert stage.call.notes == ["the program wrote an odd number of bytes: half a sample is left over [bot-odd-bytes]"]


def test_a_phrase_keeps_its_kind_and_the_next_has_that_which_is_heard(start: Start) -> None:
    stage = start(python("say(bytes([1, 1]) * 1600); hear(); say(bytes([2, 2]) * 160); sys.stdin.read()"))
    stage.until(lambda: stage.speech)
    stage.kind = Kind.SLIN16
    stage.until(lambda: not any(stage.said[-1].payload))
    stage.until(lambda: any(stage.said[-1].payload))
    kinds = [frame.kind for frame in stage.said]
    change = kinds.index(Kind.SLIN16)
    assert not any(stage.said[change - 1].payload)
    assert any(stage.said[change].payload)
    assert set(kinds[change:]) == {Kind.SLIN16}


def test_its_input_keeps_its_rate_when_the_callers_kind_changes(start: Start, tmp_path: Path) -> None:
    stage = start(sh(f"exec cat > {tmp_path}/heard"))
    stage.kind = Kind.SLIN48
    for _ in range(10):
        stage.hear()
    stage.end()
    assert (tmp_path / "heard").stat().st_size == 11 * 320


@pytest.mark.parametrize("early", [0, 100], ids=["at-once", "let-in-after-2-s"])
def test_where_the_caller_pauses_silence_is_written(start: Start, tmp_path: Path, early: int) -> None:
    stage = start(sh(f"exec cat > {tmp_path}/heard"))
    word = b"\1\1" * 160
    for _ in range(early):
        stage.hear(word)
    for _ in range(10):
        stage.hear(word)
        stage.tick()
    for _ in range(50):
        stage.tick()
        time.sleep(0.001)
    stage.end()
    heard = (tmp_path / "heard").read_bytes()
    spoken = bytes(320) + word * (early + 10)
    assert heard[: len(spoken)] == spoken
    assert not any(heard[len(spoken) :])
    assert len(heard) - len(spoken) == pytest.approx((50 - 5) * 320, abs=320)


def test_one_that_does_not_read_misses_what_it_does_not_read_and_it_is_counted(start: Start) -> None:
    stage = start(["sleep", "30"], grace_s=0.1)
    for _ in range(500):
        stage.hear(b"\1\1" * 160)
        stage.tick()
    result = stage.end()
    assert result["unread_s"] == pytest.approx(10.0 - 65536 / 16000, abs=0.5)  # a pipe's pages are not filled up
    assert not any("too slowly" in note for note in stage.call.notes)  # it does not want to hear


def test_one_that_reads_too_slowly_is_a_finding(start: Start) -> None:
    stage = start(["sh", "-c", "head -c 1600 > /dev/null; echo heard >&2; sleep 30"], grace_s=0.1)
    stage.until(lambda: stage.log)
    for _ in range(500):
        stage.hear(b"\1\1" * 160)
        stage.tick()
        time.sleep(0.001)
    unread_s = stage.end()["unread_s"]
    assert (
        f"the program reads too slowly: {unread_s:.1f} s of the caller's audio were dropped [bot-reads-slowly]"
        in stage.call.notes
    )


def test_one_that_closes_its_input_misses_nothing(start: Start) -> None:
    stage = start(python("os.close(0); log('closed'); hear(); sys.exit(0)"))
    while not stage.log:  # the caller says nothing until then: what it cannot hear before it is there is unread
        stage.tick()
        time.sleep(0.001)
    for _ in range(500):
        stage.hear()
        stage.tick()
    assert (stage.end()["unread_s"], stage.call.notes) == (0.0, [])


def test_it_starts_with_the_callers_first_audio_or_after_100_ms_without() -> None:
    stage = Stage(["cat"])
    for _ in range(5):
        stage.tick()
        assert stage.facts()["ran_s"] == 0.0
    assert stage.end()["exit_code"] is None
    stage = Stage(sh("exit 7"))
    stage.kind = Kind.SLIN16  # not heard yet: the program gets that which every call can carry
    for _ in range(6):
        stage.tick()
    result = stage.end()
    assert (result["exit_code"], result["rate_hz"]) == (7, 8000)


def test_its_environment_says_which_call_it_is(start: Start) -> None:
    stage = start(sh("env >&2"), kind=Kind.SLIN16, rate_hz=24000)
    stage.until(lambda: stage.over)
    stage.finish()
    facts = dict(line.split("=", 1) for line in stage.log if line.startswith("AUDIOSOCKET_"))
    assert facts == {
        "AUDIOSOCKET_UUID": str(UUID_1),
        "AUDIOSOCKET_PEER": "192.0.2.1:5060",
        "AUDIOSOCKET_RATE": "24000",
        "AUDIOSOCKET_KIND": "slin16",
        "AUDIOSOCKET_EVENTS_FD": "3",
    }


def test_it_has_four_descriptors_and_no_signal_ignored(start: Start) -> None:
    given = {fd for fd in descriptors() if os.get_inheritable(fd)}  # by whoever started us
    stage = start(python("log(*os.listdir('/proc/self/fd'))\nlog(open('/proc/self/status').read())"))
    stage.until(lambda: stage.over)
    stage.finish()
    assert set(map(int, stage.log[0].split())) == given | {0, 1, 2, 3, 4}  # 4 reads the listing
    ignored = int(next(line for line in stage.log if line.startswith("SigIgn")).split()[1], 16)
    python_itself = {signal.SIGPIPE, signal.SIGXFSZ}
    assert {number for number in range(1, 32) if ignored >> (number - 1) & 1} <= python_itself


# What it asks for.


def test_a_flush_drops_all_that_is_not_said_and_what_follows_it_is_said(start: Start, tmp_path: Path) -> None:
    stage = start(
        python(f"""
say(bytes([1, 1]) * 16000)
while hear().get("event") != "digit": pass
do(flush=True)
open('{tmp_path}/asked', 'w').close()
while (event := hear()).get("event") != "flushed": pass
log(event["dropped_s"])
say(bytes([2, 2]) * 320)
sys.stdin.read()
""")
    )
    stage.until(lambda: len(stage.speech) >= 10 * 320)
    stage.program.digit(0.5, "1")
    wait_until((tmp_path / "asked").exists)  # no time passes for the caller
    stage.until(lambda: b"\2" in stage.speech and not any(stage.said[-1].payload))
    first, second = stage.speech.count(b"\1") / 16000, stage.speech.count(b"\2") / 16000
    assert (first + float(stage.log[0]), second) == (2.0, 0.04)
    assert first < 1.9


def test_barge_in_is_heard_with_the_very_next_frame(start: Start, tmp_path: Path) -> None:
    flush = f"do(flush=True); open('{tmp_path}/asked', 'w').close()"
    stage = start(python(f"say(bytes([1, 1]) * 20000); hear(); {flush}; sys.stdin.read()"))
    stage.until(lambda: stage.speech)
    stage.program.digit(0.5, "1")
    while not (tmp_path / "asked").exists():
        time.sleep(0.002)  # no time passes for the caller
    assert any(stage.said[-1].payload)
    frame = stage.tick()
    assert frame is not None
    assert not any(frame.payload)


def test_a_file_is_said_between_what_was_written_before_and_after(start: Start, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "beep.wav", np.full(400, 257 * 2, np.int16), 8000)
    play = f"do(play='{tmp_path}/beep.wav')"
    stage = start(python(f"say(bytes([1, 1]) * 200); {play}; asked(); say(bytes([3, 3]) * 200); {play}"))
    stage.until(lambda: stage.over)
    assert stage.speech.replace(b"\0", b"") == b"\1" * 400 + b"\2" * 800 + b"\3" * 400 + b"\2" * 800


def test_a_file_is_said_at_the_programs_rate_like_all_it_says(start: Start, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "beep.wav", np.full(8000, 5000, np.int16), 16000)
    stage = start(sh(f'echo \'{{"play": "{tmp_path}/beep.wav"}}\' >&3'), rate_hz=24000)
    stage.until(lambda: stage.over)
    assert stage.facts()["said_s"] == 0.5
    assert from_slin(stage.speech)[1000:3000].mean() == pytest.approx(5000, abs=2)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("gone.wav", "cannot read {}/gone.wav: no such file or directory"),
        ("noise.wav", "cannot read {}/noise.wav: format not recognised (is it a sound file?)"),
        ("folder", "cannot play {}/folder: it is not a file"),
        ("fifo", "cannot play {}/fifo: it is not a file"),
        ("nul\0.wav", None),
        ("long" * 70, "cannot read {}/" + "long" * 70 + ": file name too long"),
        ("no-character-\udc80", "cannot read {}/no-character-\udc80: no such file or directory"),
        ("no-character-\ud800", None),
    ],
    ids=["missing", "no-sound", "folder", "fifo", "nul", "too-long", "undecodable", "surrogate"],
)
def test_a_file_that_cannot_be_played_is_told_and_the_call_goes_on(
    start: Start, tmp_path: Path, name: str, error: str | None
) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "noise.wav").write_bytes(bytes(100))
    stage = start(
        python(f"do(play={str(tmp_path / name)!r}); log(ascii(hear())); say(bytes([1, 1]) * 160); sys.stdin.read()")
    )
    stage.until(lambda: stage.speech)
    event = eval(stage.log[0])  # our own program wrote it
    assert event["event"] == "error"
    if error is not None:
        assert event["error"] == error.format(tmp_path)
    else:
        assert event["error"].startswith("cannot play ")
        assert event["error"].endswith(": no file can have that name")


def test_of_too_many_files_the_first_hundred_wait_and_the_others_are_told(start: Start, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.ones(800, np.int16), 8000)
    stage = start(
        python(
            f"say(bytes([1, 1]) * 1600)\nfor _ in range(103): do(play='{tmp_path}/long.wav')\n"
            "for _ in range(3): log(hear())\nsys.stdin.read()"
        )
    )
    # All are asked for while the first words are said: a tick takes ten.
    gate = threading.Event()
    for _ in range(2):
        stage.threads.do(lambda: gate.wait(60))
    stage.until(lambda: len(stage.log) >= 3)
    assert all("is not played: 100 files are already waiting" in line for line in stage.log)
    gate.set()
    stage.until(lambda: len(stage.speech) >= 3200 + 100 * 1600)


def test_idle_is_told_once_all_was_said_and_not_while_a_file_is_loaded(start: Start, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "beep.wav", np.full(160, 257, np.int16), 8000)
    stage = start(
        python(
            f"say(bytes([2, 2]) * 160); do(play='{tmp_path}/beep.wav'); open('{tmp_path}/asked', 'w').close()\n"
            "while event := hear(): log(event)"
        )
    )
    wait_until((tmp_path / "asked").exists)  # no time passes for the caller
    gate = threading.Event()
    for _ in range(2):
        stage.threads.do(lambda: gate.wait(60))
    stage.until(lambda: b"\2" in stage.speech)
    count = len(stage.said)
    stage.until(lambda: len(stage.said) > count + 50)
    assert stage.log == []
    gate.set()
    stage.until(lambda: stage.log)
    assert stage.log == ["{'event': 'idle'}"]
    assert stage.speech == b"\2" * 320 + b"\1" * 320


@pytest.mark.parametrize(
    "wish", ["do(hangup=True); open('{asked}', 'w').close(); sys.stdin.read()", "sys.exit(0)"], ids=["hangup", "exit"]
)
def test_hangup_and_exit_say_the_rest_then_300_ms_of_silence(start: Start, tmp_path: Path, wish: str) -> None:
    stage = start(python(f"say(bytes([1, 1]) * 20000); {wish.format(asked=tmp_path / 'asked')}"))
    if "hangup" in wish:
        wait_until((tmp_path / "asked").exists)  # no time passes for the caller
    else:
        wait_for_exit(stage)
    stage.until(lambda: stage.over)
    spoken = [any(frame.payload) for frame in stage.said]
    first = spoken.index(True)
    assert spoken[first:] == [True] * 125 + [False] * (TAIL_FRAMES + POST_ROLL_FRAMES)
    asked = "the program hung up" if "hangup" in wish else "the program exited with code 0"
    assert stage.program.ending == asked
    stage.end()


def test_a_program_that_ended_is_not_waited_for(start: Start) -> None:
    stage = start(sh("exit 3"))
    wait_for_exit(stage)
    stage.until(lambda: stage.over)
    assert len(stage.said) < 100
    result = stage.finish()
    assert (result["exit_code"], result["signal"], result["stopped_by"]) == (3, None, None)
    assert stage.call.notes == ["the program exited with code 3 [bot-failed]"]


GARBAGE = [
    b"hello", b"", b"{", b"null", b"7", b'"flush"', b"[]", b"{}", b'{"flush": 1}', b'{"flush": false}',
    b'{"hangup": "yes"}', b'{"play": 5}', b'{"play": null}', b'{"flush": true, "hangup": true}', b'{"dance": true}',
    b"\xff\xfe", b"\0", b"[" * 4000, b'{"a":' * 800, b"9" * 5000, b"x" * 100_000, b"NaN",
]  # fmt: skip


@pytest.mark.parametrize("line", GARBAGE, ids=lambda line: repr(line[:30])[2:-1] + ("…" if len(line) > 30 else ""))
def test_a_command_that_is_garbage_is_answered_and_the_call_goes_on(start: Start, line: bytes) -> None:
    stage = start(
        python(f"""
events.write({line[:30]!r} * {max(1, len(line) // 30)} + b"\\n")
log(hear()["error"][:16])
do(flush=True)
while hear()["event"] != "flushed": pass
say(bytes([1, 1]) * 160)
sys.stdin.read()
""")
    )
    stage.until(lambda: stage.speech)
    assert stage.log == ["not understood: "]
    assert not stage.over


@pytest.mark.parametrize("result", ["sales", "a \\u00e9, b", "x" * 200])
def test_a_hangup_may_name_a_result(start: Start, result: str) -> None:
    stage = start(python(f"""events.write(br'{{"hangup": true, "result": "{result}"}}' + b"\\n"); sys.stdin.read()"""))
    stage.until(lambda: stage.over)
    assert stage.call.result == json.loads(f'"{result}"')
    assert stage.program.ending == "the program hung up"


@pytest.mark.parametrize("result", ["", "x" * 201, "two\\nlines", "\\u0000", "\\ud83d"])
def test_a_hangup_with_what_is_no_result_hangs_up_without_one_and_says_so(start: Start, result: str) -> None:
    stage = start(
        python(f"""
events.write(br'{{"hangup": true, "result": "{result}"}}' + b"\\n")
log(hear()["error"])
sys.stdin.read()
""")
    )
    stage.until(lambda: stage.over and stage.log)
    said = json.loads(f'"{result}"')
    problem = f"{said[:50]!r} is not a result: it has 1 to 200 printable characters"
    assert stage.log == [f"{problem}; the call is hung up without one"]
    assert stage.call.notes == [f"the program's command failed: {stage.log[0]} [bot-command]"]
    assert stage.call.result is None


@pytest.mark.parametrize("leaves", [True, False], ids=["and-ends", "and-lingers"])
def test_a_result_may_come_after_the_caller_has_hung_up(start: Start, leaves: bool) -> None:
    stage = start(
        python(f"""
log("here")
while hear()["event"] != "hangup": pass
do(play="x.wav"); do(hangup=True, result="bought"); events.write(b"[" * 5000 + b"\\n")
{"sys.exit(0)" if leaves else "time.sleep(60)"}
"""),
        grace_s=30.0 if leaves else 1.0,
    )
    stage.until(lambda: stage.log)
    ended = stage.end()
    assert stage.call.result == "bought"
    assert (ended["exit_code"], ended["stopped_by"]) == ((0, None) if leaves else (None, "SIGTERM"))


def test_a_result_that_is_not_text_is_none_and_the_call_is_hung_up_all_the_same(start: Start) -> None:
    stage = start(python("do(hangup=True, result=100); log(hear()['error']); sys.stdin.read()"))
    stage.until(lambda: stage.over and stage.log)
    assert stage.log == [
        "100 is not a result: it is text, of 1 to 200 printable characters; the call is hung up without one"
    ]
    assert stage.call.result is None


def test_a_result_that_is_null_is_none(start: Start) -> None:
    stage = start(python("do(hangup=True, result=None); sys.stdin.read()"))
    stage.until(lambda: stage.over)
    assert (stage.call.result, stage.call.notes) == (None, [])


def test_a_mark_is_told_when_what_was_written_before_it_has_been_heard_and_a_flush_drops_it(start: Start) -> None:
    stage = start(
        python("""
say(bytes([1, 1]) * 160 * 5)
do(mark="greeting")
event = hear()
while event["event"] == "idle": event = hear()
log(event["event"], event["mark"], event["at_s"] > 0, "dropped" in event)
do(mark="at once")
event = hear()
while event["event"] == "idle": event = hear()
log(event["mark"], "dropped" in event)
say(bytes([1, 1]) * 160 * 500)
do(mark="one"); do(mark="two"); do(flush=True)
for _ in range(3):
    event = hear()
    while event["event"] == "idle": event = hear()
    log(event["event"], event.get("mark"), event.get("dropped"))
sys.stdin.read()
""")
    )
    stage.until(lambda: stage.log)
    assert len(stage.speech) >= 5 * 320
    stage.until(lambda: len(stage.log) == 5)
    assert stage.log == [
        "mark greeting True False", "at once False", "mark one True", "mark two True", "flushed None None",
    ]  # fmt: skip


def test_a_mark_stands_where_the_program_says_however_much_more_it_has_written_by_then(
    start: Start, tmp_path: Path
) -> None:
    stage = start(
        python(f"""
say(bytes([1, 1]) * 160 * 100)
for number in (10, 20, 100, 1000): do(mark=str(number), after_bytes=number * 320)
do(mark="bad", after_bytes=-1)
open('{tmp_path}/written', 'w').close()
while True:
    event = hear()
    if event["event"] == "mark": log(event["mark"])
    if event["event"] == "error": log(event["error"][:14])
""")
    )
    told = told_at(stage)
    wait_until((tmp_path / "written").exists)  # no time passes for the caller
    stage.until(lambda: len(stage.log) == 5)
    assert stage.log == ["not understood", "10", "20", "100", "1000"]
    told.pop("idle", None)
    assert told == {"error": 0, "10": 10, "20": 20, "100": 100, "1000": 100}


def test_a_mark_stands_no_earlier_than_after_the_last_file(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.full(160 * 50, 9, np.int16), 8000)
    stage = start(
        python(f"""
do(play={str(path)!r}); asked()
say(bytes([1, 1]) * 160 * 50)
do(mark="in the file", after_bytes=0); do(mark="after it", after_bytes=320 * 10)
open('{tmp_path}/written', 'w').close()
while True:
    event = hear()
    if event["event"] == "mark": log(event["mark"])
""")
    )
    told = told_at(stage)
    stage.until(lambda: "error" in told)
    wait_until((tmp_path / "written").exists)  # no time passes for the caller
    stage.until(lambda: len(stage.log) == 2)
    assert told["in the file"] in (50, 51)  # that a file is over is seen with the frame after it
    assert told["after it"] == told["in the file"] + 10


def test_marks_without_number_are_ignored_and_each_is_told(start: Start, tmp_path: Path) -> None:
    stage = start(
        python(f"""
say(bytes([1, 1]) * 160 * 200)
events.write(b"".join(b'{{"mark": "%d"}}\\n' % number for number in range(1010)))
open('{tmp_path}/asked', 'w').close()
errors = 0
while errors < 10: errors += hear()["event"] == "error"
log("told")
sys.stdin.read()
""")
    )
    wait_until((tmp_path / "asked").exists)  # no time passes for the caller: it takes ten with each frame
    stage.until(lambda: stage.log)
    assert stage.call.notes[0] == (
        "the program's command failed: the mark 1000 is ignored: 1000 marks are already waiting [bot-command]"
    )


def test_it_gets_the_variables_of_the_call_in_its_environment() -> None:
    stage = Stage(sh('echo "$AUDIOSOCKET_VAR_name|$AUDIOSOCKET_UUID" >&2; cat'))
    stage.call.variables = {"name": "K\u00f6ln $HOME 'x'", "UUID": "not this"}
    stage.hear()
    try:
        stage.until(lambda: stage.log)
        assert stage.log == [f"K\u00f6ln $HOME 'x'|{UUID_1}"]
    finally:
        stage.program.kill()
        stage.finish()


def test_a_command_that_comes_in_pieces_is_one(start: Start) -> None:
    script = "for byte in b'{\"hangup\": true}\\n': events.write(bytes([byte])); time.sleep(0.002)\nsys.stdin.read()"
    stage = start(python(script))
    stage.until(lambda: stage.over)
    assert stage.program.ending == "the program hung up"


@pytest.mark.parametrize(
    "flood",
    ["exec yes", "exec yes >&2", "exec yes '' >&2", "exec yes >&3", "exec yes '' >&3",
     "exec yes '{\"flush\": true}' >&3",
     "exec yes '{\"play\": \"/nowhere\"}' >&3", "yes & yes '{\"play\": \"/nowhere\"}' >&3"],
    ids=["output", "errors", "empty-errors", "garbage", "empty-commands", "flushes", "plays", "output-and-plays"],
)  # fmt: skip
def test_a_flood_costs_little_with_each_frame(start: Start, flood: str) -> None:
    stage = start(sh(flood), grace_s=0.05)
    begun_s = time.process_time()
    for _ in range(50):
        stage.hear()
        stage.tick()
        time.sleep(0.005)
    assert (time.process_time() - begun_s) / 50 < 0.004
    assert stage.end()["stopped_by"] in ("SIGTERM", "SIGKILL")  # a busy machine may take longer for the first


# How it is watched.


def settled(stage: Stage) -> None:
    """Let the call go on until what the program says has been silent for 100 ms."""
    for _ in range(20):
        stage.hear()
        stage.tick()
        time.sleep(0.005)


def test_one_that_says_nothing_is_not_read_with_each_frame(start: Start) -> None:
    stage = start(["sleep", "30"])
    settled(stage)
    assert stage.program._running is not None
    assert stage.program._running.child.ready.bits == 0


@pytest.mark.parametrize("lacks", ["epoll", "pidfd_open"])
def test_where_the_system_cannot_watch_all_is_found_by_trying(
    start: Start, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    monkeypatch.delattr(select if lacks == "epoll" else os, lacks)
    stage = start(
        python("log('up'); hear(); do(flush=True); hear(); say(bytes([1, 1]) * 320); sys.stdin.read(6400); sys.exit(3)")
    )
    stage.until(lambda: stage.log)
    settled(stage)
    stage.program.digit(0.1, "1")
    stage.until(lambda: stage.over)
    assert stage.speech == b"\1" * 640
    assert stage.finish()["exit_code"] == 3


# What it is told.


def test_digits_pressed_before_it_started_are_told_first(start: Start) -> None:
    stage = Stage(python("for _ in range(3): log(hear())"))
    for at_s, digit in ((0.01, "4"), (0.02, "#")):
        stage.call.digits.append(Digit(at_s, digit))
        stage.program.digit(at_s, digit)
    stage.hear()
    stage.program.digit(1.23456, "D")
    stage.until(lambda: stage.over)
    stage.finish()
    assert [eval(line) for line in stage.log] == [
        {"event": "digit", "digit": digit, "at_s": at_s} for digit, at_s in (("4", 0.01), ("#", 0.02), ("D", 1.235))
    ]


def test_the_end_of_the_call_is_told_and_its_events_end_behind_it(start: Start) -> None:
    stage = start(python("for line in events: log(line.decode().strip())\nlog(len(sys.stdin.buffer.read()))"))
    result = stage.end()
    assert [json.loads(stage.log[0]), stage.log[1]] == [
        {"event": "hangup", "by": "caller", "how": "closed", "reason": "caller closed"}, "320"
    ]  # fmt: skip
    assert (result["exit_code"], result["stopped_by"]) == (0, None)


def test_a_slow_reader_of_events_gets_them_all_without_another_to_push_them(start: Start) -> None:
    stage = start(python("log('up'); time.sleep(0.3); log(sum(1 for _ in events))"))
    stage.until(lambda: stage.log)
    for _ in range(1200):  # more than a socket holds
        stage.program.digit(0.0, "5")
    stage.end()
    assert (stage.log, stage.call.notes) == (["up", "1201"], [])


def test_events_that_nobody_reads_are_lost_and_it_is_said(start: Start) -> None:
    stage = start(["cat"])
    for _ in range(20_000):
        stage.program.digit(0.0, "5")
    stage.end()
    assert stage.call.notes == ["the program does not read its events: some are lost [bot-reads-slowly]"]


@pytest.mark.parametrize(
    ("script", "lines"),
    [
        ("printf 'one\\ntwo\\r\\n\\nthree' >&2", ["one", "two", "", "three"]),
        ("printf '\\377\\n' >&2", ["\ufffd"]),
        ("printf caf >&2; sleep 0.1; printf '\\303'; printf '\\303\\251\\n' >&2", ["café"]),
        ("head -c 20000 /dev/zero | tr '\\0' x >&2", ["x" * 12288, "x" * 7712]),
        ("seq 300 >&2", [str(number + 1) for number in range(300)]),
    ],
    ids=["lines", "no-utf-8", "in-pieces", "without-end", "many"],
)
def test_its_standard_error_is_passed_on_in_lines(start: Start, script: str, lines: list[str]) -> None:
    stage = start(sh(script))
    stage.until(lambda: stage.over)
    stage.finish()
    assert "".join(stage.log) == "".join(lines)
    assert max(map(len, stage.log)) <= 12288
    if len(lines[0]) < 1000:  # where one without an end is cut depends on how it came
        assert stage.log == lines


# How it ends.


@pytest.mark.parametrize(
    ("script", "ending"),
    [
        ("cat > /dev/null", (0, None, None)),
        ("cat > /dev/null; exit 4", (4, None, None)),
        ("exec sleep 60", (None, "SIGTERM", "SIGTERM")),
        ("trap 'exit 5' TERM; echo up >&2; while :; do sleep 0.01; done", (5, None, "SIGTERM")),
        ("trap '' TERM; echo up >&2; while :; do sleep 0.01; done", (None, "SIGKILL", "SIGKILL")),
        ("kill -STOP $$", (None, "SIGKILL", "SIGKILL")),
        ("kill -SEGV $$", (None, "SIGSEGV", None)),
        ("kill -40 $$", (None, "signal 40", None)),
        ("head -c 1000000 /dev/zero; cat > /dev/null", (0, None, None)),
        ("head -c 50000 /dev/zero >&3; cat > /dev/null", (0, None, None)),
        ("exec >&- 2>&- 3>&-; cat > /dev/null", (0, None, None)),
    ],
    ids=["reads-to-the-end", "exit-code", "never-ends", "ends-on-term", "ignores-term", "stopped", "crashes",
         "real-time-signal", "in-a-write", "in-a-command", "has-closed-all"],
)  # fmt: skip
def test_how_it_ends_after_the_call(start: Start, script: str, ending: tuple[object, ...]) -> None:
    """One that ends by itself may take its time, on a busy machine; the others have come to where they stay."""
    stage = start(sh(script if "echo up" in script else f"echo up >&2; {script}"), grace_s=0.4 if ending[2] else 30.0)
    stage.until(lambda: stage.log and len(stage.said) >= 5)
    begun_s = time.monotonic()
    result = stage.end()
    assert (result["exit_code"], result["signal"], result["stopped_by"]) == ending
    waits = {None: 0.0, "SIGTERM": 0.4, "SIGKILL": 0.8}[result["stopped_by"]]  # type: ignore[index]
    assert waits <= time.monotonic() - begun_s < 30  # and not the minute that it would take


def test_what_it_leaves_in_its_group_ends_with_it(start: Start) -> None:
    stage = start(sh("(trap '' TERM; exec sleep 60) & sleep 60 & echo $! >&2; exit 0"), grace_s=0.1)
    stage.until(lambda: stage.log and stage.over)
    result = stage.finish()
    assert (result["exit_code"], result["stopped_by"]) == (0, None)
    with pytest.raises(ProcessLookupError):
        os.killpg(stage.program._running.child.pid, 0)  # type: ignore[union-attr]


def test_one_that_left_the_group_and_floods_holds_up_nobody(start: Start, tmp_path: Path) -> None:
    need("setsid")
    left = tmp_path / "left"
    leaves = f"setsid sh -c 'echo $$ >&2; touch {left}; exec yes >&2' & until [ -e {left} ]; do sleep 0.01; done"
    stage = start(sh(leaves))
    stage.until(lambda: stage.log)
    pid = int(stage.log[0])
    running = stage.program._running
    assert running is not None
    wait_until(lambda: _bytes_in(running.child._stderr) > 16384)  # it floods, also where it has no turn at the end
    try:
        begun_s = time.monotonic()
        assert stage.end()["exit_code"] == 0
        assert time.monotonic() - begun_s < 10  # the flood itself goes on for ever
        assert stage.call.notes == [
            "the rest of the program's standard error is dropped: it does not end [bot-not-ended]"
        ]
    finally:
        with contextlib.suppress(ProcessLookupError):  # SIGPIPE may have ended it
            os.kill(pid, signal.SIGKILL)


def test_as_process_1_we_bury_what_it_left() -> None:
    libc = ctypes.CDLL(None)
    subreaper = 36
    assert libc.prctl(subreaper, 1) == 0
    try:
        stage = Stage(sh("sleep 60 & exit 0"), grace_s=30.0)
        stage.until(lambda: stage.over)
        begun_s = time.monotonic()
        stage.finish()
        assert time.monotonic() - begun_s < 15
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
    finally:
        libc.prctl(subreaper, 0)


def test_the_dead_whom_nobody_buries_are_waited_for_a_little(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifetime, "_KILLED_S", 0.2)
    stage = start(
        python("""
group = os.getpgrp()
ready, done = os.pipe()
if not os.fork():  # a parent in a group of its own, who does not look after its child
    os.setpgid(0, 0)
    child = os.fork()
    if not child:
        os.setpgid(0, group)
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # it is dead, and not buried
    log(os.getpid())
    os.write(done, b"x")
    time.sleep(60)
os.read(ready, 1)
os._exit(0)
"""),
        grace_s=0.1,
    )
    stage.until(lambda: stage.log and stage.over)
    try:
        stage.finish()
        assert "the program, or what it started, could not be killed [bot-not-ended]" in stage.call.notes
    finally:
        os.kill(int(stage.log[0]), signal.SIGKILL)


def test_where_sigchld_is_ignored_it_ends_all_the_same() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        stage = Stage(sh("exit 3"))
        stage.until(lambda: stage.over)
        assert stage.finish()["signal"] is None
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_killed_at_once_means_no_grace(start: Start) -> None:
    stage = start(["sleep", "60"], grace_s=30.0)
    stage.program.kill()
    begun_s = time.monotonic()
    assert stage.end()["stopped_by"] == "SIGKILL"
    assert time.monotonic() - begun_s < 15


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "no such file or directory"),
        (lambda path: path.mkdir(), "permission denied"),
        (lambda path: path.write_text("cat"), "permission denied"),
        (
            lambda path: (path.write_bytes(b"\x7fELF nonsense"), path.chmod(0o755)),
            "exec format error (does it begin with a line like #!/bin/sh?)",
        ),
        (
            lambda path: (path.write_text("#!/no/such/shell\n"), path.chmod(0o755)),
            "no such file or directory: the interpreter that its first line names (does the line end in CR LF?)",
        ),
    ],
    ids=["missing", "folder", "not-executable", "no-program", "no-interpreter"],
)
def test_one_that_cannot_be_started_ends_the_call_with_the_reason(
    start: Start, tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    make(tmp_path / "bot")
    before = descriptors()
    stage = start([str(tmp_path / "bot")])
    assert stage.tick() is None
    assert stage.program.ending == f"cannot run {tmp_path}/bot: {reason}"
    result = stage.finish()
    assert (result["error"], result["exit_code"], stage.call.notes) == (
        stage.program.ending, None, [f"{stage.program.ending} [bot-failed]"],
    )  # fmt: skip
    assert descriptors() == before


@pytest.mark.parametrize("room", range(9))
def test_where_descriptors_run_out_the_call_ends_and_none_is_lost(room: int) -> None:
    before = descriptors()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = next(number for number in range(1000) if number not in before)
    stage = Stage(["cat"])
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + room, limits[1]))
        try:
            stage.hear()
        except OSError:
            pytest.fail("an error in one call was not kept there")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        if room < 8:
            assert stage.tick() is None
            assert stage.program.ending == "cannot run cat: too many open files"
    finally:
        stage.end()
    assert descriptors() == before


def descriptors() -> set[int]:
    gc.collect()  # what earlier tests left may hold some
    fds = {int(name) for name in os.listdir("/proc/self/fd")}
    return {fd for fd in fds if os.path.exists(f"/proc/self/fd/{fd}") or os.path.islink(f"/proc/self/fd/{fd}")}


def test_hundred_programs_leave_nothing_behind() -> None:
    before, threads = descriptors(), threading.active_count()
    stages = [Stage(["cat"]) for _ in range(100)]
    for stage in stages:
        stage.hear(b"\1\1" * 160)
    for stage in stages:
        stage.until(lambda stage=stage: stage.speech)
    for stage in stages:
        assert stage.end()["exit_code"] == 0
    assert (descriptors(), threading.active_count()) == (before, threads)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


# In a session.


def test_a_whole_call_over_a_wire_from_uuid_to_hangup() -> None:
    """`head` hears 400 ms, says them and ends: the rest of the call follows from that."""
    clock, wire = FakeClock(), FakeWire()
    program = Program(ProgramOptions(["head", "-c", str(20 * 320)]), lambda event: None)
    source: Source = program
    session = AnsweredSession(wire, "peer", source=source, clock=clock)
    session.watch([program])
    session.start()
    wire.inbox.append(OPENING)
    heard = noise(Kind.SLIN, 30)
    end_s = clock.now_s
    for data in [*heard, *[bytes(320)] * 5000]:
        wire.inbox.append(encode(Frame(Kind.SLIN, data)))
        wire.inbox.append(encode(digit_frame("1")))
        end_s += 0.02
        run_until(end_s, clock, session)
        if wire.ended_sending:
            break
        time.sleep(0.005)
    asyncio.run(program.finish())
    frames = wire.frames
    assert frames[-1] == Frame(Kind.HANGUP)
    assert b"".join(frame.payload for frame in frames if any(frame.payload)) == b"".join(heard[:20])
    last_said = max(number for number, frame in enumerate(frames) if any(frame.payload))
    assert len(frames) - 2 - last_said >= TAIL_FRAMES + POST_ROLL_FRAMES  # more where its exit takes a while
    assert session.call is not None
    assert session.call.ending == Ending(Side.SERVER, How.HANGUP, "the program exited with code 0")
    assert session.call.notes == []
