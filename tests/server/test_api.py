"""`serve --api` as a user runs it: results are there when the dialplan asks, calls are hung up, strangers refused."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from audiosocket_cli.errors import FileError
from audiosocket_cli.net.http_routes import Request
from audiosocket_cli.server.api import Gatekeeper, read_token
from support.peers import connected, free_port, get, opening, read_to_end, reset
from support.running import Serve, run, standing_still, wait_until

UUID, OPENING = opening()
SPEECH_THEN_RESULT = """\
import json, os, sys, time
events = open(3, "r+b", buffering=0)
while json.loads(events.readline())["event"] != "digit": pass
result = "to " + os.environ["AUDIOSOCKET_UUID"]
events.write(json.dumps({"hangup": True, "result": result}).encode() + b"\\n")
sys.stdin.read()
"""
DIGIT = b"\x03\x00\x011"


@pytest.fixture
def bot(tmp_path: Path) -> list[str]:
    """A program that names its call as the result at the first digit."""
    path = tmp_path / "bot.py"
    path.write_text(SPEECH_THEN_RESULT)
    return ["--exec", f"python3 -S {path}"]


def listed(port: int) -> int:
    count: int = json.loads(get(port, "/calls")[1])["count"]
    return count


def heard_goodbye(peer: socket.socket) -> None:
    """Read until the server's hangup frame, and not to the end: that is when a dialplan goes on."""
    buffer = b""
    while True:
        data = peer.recv(65536)
        assert data, "closed without a hangup"
        buffer += data
        while len(buffer) >= 3 and len(buffer) >= (size := 3 + int.from_bytes(buffer[1:3], "big")):
            if buffer[0] == 0:
                return
            buffer = buffer[size:]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_result_is_there_as_soon_as_the_caller_sees_the_hangup(serve: Serve, bot: list[str], workers: str) -> None:
    port = free_port()
    serving = serve("--api", f"127.0.0.1:{port}", "--workers", workers, *bot)
    answers: dict[str, tuple[int, str]] = {}

    def call(number: int) -> None:
        uuid, first = opening(number)
        with connected(serving, first, DIGIT) as peer:
            heard_goodbye(peer)
            answers[uuid] = get(port, f"/calls/{uuid}/result")
            reset(peer)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(1, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == {opening(number)[0]: (200, f"to {opening(number)[0]}") for number in range(1, 13)}
    wait_until(lambda: listed(port) == 0)
    uuid = opening(3)[0]
    ended = json.loads(get(port, f"/calls/{uuid}")[1])
    assert (ended["state"], ended["result"]) == ("ended", f"to {uuid}")
    code, lines, _ = serving.end()
    assert code == 130
    assert sum(f", result to {uuid}, " in line for line in lines) == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_call_is_hung_up_with_a_result_and_no_other_call_is(serve: Serve, workers: str) -> None:
    port = free_port()
    serving = serve("--api", f"127.0.0.1:{port}", "--workers", workers, "--json")
    with connected(serving, OPENING) as peer, connected(serving, opening(2)[1]) as other:
        wait_until(lambda: listed(port) == 2)
        status, text = get(port, f"/calls/{UUID}/hangup", "POST", "result=operator")
        assert (status, json.loads(text)["result"]) == (200, "operator")
        read_to_end(peer)
        result = serving.wait_for_end(UUID)
        assert (result["ended_by"], result["ended_reason"], result["result"]) == (
            "server", "hung up through --api", "operator",
        )  # fmt: skip
        assert get(port, f"/calls/{UUID}/result") == (200, "operator")
        assert listed(port) == 1
        other.shutdown(socket.SHUT_WR)
        assert "result" not in serving.wait_for_end(opening(2)[0])
    wait_until(lambda: listed(port) == 0)


def test_calls_of_a_worker_that_was_killed_have_ended_and_those_of_the_others_go_on(serve: Serve) -> None:
    port = free_port()
    serving = serve("--api", f"127.0.0.1:{port}", "--workers", "2")
    children = Path(f"/proc/{serving.process.pid}/task/{serving.process.pid}/children").read_text().split()
    with contextlib.ExitStack() as stack:
        for other, numbers in zip(children, (range(1, 5), range(5, 9)), strict=True):  # each has four
            with standing_still(int(other)):
                for number in numbers:
                    stack.enter_context(connected(serving, opening(number)[1]))
                    serving.wait_for(" call ")
        os.kill(int(children[0]), signal.SIGKILL)
        wait_until(lambda: listed(port) == 4)
        states = [json.loads(get(port, f"/calls/{opening(number)[0]}")[1]) for number in range(1, 9)]
        lost = [call for call in states if call["state"] == "ended"]
        assert len(lost) + listed(port) == 8
        assert {call["ended_reason"] for call in lost} == {"its process died"}
        live = next(call["uuid"] for call in states if call["state"] == "live")
        assert get(port, f"/calls/{live}/hangup", "POST")[0] == 200
        wait_until(lambda: json.loads(get(port, f"/calls/{live}")[1])["state"] == "ended")


def test_a_hundred_dialplans_that_ask_at_once_have_each_its_result(serve: Serve) -> None:
    port = free_port()
    serving = serve("--api", f"127.0.0.1:{port}")
    numbers = range(1, 101)
    with contextlib.ExitStack() as stack:
        for number in numbers:
            stack.enter_context(connected(serving, opening(number)[1]))
        wait_until(lambda: listed(port) == 100)
        for number in numbers:
            assert get(port, f"/calls/{opening(number)[0]}/hangup", "POST", f"result={number}")[0] == 200
        with ThreadPoolExecutor(100) as threads:
            answers = list(threads.map(lambda number: get(port, f"/calls/{opening(number)[0]}/result"), numbers))
    assert answers == [(200, str(number)) for number in numbers]


def test_slow_and_broken_clients_delay_no_call_and_no_other_client(serve: Serve) -> None:
    port = free_port()
    serving = serve("--api", f"127.0.0.1:{port}")
    with contextlib.ExitStack() as stack:
        for number in range(150):
            with contextlib.suppress(OSError):
                peer = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
                peer.sendall(b"POST /calls/x/hangup HTTP/1.1\r\nContent-Length: 8000\r\n\r\n"[: 10 + number])
        with connected(serving, OPENING) as caller:
            assert caller.recv(3)[0] == 0x10
            begun_s = time.monotonic()
            assert listed(port) == 1
            assert time.monotonic() - begun_s < 3


# Where it listens, and who may ask.


def test_without_a_password_it_listens_on_this_machine_only(tmp_path: Path) -> None:
    for option in ("--api", "--bridge-api"):
        done = run("serve", "--listen", "127.0.0.1:0", option, ":9080")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            f"audiosocket: error: {option} :9080 is open to other machines: name a file with a password by "
            "--api-token-file, or set AUDIOSOCKET_SERVE_API_TOKEN, or listen on 127.0.0.1:9080\n"
        )


@pytest.mark.parametrize("by", ["file", "environment"])
def test_with_a_password_it_listens_anywhere_and_programs_do_not_get_it(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    port = free_port()
    options = []
    if by == "file":
        (tmp_path / "token").write_text("secret\n")
        options = ["--api-token-file", "token"]
    else:
        monkeypatch.setenv("AUDIOSOCKET_SERVE_API_TOKEN", "secret")
    serving = serve("--api", f":{port}", *options, "--shell", "--exec", "env > bot-got")
    assert serving.listening.startswith("listening on ")
    assert get(port, "/calls")[0] == 401
    assert get(port, "/calls", Authorization="Bearer secret")[0] == 200
    with connected(serving, OPENING) as peer:
        read_to_end(peer)
    serving.wait_for("ended by")
    got = (tmp_path / "bot-got").read_text()
    assert f"AUDIOSOCKET_UUID={UUID}\n" in got
    assert "API_TOKEN" not in got


@pytest.mark.parametrize(
    ("content", "is_token"),
    [(b"secret", True), (b" secret \n", True), ("K\u00f6ln".encode(), True), (b"", False), (b"\n", False),
     (b"a\nb", False), (b"\xff", False), (b"x" * 4097, False)],
)  # fmt: skip
def test_a_password_is_one_line(tmp_path: Path, content: bytes, is_token: bool) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    if is_token:
        assert read_token(path) == content.decode().strip()
    else:
        with pytest.raises(FileError, match="it holds no password of one line; write one into it"):
            read_token(path)


@pytest.mark.parametrize(
    "token", [b" ", b"\n", b"a\nb", b"\xff", b"x" * 4097], ids=["space", "empty", "lines", "odd", "long"]
)
def test_a_password_of_the_environment_is_one_line_too(token: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environb, b"AUDIOSOCKET_SERVE_API_TOKEN", token)
    done = run("serve", "--listen", "127.0.0.1:0", "--api", ":0")
    assert done.returncode == 2
    assert done.stderr == (
        "audiosocket: error: AUDIOSOCKET_SERVE_API_TOKEN holds no password of one line: set one, or leave the variable "
        "out\n"
    )


def test_the_line_end_of_a_password_in_the_environment_is_none_of_it(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIOSOCKET_SERVE_API_TOKEN", "secret\n")
    port = free_port()
    serve("--api", f"127.0.0.1:{port}")
    assert get(port, "/calls", Authorization="Bearer secret")[0] == 200
    assert get(port, "/calls", Authorization="Bearer other")[0] == 401


def test_a_file_of_a_password_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = run("serve", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0", "--api-token-file", tmp_path / "none")
    assert done.returncode == 5
    assert done.stderr == f"audiosocket: error: cannot read {tmp_path}/none: no such file or directory\n"


@pytest.mark.parametrize("option", ["--api", "--bridge-api"])
def test_a_port_in_use_names_the_option(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = run("serve", "--listen", "127.0.0.1:0", option, f"127.0.0.1:{other.getsockname()[1]}")
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].endswith(f"or choose another port with {option}")


def test_the_bridges_address_answers_only_what_twilios_clients_ask_and_may_be_the_same(serve: Serve) -> None:
    port, other = free_port(), free_port()
    serve("--api", f"127.0.0.1:{port}", "--bridge-api", f"127.0.0.1:{other}")
    path = "/2010-04-01/Accounts/AC1/Calls/CA1.json"
    for each in (port, other):
        assert json.loads(get(each, path, "POST", "Status=completed")[1])["code"] == 20404
    assert get(port, "/calls")[0] == 200
    assert get(other, "/calls") == (404, "not found: try /2010-04-01/Accounts/{account}/Calls/{call}.json\n")
    same = free_port()
    serve("--api", f"127.0.0.1:{same}", "--bridge-api", f"127.0.0.1:{same}")
    assert get(same, "/calls")[0] == 200


def host(name: str) -> Request:
    return Request("/calls", "", {"host": name} if name else {})


@pytest.mark.parametrize(
    "name", ["", "127.0.0.1", "127.0.0.1:9080", "localhost", "LOCALHOST:9080", "[::1]", "[::1]:9080", "192.0.2.1:80"]
)
def test_without_a_password_who_asks_for_an_address_is_answered(name: str) -> None:
    assert Gatekeeper("").why_not(host(name)) is None


@pytest.mark.parametrize("name", ["evil.example", "evil.example:9080", "localhost.evil.example", "[evil]", "1.2.3.4.5"])
def test_a_page_of_another_name_that_leads_here_is_not(name: str) -> None:
    assert Gatekeeper("").why_not(host(name)) == 403
    assert Gatekeeper("secret").why_not(host(name)) == 401


def test_a_page_that_asks_for_an_address_is_not_either() -> None:
    asked = Request("/calls", "", {"host": "127.0.0.1:9080", "origin": "http://evil.example"}, "POST")
    assert Gatekeeper("").why_not(asked) == 403
