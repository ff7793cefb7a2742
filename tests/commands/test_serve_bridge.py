"""`audiosocket serve --bridge` as a user runs it: real bots answer callers, and what cannot work is said at once."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import time
import uuid
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import soundfile
from websockets.asyncio.server import ServerConnection

from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.libraries import install_line
from support.peers import free_port
from support.running import COMMAND, Serve, run, wait_until
from support.websocket_bots import Diary, certificate, threaded_bot

DRIVER = ("--bridge-protocol", "chan-websocket")
TWILIO = ("--bridge-protocol", "twilio")


async def echo(connection: ServerConnection) -> None:
    """Send media back, as a bot of Media Streams."""
    async for text in connection:
        message = json.loads(text)
        if message["event"] == "media":
            payload = {"payload": message["media"]["payload"]}
            await connection.send(json.dumps({"event": "media", "streamSid": message["streamSid"], "media": payload}))


@pytest.fixture
def words(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "words.wav", tone(440, 8000, 1.0), 8000)
    return tmp_path / "words.wav"


def test_an_echo_bot_answers_a_call_that_is_recorded_on_both_sides(serve: Serve, words: Path, tmp_path: Path) -> None:
    with threaded_bot(echo) as url:
        serving = serve("--bridge", f"{url}x?token=secret", *TWILIO, "--record", "calls", "--calls", "1", "--json")
        done = run("play", words, serving.target, "--wait", "0.5", "--json", "--record", tmp_path / "heard.wav")
        result = serving.wait_for_end("")
        code, lines, err = serving.end(0)
    assert (done.returncode, code) == (0, 0)
    assert f"bridging to {url}x" in serving.listening
    assert "secret" not in serving.listening + err + "".join(lines)
    assert result["bridge"]["protocol"] == "twilio"
    assert result["findings"] == []
    heard, _ = soundfile.read(tmp_path / "heard.wav", dtype="int16")
    assert np.abs(heard).max() > 6_000
    (recording,) = tmp_path.glob("calls/*.wav")
    both, _ = soundfile.read(recording, dtype="int16")
    assert both.shape[1] == 2
    assert all(np.abs(both[:, side]).max() > 6_000 for side in (0, 1))


def test_keys_and_the_uuid_reach_the_bot_and_its_hangup_the_caller(serve: Serve, tmp_path: Path) -> None:
    async def until_a_key(connection: ServerConnection) -> None:
        while not diary.named("dtmf"):
            await asyncio.sleep(0.01)
        await connection.close()

    diary = Diary(until_a_key)
    call = uuid.uuid4()
    with threaded_bot(diary) as url:
        serving = serve("--bridge", f"{url}{{uuid}}", *TWILIO, "--calls", "1", "--json")
        assert (
            run("inject-dtmf", "5", serving.target, "--uuid", str(call), "--wait", "30", "--expect-hangup").returncode
            == 0
        )
        result = serving.wait_for_end(str(call))
        assert serving.end(0)[0] == 0
    assert diary.path == f"/{call}"
    assert diary.named("dtmf")[0]["dtmf"]["digit"] == "5"
    assert result["ended_reason"] == "the bot hung up"


def test_a_bot_that_is_not_there_costs_the_caller_a_hangup_and_the_log_a_line(serve: Serve, words: Path) -> None:
    port = free_port()
    serving = serve("--bridge", f"ws://127.0.0.1:{port}/", *TWILIO, "--calls", "1", "--bridge-fallback", str(words))
    run("play", serving.target, "--wait", "5")
    line = serving.wait_for("finding")
    code, _, err = serving.end(0)
    assert code == 0
    assert line.endswith(
        f"finding: cannot connect to ws://127.0.0.1:{port}/: connection refused; does the bot listen there? [bot-lost]"
    )
    assert fnmatch(
        err, "answered 1 call with * s of caller audio, findings in 1 call (audiosocket help finding ID tells more)\n"
    )


def test_workers_bridge_too(serve: Serve, words: Path) -> None:
    with threaded_bot(echo) as url:
        serving = serve("--bridge", url, *TWILIO, "--calls", "2", "--workers", "2", "--json")
        calls = [
            subprocess.Popen(
                [*COMMAND, "play", str(words), serving.target, "--wait", "0.5"], stderr=subprocess.DEVNULL
            )
            for _ in range(2)
        ]  # fmt: skip
        assert [call.wait(30) for call in calls] == [0, 0]
        ended = [json.loads(serving.wait_for('"event": "ended"'))["call"] for _ in range(2)]
        serving.end(0)
    assert all(call["bridge"]["said_s"] > 0.3 and call["findings"] == [] for call in ended), ended


def test_headers_come_from_a_file_and_the_environment_and_are_in_no_list_of_processes(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "headers").write_text("# for the bot\nAuthorization: Bearer file\n\nX-Tenant: 7\n")
    monkeypatch.setenv("AUDIOSOCKET_SERVE_BRIDGE_HEADER", "X-Api-Key: a b; c")
    diary = Diary()
    with threaded_bot(diary) as url:
        serving = serve("--bridge", url, *TWILIO, "--bridge-headers-file", "headers", "--calls", "1")
        listed = Path(f"/proc/{serving.process.pid}/cmdline").read_text()
        assert run("inject-dtmf", "5", serving.target, "--wait", "0.3").returncode == 0
        assert serving.end(0)[0] == 0
    assert "Bearer" not in listed
    assert diary.headers["Authorization"] == "Bearer file"
    assert (diary.headers["X-Tenant"], diary.headers["X-Api-Key"]) == ("7", "a b; c")


def test_an_encrypted_bot_is_trusted_by_its_authority_only(serve: Serve, tmp_path: Path) -> None:
    _, context = certificate(tmp_path)
    diary = Diary()
    with threaded_bot(diary, ssl=context) as url:
        for options, trusted in ((["--bridge-ca", "bot.crt"], True), ([], False)):
            serving = serve("--bridge", url, "--bridge-protocol", "raw", *options, "--calls", "1", "--json")
            run("inject-dtmf", "5", serving.target, "--wait", "0.5")
            result = serving.wait_for_end("")
            serving.end(0)
            assert (result["bridge"]["error"] is None) is trusted
            assert ("cannot trust" in str(result["findings"])) is not trusted
    assert [event["event"] for event in diary.events if event["event"] in ("start", "digit")] == ["start", "digit"]


BRIDGE = ["--bridge", "ws://127.0.0.1:9/"]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (BRIDGE, 2, "--bridge needs to know what the bot speaks: add --bridge-protocol twilio|chan-websocket|raw"),
        ([*BRIDGE, "--bridge-protocol", "sip"], 2, "*'--bridge-protocol'*"),
        ([*BRIDGE, *TWILIO, "--echo"], 2, "--play, --echo, --tone, --exec, --bot and --bridge exclude each other: *"),
        ([*BRIDGE, *TWILIO, "--silence", "full"], 2, "--silence is for calls *: leave out --silence or --bridge"),
        ([*BRIDGE, *TWILIO, "--bridge-rate", "16000"], 2, "--bridge-rate does not go with twilio, *"),
        ([*BRIDGE, *TWILIO, "--bridge-text"], 2, "--bridge-text is for chan-websocket: twilio has no plain text"),
        ([*BRIDGE, *TWILIO, "--bridge-ca", "x"], 2, "--bridge-ca is for wss://, and --bridge is ws://: *"),
        (["--bridge", "wss://x/", *TWILIO, "--bridge-ca", "no"], 5, "cannot read no: no such file or directory"),
        (["--bridge", "http://x/", *TWILIO], 2, "'http://x/' is not the URL of a WebSocket: *"),
        (["--bridge", "ws://me:secret@x/", *TWILIO], 2, "all who can list processes would see the password *"),
        ([*BRIDGE, *TWILIO, "--bridge-header", "Cookie: x"], 2, "all who can list processes would see Cookie *"),
        ([*BRIDGE, *TWILIO, "--bridge-header", "x"], 2, "*'x' is not the name of a header with a value: *"),
        ([*BRIDGE, *TWILIO, "--bridge-headers-file", "no"], 5, "cannot read no: no such file or directory"),
        ([*BRIDGE, *TWILIO, "--bridge-headers-file", "bad"], 5, "line 2 of bad is not a header: write 'Name: value'"),
        ([*BRIDGE, *TWILIO, "--bridge-headers-file", "bytes"], 5, "cannot read bytes: * a file of headers*"),
        ([*BRIDGE, *TWILIO, "--bridge-headers-file", "long"], 5, "cannot read long: it is longer *headers*"),
        ([*BRIDGE, *TWILIO, "--bridge-fallback", "no.wav"], 5, "cannot read no.wav: no such file or directory"),
        ([*BRIDGE, *TWILIO, "--bridge-timeout", "0"], 2, "*'--bridge-timeout'*"),
        ([*BRIDGE, *TWILIO, "--bridge-retry", "-1"], 2, "*'--bridge-retry'*"),
        ([*BRIDGE, *DRIVER, "--bridge-rate", "22050"], 2, "--bridge-rate 22050: Asterisk *"),
        ([*BRIDGE, "--bridge-protocol", "raw", "--bridge-rate", "22051"], 2, "*22051 Hz is not a rate *"),
        (["--bridge-retry", "3"], 2, "--bridge-retry does nothing without --bridge: *"),
        (["--bridge-protocol", "raw"], 2, "--bridge-protocol does nothing without --bridge: *"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_what_cannot_work_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent.parent))
    (tmp_path / "bad").write_text("X-Ok: 1\nno header\n")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "long").write_text("X: 1\n" * 20_000)
    done = run("serve", *args)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
    assert fnmatch(done.stderr.strip(), f"audiosocket: error: {message}"), done.stderr
    assert "secret" not in done.stderr


def test_the_environment_may_hold_the_password_of_a_url(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    diary = Diary()
    with threaded_bot(diary) as url:
        monkeypatch.setenv("AUDIOSOCKET_SERVE_BRIDGE", url.replace("://", "://me:secret@"))
        serving = serve(*TWILIO, "--calls", "1", "--json")
        assert run("inject-dtmf", "5", serving.target, "--wait", "0.3").returncode == 0
        _, lines, err = serving.end(0)
    assert diary.headers["Authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()
    assert "secret" not in serving.listening + err + "".join(lines)


def test_without_the_library_one_line_says_what_to_install(tmp_path: Path) -> None:
    """In an interpreter that finds no websockets."""
    hidden = "import sys; sys.modules['websockets'] = None; from audiosocket_cli.entry import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", hidden, "serve", *BRIDGE, *TWILIO], capture_output=True, text=True, check=False
    )  # fmt: skip
    line = f"audiosocket: error: --bridge needs websockets (the extra ws): {install_line('websockets')}\n"
    assert (done.returncode, done.stderr) == (2, line)


def test_a_stop_ends_a_bridged_call_in_order_and_soon(serve: Serve) -> None:
    diary = Diary()
    with threaded_bot(diary) as url:
        serving = serve("--bridge", url, *TWILIO, "--json")
        caller = subprocess.Popen([*COMMAND, "play", serving.target, "--wait", "60"], stderr=subprocess.DEVNULL)
        wait_until(lambda: diary.named("media"))
        begun_s = time.monotonic()
        code, _, _ = serving.end()
        assert time.monotonic() - begun_s < 20  # the caller would stay for a minute
        caller.wait(20)
    assert code == 130
    assert diary.events[-1]["event"] == "stop"
    assert diary.closed == (1000, "")


BEGINS = 'told["event"] == "start" and open(sys.argv[2], "a").write("begun\\n")\n'
"""A line for a bot that notes of each call that it has begun: the handshake is over."""


def established(port: int) -> int:
    """Count the connections that a port of this machine has taken."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


def test_a_bot_process_that_is_killed_costs_its_own_calls_and_the_next_ones_go_to_its_successor(
    serve: Serve, words: Path, tmp_path: Path
) -> None:
    echo = (Path(__file__).parents[2] / "scripts" / "bench" / "peer" / "websocket_echo.py").read_text()
    script, begun, port, loads = tmp_path / "echo.py", tmp_path / "begun", free_port(), "told = json.loads(message)\n"
    assert loads in echo
    script.write_text(echo.replace(loads, loads + " " * 8 + BEGINS))

    def bot() -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, script, str(port), begun], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready")
        return process

    serving = serve("--bridge", f"ws://127.0.0.1:{port}/", *TWILIO, "--calls", "5", "--json")
    first = bot()
    callers = [
        subprocess.Popen([*COMMAND, "play", serving.target, "--wait", "20"], stderr=subprocess.DEVNULL)
        for _ in range(4)
    ]  # fmt: skip
    for _ in callers:
        serving.wait_for('"event": "call"')
    wait_until(lambda: begun.exists() and begun.read_text() == "begun\n" * 4)
    assert established(port) == 4
    first.kill()
    first.communicate()
    lost = [json.loads(serving.wait_for('"event": "ended"'))["call"] for _ in callers]
    assert all("is gone: " in call["findings"][0] and call["ended_by"] == "server" for call in lost), lost
    for caller in callers:
        caller.wait(20)
    second = bot()
    try:
        assert run("play", words, serving.target, "--wait", "0.5").returncode == 0
        call = json.loads(serving.wait_for('"event": "ended"'))["call"]
    finally:
        second.kill()
        second.communicate()
    assert (call["findings"], call["bridge"]["error"]) == ([], None)
    assert call["bridge"]["said_s"] > 0.3
    assert serving.end(0)[0] == 0
