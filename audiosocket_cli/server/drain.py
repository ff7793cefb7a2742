"""Ending without cutting a call: accept no more, let those go on that are there, and hang up when the time is over.

Where a load balancer is in front, `DrainOptions.delay_s` comes first: health checks say 503, and calls are still
accepted, until the balancer has seen that and sends no more. A port that closes sooner refuses the calls that it sends
meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DrainOptions:
    """How a server ends that is told to."""

    seconds: float
    """How long calls may go on once no more are accepted."""
    delay_s: float = 0.0
    """How long calls are still accepted before that, while health checks say 503."""


class Drain:
    """The time in which calls may end by themselves."""

    def __init__(
        self,
        options: DrainOptions,
        *,
        count: Callable[[], int],
        complain: Callable[[str], object],
        close: Callable[[], None],
        hang_up: Callable[[], None],
    ) -> None:
        """Begin now, on the running loop. `count` says how many calls there are, `close` accepts no more, `hang_up`
        ends those that remain."""
        self._options = options
        self._count = count
        self._complain = complain
        self._close = close
        self._hang_up = hang_up
        self._loop = asyncio.get_running_loop()
        if options.delay_s > 0:
            self._timer = self._loop.call_later(options.delay_s, self._begin)
            complain(
                f"draining in {options.delay_s:g} s: calls are still accepted, and health checks say 503; "
                "a second signal hangs up now"
            )
        else:
            self._begin()

    def cancel(self) -> None:
        """Stop waiting: all calls have ended, or are being ended."""
        self._timer.cancel()

    def _begin(self) -> None:
        self._timer = self._loop.call_later(self._options.seconds, self._end)
        self._close()
        if self._count():
            self._complain(
                f"draining: {_calls(self._count())} on, for {self._options.seconds:g} s at most; "
                "a second signal hangs up now"
            )
        else:
            self._complain("draining: no calls are left")

    def _end(self) -> None:
        if self._count():
            self._complain(f"drained for {self._options.seconds:g} s, but {_calls(self._count())} on: hanging up")
        self._hang_up()


def _calls(count: int) -> str:
    return "1 call goes" if count == 1 else f"{count} calls go"
