"""Work on a thread is waited for, and does not keep a command from ending."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

import audiosocket_cli.doctor
from audiosocket_cli.doctor.threads import in_thread


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
from audiosocket_cli.doctor.threads import in_thread
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


def test_no_look_is_on_a_thread_that_the_loop_waits_for() -> None:
    files = sorted(Path(audiosocket_cli.doctor.__path__[0]).rglob("*.py"))
    waited_for = re.compile(r"\bto_thread\b|\brun_in_executor\b|\bloop\.getaddrinfo\b")
    assert [path.name for path in files if waited_for.search(path.read_text(encoding="utf-8"))] == []
    assert files
