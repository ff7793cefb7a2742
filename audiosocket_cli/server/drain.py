"""Ending without cutting a call: accept no more, let those go on that are there, and hang up when the time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Drain:
    """The time in which calls may end by themselves."""

    def __init__(
        self,
        seconds: float,
        *,
        count: Callable[[], int],
        complain: Callable[[str], object],
        hang_up: Callable[[], None],
    ) -> None:
        """Begin now, on the running loop. `count` says how many calls there are, `hang_up` ends those that remain."""
        self._seconds = seconds
        self._count = count
        self._complain = complain
        self._hang_up = hang_up
        self._timer = asyncio.get_running_loop().call_later(seconds, self._end)
        if count():
            complain(f"draining: {_calls(count())} on, for {seconds:g} s at most; a second signal hangs up now")
        else:
            complain("draining: no calls are left")

    def cancel(self) -> None:
        """Stop waiting: all calls have ended, or are being ended."""
        self._timer.cancel()

    def _end(self) -> None:
        if self._count():
            self._complain(f"drained for {self._seconds:g} s, but {_calls(self._count())} on: hanging up")
        self._hang_up()


def _calls(count: int) -> str:
    return "1 call goes" if count == 1 else f"{count} calls go"
