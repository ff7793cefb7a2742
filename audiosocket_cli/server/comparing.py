"""Compares the answers of servers and mirrors, one call after the other, in a separate process: calls go on.

It is started for the first two captures that are to be compared, and ends with `close`, or with us.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.analysis.compare import Difference
from audiosocket_cli.call.mirror import Comparison

MAX_WAITING: Final = 100
"""Most calls that wait to be compared; further calls are not compared."""

TIMEOUT_S: Final = 60.0
"""Seconds after which a comparison is stopped. One takes tenths of a second; that of a long call with hundreds of
sentences takes many."""

STOP_S: Final = 1.5
"""Seconds that comparisons still have once the proxy stops."""

_STOPPED: Final = "the proxy was stopped"

_COMMAND: Final = (sys.executable, "-m", "audiosocket_cli.analysis.compare_captures")


class Comparing:
    """The process that compares, once there is something to compare."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._is_closed = False

    async def compare(self, expected: Path, seen: Path) -> Comparison:
        """Return how the answer in a capture differs from that in another. Never raises."""
        if self._waiting >= MAX_WAITING:
            return Comparison(failure=f"too many calls wait to be compared: {MAX_WAITING}")
        self._waiting += 1
        try:
            async with self._turn:
                if self._is_closed:
                    return Comparison(failure=_STOPPED)
                asking = asyncio.ensure_future(asyncio.to_thread(self._ask, expected, seen))
                _, late = await asyncio.wait({asking}, timeout=TIMEOUT_S)
                if late and self._process is not None:
                    self._process.kill()  # which ends the wait for its answer
                found = await asking
            return Comparison(failure=f"comparing took longer than {TIMEOUT_S:g} s") if late else found
        finally:
            self._waiting -= 1

    def stop(self) -> None:
        """Have all comparisons ended soon: those that go on by then, or wait, are given up."""
        asyncio.get_running_loop().call_later(STOP_S, self.close)

    def close(self) -> None:
        """End the process, and start no other. Safe to call twice."""
        self._is_closed = True
        self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                assert pipe is not None
                pipe.close()

    def _ask(self, expected: Path, seen: Path) -> Comparison:
        """Do it, on a thread."""
        try:
            process = self._process
            if process is None:
                process = self._process = _start()
                if self._is_closed:  # on the loop's thread, before it could be seen there
                    self._end()
            answer = _answer_of(process, [str(expected), str(seen)])
        except (OSError, ValueError) as error:  # it was killed, say for lack of memory: the next call starts another
            self._end()
            return Comparison(failure=_STOPPED if self._is_closed else f"the process that compares has ended: {error}")
        return Comparison([Difference(**one) for one in answer.get("differences", ())], answer.get("failure"))


def _start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        start_new_session=True,  # Ctrl-C is not for it
    )  # fmt: skip


def _answer_of(process: subprocess.Popen[str], question: list[str]) -> dict[str, Any]:
    """Ask it, and return its answer. Raises `OSError` and `ValueError` where it has ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(question) + "\n")
    process.stdin.flush()
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer
