"""Every session in the README and the documentation runs, and prints what is shown, but for what differs each time."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.files import HELLO
from audiosocket_cli.audio.pcm import tone
from support.pages import BLOCKS, FILES, SESSIONS, Session, save_files
from support.peers import free_port
from support.running import COMMAND, Serve, need, run
from support.terminal import Terminal

LISTED = "8f269582-4415-416f-bff2-09e0c910ccbf"
MENU = "audiosocket serve --record calls --calls 1 --exec-rate 22050 --exec ./menu.sh"

BRIDGE = "audiosocket serve --bridge ws://127.0.0.1:8765/ --bridge-protocol twilio --calls 1"

OTHER_ENDS = {
    "audiosocket play": ["audiosocket serve --record ./calls --calls 1"],
    "audiosocket serve --record ./calls --calls 1": ["audiosocket play"],
    "audiosocket play --record back.wav": ["audiosocket serve --echo --calls 1"],
    "audiosocket play --wait 6": ["audiosocket serve --calls 1 --exec ./parrot.py"],
    "audiosocket talk --input question.wav --output answer.wav --wait 6": [
        "audiosocket serve --calls 1 --exec ./parrot.py",
    ],
    "audiosocket record call.wav": ["audiosocket play"],
    "audiosocket serve --allow-uuid uuids.txt --on-call-end 'ls nowhere' --calls 1": [
        "audiosocket play", f"audiosocket play --uuid {LISTED}",
    ],
    MENU: ["audiosocket inject-dtmf 2 --wait 5"],
    BRIDGE: ["audiosocket inject-dtmf '#' --expect-hangup"],
    "audiosocket serve --record calls --decode auto --calls 1": ["audiosocket replay ulaw.jsonl"],
    "audiosocket inject-dtmf '12w34#'": ["audiosocket serve --calls 1"],
    "audiosocket replay call.pcapng": ["audiosocket serve --calls 1"],
    "audiosocket bench --calls 5 --duration 10s": ["audiosocket serve --echo --calls 5"],
}  # fmt: skip
"""What is at the other end of each session: a server, or those who call, one after the other."""

ALONE = {
    "audiosocket dialplan 192.0.2.7:9092 --form channel --codec slin16 --asterisk 22.10",
    "audiosocket dialplan --check old.conf",
    "audiosocket dialplan --list",
    "audiosocket dump call.pcapng",
    "audiosocket wireshark --install --folder plugins",
    "tshark -X lua_script:plugins/audiosocket.lua -r call.pcapng -Y 'audiosocket.kind != \"slin\"'",
}
"""Sessions that need no other end."""

NEGATIVE = {"audiosocket dialplan --check old.conf"}
"""Those of them that find something, and end with 1."""

BOTS = {
    "audiosocket play ws://127.0.0.1:8765/ --protocol twilio --wait 2": "answering_bot.py",
}
"""Sessions with a WebSocket bot at the other end, which a page holds."""

TOOLS = {MENU: "espeak-ng"}

by_command = pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session.command)


@by_command
def test_each_session_is_run_here(session: Session) -> None:
    assert session.command in OTHER_ENDS or session.command in ALONE or session.command in BOTS


def test_what_looks_like_a_session_is_one() -> None:
    others = [block for block in BLOCKS if block.info != "console" and re.search(r"^\$ ", block.code, re.MULTILINE)]
    assert others == []
    assert {session.command for session in SESSIONS} == {*OTHER_ENDS, *ALONE, *BOTS}


@pytest.fixture
def captured(serve: Serve, tmp_path: Path) -> None:
    """The capture that the sessions of `dump`, `replay` and tshark are about."""
    soundfile.write(tmp_path / "hi.wav", tone(440, 8000, 0.8), 8000)
    soundfile.write(tmp_path / "welcome.wav", tone(700, 8000, 1.74), 8000)
    serving = serve("--play", tmp_path / "welcome.wav", "--calls", "1")
    assert run("inject-dtmf", "5", serving.target, "--after", "2", "--audio", tmp_path / "hi.wav",
               "--capture", tmp_path / "call.pcapng").returncode == 0  # fmt: skip
    serving.end(0)


@pytest.mark.parametrize("command", sorted(ALONE))
@pytest.mark.usefixtures("captured")
def test_a_session_without_another_end_runs_as_shown(command: str, tmp_path: Path) -> None:
    (session,) = [session for session in SESSIONS if session.command == command]
    program, *words = session.words
    save_files(tmp_path)
    if program == "tshark":
        run("wireshark", "--install", "--folder", tmp_path / "plugins")
    done = subprocess.run(
        [*(COMMAND if program == "audiosocket" else [need(program)]), *words],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == (1 if command in NEGATIVE else 0)
    shown_by_tools = [line for line in done.stdout.splitlines(keepends=True) if not line.startswith("Running as user")]
    assert masked("".join(shown_by_tools)) == masked(session.shown)


@pytest.fixture
def websocket_bot() -> Iterator[int]:
    """The bot of the page on bridges; yields its port, as 8765 may be taken here."""
    port = free_port()
    code = FILES["echo_bot.py"]
    assert "8765" in code
    process = subprocess.Popen([sys.executable, "-c", code.replace("8765", str(port))])
    try:
        for _ in range(1800):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


@pytest.mark.usefixtures("captured")
@pytest.mark.parametrize("command", OTHER_ENDS)
def test_a_session_runs_as_shown(command: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    (session,) = [session for session in SESSIONS if session.command == command]
    port = request.getfixturevalue("websocket_bot") if command == BRIDGE else 8765
    if command in TOOLS:
        need(TOOLS[command])
    save_files(tmp_path)
    (tmp_path / "uuids.txt").write_text(f"{LISTED}\n")
    (tmp_path / "question.wav").write_bytes(HELLO.read_bytes())
    (tmp_path / "ulaw.jsonl").write_text("".join(ulaw_lines()))
    address = f"127.0.0.1:{free_port()}"

    def start(command: str, *, listens: bool) -> Terminal:
        """As a reader sees it, on a terminal, but one that cannot draw."""
        name, *words = shlex.split(command)[1:]
        words = ["--listen", address, *words] if listens else [*words, address]  # all after --exec is for the program
        return Terminal(name, *words, cwd=tmp_path, columns=80, TERM="dumb")

    answers = session.words[1] in ("serve", "record")
    calls = OTHER_ENDS[command] if answers else [command]
    command = command.replace("8765", str(port))
    with start(command if answers else OTHER_ENDS[command][0], listens=True) as answering:
        answering.wait_for("listening on .*\n")
        called = []
        for call in calls:
            with start(call, listens=False) as calling:
                calling.end(0)
            called.append(calling.text)
        answering.end(0)
    assert masked(answering.text if answers else called[0]) == masked(session.shown)


@pytest.mark.parametrize("command", BOTS)
def test_a_session_with_a_websocket_bot_runs_as_shown(command: str, tmp_path: Path) -> None:
    (session,) = [session for session in SESSIONS if session.command == command]
    save_files(tmp_path)
    port = str(free_port())
    bot = subprocess.Popen([sys.executable, BOTS[command], port], cwd=tmp_path)
    try:
        wait_for_listener(int(port))
        with Terminal(
            *shlex.split(command.replace("8765", port))[1:], cwd=tmp_path, columns=80, TERM="dumb"
        ) as calling:
            calling.end(0)
    finally:
        bot.kill()
        bot.wait()
    assert masked(calling.text) == masked(session.shown)


def test_the_bot_of_the_page_is_started_by_check(tmp_path: Path) -> None:
    (line,) = [line for block in BLOCKS for line in block.code.splitlines() if "-- python3 answering_bot.py" in line]
    save_files(tmp_path)
    words = shlex.split(line.replace("python3", sys.executable))[1:]
    done = subprocess.run([*COMMAND, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "turn/answers: pass (0.6" in done.stdout


def wait_for_listener(port: int) -> None:
    for _ in range(1800):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nobody listens on {port}")


def ulaw_lines() -> Iterator[str]:
    """Yield speech as Asterisk sends it to a channel that was dialled without c(slin): 160 bytes each 20 ms."""
    spoken, rate_hz = soundfile.read(HELLO, dtype="int16")
    coded = io.BytesIO()
    soundfile.write(coded, spoken, rate_hz, format="RAW", subtype="ULAW")
    for start in range(0, len(spoken), 160):
        payload = base64.b64encode(coded.getvalue()[start : start + 160]).decode()
        yield json.dumps({"t": start / rate_hz, "kind": "slin", "payload": payload}) + "\n"


def masked(text: str) -> str:
    """Return a session's output without what differs between two runs: times, ports, UUIDs, levels, lateness."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
    text = re.sub("[█-▏]+", "", text)
    text = re.sub(r"\b[0-9a-f]{8}\b", "UUID", text.replace("\r\n", "\n"))
    text = re.sub(r",?\n {18}(?=\S)", ", ", text)  # a call's end, which has as many lines as it needs
    text = re.sub(r"00:00\.\d+ +silence x\d 0\.\d+ s\n", "", text)  # until the caller is heard
    text = re.sub(r", \d+ frames? late,", ",", text).replace("(reset)", "(closed)")
    text = re.sub(
        r"^( +[\d.]+ to|no errors in|INVALID).*\n( {9}.*\n)*", "", text, flags=re.MULTILINE
    )  # a histogram's rows, and what a busy machine makes of a load
    text = re.sub(r"no gaps|\d+ gaps? [\d.]+ s", "gaps", text)  # of a machine that stood still
    text = re.sub(r"^findings: the server sent nothing for .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^finding(s:| in \d).*(\n  .*)*\[(server-bursts|sound-card)\]\n", "", text, flags=re.MULTILINE)
    text = re.sub(r" \(\d+ gaps?, longest [^)]*\)|, clock followed by [^,\n]*|, [\d.]+ m?s (padded|dropped)", "", text)
    text = re.sub(r"(\d) (ms|s)\b", r"\1 time", text)
    return re.sub(r" +", " ", re.sub(r"-?\d+(\.\d+)?", "#", text))


def test_the_bots_are_short() -> None:
    for name in ("parrot.py", "menu.sh"):
        assert len(FILES[name].splitlines()) <= 27


def test_the_bot_in_python_says_back_what_it_hears(serve: Serve, tmp_path: Path) -> None:
    save_files(tmp_path)
    soundfile.write(tmp_path / "word.wav", tone(440, 8000, 0.5), 8000)
    serving = serve("--json", "--calls", "1", "--exec", tmp_path / "parrot.py")
    answer = tmp_path / "answer.wav"
    assert run("inject-dtmf", "www#", serving.target, "--audio", tmp_path / "word.wav", "--record", answer,
               "--expect-hangup").returncode == 0  # fmt: skip
    heard, rate_hz = soundfile.read(answer, dtype="int16")
    loud = np.flatnonzero(np.abs(heard) > 1000)
    assert len(loud) / rate_hz == pytest.approx(0.5, abs=0.1)
    assert json.loads(serving.wait_for('"ended"'))["call"]["program"]["exit_code"] == 0


def test_the_bot_in_shell_is_interrupted_by_a_key_and_answers_it(serve: Serve, tmp_path: Path) -> None:
    need("espeak-ng")
    save_files(tmp_path)
    serving = serve("--json", "--calls", "1", "--exec-rate", "22050", "--exec", tmp_path / "menu.sh")
    done = run("inject-dtmf", "2", serving.target, "--expect-audio-within", "20", "--expect-hangup", "--json")
    assert done.returncode == 0
    result = json.loads(done.stdout)["call"]
    assert (result["ended_by"], result["ended_how"]) == ("server", "hangup")
    assert result["duration_s"] < 20
    program = json.loads(serving.wait_for('"ended"'))["call"]["program"]
    assert (program["exit_code"], program["stopped_by"]) == (0, None)
    assert 1.5 < program["said_s"] < 4  # the whole menu alone takes three seconds, and the answer comes after it
