"""Work on a thread is waited for, and does not keep a command from ending."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from audiosocket_cli.doctor.threads import in_thread


def test_what_it_returns_and_raises_comes_back() -> None:
    assert asyncio.run(in_thread(lambda: 7)) == 7
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_thread(lambda: 1 // 0))


def test_a_command_ends_while_it_still_works() -> None:
    program = """
import asyncio, threading
from audiosocket_cli.doctor.threads import in_thread
async def main():
    async with asyncio.timeout(0.1):
        await in_thread(threading.Event().wait)
try:
    asyncio.run(main())
except TimeoutError:
    print("ended")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "ended\n"
