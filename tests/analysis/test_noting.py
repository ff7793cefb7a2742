"""What is read passes as it is, and an account is kept of it, also where the user interrupts."""

from __future__ import annotations

from collections.abc import Iterator

from audiosocket_cli.analysis.noting import noted
from audiosocket_cli.capture.items import Captured, CapturedCall, Damage, Item, Opened, Over
from audiosocket_cli.codec import Frame, Kind
from audiosocket_cli.model import Side

CALL = CapturedCall("call-1", None, whole=True)
FRAME = Captured(CALL, 0.02, Side.CALLER, Frame(Kind.SLIN, bytes(320)), 0.02, 0)


class Told:
    """An account that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def opened(self, call: CapturedCall) -> None:
        self.told.append(f"opened {call.name}")

    def over(self, call: CapturedCall) -> None:
        self.told.append(f"over {call.name}")

    def damaged(self, damage: Damage) -> None:
        self.told.append(f"damaged: {damage.reason}")

    def interrupted(self) -> None:
        self.told.append("interrupted")


def test_all_passes_as_it_is_and_what_is_not_a_frame_is_noted() -> None:
    account, items = Told(), [Opened(CALL, 0.0), FRAME, Damage(323, "cut", None), Over(CALL)]
    assert list(noted(items, account)) == items
    assert account.told == ["opened call-1", "damaged: cut", "over call-1"]


def test_an_interruption_ends_the_calls_that_go_on() -> None:
    def read() -> Iterator[Item]:
        yield Opened(CALL, 0.0)
        yield FRAME
        raise KeyboardInterrupt

    account = Told()
    assert list(noted(read(), account)) == [Opened(CALL, 0.0), FRAME, Over(CALL)]
    assert account.told == ["opened call-1", "interrupted"]
