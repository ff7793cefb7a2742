"""The example bots of the documentation, each as its page starts it: callers talk to them, and hear their answers."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from audiosocket_cli.audio.pcm import Samples
from support import bots_environment
from support.pages import DOCS, PAGES, save_files
from support.peers import free_port
from support.running import Serve, Serving, missing, need, rest_of, run
from support.talking import RATE_HZ, heard_of, voice, write_caller
from support.testbed import Place, heard_at_far_end

GREETING = "Hello. Please say a digit, or press a key."
GOODBYE = "Thank you. Goodbye."
GREETED_S = 5.0
"""After this long a caller has heard the greeting."""
ANSWERED_S = 4.0
"""And after this long the answer to a word."""


HUSHED_S = 0.2
"""How long a bot may go on once it is interrupted."""

MOST = 0.75
"""Of a text: a busy machine lets a bot falter."""

DIGIT_S = 0.1
"""How long a key of the testbed's caller is pressed; it is told of when it is let go."""


def voice_at(text: str, rate_hz: int) -> Samples:
    return np.asarray(soxr.resample(voice(text), RATE_HZ, rate_hz))


def heard(word: str) -> str:
    return f"I heard {word}. Do you want another one?"


def command_line(bot: str) -> str:
    """Return the command of the page that starts a server with a bot."""
    (line,) = re.findall(rf"^audiosocket serve .*{bot}.*$", PAGES[DOCS / "talk-to-a-bot.md"], re.MULTILINE)
    return str(line)


@pytest.fixture(scope="module")
def pipecat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The bots on pipecat: where they listen, and the port on which they think that calls are hung up."""
    if not bots_environment.python().exists():
        missing("the bots' environment is not there (.venv/bin/python tests/support/bots_environment.py)")
    need("flite")
    folder, api_port = tmp_path_factory.mktemp("bots"), free_port()
    save_files(folder)
    process = subprocess.Popen(
        [bots_environment.python(), "-m", "uvicorn", "talk_asterisk:app", "--port", "0"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TWILIO_BASE_URL": f"http://127.0.0.1:{api_port}"},
    )  # fmt: skip
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        if found := re.search(r"running on http://(\S+)", line):
            break
    assert found, told
    drained = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
    yield f"ws://{found[1]}", api_port
    process.terminate()
    rest_of(process)
    drained.wait(10)


@pytest.fixture
def start(serve: Serve, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Serving]:
    """Start a server with a bot."""

    def begin(bot: str) -> Serving:
        need("flite")
        save_files(tmp_path)
        line = command_line(bot)
        if "--bridge" in line:
            url, api_port = request.getfixturevalue("pipecat")
            line = line.replace("ws://127.0.0.1:7860", url).replace("127.0.0.1:9080", f"127.0.0.1:{api_port}")
        words = shlex.split(line.replace("./talk_program.py", f"{sys.executable} talk_program.py"))
        return serve("--json", *words[2:])

    return begin


each_bot = pytest.mark.parametrize("bot", ["talk_program", "talk_function", "7860/twilio", "7860/asterisk"])


def sides(serving: Serving, folder: Path) -> tuple[dict[str, Any], Samples, Samples, int]:
    """Wait for a call's end, and return its JSON, both sides of its recording, and their rate."""
    call = json.loads(serving.wait_for('"event": "ended"'))["call"]
    samples, rate_hz = soundfile.read(folder / "calls" / call["recording"]["files"][0], dtype="int16")
    return call, samples[:, 0], samples[:, 1], rate_hz


@each_bot
def test_a_bot_hears_words_and_hangs_up_after_a_no(bot: str, start: Callable[[str], Serving], tmp_path: Path) -> None:
    serving = start(bot)
    write_caller(tmp_path / "caller.wav", GREETED_S, "five", ANSWERED_S, "no")
    done = run("play", tmp_path / "caller.wav", serving.target, "--until-hangup", "--wait", "60",
               "--record", tmp_path / "heard.wav")  # fmt: skip
    assert done.returncode == 0, done.stderr
    samples, rate_hz = soundfile.read(tmp_path / "heard.wav", dtype="int16")
    assert rate_hz == RATE_HZ
    greeting = heard_of(samples, voice(GREETING))
    answer, goodbye = (heard_of(samples, voice(text), after_s=GREETED_S) for text in (heard("five"), GOODBYE))
    assert min(greeting.share, answer.share, goodbye.share) > MOST
    assert greeting.begun_s < GREETED_S < answer.begun_s
    assert answer.ended_s < goodbye.begun_s
    call, *_ = sides(serving, tmp_path)
    assert (call["ended_by"], call["ended_how"]) == ("server", "hangup")
    if bot in ("talk_program", "talk_function"):
        assert call["result"] == "5"


@each_bot
def test_a_bot_takes_keys(bot: str, start: Callable[[str], Serving], tmp_path: Path) -> None:
    serving = start(bot)
    done = run("inject-dtmf", "70", serving.target, "--after", f"{GREETED_S}s", "--gap", f"{ANSWERED_S}s", "--wait",
               "60", "--expect-hangup", "--record", tmp_path / "heard.wav")  # fmt: skip
    assert done.returncode == 0, done.stderr
    samples, _ = soundfile.read(tmp_path / "heard.wav", dtype="int16")
    for text in (heard("seven"), GOODBYE):
        assert heard_of(samples, voice(text)).share > MOST, text


@each_bot
def test_a_bot_falls_silent_for_who_interrupts_it(bot: str, start: Callable[[str], Serving], tmp_path: Path) -> None:
    serving = start(bot)
    write_caller(tmp_path / "caller.wav", 2.4, "nine", 4.0)
    done = run("inject-dtmf", "4", serving.target, "--audio", tmp_path / "caller.wav", "--after", "5.2s", "--wait", "4")
    assert done.returncode == 0, done.stderr
    call, caller, server, rate_hz = sides(serving, tmp_path)
    # By voice, in the greeting.
    spoke_s = heard_of(caller, voice_at("nine", rate_hz), rate_hz).begun_s + first_loud_s(voice("nine"))
    greeting = heard_of(server, voice_at(GREETING, rate_hz), rate_hz)
    assert greeting.begun_s < spoke_s
    assert greeting.ended_s < spoke_s + HUSHED_S
    assert greeting.share < 0.8
    # By a key, in the answer.
    (pressed,) = call["dtmf"]
    answer = heard_of(server, voice_at(heard("nine"), rate_hz), rate_hz, spoke_s)
    assert answer.begun_s < pressed["at_s"]
    assert answer.ended_s < pressed["at_s"] + HUSHED_S
    assert answer.share < 0.8
    assert heard_of(server, voice_at(heard("four"), rate_hz), rate_hz, pressed["at_s"]).share > MOST


def first_loud_s(samples: Samples) -> float:
    """Return when a sound is loud for the first time, in seconds."""
    return float(next(place for place, sample in enumerate(samples) if abs(int(sample)) > 1000)) / RATE_HZ


@pytest.mark.asterisk
@pytest.mark.parametrize("bot", ["7860/twilio", "7860/asterisk"])
@pytest.mark.parametrize(
    "options",
    [["--interface", "app"], ["--interface", "channel", "--format", "slin16"]],
    ids=["application", "channel-slin16"],
)
def test_a_caller_of_a_real_asterisk_talks_to_a_bot(
    bot: str, options: list[str], start: Callable[[str], Serving], place: Place, tmp_path: Path
) -> None:
    serving = start(bot)
    write_caller(tmp_path / "no.wav", "no")
    far = f"silence 2, digits 4, silence {ANSWERED_S}, play {tmp_path / 'no.wav'}, silence 8"
    account = place(serving, far, *options, "--record-far")
    call, caller, server, rate_hz = sides(serving, tmp_path)
    assert account["dialplan_continued"]
    assert (call["ended_by"], call["ended_how"]) == ("server", "hangup")
    assert [press["digit"] for press in call["dtmf"]] == ["4"]
    assert call["findings"] == []

    # What Asterisk heard: the greeting until the key, the answer to the key, and to the word.
    heard_hz = 4 * RATE_HZ  # conversions moved it by a part of a sample
    far, far_hz = heard_at_far_end(account)
    far = soxr.resample(far, far_hz, heard_hz)
    far_began = account["recordings"][-1]["started_at"]
    there = heard_of(far, voice_at(GREETING, heard_hz), heard_hz)
    pressed = account["steps"][1]["started_at"] + DIGIT_S - far_began
    assert pressed - 0.3 < there.ended_s < pressed + HUSHED_S
    for text in (heard("four"), GOODBYE):
        assert heard_of(far, voice_at(text, heard_hz), heard_hz).share > MOST, text

    # And our recording has both sides where they were said.
    began = datetime.fromisoformat(call["started_at"]).timestamp()
    here = heard_of(server, voice_at(GREETING, rate_hz), rate_hz)
    assert here.ended_s < call["dtmf"][0]["at_s"] + HUSHED_S
    assert began + here.begun_s == pytest.approx(far_began + there.begun_s, abs=0.08)
    said_s = heard_of(caller, voice_at("no", rate_hz), rate_hz).begun_s
    assert began + said_s == pytest.approx(account["steps"][3]["started_at"], abs=0.06)
    assert len(caller) / rate_hz == pytest.approx(account["near_ended_at"] - account["near_started_at"], abs=0.1)
