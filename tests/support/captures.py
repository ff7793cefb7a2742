"""Reading in tests: bytes to items, and items without what differs from one reading to the next."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

from audiosocket_cli.capture.items import Captured, CapturedCall, Damage, Item, Lost, NoCall, Opened
from audiosocket_cli.capture.opening import Capture
from audiosocket_cli.codec import encode
from audiosocket_cli.model import Side


def in_pieces(data: bytes, size: int) -> Callable[[int], bytes]:
    """Return a read function that gives so many bytes at a time, as a slow pipe does."""
    stream = io.BytesIO(data)
    return lambda wanted: stream.read(min(size, wanted))


def items_of(data: bytes, *, piece: int = 1 << 20, resync: bool = False, scripts: bool = False) -> list[Item]:
    return list(Capture(in_pieces(data, piece), "x", resync=resync, scripts=scripts))


def bytes_of(items: Iterable[Item], side: Side, call: str | None = None) -> list[bytes]:
    """Return the frames of a side, as they were on the wire."""
    return [
        encode(item.frame)
        for item in items
        if isinstance(item, Captured) and item.side is side and call in (None, item.call.name)
    ]


def heard(items: Iterable[Item], call: str | None = None) -> list[bytes]:
    return bytes_of(items, Side.CALLER, call)


def said(items: Iterable[Item], call: str | None = None) -> list[bytes]:
    return bytes_of(items, Side.SERVER, call)


def calls_of(items: Iterable[Item]) -> list[CapturedCall]:
    return [item.call for item in items if isinstance(item, Opened)]


def losses(items: Iterable[Item]) -> list[tuple[Side, int, str]]:
    return [(item.side, item.lost_bytes, item.reason) for item in items if isinstance(item, Lost)]


def damage(items: Iterable[Item]) -> list[Damage]:
    return [item for item in items if isinstance(item, Damage)]


def no_calls(items: Iterable[Item]) -> list[NoCall]:
    return [item for item in items if isinstance(item, NoCall)]


def plain(items: Iterable[Item]) -> list[Any]:
    """Return items that can be compared: with what a call says of itself instead of the call."""
    found = []
    for item in items:
        call = getattr(item, "call", None)
        facts = tuple(item)
        if call is not None:
            facts = (call.name, call.uuid, call.caller, call.server, call.started_ns, call.me, call.whole, *facts[1:])
        found.append((type(item).__name__, *facts))
    return found
