"""The README tells the truth: its help is current, its sessions run, its library example works."""

from __future__ import annotations

import doctest
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import COMMAND, Serving, need, rest_of, run

from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.cli import COMMANDS
from audiosocket_cli.errors import ExitCode

Serve = Callable[..., Serving]
ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SESSIONS = re.findall(r"```console\n\$ (.*?)\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_a_section_and_its_help(command: str) -> None:
    assert f"\n## `audiosocket {command}`\n" in README
    assert f"<code>audiosocket {command} --help</code>" in README


def test_the_help_is_current() -> None:
    loader = SourceFileLoader("readme_help", str(ROOT / "scripts" / "readme-help"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    script = module_from_spec(spec)
    loader.exec_module(script)
    assert script.with_help(README) == README, "run scripts/readme-help"


@pytest.mark.parametrize("code", ExitCode, ids=lambda code: code.name.lower())
def test_each_exit_code_is_explained(code: ExitCode) -> None:
    table = README[README.index("## Exit codes") : README.index("## A real Asterisk")]
    assert re.search(rf"^\|[^|]*\b{int(code)}\b", table, re.MULTILINE)


def test_the_library_example_works() -> None:
    blocks = "\n".join(re.findall(r"```pycon\n(.*?)```", README, re.DOTALL))
    test = doctest.DocTestParser().get_doctest(blocks, {}, "README", "README.md", 0)
    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


SHOWN = {shlex.split(command)[1]: (command, shown) for command, shown in SESSIONS}

OTHER_END = {
    "replay": "audiosocket serve --calls 1",
    "serve": SHOWN["play"][0],
    "record": SHOWN["play"][0],
    "play": SHOWN["serve"][0],
    "inject-dtmf": "audiosocket serve --calls 1",
    "bench": "audiosocket serve --echo --calls 5",
}
"""What is at the other end of the session of each command."""


def test_each_command_has_one_session_and_in_order() -> None:
    assert [shlex.split(command)[1] for command, _ in SESSIONS] == list(COMMANDS)


@pytest.fixture
def captured(serve: Serve, tmp_path: Path) -> None:
    """The capture that the sessions of `dump` and `replay` are about."""
    soundfile.write(tmp_path / "hi.wav", tone(440, 8000, 0.8), 8000)
    soundfile.write(tmp_path / "welcome.wav", tone(700, 8000, 1.74), 8000)
    serving = serve("--play", tmp_path / "welcome.wav", "--calls", "1")
    assert run("inject-dtmf", "5", serving.target, "--after", "2", "--audio", tmp_path / "hi.wav",
               "--capture", tmp_path / "call.pcapng").returncode == 0  # fmt: skip
    serving.end(0)


@pytest.mark.parametrize("name", ["dump", "wireshark"])
def test_the_session_of_each_command_without_another_end_runs_as_shown(
    name: str, captured: None, tmp_path: Path
) -> None:
    command, shown = SHOWN[name]
    done = subprocess.run(
        [*COMMAND, *shlex.split(command)[1:]],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True,
    )  # fmt: skip
    assert masked(done.stdout) == masked(shown)


@pytest.mark.parametrize("name", OTHER_END)
@pytest.mark.usefixtures("captured")
def test_the_session_of_each_command_runs_as_shown(name: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "hello.wav", tone(440, 8000, 4.78), 8000)
    command, shown = SHOWN[name]
    address = f"127.0.0.1:{free_port()}"

    def start(command: str, *extra: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *shlex.split(command)[1:], *extra],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    answers, calls = (command, OTHER_END[name]) if name in ("serve", "record") else (OTHER_END[name], command)
    answering = start(answers, "--listen", address)
    try:
        assert answering.stdout is not None
        listening = answering.stdout.readline()
        called = start(calls, address).communicate(timeout=30)[0]
        answered = listening + rest_of(answering)[0]
    finally:
        if answering.poll() is None:
            answering.send_signal(signal.SIGKILL)
    assert masked(answered if answers == command else called) == masked(shown)


def bot(tmp_path: Path, language: str, name: str) -> Path:
    """Write the README's example of a bot into a file."""
    (text,) = re.findall(rf"```{language}\n(#!.*?)```", README, re.DOTALL)
    assert len(text.splitlines()) <= 25
    path = tmp_path / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_the_bot_in_python_says_back_what_it_hears(serve: Serve, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "word.wav", tone(440, 8000, 0.5), 8000)
    serving = serve("--json", "--calls", "1", "--exec", bot(tmp_path, "python", "parrot.py"))
    answer = tmp_path / "answer.wav"
    assert run("inject-dtmf", "www#", serving.target, "--audio", tmp_path / "word.wav", "--record", answer,
               "--expect-hangup").returncode == 0  # fmt: skip
    heard, rate_hz = soundfile.read(answer, dtype="int16")
    loud = np.flatnonzero(np.abs(heard) > 1000)
    assert len(loud) / rate_hz == pytest.approx(0.5, abs=0.1)
    assert json.loads(serving.wait_for('"ended"'))["call"]["program"]["exit_code"] == 0


def test_the_bot_in_shell_is_interrupted_by_a_key_and_answers_it(serve: Serve, tmp_path: Path) -> None:
    need("espeak-ng")
    menu = bot(tmp_path, "sh", "menu.sh")
    serving = serve("--json", "--calls", "1", "--exec-rate", "22050", "--exec", menu)
    done = run("inject-dtmf", "2", serving.target, "--expect-audio-within", "1", "--expect-hangup", "--json")
    assert done.returncode == 0
    result = json.loads(done.stdout)["call"]
    assert (result["ended_by"], result["ended_how"]) == ("server", "hangup")
    assert result["duration_s"] < 4.5  # the whole menu alone takes three seconds
    program = json.loads(serving.wait_for('"ended"'))["call"]["program"]
    assert (program["exit_code"], program["stopped_by"]) == (0, None)
    assert 1.5 < program["said_s"] < 4


def masked(text: str) -> str:
    """Return a session's output without what differs between two runs: times, ports, UUIDs, levels, lateness."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
    text = re.sub(r"call [0-9a-f]{8} over", "call UUID over", text)
    text = re.sub(r"00:00\.\d+ server silence x\d 0\.\d+ s\n", "", text)  # until the caller is heard
    text = re.sub(r", \d+ frames? late,", ",", text).replace("(reset)", "(closed)")
    text = re.sub(
        r"^( +[\d.]+ to|INVALID).*\n", "", text, flags=re.MULTILINE
    )  # a histogram's rows, and what a busy machine makes of a load
    return re.sub(r" +", " ", re.sub(r"\d+(\.\d+)?", "#", text))


def test_both_set_up_commands_are_those_of_the_scripts() -> None:
    assert "scripts/setup && .venv/bin/audiosocket serve --record ./calls\n" in README
    assert "\nscripts/test\n" in README
    for script in ("setup", "test", "asterisk-testbed", "readme-help"):
        assert os.access(ROOT / "scripts" / script, os.X_OK)
    assert "exec scripts/test" in (ROOT / ".ci" / "run").read_text()


def test_the_testbed_explains_itself() -> None:
    for arguments in ([], ["call"]):
        done = subprocess.run(
            [sys.executable, ROOT / "scripts" / "asterisk-testbed", *arguments, "--help"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0
        assert "call" in done.stdout
