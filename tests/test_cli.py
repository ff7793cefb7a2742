"""The root command: version, help, environment, what a user can get wrong before any command runs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import click
import pytest

import audiosocket_cli
from audiosocket_cli.cli import COMMANDS, done_where_nobody_reads, root
from audiosocket_cli.codec import encode, uuid_frame
from audiosocket_cli.errors import AudioSocketError
from support.peers import FRAME
from support.running import COMMAND, run

WITHOUT_OPTIONS = {"completion"}


def test_version_is_one_line_on_stdout() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"audiosocket {audiosocket_cli.__version__}\n", "")


def test_no_command_shows_the_help() -> None:
    done = run()
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: audiosocket")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_says_first_what_it_does_then_shows_examples_then_options(name: str) -> None:
    done = run(name, "--help")
    assert done.returncode == 0
    text = done.stdout
    examples = text.index("Examples:")
    assert text.index("Usage:") < examples < text.index(f"audiosocket {name}", examples) < text.index("Options:")
    assert name in run("--help").stdout


def test_the_list_of_commands_fits_80_columns_whole() -> None:
    lines = run("--help").stdout.splitlines()
    listed = lines[lines.index("Commands:") + 1 :][: len(COMMANDS)]
    assert [line.split()[0] for line in listed] == list(COMMANDS)
    assert all(line.endswith(".") and "..." not in line and len(line) <= 80 for line in listed)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_80_columns(name: str) -> None:
    shown = run(name, "--help", COLUMNS="80").stdout.splitlines()
    assert [line for line in shown if len(line) > 80] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_has_help(name: str) -> None:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    options = [param for param in command.params if isinstance(param, click.Option)]
    assert options or name in WITHOUT_OPTIONS
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize(
    ("args", "meant"),
    [
        (["serve", "--recrod", "x"], "--record"),
        (["dump", "x", "--jsn"], "--json"),
        (["bench", "--cals", "3"], "--calls"),
    ],
    ids=["serve", "dump", "bench"],
)
def test_a_mistyped_option_is_suggested(args: list[str], meant: str) -> None:
    done = run(*args)
    assert done.returncode == 2
    assert re.search(rf"No such option .*{meant}\b", done.stderr)


@pytest.mark.parametrize("args", [["record-it"], ["serve", "--nope"], ["serve", "extra"]], ids=" ".join)
def test_wrong_usage_is_one_line_and_exit_code_2(args: list[str]) -> None:
    done = run(*args)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("audiosocket: error: ")


def test_options_come_from_the_environment_too() -> None:
    done = run("serve", AUDIOSOCKET_SERVE_LISTEN="nonsense:port")
    assert done.returncode == 2
    assert "'nonsense:port' is not an address" in done.stderr


PRINTING = [
    "--version", "--help", "play --help", "help", "help faults", "completion bash", "wireshark", "dialplan --list",
    "dialplan h:9092 --asterisk 22.8", "check --list", "calls .", "calls . --csv", "calls . --json", "dump calls.bin",
    "dump calls.bin --json", "doctor call.json", "report call.json -o -",
]  # fmt: skip


@pytest.mark.parametrize("words", PRINTING)
def test_a_closed_pipe_is_silent_and_no_failure(tmp_path: Path, words: str) -> None:
    one = {"schema": "audiosocket.call/1", "uuid": str(UUID(int=1)), "duration_s": 2.0, "findings": []}
    (tmp_path / "call.json").write_text(json.dumps(one))
    (tmp_path / "calls.bin").write_bytes(encode(uuid_frame(UUID(int=1))) + FRAME)
    with unread_pipe() as pipe:
        done = subprocess.run(
            [*COMMAND, *words.split()], stdout=pipe, stderr=subprocess.PIPE, text=True, cwd=tmp_path, check=False
        )
    assert (done.returncode, done.stderr) == (0, "")


@contextlib.contextmanager
def unread_pipe() -> Iterator[int]:
    """The end of a pipe that is written to, whose reader is gone."""
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        yield theirs
    finally:
        os.close(theirs)


@pytest.mark.parametrize(("words", "code"), [("", 2), ("serve --nope", 2), ("dump nosuch", 5)])
def test_an_error_has_its_exit_code_when_nobody_reads_it(words: str, code: int) -> None:
    with unread_pipe() as pipe:
        assert subprocess.run([*COMMAND, *words.split()], stderr=pipe, check=False).returncode == code


def test_another_pipe_that_closes_is_not_taken_for_standard_output() -> None:
    with pytest.raises(AudioSocketError, match="closed: broken pipe"), done_where_nobody_reads():
        raise BrokenPipeError("broken pipe")


@pytest.mark.parametrize("args", [["--version"], ["serve", "--help"]], ids=" ".join)
def test_starting_costs_at_most_two_and_a_half_times_click(args: list[str]) -> None:
    ours, clicks = [], []
    for _ in range(10):
        ours.append(wall_s([*COMMAND, *args]))
        clicks.append(wall_s([sys.executable, "-c", "import click"]))
    assert statistics.median(ours) / statistics.median(clicks) <= 2.5


def wall_s(command: list[str]) -> float:
    begun_s = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun_s


def test_what_the_terminal_cannot_show_ends_nothing() -> None:
    done = run("play", "--help", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", ["{} --version >&-", "{} --version 2>&-", "{} play - <&-", "{} --help >/dev/full"])
def test_missing_or_full_standard_streams_make_no_traceback(shell: str) -> None:
    done = subprocess.run(
        ["sh", "-c", shell.format(" ".join(COMMAND))], capture_output=True, text=True, check=False, timeout=20
    )
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 1
    assert done.returncode in (0, 1, 5)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_has_the_environment_variable_of_its_own_name(name: str) -> None:
    with click.Context(root) as context:
        command = root.get_command(context, name)
    assert command is not None
    options = [option for option in command.params if isinstance(option, click.Option)]
    for option in options:
        long_name = max(option.opts, key=len)
        expected = f"audiosocket_{name}_{long_name.removeprefix('--')}".replace("-", "_").upper()
        assert option.envvar == (None if option.hidden else expected)


def test_a_program_can_be_set_in_the_environment() -> None:
    done = run("serve", "--listen", "127.0.0.1:0", AUDIOSOCKET_SERVE_EXEC="nosuch --at all")
    assert (done.returncode, done.stderr.split(";")[0]) == (
        2, "audiosocket: error: cannot run nosuch --at all: there is no such program",
    )  # fmt: skip
    assert run("serve", "--listen", "127.0.0.1:1", AUDIOSOCKET_SERVE_JSON="yes please").returncode == 2


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("srve", "serve"), ("inject", "inject-dtmf"), ("inject_dtmf", "inject-dtmf"), ("DUMP", "dump"), ("rec", "record"),
     ("benhc", "bench"), ("wirshark", "wireshark"), ("repaly", "replay")],
)  # fmt: skip
def test_a_mistyped_command_is_told_what_was_meant(wrong: str, meant: str) -> None:
    done = run(wrong, "x")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"audiosocket: error: there is no command '{wrong}': did you mean {meant}? (see audiosocket --help)\n"
    )


def test_what_is_like_no_command_is_told_which_there_are() -> None:
    assert f"choose from {', '.join(COMMANDS)} (see" in run("xyzzy").stderr
