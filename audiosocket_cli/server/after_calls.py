"""The command of --on-call-end, after each call: a few at once, each with a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from audiosocket_cli.model import Call
from audiosocket_cli.server.hooks import run_hook

MAX_AT_ONCE: Final = 4
"""Commands that run at once; more wait."""

TIMEOUT_S: Final = 600.0


class AfterCalls:
    """Runs a command after each call."""

    def __init__(self, words: Sequence[str], on_failure: Callable[[Call, str], None]) -> None:
        """`on_failure` is called with the call whose command failed, and the reason."""
        self._words = words
        self._on_failure = on_failure
        self._at_once = asyncio.Semaphore(MAX_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._aborted = False

    def __len__(self) -> int:
        return len(self._tasks)

    async def run(self, call: Call, facts: Mapping[str, str]) -> None:
        """Run the command after a call, with the call's facts in its environment, and return when it has ended."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        failure: str | None = "stopped at once"
        try:
            async with self._at_once:
                if not self._aborted:
                    failure = await run_hook(self._words, facts, TIMEOUT_S)
        except asyncio.CancelledError:
            pass
        except Exception as error:
            failure = f"internal error: {error!r}"
        finally:
            self._tasks.discard(task)
        if failure:
            self._on_failure(call, failure)

    def abort(self) -> None:
        """End the commands that run, and start no others."""
        self._aborted = True
        for task in self._tasks:
            task.cancel()
