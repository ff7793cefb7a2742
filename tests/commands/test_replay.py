"""`audiosocket replay`: when each frame is said again, what a script does, what a comparison finds."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.pcm import Samples, tone
from audiosocket_cli.call.sources.script import read_script
from audiosocket_cli.capture.items import Captured, Ended
from audiosocket_cli.capture.opening import open_capture
from audiosocket_cli.codec import encode, uuid_frame
from audiosocket_cli.model import Side
from support.lacking import cut, encrypted, with_a_hole
from support.running import COMMAND, Serve, Serving, run

Answer = Callable[..., Serving]


def signal(*parts: tuple[float, float]) -> Samples:
    """Sound of (frequency in Hz, 0 for silence; seconds) parts."""
    return np.concatenate([tone(hz, 8000, s) if hz else np.zeros(round(s * 8000), np.int16) for hz, s in parts])


def captured_play(serve: Serve, tmp_path: Path, said: Samples, *arguments: str) -> Path:
    """Place a call that says something, and return its capture."""
    soundfile.write(tmp_path / "said.wav", said, 8000)
    serving = serve("--calls", "1")
    path = tmp_path / "old.pcapng"
    assert run("play", tmp_path / "said.wav", serving.target, "--capture", path, *arguments).returncode == 0
    serving.end(0)
    return path


def test_what_is_replayed_from_standard_input_is_recorded_as_it_was(serve: Serve, tmp_path: Path) -> None:
    said = np.random.default_rng(1).integers(-9000, 9000, 12000).astype(np.int16)
    old = captured_play(serve, tmp_path, said)
    serving = serve("--record", "calls", "--json", "--calls", "1")
    lines = run("dump", old, "--json")
    done = run("replay", "-", serving.target, "--uuid", "same", stdin=lines.stdout.encode())
    assert (done.returncode, done.stderr) == (0, "")
    uuid = json.loads(lines.stdout.splitlines()[0])["uuid"]
    serving.wait_for_end(uuid)
    heard, _ = soundfile.read(tmp_path / "calls" / f"{uuid}.wav", dtype="int16")
    assert np.array_equal(heard[: len(said)], said)
    assert not heard[len(said) :].any()


@pytest.mark.parametrize(
    ("arguments", "factor"),
    [([], 1.0), (["--speed", "2"], 0.5), (["--max-gap", "0.5"], None)],
    ids=["recorded", "twice as fast", "shortened"],
)
def test_pauses_are_where_they_were(serve: Serve, tmp_path: Path, arguments: list[str], factor: float | None) -> None:
    script = [{"play": "word.wav"}, {"t": 2.0, "digit": "5"}, {"t": 2.5, "play": "word.wav"}]
    soundfile.write(tmp_path / "word.wav", tone(440, 8000, 0.4), 8000)
    (tmp_path / "script.jsonl").write_text("\n".join(map(json.dumps, script)))
    serving = serve("--calls", "1")
    subprocess.run(
        [*COMMAND, "replay", "script.jsonl", serving.target, "--capture", "old.pcapng"], cwd=tmp_path, check=True,
        capture_output=True,
    )  # fmt: skip
    serving.end(0)
    old = [item.at_s for item in open_capture(tmp_path / "old.pcapng") if isinstance(item, Captured)]
    serving = serve("--calls", "1")
    done = run(
        "replay", tmp_path / "old.pcapng", serving.target, "--capture", tmp_path / "new.pcapng", "--json", *arguments
    )
    assert done.returncode == 0
    serving.end(0)
    near_s = 0.03 + json.loads(done.stdout)["worst_lateness_ms"] / 1000  # of a busy machine
    new = [item.at_s for item in open_capture(tmp_path / "new.pcapng")
           if isinstance(item, Captured) and item.side is Side.CALLER]  # fmt: skip
    caller = [item.at_s for item in open_capture(tmp_path / "old.pcapng")
              if isinstance(item, Captured) and item.side is Side.CALLER]  # fmt: skip
    assert len(old) > len(caller)
    if factor is None:
        assert max(np.diff(new)) == pytest.approx(0.5, abs=near_s)
    else:
        longest = [s * factor for s in sorted(np.diff(caller))[-2:]]
        assert sorted(np.diff(new))[-2:] == pytest.approx(longest, abs=near_s)
        assert new[-1] == pytest.approx(caller[-1] * factor, abs=near_s)
    assert len(new) == len(caller)


@pytest.mark.parametrize("arguments", [["--timing", "fast"], ["--speed", "10"]], ids=["fast", "ten times"])
def test_nothing_is_lost_at_high_speed(serve: Serve, tmp_path: Path, arguments: list[str]) -> None:
    said = np.random.default_rng(2).integers(-9000, 9000, 16000).astype(np.int16)
    old = captured_play(serve, tmp_path, said)
    serving = serve("--record", "calls", "--json", "--calls", "20")
    done = run("replay", old, serving.target, "--calls", "20", "--json", *arguments)
    assert done.returncode == 0
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result["complete"] for result in results] == [True] * 20
    serving.end(0)
    for result in results:
        heard, _ = soundfile.read(tmp_path / "calls" / f"{result['call']['uuid']}.wav", dtype="int16")
        assert np.array_equal(heard[: len(said)], said)


BOT = """
import json, sys
late, first, answer, deaf = float(sys.argv[1]), *map(int, sys.argv[2:4]), sys.argv[4]
import array, math
def word(hz): return array.array("h", [int(9000 * math.sin(hz * (n / 8000) * (1 + n / 9000))) for n in range(4000)])
def say(hz): sys.stdout.buffer.write(word(hz).tobytes()); sys.stdout.buffer.flush()
sys.stdin.buffer.read(int(16000 * late))  # so much of the call, however long this program takes to start
say(first)
for line in open(3, "r+b", buffering=0):
    event = json.loads(line)
    if event["event"] == "hangup": break
    if event.get("digit") and event["digit"] != deaf: say(answer)
"""


@pytest.fixture
def bot(serve: Serve, tmp_path: Path) -> Callable[..., Serving]:
    """Start a bot: how late it begins, what it says first and to a digit (in Hz), which digit it does not hear."""
    (tmp_path / "bot.py").write_text(BOT)

    def start(late_s: float = 1.0, first: int = 1000, answer: int = 2500, deaf: str = "x") -> Serving:
        command = f"python3 {tmp_path}/bot.py {late_s} {first} {answer} {deaf}"
        return serve("--exec-rate", "8000", "--calls", "1", "--exec", command)

    return start


PATIENT = ["--tolerance", "0.8s"]
"""What a bot on a busy machine may be late by."""

_OLD: dict[str, bytes] = {}


@pytest.fixture
def old(bot: Callable[..., Serving], tmp_path: Path) -> Path:
    """The capture of a call with the bot as it should be; made once."""
    path = tmp_path / "old.pcapng"
    if not _OLD:
        assert run("inject-dtmf", "12", bot().target, "--gap", "0.9", "--after", "2.6", "--wait", "1",
                   "--capture", path).returncode == 0  # fmt: skip
        _OLD["capture"] = path.read_bytes()
    path.write_bytes(_OLD["capture"])
    return path


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"first": 300}, [("speech", r"sounds different")]),
        ({"deaf": "2"}, [(r"speech of 0.5\d s", "is missing")]),
    ],
    ids=["the same", "another prompt", "a digit missed"],
)
def test_an_answer_is_compared_with_the_recorded_one(
    bot: Callable[..., Serving], old: Path, changed: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    done = run("replay", old, bot(**changed).target, "--expect", old, "--json", *PATIENT)
    found = json.loads(done.stdout)["differences"]
    assert done.returncode == (1 if expected else 0), found
    assert len(found) == len(expected), found
    for one, (what, difference) in zip(found, expected, strict=True):
        assert re.fullmatch(what, one["what"]), found
        assert re.match(difference, one["difference"]), found


def test_an_answer_that_is_slower_is_so_by_how_much(bot: Callable[..., Serving], old: Path) -> None:
    done = run("replay", old, bot(late_s=1.5).target, "--expect", old, "--json")
    first, *others = json.loads(done.stdout)["differences"]
    assert done.returncode == 1
    later = re.fullmatch(r"begins (\d+) ms later", first["difference"])
    assert later is not None, first
    later_ms = (first["seen_s"] - first["expected_s"]) * 1000
    assert 450 < int(later[1]) == pytest.approx(later_ms, abs=1.6)  # of three rounded times
    assert all("later" in other["difference"] for other in others), others  # on a busy machine


def test_differences_are_a_table(bot: Callable[..., Serving], old: Path) -> None:
    done = run("replay", old, bot(deaf="2").target, "--expect", old, *PATIENT)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    at = lines.index("the answer differs in 1 place:")
    assert lines[at + 1].split() == ["expected", "seen", "what", "difference"]
    assert lines[at + 2].split()[1:] == ["s", "-", "speech", "of", "0.50", "s", "is", "missing"]


def test_a_script_is_played_and_judged(bot: Callable[..., Serving], tmp_path: Path) -> None:
    script = """
        # A comment, and an empty line.

        {"silence_ms": 2500}
        {"digit": "5"}
        {"expect": "audio", "within_ms": 10000}
        {"expect": "silence", "within_ms": 15000}
        {"expect": "hangup", "within_ms": 300}
    """
    (tmp_path / "script.jsonl").write_text(script)
    done = run("replay", tmp_path / "script.jsonl", bot().target)
    assert done.returncode == 1
    assert "line 8: expected hangup within 300 ms, which did not come" in done.stdout.splitlines()
    assert "line 6" not in done.stdout


@pytest.mark.parametrize(
    ("script", "arguments", "code", "message"),
    [
        ('{"digit": "5"}\n{"expect": "audio", "within": 800}', [], 5,
         'line 2: "within" does not go with "expect": choose from expect, t, within_ms'),
        ('{"digit": "5"}\n{"expct": "audio"}', [], 5,
         'cannot replay script.jsonl: line 2: it has nothing to send'),
        ('{"play": "a\\u0000b"}', [], 5, "no file can have that name"),
        ('{"silence_ms": 86400000, "kind": "slin192"}\n{"expect": "audio", "within_ms": 1' + 400 * "0" + "}", [], 5,
         "which is more than a year"),
        ('{"silence_ms": 86400000}\n' * 2, [], 5, "line 2: the script lasts more than a day up to here"),
        ('{"hangup": true, "\\u001b[2J\\r": 1}', [], 5, r'line 1: "\u001b[2J\r" does not go with "hangup"'),
        ('{"hangup": false}', [], 5, '"hangup" is False: write true, or leave the line out'),
        ('{"digit": "5"}\n{"hangup": true}', ["--from", "1"], 2,
         "--call, --from and --to are for captures: a script is played whole"),
        ('{"digit": "5"}', ["--from", "3"], 6, "the caller says nothing where --from says"),
        ('{"digit": "5"}', ["--from", "3", "--to", "2"], 2, "--from 3 is not before --to 2"),
        ('{"digit": "5"}', ["--expect", "script.jsonl", "--speed", "2"], 2,
         "--expect compares times, which --speed changes: leave one of them out"),
        ('{"expect": "joy"}', [], 5, "line 1: cannot expect 'joy': choose from audio, silence, hangup"),
        ('{"silence_ms": "x"}', [], 5, "line 1: \"silence_ms\" is 'x', which is not a number of milliseconds: write"),
        ('{"play": "nowhere.wav"}', [], 5, "line 1: cannot read nowhere.wav: no such file or directory"),
        ('{"play": "x.wav", "kind": "dtmf"}', [], 5, "line 1: kind dtmf carries no audio"),
        ('{"digit": "5"}\n{"hangup": true}', ["--timing", "fast"], 2,
         "--timing fast is for captures: a script has its own times"),
        ('{"t": 1, "event": "closed"}', [], 6, "the caller says nothing in it"),
        ("", [], 5, "it is empty"),
        ('{"digit": "5"}', ["--uuid", "same"], 2, "--uuid same needs a capture with a UUID: this one has none"),
        ('{"digit": "5"}', ["--uuid", "x"], 2, "--uuid x is not a UUID: write new, same, or"),
        ('{"digit": "5"}', ["--expect", "nowhere"], 5, "cannot read nowhere: no such file or directory"),
        ('{"digit": "5"}', ["--calls", "2", "--record", "x.wav"], 2, "x.wav has room for one call, not 2"),
        ('{"digit": "5"}', [], 3, "cannot connect to 127.0.0.1:1: connection refused"),
    ],
    ids=["unknown key", "half a script", "no file name", "a day of silence", "days of silence",
         "what a terminal obeys", "no hangup", "part of a script",
         "nothing there", "from behind to",
         "other times", "expectation", "number", "file", "kind", "timing", "nothing", "empty", "no uuid", "bad uuid",
         "no expected",
         "one file for two", "nobody there"],
)  # fmt: skip
def test_what_cannot_be_replayed_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.jsonl").write_text(script)
    done = run("replay", "script.jsonl", "127.0.0.1:1", *arguments)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("script", "failures"),
    [
        ('{"silence_ms": 100}\n{"expect": "audio", "within_ms": 200}',
         ["line 2: expected audio within 200 ms, which did not come"]),
        ('{"expect": "hangup", "within_ms": 300}', ["line 1: expected hangup within 300 ms, which did not come"]),
        ('{"expect": "silence", "within_ms": 2000}', []),
    ],
    ids=["audio", "hangup", "met"],
)  # fmt: skip
def test_what_a_script_expects_of_a_caller_is_judged_too(
    answer: Answer, tmp_path: Path, script: str, failures: list[str]
) -> None:
    (tmp_path / "script.jsonl").write_text(script)
    soundfile.write(tmp_path / "silence.wav", np.zeros(8000 * 3, np.int16), 8000)
    replaying = answer("replay", "script.jsonl")
    run("play", tmp_path / "silence.wav", replaying.target)
    code, _, err = replaying.end(0)
    assert [line for line in err.splitlines() if line.startswith("line ")] == failures
    assert code == (1 if failures else 0)


def test_of_many_calls_the_good_ones_are_counted(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"digit": "1"}\n{"expect": "audio", "within_ms": 100}')
    serving = serve("--calls", "3")
    done = run("replay", tmp_path / "x.jsonl", serving.target, "--calls", "3")
    assert done.returncode == 1
    assert done.stderr == "3 calls: 0 as expected, 3 not\n"
    assert sum(line.startswith("call ") for line in done.stdout.splitlines()) == 3


def test_a_damaged_capture_is_played_up_to_the_damage(serve: Serve, tmp_path: Path) -> None:
    old = captured_play(serve, tmp_path, signal((440, 0.5)))
    old.write_bytes(old.read_bytes()[:-1000])
    serving = serve("--calls", "1")
    done = run("replay", old, serving.target)
    assert done.returncode == 5
    assert "damaged at byte" in done.stderr
    assert "sent " in done.stdout


def test_lines_of_a_damaged_capture_are_played_up_to_the_damage_too(serve: Serve, tmp_path: Path) -> None:
    old = captured_play(serve, tmp_path, signal((440, 0.5)))
    old.write_bytes(old.read_bytes()[:-1000])
    lines = run("dump", old, "--json").stdout
    assert '"event": "damage"' in lines
    serving = serve("--calls", "1")
    done = run("replay", "-", serving.target, stdin=lines[:-40].encode())
    assert done.returncode == 5
    assert "sent " in done.stdout


def test_the_servers_side_is_played_to_a_caller(answer: Answer, serve: Serve, tmp_path: Path) -> None:
    prompt = signal((440, 0.5), (0, 0.7), (700, 0.4))
    soundfile.write(tmp_path / "prompt.wav", prompt, 8000)
    serving = serve("--play", tmp_path / "prompt.wav", "--hangup", "--capture", "bot.pcapng", "--calls", "1")
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(8000 * 4, np.int16), 8000)
    run("play", silence, serving.target, "--until-hangup")
    serving.end(0)
    replaying = answer("replay", "bot.pcapng")
    done = run("play", silence, replaying.target, "--until-hangup", "--record", tmp_path / "heard.wav", "--json")
    result = json.loads(done.stdout)["call"]
    assert (result["ended_by"], result["ended_how"]) == ("server", "hangup")
    assert replaying.end(0)[0] == 0
    heard, _ = soundfile.read(tmp_path / "heard.wav", dtype="int16")
    lag = int(np.argmax(np.correlate(heard.astype(float), prompt.astype(float), "valid")))
    assert np.array_equal(heard[lag : lag + len(prompt)], prompt)


def test_the_uuid_is_a_new_one_that_of_the_capture_or_any(serve: Serve, tmp_path: Path) -> None:
    old = captured_play(serve, tmp_path, signal((440, 0.1)), "--uuid", str(UUID(int=7)))
    seen = {}
    for wanted in ("new", "same", str(UUID(int=8))):
        serving = serve("--json", "--calls", "1")
        assert run("replay", old, serving.target, "--uuid", wanted).returncode == 0
        seen[wanted] = json.loads(serving.wait_for('"ended"'))["uuid"]
    assert seen["same"] == str(UUID(int=7))
    assert seen[str(UUID(int=8))] == str(UUID(int=8))
    assert seen["new"] not in (str(UUID(int=7)), str(UUID(int=8)))


def test_a_loop_repeats_the_call(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"t": 0.1, "digit": "1"}\n{"t": 0.3, "digit": "2"}')
    serving = serve("--json", "--calls", "1")
    assert run("replay", tmp_path / "x.jsonl", serving.target, "--loop", "3").returncode == 0
    call = json.loads(serving.wait_for('"ended"'))["call"]
    assert "".join(press["digit"] for press in call["dtmf"]) == "121212"


def test_the_end_of_the_recorded_call_is_read(serve: Serve, tmp_path: Path) -> None:
    old = captured_play(serve, tmp_path, signal((440, 0.3)))
    ends = [item for item in open_capture(old) if isinstance(item, Ended)]
    assert [item.side for item in ends] == [Side.CALLER, Side.SERVER]
    script = read_script(open_capture(old), Side.CALLER)
    assert script.end_s is not None
    assert (script.ended_by, script.end_s > 0.29) == (Side.CALLER, True)
    assert encode(uuid_frame(script.uuid or UUID(int=0))) in old.read_bytes()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (with_a_hole(Side.CALLER),
         r"x\.pcap: 1615 bytes of the caller are missing from the capture: tcpdump -s 0 -B 16384 keeps more"),
        (with_a_hole(Side.SERVER),
         r"x\.pcap: 1615 bytes of the server are missing .* keeps more; the answer is compared with the rest"),
        (cut(), r"audiosocket: error: cannot replay x\.pcap: 6353 bytes of the caller are missing .*"),
        (encrypted(), r"audiosocket: error: cannot replay x\.pcap: left out 21 packets in IPsec \(ESP\), encrypted"),
    ],
    ids=["caller", "server", "cut", "encrypted"],
)  # fmt: skip
def test_what_the_capture_lacks_is_said_first(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "x.pcap").write_bytes(content)
    done = run("replay", tmp_path / "x.pcap", "127.0.0.1:1", "--expect", "same")
    assert done.returncode != 0
    assert re.fullmatch(says, done.stderr.splitlines()[0].replace(f"{tmp_path}/", ""))
