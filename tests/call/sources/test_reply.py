"""How fast the other side answers, and what is no answer: `play`, `inject-dtmf` and scripts against bots."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.pcm import tone
from support.bots import HANGUP, SILENCE, SPEECH, Closed, Heard, Script, bot
from support.running import Serving, run

Answer = Callable[..., Serving]


def quiet(heard: Heard) -> bytes:
    return SILENCE


def talks(heard: Heard) -> bytes:
    return SPEECH


def mute(heard: Heard) -> None:
    return None


def answers(after_s: float, for_s: float = 5.0) -> Script:
    """Speak so long after the caller's last speech."""

    def script(heard: Heard) -> bytes:
        since_s = None if heard.spoken_s is None else heard.now_s - heard.spoken_s
        return SPEECH if since_s is not None and after_s <= since_s < after_s + for_s else SILENCE

    return script


def talks_then_answers(heard: Heard) -> bytes:
    """Speak at the same time as the caller, and for 0.3 s after, then pause, then answer."""
    since_s = None if heard.spoken_s is None else heard.now_s - heard.spoken_s
    return SILENCE if since_s is not None and 0.3 <= since_s < 1.0 else SPEECH


@pytest.fixture
def question(tmp_path: Path) -> Path:
    """0.6 s of speech, and 0.4 s of silence after it."""
    path = tmp_path / "question.wav"
    soundfile.write(path, np.concatenate([tone(440, 8000, 0.6), np.zeros(3200, np.int16)]), 8000)
    return path


@pytest.mark.parametrize(
    ("script", "options", "code", "after_ms", "already"),
    [
        (answers(0.7), ["--expect-audio-within", "3"], 0, 700, False),
        (answers(0.7), ["--expect-audio-within", "0.4"], 1, None, False),
        (answers(0.7), ["--wait", "2"], 0, 700, False),
        (answers(0.2), [], 0, 200, False),
        (answers(0.7), [], 0, None, False),
        (quiet, ["--expect-audio-within", "0.5"], 1, None, False),
        (mute, ["--expect-audio-within", "500ms"], 1, None, False),
        (talks, ["--expect-audio-within", "0.6"], 1, None, True),
        (talks_then_answers, ["--expect-audio-within", "3"], 0, 1000, True),
    ],
    ids=[
        "in time", "too late", "measured without being expected", "within the file's silence", "no time to",
        "never", "not one frame", "speech that goes on", "speech that goes on, and an answer",
    ],
)  # fmt: skip
def test_play_tells_how_fast_it_is_answered(
    question: Path, script: Script, options: list[str], code: int, after_ms: float | None, already: bool
) -> None:
    with bot(script) as target:
        done = run("play", question, target, "--json", *options)
    result = json.loads(done.stdout)
    assert (done.returncode, bool(result["failures"])) == (code, code == 1), result["failures"]
    assert result["spoke_already"] == already
    if after_ms is None:
        assert result["answered_after_ms"] is None
    else:
        # A busy machine is late, never early; with the speech before the silence it would be 600 ms more.
        assert after_ms - 45 <= result["answered_after_ms"] < after_ms + 580
        assert result["answer_dbfs"] == pytest.approx(-15.3, abs=0.5)
        assert result["answer_lasted_ms"] > 0


def test_an_echo_is_no_answer(serve: Answer, question: Path) -> None:
    done = run("play", question, serve("--echo").target, "--expect-audio-within", "0.5", "--json")
    result = json.loads(done.stdout)
    assert (done.returncode, result["answered_after_ms"]) == (1, None)


def test_play_says_it_in_words(question: Path) -> None:
    with bot(answers(0.5)) as target:
        done = run("play", question, target, "--expect-audio-within", "3")
        assert done.returncode == 0
        assert done.stdout.splitlines()[-1].startswith("answered ")
        assert "ms after the end of our speech, for 0." in done.stdout
        assert done.stdout.splitlines()[-1].endswith(" s at -15.3 dBFS")
    with bot(quiet) as target:
        done = run("play", question, target, "--expect-audio-within", "0.3")
    says = "expected speech within 0.3 s of the end of ours: there was none"
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, says)


@pytest.mark.parametrize(("file", "code"), [("question", 0), ("silence", 1)])
def test_a_caller_who_is_played_to_is_expected_to_answer(
    answer: Answer, question: Path, tmp_path: Path, file: str, code: int
) -> None:
    soundfile.write(tmp_path / "prompt.wav", tone(440, 8000, 0.2), 8000)
    caller = np.zeros(8000 * 2, np.int16)
    if file == "question":
        caller[8000:] = tone(700, 8000, 1.0)
    soundfile.write(tmp_path / "caller.wav", caller, 8000)
    playing = answer("play", tmp_path / "prompt.wav", "--expect-audio-within", "1.2")
    run("play", tmp_path / "caller.wav", playing.target, "--wait", "3")
    returned, _, err = playing.end(0)
    assert returned == code, err
    assert ("after the end of our speech" in err) == (code == 0)
    assert ("expected speech within 1.2 s" in err) == (code == 1)


def test_speech_that_goes_on_is_no_answer_to_a_key() -> None:
    with bot(talks) as target:
        done = run("inject-dtmf", "1", target, "--after", "0.3", "--expect-audio-within", "0.6", "--json")
    result = json.loads(done.stdout)
    assert (done.returncode, result["spoke_already"], result["speech_after_last_digit_ms"]) == (1, True, None)
    assert "it was already speaking, which is not an answer" in result["failures"][0]


def ends(after_s: float, last: bytes = b"") -> Script:
    """End the call so long after the first digit."""

    def script(heard: Heard) -> bytes:
        if heard.digit_s is not None and heard.now_s - heard.digit_s >= after_s:
            raise Closed(last)
        return SILENCE

    return script


def goes_mute(heard: Heard) -> bytes | None:
    return SILENCE if heard.digit_s is None else None


@pytest.mark.parametrize(
    ("script", "reset", "options", "code", "says"),
    [
        (ends(0.2, HANGUP), False, [], 1, "the server hung up * ms after digit 1 (if that is expected, add *)"),
        (ends(0.2), False, [], 1, "the server closed the connection * ms after digit 1 (where *)"),
        (ends(0.2), True, [], 1, "the server reset the connection * ms after digit 1"),
        (ends(0.2, b"\xff\0\1\1"), False, [], 4, "the server broke the protocol * ms after digit 1"),
        (goes_mute, False, [], 1, "the server stopped sending audio: it sent nothing for * s"),
        (ends(0.2, HANGUP), False, ["--expect-hangup"], 0, None),
        (ends(0.2), False, ["--expect-hangup"], 0, None),
        (ends(0.2), True, ["--expect-hangup"], 1,
         "expected a hangup within 10 s of the last digit: the server reset the connection * ms after digit 1"),
        (quiet, False, [], 0, None),
        (mute, False, [], 0, None),
    ],
    ids=["hangup", "close", "reset", "error", "mute", "expected hangup", "expected close", "reset is no hangup",
         "goes on", "never said a thing"],
)  # fmt: skip
def test_a_key_that_ends_the_call_is_a_verdict(
    script: Script, reset: bool, options: list[str], code: int, says: str | None
) -> None:
    with bot(script, reset=reset) as target:
        done = run("inject-dtmf", "1", target, "--after", "0.7", *options)
    assert done.returncode == code, done.stdout
    last = done.stdout.splitlines()[-1]
    if says is None:
        assert last.startswith("ended by ")
    else:
        begin, *_, end = says.split("*")
        assert last.startswith(begin)
        assert last.endswith(end)


def test_an_expected_answer_may_be_followed_by_a_hangup() -> None:
    def answers_and_leaves(heard: Heard) -> bytes:
        since_s = 0.0 if heard.digit_s is None else heard.now_s - heard.digit_s
        if since_s > 0.8:
            raise Closed(HANGUP)
        return SPEECH if since_s > 0.4 else SILENCE

    with bot(answers_and_leaves) as target:
        options = ["--after", "0.3", "--expect-audio-within", "20", "--wait", "30", "--json"]
        done = run("inject-dtmf", "1", target, *options)
    result = json.loads(done.stdout)
    assert (done.returncode, result["failures"]) == (0, [])
    assert 350 <= result["speech_after_last_digit_ms"] < 10_000
    assert 700 <= result["ended_after_last_digit_ms"] < 20_000
    assert result["speech_dbfs"] == pytest.approx(-15.3, abs=0.5)


def test_a_call_that_ends_before_the_first_digit_says_so() -> None:
    def leaves(heard: Heard) -> bytes:
        raise Closed(HANGUP)

    with bot(leaves) as target:
        done = run("inject-dtmf", "1", target)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-2:] == [
        "the server hung up before the first digit", "pressed 0 of 1 digits before the call ended",
    ]  # fmt: skip


# Scripts.


def pieces(heard: Heard) -> bytes:
    """Speak for a second from the start on, be silent for a second, and so on."""
    return SPEECH if heard.now_s % 2 < 1 else SILENCE


def expectations(tmp_path: Path, script: str, target: str) -> tuple[int, list[dict[str, object]], list[str]]:
    (tmp_path / "script.jsonl").write_text(script)
    done = run("replay", tmp_path / "script.jsonl", target, "--json")
    result = json.loads(done.stdout)
    return done.returncode, result["expectations"], result["failures"]


def test_a_script_waits_for_speech_that_begins(tmp_path: Path) -> None:
    script = '{"silence_ms": 300}\n{"expect": "audio", "within_ms": 500}'
    with bot(talks) as target:
        code, (one,), failures = expectations(tmp_path, script, target)
    assert (code, one["met"], one["at_s"]) == (1, False, None)
    assert failures == ["line 2: expected audio within 500 ms, which did not come; it was already speaking"]
    with bot(pieces) as target:
        code, (one,), failures = expectations(tmp_path, script.replace("500", "5000"), target)
    assert (code, one["met"], failures) == (0, True, [])
    assert 1.8 <= one["at_s"] < 2.9  # while it spoke for the second time
    assert 1500 <= one["waited_ms"] < 2600


def test_each_expectation_tells_what_it_measured(tmp_path: Path) -> None:
    script = '{"expect": "silence"}\n{"expect": "audio"}\n{"expect": "silence"}\n{"expect": "hangup", "within_ms": 200}'
    with bot(pieces) as target:
        code, found, failures = expectations(tmp_path, script, target)
    assert (code, failures) == (1, ["line 4: expected hangup within 200 ms, which did not come"])
    assert [(one["line"], one["expect"], one["met"]) for one in found] == [
        (1, "silence", True), (2, "audio", True), (3, "silence", True), (4, "hangup", False),
    ]  # fmt: skip
    assert [one["at_s"] for one in found[:3]] == [pytest.approx(at_s, abs=0.8) for at_s in (1.0, 2.0, 3.0)]
    assert [one["lasted_ms"] for one in found[:3]] == [pytest.approx(length, abs=650) for length in (1000, 1000, 700)]
    assert [one["level_dbfs"] for one in found] == [-96.3, pytest.approx(-15.3, abs=0.5), -96.3, None]


def test_a_silence_that_is_there_already_is_met_at_once(tmp_path: Path) -> None:
    with bot(quiet) as target:
        code, (one,), _ = expectations(tmp_path, '{"silence_ms": 800}\n{"expect": "silence"}', target)
    assert (code, one["waited_ms"]) == (0, 0.0)


def test_what_was_heard_while_nothing_was_said_keeps_its_time(tmp_path: Path) -> None:
    """A script that waits for a time of the call hears on meanwhile: what it heard then is over by now."""

    def speaks_early(heard: Heard) -> bytes:
        answered = heard.digit_s is not None and heard.now_s - heard.digit_s > 0.1
        return SPEECH if heard.now_s < 0.5 or answered else SILENCE

    script = '{"silence_ms": 100}\n{"t": 1.5, "digit": "1"}\n{"expect": "audio", "within_ms": 15000}'
    with bot(speaks_early) as target:
        code, (one,), failures = expectations(tmp_path, script, target)
    assert (code, failures) == (0, [])
    assert 1.5 <= one["at_s"] < 10


def test_a_script_tells_in_words_what_it_measured(tmp_path: Path) -> None:
    (tmp_path / "script.jsonl").write_text('{"expect": "audio"}\n{"expect": "silence"}')

    def speaks_once(heard: Heard) -> bytes:
        return SPEECH if 0.4 < heard.now_s < 1 else SILENCE

    with bot(speaks_once) as target:
        done = run("replay", tmp_path / "script.jsonl", target)
    table = [line.split() for line in done.stdout.splitlines() if line.startswith("  ")]
    assert done.returncode == 0
    assert table[0] == ["line", "expected", "came", "at", "after", "lasted", "level"]
    assert table[1][:2] + table[1][-2:] == ["1", "audio", "-15.3", "dBFS"]
    assert table[2][:2] + table[2][-2:] == ["2", "silence", "-96.3", "dBFS"]


# The end of a call that is played again.


def leaves_after(frames: int, *, speaks_from: int = 10_000, last: bytes = HANGUP) -> Script:
    """Hang up when so many frames of audio have been heard, and speak from some number on."""

    def script(heard: Heard) -> bytes:
        if heard.audio_frames >= frames:
            raise Closed(last)
        return SPEECH if heard.audio_frames >= speaks_from or heard.audio_frames < 20 else SILENCE

    return script


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The capture of a call in which the bot spoke at the start and at the end, and hung up after 100 frames."""
    path = tmp_path / "kept.pcapng"
    with bot(leaves_after(100, speaks_from=85)) as target:
        run("inject-dtmf", "1", target, "--wait", "5", "--capture", path)
    return path


@pytest.mark.parametrize(
    ("script", "reset", "code"),
    [
        (leaves_after(100, speaks_from=85), False, 0),
        (leaves_after(99, speaks_from=85), False, 0),
        (leaves_after(95, speaks_from=80), False, 0),
        (leaves_after(106, speaks_from=85), False, 0),
        (leaves_after(70), False, 1),
        (leaves_after(125, speaks_from=85), False, 1),
        (leaves_after(100, speaks_from=10_000), False, 1),
        (leaves_after(100, speaks_from=85, last=b""), False, 1),
        (leaves_after(99, speaks_from=85, last=b""), True, 1),
    ],
    ids=["the same", "a frame early", "five early", "six late", "600 ms early", "500 ms late", "last words missing",
         "no hangup frame", "a reset"],
)  # fmt: skip
def test_the_tolerance_holds_for_the_end(kept: Path, script: Script, reset: bool, code: int) -> None:
    with bot(script, reset=reset) as target:
        done = run("replay", kept, target, "--expect", kept)
    assert done.returncode == code, done.stdout


@pytest.mark.parametrize(("frames", "code"), [(100, 0), (98, 0), (60, 1)])
def test_a_call_that_the_server_ended_may_end_a_little_sooner(kept: Path, frames: int, code: int) -> None:
    with bot(leaves_after(frames)) as target:
        assert run("replay", kept, target).returncode == code


def test_who_ends_a_call_first_is_no_matter_where_both_end_it(tmp_path: Path, question: Path) -> None:
    old = tmp_path / "old.pcapng"
    with bot(leaves_after(10_000)) as target:
        run("play", question, target, "--capture", old)  # 50 frames, and we close
    for frames, code in ((49, 0), (30, 1)):
        with bot(leaves_after(frames)) as target:
            assert run("replay", old, target, "--expect", old).returncode == code
