"""The interface of every bot: whatever is one end of a call, and lives by itself, such as a program or a service."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from audiosocket_cli.call.sources.basic import Source
from audiosocket_cli.model import Call
from audiosocket_cli.runs import FrameRun


class Bot(Source):
    """One end of a call: a source of what we say, and a tap on the call. It may outlive the call.

    It reports its own log as events, and adds what is odd about it as notes to its call.
    """

    blocks = 0
    """How often it has held up all calls, as code in this process can."""
    blocked_s = 0.0
    """For how many seconds in all."""

    @property
    def processes(self) -> int:
        """The number of processes that run for it, as last seen."""
        return 0

    @property
    def call_sid(self) -> str | None:
        """The name of the call in the protocol of the bot, if it has one: Twilio's `CA…`. Known once the call is
        `opened`."""
        return None

    def end_by_api(self) -> None:
        """The bot asked for the end of the call through the API, not through its connection: end the call once what is
        queued has been played. Only for bots with a `call_sid`."""

    # As a tap.

    @abstractmethod
    def opened(self, call: Call) -> None:
        """The call has its UUID."""

    def frames(self, heard: Sequence[FrameRun], said: Sequence[FrameRun], now_s: float) -> None:
        """Take a batch of what was heard and said. A bot already gets each heard frame at once, through `answer`, and
        seldom needs this."""

    @abstractmethod
    def digit(self, at_s: float, digit: str) -> None:
        """A digit has just arrived, as a frame or as a tone, `at_s` seconds into the call."""

    @abstractmethod
    def closed(self, call: Call) -> None:
        """The call is over; `finish` follows."""

    # After the call.

    @abstractmethod
    async def finish(self) -> None:
        """End it, and wait until all of it has ended. After that the call's result is complete."""

    @abstractmethod
    def kill(self) -> None:
        """End it now; `finish` still has to be awaited."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Return how it ended as JSON values for the call's result; keys carry units."""
