"""`audiosocket serve --bot` as a user runs it: functions of a file answer real calls, and fail as they should."""

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
from support.pages import save_files
from support.peers import free_port, get
from support.running import CLOCK, COMMAND, Serve, run, wait_until

BOT = """
import asyncio, time

async def echo(call):
    async for frame in call.audio():
        await call.say(frame)

async def menu(call):
    await call.play("menu.wav")
    digit = await call.digit(timeout=5)
    await call.flush()
    call.hangup({"1": "sales"}.get(digit, "nobody"))

async def broken(call):
    async for frame in call.audio(ms=100):
        raise LookupError("no such word")

async def blocks(call):
    async for frame in call.audio():
        time.sleep(0.25)
        return

async def lasts(call):
    print("began", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        print("cleaned up", flush=True)

async def ignores(call):
    print("began", flush=True)
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

async def stuck(call):
    time.sleep(60)

async def exits_in_a_task(call):
    async def leave():
        if await call.digit(timeout=2.5):
            raise SystemExit(3)
    task = asyncio.create_task(leave())
    await echo(call)

async def stops_the_loop(call):
    asyncio.get_running_loop().stop()
    await echo(call)

async def cancels_all(call):
    for task in asyncio.all_tasks():
        task.cancel()

async def either(call):
    await (broken if await call.digit(timeout=2.5) else echo)(call)
"""


@pytest.fixture(autouse=True)
def bot(tmp_path: Path) -> Path:
    path = tmp_path / "bot.py"
    path.write_text(BOT)
    soundfile.write(tmp_path / "tone.wav", tone(440, 8000, 3.0), 8000)
    return path


def test_a_function_answers_recorded_and_with_its_facts(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--record", "calls", "--calls", "1", "--bot", "bot:echo")
    assert serving.listening.endswith("recording to calls, running bot:echo")
    done = run("play", tmp_path / "tone.wav", serving.target, "--record", tmp_path / "heard.wav")
    assert done.returncode == 0, done.stderr
    code, out, _ = serving.end(0)
    assert code == 0
    ended = r"\S+ ended by caller \(closed\) after [2-9]\.\d+ s, .*, bot [2-9]\.\d+ s, returned"
    assert re.fullmatch(CLOCK + ended, out[-1])
    assert "finding" not in "\n".join(out)
    heard, _ = soundfile.read(tmp_path / "heard.wav", dtype="int16")
    said, _ = soundfile.read(tmp_path / "tone.wav", dtype="int16")
    first = int(np.argmax(np.abs(heard) > 0)) - int(np.argmax(np.abs(said) > 0))
    assert np.array_equal(heard[first : first + 20_000], said[:20_000])
    (path,) = tmp_path.glob("calls/*.json")
    bot = json.loads(path.read_text())["bot"]
    assert (bot["function"], bot["rate_hz"], bot["error"], bot["unread_s"]) == ("bot:echo", 8000, None, 0.0)
    recorded, _ = soundfile.read(path.with_suffix(".wav"), dtype="int16")
    assert recorded.shape[1] == 2  # stereo, as the bot may speak


def test_a_key_interrupts_and_the_result_is_kept(serve: Serve, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "menu.wav", tone(440, 8000, 60.0), 8000)
    serving = serve("--calls", "1", "--json", "--bot", f"{tmp_path}/bot.py:menu", "--bot-rate", "16000")
    assert run("inject-dtmf", "1", serving.target, "--after", "0.5", "--wait", "30", "--expect-hangup").returncode == 0
    call = serving.wait_for_end("")
    assert call["duration_s"] < 30
    assert call["ended_reason"] == "the bot hung up"
    assert call["bot"]["rate_hz"] == 16000
    serving.end(0)


def test_one_that_raises_ends_its_call_alone_with_one_line_and_a_traceback(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--calls", "2", "--bot", "bot:either", "--detect-dtmf")
    good = subprocess.Popen([*COMMAND, "play", tmp_path / "tone.wav", serving.target, "--wait", "1"])
    time.sleep(0.3)
    run("inject-dtmf", "1", serving.target, "--after", "0.2", "--wait", "2")
    assert good.wait(30) == 0
    _, out, err = serving.end(0)
    findings = [line for line in out if "finding" in line and "raised" in line]
    assert len(findings) == 1
    assert re.search(r"finding: the bot raised LookupError: no such word at bot\.py:16 \[bot-failed\]$", findings[0])
    assert sum("the bot raised LookupError" in line and "ended by server" in line for line in out) == 1
    assert sum("ended by caller" in line for line in out) == 1
    traceback = [line.partition(" | ")[2] for line in err.splitlines() if " | " in line]
    assert traceback[0] == "Traceback (most recent call last):"
    assert traceback[-1] == "LookupError: no such word"


def test_one_that_blocks_is_named_and_counted(serve: Serve) -> None:
    port = free_port()
    serving = serve("--metrics", f"127.0.0.1:{port}", "--bot", "bot:blocks")
    assert run("play", serving.target, "--wait", "1").returncode in (0, 1)
    line = serving.wait_for("held up all calls")
    assert re.search(r"finding: the bot bot:blocks held up all calls for \d+\.\d\d s at bot\.py:20: ", line)
    serving.wait_for("ended by")
    wait_until(lambda: "audiosocket_bot_blocks_total 1.0" in get(port, "/metrics")[1])
    text = get(port, "/metrics")[1]
    seconds = re.search(r"^audiosocket_bot_block_seconds_total (\S+)", text, re.MULTILINE)
    assert seconds is not None
    assert 0.2 < float(seconds[1]) < 20


@pytest.mark.parametrize(
    ("function", "stopped", "printed"),
    [("lasts", "cancelled", ["cleaned up"]), ("ignores", "left running", [])],
)
def test_the_server_ends_whatever_its_functions_do(
    serve: Serve, function: str, stopped: str, printed: list[str]
) -> None:
    serving = serve("--grace", "300ms", "--bot", f"bot:{function}")
    caller = subprocess.Popen([*COMMAND, "play", serving.target, "--wait", "10"], stderr=subprocess.DEVNULL)
    try:
        serving.wait_for("^began$")
        begun_s = time.monotonic()
        code, out, err = serving.end(signal.SIGINT)
        assert time.monotonic() - begun_s < 20
    finally:
        caller.kill()
        caller.wait()
    assert code == 130
    assert [line for line in out if line in printed] == printed
    assert any(line.endswith(stopped) for line in out), out
    assert "Task was destroyed" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_a_server_that_its_function_keeps_from_ending(serve: Serve, number: int) -> None:
    serving = serve("--bot", "bot:stuck")
    caller = subprocess.Popen([*COMMAND, "play", serving.target, "--wait", "10"], stderr=subprocess.DEVNULL)
    try:
        serving.wait_for("held up all calls for 2 s so far")
        for wait_s in (0.05, 0.3):  # one of a kind, as `timeout` sends each twice: less than a second apart
            serving.process.send_signal(number)
            time.sleep(wait_s)
        assert serving.process.poll() is None
        time.sleep(1.5)  # more than a second since it heard the first, be that late
        code, _, err = serving.end(number)
    finally:
        caller.kill()
        caller.wait()
    assert code == 128 + number
    assert err.splitlines() == ["something holds up all calls, and keeps them from ending in order: ended at once"]


def test_one_that_exits_in_a_task_of_its_own_ends_no_other_call(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--bot", "bot:exits_in_a_task")
    good = subprocess.Popen([*COMMAND, "play", tmp_path / "tone.wav", serving.target])
    assert run("inject-dtmf", "1", serving.target, "--after", "0.3", "--wait", "0.5").returncode == 0
    assert good.wait(30) == 0
    code, out, err = serving.end(signal.SIGINT)
    assert code == 130
    assert sum("ended by caller (closed)" in line for line in out) == 2
    assert "Task exception was never retrieved" in err
    assert "SystemExit: 3" in err


def test_one_that_stops_the_loop_ends_nothing(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--calls", "2", "--bot", "bot:stops_the_loop")
    for _ in range(2):
        assert run("play", tmp_path / "tone.wav", serving.target).returncode == 0
    code, out, err = serving.end(0)
    assert (code, len(err.splitlines())) == (0, 1)
    assert sum("ended by caller (closed)" in line for line in out) == 2


def test_one_that_cancels_all_there_is_ends_the_server_with_one_line(serve: Serve) -> None:
    serving = serve("--bot", "bot:cancels_all")
    run("play", serving.target, "--wait", "1")
    code, _, err = serving.end(0)
    assert code == 1
    assert err == "audiosocket: error: somebody cancelled all that runs here: a bot may cancel its own tasks only\n"


def test_functions_answer_in_several_processes(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--workers", "2", "--record", "calls", "--bot", "bot:echo")
    callers = [
        subprocess.Popen([*COMMAND, "play", tmp_path / "tone.wav", serving.target], stderr=subprocess.DEVNULL)
        for _ in range(4)
    ]
    assert [caller.wait(60) for caller in callers] == [0] * 4
    code, _, _ = serving.end(signal.SIGINT)
    assert code == 130
    calls = [json.loads(path.read_text()) for path in tmp_path.glob("calls/*.json")]
    assert [call["bot"]["error"] for call in calls] == [None] * 4
    assert all(call["bot"]["said_s"] > 1.5 for call in calls)


def test_the_parrot_of_the_documentation_repeats_and_its_test_passes(serve: Serve, tmp_path: Path) -> None:
    save_files(tmp_path)
    serving = serve("--calls", "1", "--bot", "parrot_bot:answer")
    done = run("play", serving.target, "--record", tmp_path / "heard.wav", "--wait", "6", "--expect-audio-within", "5")
    assert done.returncode == 0, done.stderr
    assert serving.end(0)[0] == 0
    heard, _ = soundfile.read(tmp_path / "heard.wav", dtype="int16")
    assert np.abs(heard).max() > 5000
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_parrot_bot.py"],
        capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout
    assert "1 passed" in tested.stdout


def test_the_menu_of_the_documentation_lets_a_key_interrupt(serve: Serve, tmp_path: Path) -> None:
    save_files(tmp_path)
    soundfile.write(tmp_path / "menu.wav", tone(440, 8000, 60.0), 8000)
    serving = serve("--calls", "1", "--json", "--bot", "menu_bot.py:answer")
    pressed = run("inject-dtmf", "2", serving.target, "--after", "0.5", "--wait", "30", "--expect-hangup")
    assert pressed.returncode == 0, pressed.stderr
    call = serving.wait_for_end("")
    assert call["duration_s"] < 30
    assert call["findings"] == []
    serving.end(0)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--bot", "nothing:echo"], "cannot load the bot nothing:echo: there is no module nothing in "),
        (["--bot", "bot:ecko"], "cannot load the bot bot:ecko: bot has no ecko: did you mean echo?"),
        (["--bot", "bot:time"], "cannot load the bot bot:time: time is not a function: it is of type module"),
        (["--bot", "wrong.py:x"], "cannot load the bot wrong.py:x: SyntaxError: invalid syntax at wrong.py:2"),
        (["--bot", "bot"], "'bot' is not a bot: write module:function, or path/to/file.py:function"),
        (["--bot", "bot:echo", "--echo"], "--play, --echo, --tone, --exec, --bot and --bridge exclude each other: "),
        (["--bot-rate", "8000"], "--bot-rate needs a function: add --bot MODULE:FUNCTION"),
        (["--bot", "bot:echo", "--bot-rate", "11"], "11 Hz is not a rate that a bot can have: "),
        (["--grace", "1"], "--grace does nothing without --exec or --bot: add that, or leave out --grace"),
        (["--bot", "nothing:echo", "--workers", "2"], "cannot load the bot nothing:echo: there is no module"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_what_cannot_be_is_told_in_one_line(tmp_path: Path, options: list[str], problem: str) -> None:
    (tmp_path / "wrong.py").write_text("x = 1\nasync x\n")
    done = subprocess.run(
        [sys.executable, "-m", "audiosocket_cli", "serve", "--listen", "127.0.0.1:0", *options],
        capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert problem in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1 or "Usage" in done.stderr
