"""Calls as segments of TCP, whole and with losses, and what is read from them."""

from __future__ import annotations

import time

from audiosocket_cli.capture.items import Captured, Ended, Item
from audiosocket_cli.model import Side
from support.captures import items_of
from support.packets import (
    ACK,
    CALLER,
    FIN,
    OPENING,
    SERVER,
    Stamped,
    Talk,
    audio,
    pcap,
    speech,
)

UUID_TEXT = "11111111-2222-4333-8444-555555555555"


MISSING = "missing from the capture"


def read(packets: list[Stamped]) -> list[Item]:
    return items_of(pcap(packets))


def times_of(items: list[Item], side: Side) -> list[int]:
    """Return the wall clock of a side's frames in ns."""
    return [
        round(item.at_s * 1e9) + (item.call.started_ns or 0)
        for item in items
        if isinstance(item, Captured) and item.side is side
    ]


def ends_of(items: list[Item]) -> list[tuple[Side, bool]]:
    return [(item.side, item.reset) for item in items if isinstance(item, Ended)]


def with_loss(lost: int, *, acknowledged: bool, behind: int = 8, cut: bool = False) -> Talk:
    """Return a call that lost so many bytes behind its first three frames."""
    talk = Talk().open().say(CALLER, OPENING, *speech(3))
    stream = b"".join(speech(40, 3))
    talk.lose(CALLER, stream[:lost])
    rest = stream[lost : 323 * (-(-lost // 323) + behind) - (10 if cut else 0)]
    for at in range(0, len(rest), 323):
        talk.say(CALLER, rest[at : at + 323])
        if acknowledged:
            talk.at_ns += 10**9
            talk.put(SERVER)
    return talk


def lost_before_the_end(side: Side) -> bytes:
    """Return a call of which the capture lost the last frame but one of a side that closes first, 20 ms before the
    other does."""
    who = CALLER if side is Side.CALLER else SERVER
    talk = Talk().open().say(CALLER, OPENING)
    for number in range(3):
        talk.say(CALLER, audio(number)).say(SERVER, audio(100 + number))
    talk.lose(who, audio(7)).say(who, audio(8))
    return pcap(talk.put(who, FIN | ACK).put(1 - who, FIN | ACK).packets)


def bounded(packets: list[Stamped], most_s: float) -> list[Item]:
    data = pcap(packets)
    begun = time.process_time()
    items = items_of(data)
    assert time.process_time() - begun < most_s
    return items
