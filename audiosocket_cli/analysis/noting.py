"""The first stage after a reader: all that it yields passes, and what is not a frame is noted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from audiosocket_cli.capture.items import Captured, CapturedCall, Damage, Item, Opened, Over
from audiosocket_cli.capture.runs import Run


class Account(Protocol):
    """Keeps account of what is read."""

    def opened(self, call: CapturedCall) -> None:
        """A call begins."""

    def over(self, call: CapturedCall) -> None:
        """Nothing more comes of a call."""

    def damaged(self, damage: Damage) -> None:
        """The capture is damaged here."""

    def interrupted(self) -> None:
        """The user interrupted the reading (Ctrl-C)."""


def noted(found: Iterable[Run | Item], account: Account) -> Iterator[Any]:
    """Yield all that a capture holds, and note calls and damage.

    After an interruption the calls that go on are over, so that what was read of them is shown.
    """
    going_on: dict[CapturedCall, None] = {}
    rare = (Opened, Over, Damage)
    try:
        for one in found:
            if type(one) is not Captured and isinstance(one, rare):  # nearly all are frames
                if isinstance(one, Opened):
                    going_on[one.call] = None
                    account.opened(one.call)
                elif isinstance(one, Over):
                    going_on.pop(one.call, None)
                    account.over(one.call)
                else:
                    account.damaged(one)
            yield one
    except KeyboardInterrupt:
        account.interrupted()
        yield from map(Over, going_on)
