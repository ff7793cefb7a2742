"""Ends a program after its call: a grace period, SIGTERM, a second grace period, SIGKILL. Nothing here blocks."""

from __future__ import annotations

import signal
import time
from typing import Final

from audiosocket_cli.call.bots.child import Child
from audiosocket_cli.call.bots.process import how_it_ended, signal_name
from audiosocket_cli.finding import tagged

_KILLED_S: Final = 2.0
"""How long SIGKILL may take. A process that still exists then cannot be killed, or is dead and its parent does not reap
it."""


class Lifetime:
    """A program from its start to its end, with all processes of its process group."""

    def __init__(self, child: Child, grace_s: float) -> None:
        self.stopped_by: str | None = None
        """The last signal that it was sent while it ran."""
        self.ran_s = 0.0
        """How long it ran, once that is known."""
        self._child = child
        self._started_s = time.monotonic()
        self._steps = [(2 * grace_s, signal.SIGKILL), (grace_s, signal.SIGTERM)]
        self._killed_s: float | None = None

    def has_ended(self) -> bool:
        """Whether the program itself has ended."""
        if not self.ran_s and self._child.poll():
            self.ran_s = time.monotonic() - self._started_s
        return self._child.status is not None

    def is_over(self) -> bool:
        """Whether its process group is empty, or what is left cannot be killed."""
        if self.has_ended() and self._child.is_gone():
            return True
        return self._killed_s is not None and time.monotonic() - self._killed_s > _KILLED_S

    def escalate(self, since_s: float) -> None:
        """Send the next signal once it is due; the call ended `since_s` ago."""
        if self._steps and since_s >= self._steps[-1][0]:
            self.stop(self._steps.pop()[1])

    def stop(self, number: signal.Signals) -> None:
        """Send a signal to its process group."""
        if self._child.is_gone():
            return
        if self._child.status is None:
            self.stopped_by = number.name
        if number == signal.SIGKILL and self._killed_s is None:
            self._killed_s = time.monotonic()
        self._child.signal(number)

    def how(self) -> str:
        """Say how it ended, in words."""
        return how_it_ended(self._child.status)

    def as_dict(self) -> dict[str, object]:
        """Return how it ended as JSON values."""
        status = self._child.status
        return {
            "exit_code": status if status is not None and status >= 0 else None,
            "signal": signal_name(-status) if status is not None and status < 0 else None,
            "stopped_by": self.stopped_by,
            "ran_s": round(self.ran_s, 3),
        }

    def oddities(self) -> list[str]:
        """Return what was wrong with how it ended, one line each."""
        found = []
        if self.stopped_by is not None:
            found.append(tagged("bot-not-ended", f"the program did not end by itself: {self.stopped_by}"))
        elif self._child.status:
            found.append(tagged("bot-failed", f"the program {self.how()}"))
        if not self._child.is_gone():
            found.append(tagged("bot-not-ended", "the program, or what it started, could not be killed"))
        return found
