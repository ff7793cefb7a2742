"""`audiosocket talk` with a microphone and a loudspeaker: real streams of a real sound server, without a card."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.files import HELLO
from support.likeness import alikeness
from support.running import COMMAND, Serve, missing, rest_of, run
from support.sound_server import SoundServer, sound_server
from support.terminal import Terminal

__all__ = ["sound_server"]

CARDS = ["--input-device", "phone-mic", "--output-device", "ear"]


FORBID = """
import ctypes, os, sys
assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0  # PR_SET_MDWE
os.execvp(sys.argv[1], sys.argv[1:])
"""


def heard_of_hello(path: Path) -> float:
    """Return how alike what was recorded is to the few spoken words."""
    return alikeness(soundfile.read(HELLO, dtype="int16")[0], np.fromfile(path, np.int16))


def talking(server: SoundServer, *words: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "talk", *words], cwd=cwd, env=server.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


@pytest.mark.parametrize("rate", ["8000", "16000"])
def test_what_is_spoken_goes_through_a_server_to_the_ear(
    serve: Serve, sound_server: SoundServer, tmp_path: Path, rate: str
) -> None:
    serving = serve("--echo")
    with sound_server.recording(tmp_path / "ear.raw", "ear", 8000):
        process = talking(sound_server, serving.target, *CARDS, "--rate", rate, "--json", cwd=tmp_path)
        serving.wait_for("call")
        time.sleep(0.5)
        sound_server.play(HELLO, "phone")
        time.sleep(0.7)
        process.send_signal(signal.SIGINT)
        out, err = rest_of(process)
    assert (process.returncode, err) == (130, "")
    result = json.loads(out)
    for end, name in (("microphone", "phone-mic"), ("loudspeaker", "ear")):
        facts = result[end]
        assert (facts["name"], facts["rate_hz"], facts["error"]) == (name, int(rate), None)
        assert facts["dropped_ms"] + facts["padded_ms"] < 1000, facts  # of a machine that stood still
    assert heard_of_hello(tmp_path / "ear.raw") > 0.85
    assert result["call"]["caller"]["level_dbfs"] == pytest.approx(result["call"]["server"]["level_dbfs"], abs=1)


def test_a_microphone_and_a_file(serve: Serve, sound_server: SoundServer, tmp_path: Path) -> None:
    serving = serve("--echo")
    words = ["--input", str(HELLO), "--output-device", "ear", "--wait", "0.5"]
    with sound_server.recording(tmp_path / "ear.raw", "ear", 8000):
        process = talking(sound_server, serving.target, *words, cwd=tmp_path)
        out, err = rest_of(process)
    assert (process.returncode, err) == (0, "")
    assert "loudspeaker ear at 8000 Hz" in out
    assert heard_of_hello(tmp_path / "ear.raw") > 0.85


def test_the_line_of_a_terminal_shows_both(serve: Serve, sound_server: SoundServer, tmp_path: Path) -> None:
    serving = serve("--echo")
    env = {name: value for name, value in sound_server.environment.items() if os.environ.get(name) != value}
    with Terminal("talk", serving.target, *CARDS, cwd=tmp_path, **env) as terminal:
        terminal.wait_for("0:00  you")
        sound_server.play(HELLO, "phone")
        terminal.type("5q")
        assert terminal.end(0) == 0
    assert re.search("you █{3,}.*they █{3,}", terminal.text)
    delays = [(int(mic), int(ear)) for mic, ear in re.findall(r"delay (\d+) \+ (\d+) ms", terminal.text)]
    assert delays[-1][0] >= 30
    assert delays[-1][1] >= 60
    assert min(map(max, delays)) < 300  # the least, of a machine that may stand still
    assert "digits 5" in terminal.text


def test_a_sound_server_that_dies_does_not_end_the_call(
    serve: Serve, sound_server: SoundServer, tmp_path: Path
) -> None:
    serving = serve("--echo")
    process = talking(sound_server, serving.target, *CARDS, "--json", cwd=tmp_path)
    serving.wait_for("call")
    time.sleep(0.5)
    sound_server.stop()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2.5)
    process.send_signal(signal.SIGINT)
    out, err = rest_of(process)
    assert process.returncode == 130
    assert [line for line in err.splitlines() if not line.startswith("Expression ")] == []  # PortAudio's own
    result = json.loads(out)
    assert "the microphone is lost: the sound card has stopped [sound-card]" in result["call"]["findings"]
    assert "the loudspeaker is lost: the sound card has stopped [sound-card]" in result["call"]["findings"]


def test_the_devices_are_listed(sound_server: SoundServer) -> None:
    done = run("talk", "--list-devices", **sound_server.environment)
    assert (done.returncode, done.stderr) == (0, "")
    header, *lines = done.stdout.splitlines()
    assert header.split() == ["input", "output", "rate", "name"]
    assert {"phone", "phone-mic", "ear", "room", "default"} <= {line.split()[-1] for line in lines}
    assert [line.split()[-1] for line in lines if "*" in line] == ["default"]
    done = run("talk", "--list-devices", "--json", **sound_server.environment)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {each["schema"] for each in found} == {"audiosocket.device/1"}
    assert [each["name"] for each in found if each["is_default_input"]] == ["default"]


def test_a_wrong_device_is_one_line(sound_server: SoundServer) -> None:
    done = run("talk", "--output-device", "tuba", **sound_server.environment)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "--output-device 'tuba' is not here: choose from 0 phone, 1 ear" in done.stderr


def test_where_the_system_forbids_callbacks_it_is_one_line(sound_server: SoundServer) -> None:
    if subprocess.run([sys.executable, "-c", FORBID, "true"], capture_output=True, check=False).returncode:
        missing("this kernel has no PR_SET_MDWE (Linux 6.3)")
    done = run("talk", *CARDS, on=[sys.executable, "-c", FORBID], **sound_server.environment)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert "memory that is writable and executable" in done.stderr


def test_names_are_offered_to_a_shell(sound_server: SoundServer) -> None:
    asked = {"_AUDIOSOCKET_COMPLETE": "bash_complete", "COMP_CWORD": "3",
             "COMP_WORDS": "audiosocket talk --input-device pho"}  # fmt: skip
    done = run(**{**sound_server.environment, **asked})
    assert (done.stdout.split(), done.stderr) == (["plain,phone", "plain,phone-mic"], "")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--list-devices"], 6, "there is no sound card here: talk needs --input FILE and --output FILE"),
        ([], 2, "there is no loudspeaker here: connect one, or use --output FILE in its place"),
        (["--output", "x.wav"], 2, "there is no microphone here: connect one, or use --input FILE in its place"),
    ],
    ids=["list", "nothing", "a file to write"],
)
def test_without_a_card_it_is_one_line(
    sound_server: SoundServer, tmp_path: Path, words: list[str], code: int, says: str
) -> None:
    nowhere = {**sound_server.environment, "PULSE_SERVER": f"unix:{tmp_path}/nowhere"}
    done = subprocess.run([*COMMAND, "talk", *words], cwd=tmp_path, env=nowhere, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
    assert says in done.stderr
