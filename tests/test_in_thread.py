"""Work on a thread is waited for, and does not keep a command from ending."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import audiosocket_cli
from audiosocket_cli.in_thread import addresses_of, in_thread
from support.running import COMMAND, wait_until


def test_what_it_returns_and_raises_comes_back() -> None:
    assert asyncio.run(in_thread(lambda: 7)) == 7
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_thread(lambda: 1 // 0))


@pytest.mark.parametrize(
    "waits",
    [
        "in_thread(threading.Event().wait)",
        "call_file.call_file_look(Path('x')).run()",
    ],
    ids=["a thread", "a file"],
)
def test_a_command_ends_while_it_still_works(waits: str) -> None:
    program = f"""
import asyncio, threading
from pathlib import Path
from audiosocket_cli.doctor.files import call_file
from audiosocket_cli.in_thread import in_thread
call_file.look_at_file = lambda path: threading.Event().wait()
async def main():
    async with asyncio.timeout(0.1):
        await {waits}
try:
    asyncio.run(main())
except TimeoutError:
    print("ended")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "ended\n"


@pytest.mark.parametrize(
    ("room", "waited_for"),
    [("doctor", r"\b(to_thread|run_in_executor)\b"), ("", r"\bloop\.getaddrinfo\b")],
    ids=["a look of doctor", "a name"],
)
def test_nothing_long_is_on_a_thread_that_the_loop_waits_for(room: str, waited_for: str) -> None:
    files = sorted((Path(audiosocket_cli.__path__[0]) / room).rglob("*.py"))
    assert [path.name for path in files if re.search(waited_for, path.read_text(encoding="utf-8"))] == []
    assert files


def test_a_name_is_looked_up_once_for_all_who_ask_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, may_answer = [], threading.Event()

    def look_up(host: str, port: int, *, type: int, flags: int = 0) -> list[Any]:
        if flags:
            raise socket.gaierror(socket.EAI_NONAME, "not a number")
        asked.append(host)
        assert may_answer.wait(60)
        return [host, port]

    async def main() -> list[Any]:
        asking = [asyncio.create_task(addresses_of("pbx.example", 9092)) for _ in range(50)]
        other = asyncio.create_task(addresses_of("bot.example", 9092))
        while len(asked) < 2:
            await asyncio.sleep(0.01)
        asking.pop().cancel()  # which ends it for nobody else
        may_answer.set()
        found = await asyncio.gather(*asking, other)
        assert await addresses_of("pbx.example", 9092) == ["pbx.example", 9092]
        return found

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert asyncio.run(main()) == [["pbx.example", 9092]] * 49 + [["bot.example", 9092]]
    assert asked == ["pbx.example", "bot.example", "pbx.example"]


SILENT = """
import pathlib, socket, threading
real = socket.getaddrinfo
def silent(host, *args, **more):
    if host != "pbx.example" or more.get("flags"):
        return real(host, *args, **more)
    pathlib.Path("asked").touch()
    threading.Event().wait()
socket.getaddrinfo = silent
"""


@pytest.mark.parametrize(
    "words",
    [
        ["play", "pbx.example:9092"],
        ["inject-dtmf", "1", "pbx.example:9092"],
        ["bench", "pbx.example:9092", "--calls", "5"],
        ["play", "ws://pbx.example/", "--protocol", "twilio"],
    ],
    ids=" ".join,
)
def test_ctrl_c_ends_a_command_while_a_name_server_is_silent(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SILENT)
    process = subprocess.Popen(
        [*COMMAND, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    wait_until((tmp_path / "asked").exists)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130  # else it waits for ever
