"""Who answers for us with a life of its own: what all bots have in common, programs and others."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from audiosocket_cli.call.sources.basic import Source
from audiosocket_cli.model import Call
from audiosocket_cli.runs import FrameRun


class Bot(Source):
    """One end of a call: a source of what we say, and a tap on the call, that may live on after it.

    What it has to say of itself, its log, it reports as events; what is odd about it, it notes in its call.
    """

    @property
    def processes(self) -> int:
        """How many processes run for it now, as far as was seen."""
        return 0

    # As a tap.

    @abstractmethod
    def opened(self, call: Call) -> None:
        """The call has its UUID."""

    def frames(self, heard: Sequence[FrameRun], said: Sequence[FrameRun], now_s: float) -> None:
        """Take a batch of what was heard and said. A bot hears by `answer`, at once, and rarely needs it."""

    @abstractmethod
    def digit(self, at_s: float, digit: str) -> None:
        """A digit has just arrived, as a frame or as a tone."""

    @abstractmethod
    def closed(self, call: Call) -> None:
        """The call is over; `finish` follows."""

    # After the call.

    @abstractmethod
    async def finish(self) -> None:
        """Wait until nothing of it is left, and see to that. The call's result is complete once it has returned."""

    @abstractmethod
    def kill(self) -> None:
        """End it now; `finish` still has to be awaited."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Return what became of it as JSON values, units in the keys, by their name in the call's result."""
