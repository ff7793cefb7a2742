"""`audiosocket replay --expect` of many captures: one verdict a call, reports, and a server that is started for it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.pcm import tone
from support.junit import valid
from support.markup import parsed, text_of, with_class
from support.running import COMMAND, Serve, is_running, run

CLOSED = "127.0.0.1:1"
"""A port that nobody listens on."""

DYING = """
import os, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("here", flush=True)
listener.accept()[0].recv(19)
print("there it goes", flush=True)
os._exit(3)
"""

HOLDING = """
import os, socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
call = listener.accept()[0]
call.recv(19)
open(sys.argv[2], "w").write(str(os.getpid()))
while True:
    call.recv(1000) or time.sleep(1)
"""
"""Writes its number to a file once there is a call."""


def sound(path: Path, hz: float, seconds: float = 0.5) -> Path:
    samples = np.concatenate([tone(hz, 8000, seconds), np.zeros(8000, np.int16)])
    soundfile.write(path, samples if hz else 0 * samples, 8000)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a prompt, and captures of two calls to a server that plays it."""
    folder = tmp_path_factory.mktemp("made")
    prompt, quiet = sound(folder / "prompt.wav", 600), sound(folder / "quiet.wav", 0)
    server = subprocess.Popen(
        [*COMMAND, "serve", "--listen", "127.0.0.1:0", "--play", prompt], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stderr is not None
    target = next(found[1] for line in server.stderr if (found := re.match(r"listening on (127\.0\.0\.1:\d+)", line)))
    for name in ("one", "two"):
        path = folder / "calls" / f"{name}.pcapng"
        path.parent.mkdir(exist_ok=True)
        assert run("play", quiet, target, "--capture", path).returncode == 0
    server.terminate()
    server.communicate(timeout=20)
    return folder


@pytest.fixture
def calls(made: Path, tmp_path: Path) -> Path:
    """A copy of the captures."""
    folder = tmp_path / "calls"
    folder.mkdir()
    for path in (made / "calls").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def playing(prompt: Path) -> list[str]:
    return [*COMMAND, "serve", "--listen", "127.0.0.1:{port}", "--play", str(prompt)]


def test_a_server_that_answers_as_before_passes(made: Path, calls: Path, tmp_path: Path) -> None:
    junit, html = tmp_path / "new" / "suite.xml", tmp_path / "new" / "suite.html"
    done = run(
        "replay", calls, "--expect", "same", "--junit", junit, "--html", html, "--", *playing(made / "prompt.wav")
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("passed: 2 calls: 2 passed, 0 failed\n127.0.0.1:")
    (suite,) = valid(junit.read_bytes())
    assert [case.get("name") for case in suite] == [str(calls / "one.pcapng"), str(calls / "two.pcapng")]
    assert [text_of(chip) for chip in with_class(next(parsed(html.read_bytes()).iter("table")), "chip")] == [
        "✓ passed"
    ] * 2
    again = run("replay", calls, CLOSED, "--expect", "same", "--junit", junit)
    assert (again.returncode, again.stdout) == (2, "")
    assert f"{junit} exists; choose another name or add --force" in again.stderr


def test_what_differs_is_told_for_each_call(serve: Serve, calls: Path, tmp_path: Path) -> None:
    serving = serve("--play", sound(tmp_path / "other.wav", 1500))
    (calls / "two.expect.toml").write_text('compare = ["times", "end"]\n')
    done = run("replay", calls / "one.pcapng", calls / "two.pcapng", serving.target, "--expect", calls)
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "failed: 2 calls: 1 passed, 1 failed"
    assert f"failed: {calls / 'one.pcapng'}: the answer differs in 1 place" in lines
    assert any("sounds different" in line for line in lines)
    (again,) = (line.split("audiosocket ")[1] for line in lines if line.startswith("  again "))
    assert again == f"replay {calls / 'one.pcapng'} {serving.target} --expect same"
    alone = run(*again.split())
    assert (alone.returncode, "the answer differs in 1 place:" in alone.stdout) == (1, True)
    assert run("replay", calls / "two.pcapng", serving.target, "--expect", "same").returncode == 0


def test_a_call_is_replayed_again_as_it_was(made: Path, calls: Path, tmp_path: Path) -> None:
    server = playing(sound(tmp_path / "other.wav", 1500))
    options = ["--uuid", "same", "--wait", "0.5s", "--start-within", "30s"]
    done = run("replay", calls, "--expect", "same", *options, "--", *server)
    again = [line for line in done.stdout.splitlines() if line.startswith("  again ")]
    assert len(again) == 2
    assert all(" --expect same --uuid same --wait 0.5 --start-within 30 -- " in line for line in again)


def test_a_capture_that_is_missing_is_not_taken_for_a_host(calls: Path) -> None:
    done = run("replay", calls, "missing.pcapng", "--expect", "same", "--", "true")
    assert (done.returncode, done.stdout) == (5, "")
    assert "cannot read missing.pcapng: no such file" in done.stderr


def test_json_is_an_object_for_each_call(serve: Serve, calls: Path, tmp_path: Path) -> None:
    serving = serve("--play", sound(tmp_path / "other.wav", 1500))
    done = run("replay", calls, serving.target, "--expect", "same", "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["name"], one["verdict"]) for one in found] == [
        (str(calls / "one.pcapng"), "failed"), (str(calls / "two.pcapng"), "failed")
    ]  # fmt: skip
    assert all(one["differences"] and one["call"]["duration_s"] > 1 for one in found)


def test_jobs_says_how_many_calls_go_on_at_once(made: Path, calls: Path) -> None:
    for name in "abcd":
        (calls / f"{name}.pcapng").write_bytes((calls / "one.pcapng").read_bytes())
    took_s = {}
    for jobs in (1, 6):
        begun_s = time.monotonic()
        done = run("replay", calls, "--expect", "same", "--jobs", str(jobs), "--", *playing(made / "prompt.wav"))
        assert done.returncode == 0, done.stdout
        took_s[jobs] = time.monotonic() - begun_s
    assert took_s[1] - took_s[6] > 3  # six calls of 1.5 s, and not one


def test_a_server_that_dies_is_started_again_and_its_calls_fail(calls: Path, tmp_path: Path) -> None:
    (tmp_path / "dying.py").write_text(DYING)
    command = [sys.executable, str(tmp_path / "dying.py"), "{port}"]
    done = run("replay", calls, "--expect", "same", "--jobs", "1", "--", *command)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("failed: 2 calls: 0 passed, 2 failed\n")
    assert f"note: the server exited with code 3 during {calls / 'one.pcapng'}" in " ".join(done.stdout.split())
    assert done.stdout.count("there it goes") == 2


def test_whom_nobody_can_reach_did_not_fail(calls: Path, tmp_path: Path) -> None:
    junit = tmp_path / "suite.xml"
    done = run("replay", calls, CLOSED, "--expect", "same", "--junit", junit)
    assert done.returncode == 3
    lines = done.stdout.splitlines()
    assert lines[:3] == ["failed: 2 calls: 0 passed, 0 failed, 2 could not run", f"{CLOSED}, 0 s", ""]
    assert lines[3].startswith(f"could not run: cannot connect to {CLOSED}: connection refused")
    assert lines[-2:] == [f"  {calls / 'one.pcapng'}", f"  {calls / 'two.pcapng'}"]
    (suite,) = valid(junit.read_bytes())
    assert (suite.get("failures"), suite.get("errors")) == ("0", "2")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_what_is_known_and_the_server_too(number: int, calls: Path, tmp_path: Path) -> None:
    pid, script = tmp_path / "pid", tmp_path / "holding.py"
    script.write_text(HOLDING)
    command = [sys.executable, str(script), "{port}", str(pid)]
    words = [*COMMAND, "replay", str(calls), "--expect", "same", "--jobs", "1", "--", *command]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    give_up_s = time.monotonic() + 30
    while not (pid.exists() and pid.read_text()) and time.monotonic() < give_up_s:
        time.sleep(0.02)
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert out.startswith("failed: 2 calls: 0 passed, 0 failed, 2 left out\n")
    assert not is_running(pid.read_text())


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["calls"], 2, "several captures need --expect: add --expect same"),
        (["calls", "--", "true"], 2, "add --expect same"),
        (["calls", "--expect", "same", "--"], 2, "-- needs a command after it: replay calls/"),
        (["calls", "--expect", "same", "--listen", ":0"], 2, "leave out --expect or --listen"),
        (["calls", "--expect", "same", "--calls", "2"], 2, "--calls is for one capture"),
        (["calls", "--expect", "same", "--speed", "2"], 2, "which --speed changes"),
        (["calls", "--expect", "same", "--record", "x.wav"], 2, "x.wav has room for one call, not 2"),
        (["calls", "--expect", "calls/one.pcapng"], 2, "is one file for 2 captures"),
        (["calls", "nothing", "bot", "--expect", "same"], 5, "cannot read nothing: no such file"),
        (["calls", "bot:99999", "--expect", "same"], 2, "is not an address"),
        (["empty", "--expect", "same"], 6, "there are no captures in empty"),
        (["bad", "--expect", "same"], 5, "there is no key 'tolerence'"),
        (["calls/one.pcapng", "--jobs", "2"], 2, "--jobs is for several captures"),
        (["calls/one.pcapng", "--junit", "x.xml"], 2, "--junit does nothing without --expect"),
        (["calls/one.pcapng", "--start-within", "2"], 2, "--start-within does nothing without a command"),
        (["-", "--expect", "same"], 2, "standard input can be read once only"),
        (["calls", "--expect", "same", "--html", "x", "--junit", "x"], 2, "give each its own name"),
        (["calls", "--expect", "same", "--", "sh", "-c", "exit 4", "{port}"], 3, "the server exited with code 4"),
        (["calls", "--expect", "same", "--", "/no/such/server"], 2, "cannot start '/no/such/server'"),
        ([], 2, "Missing argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_what_cannot_be_replayed_is_one_line(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "one.pcapng").write_bytes((calls / "one.pcapng").read_bytes())
    (tmp_path / "bad" / "one.expect.toml").write_text("tolerence = 1")
    done = run("replay", *words)
    assert (done.returncode, done.stdout) == (code, ""), done
    assert text in done.stderr
    assert done.stderr.count("\n") == 1
