"""The README tells the truth: its help is current, its sessions run, its library example works."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest
import soundfile
from conftest import COMMAND

from audiosocket_cli.cli import COMMANDS
from audiosocket_cli.errors import ExitCode
from audiosocket_cli.media.pcm import tone

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


def test_the_session_of_each_command_runs_as_shown(tmp_path: Path) -> None:
    assert [shlex.split(command)[1] for command, _ in SESSIONS] == list(COMMANDS)
    (serve, serve_shown), (play, play_shown) = SESSIONS
    soundfile.write(tmp_path / "hello.wav", tone(440, 8000, 4.78), 8000)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def start(command: str, *extra: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *shlex.split(command)[1:], *extra],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    serving = start(serve, "--listen", f"127.0.0.1:{port}")
    try:
        assert serving.stdout is not None
        listening = serving.stdout.readline()
        played = start(play, f"127.0.0.1:{port}").communicate(timeout=30)[0]
        answered = listening + serving.communicate(timeout=30)[0]
    finally:
        if serving.poll() is None:
            serving.send_signal(signal.SIGKILL)
    assert masked(answered) == masked(serve_shown)
    assert masked(played) == masked(play_shown)


def masked(text: str) -> str:
    """Return a session's output without what differs between two runs: times, ports, UUIDs, levels, lateness."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
    text = re.sub(r", \d+ frames? late,", ",", text).replace("(reset)", "(closed)")
    return re.sub(r"\d+(\.\d+)?", "#", text)


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
