"""Captures that lack something."""

from __future__ import annotations

from audiosocket_cli.model import Side
from support.packets import CALLER, OPENING, SERVER, Talk, a_call, audio, pcap

CUT_BYTES = 46
"""What is kept of each packet of `cut`: its headers, and of audio 6 bytes more."""


def encrypted() -> bytes:
    """Return a call in IPsec."""
    return pcap(packet._replace(data=packet.data[:9] + b"\x32" + packet.data[10:]) for packet in a_call())


def cut() -> bytes:
    """Return a call of which the capture kept the beginning of each packet, and so no frame of audio."""
    return pcap(_talk().packets, snaplen=CUT_BYTES)


def with_a_hole(side: Side, frames: int = 5) -> bytes:
    """Return a call of 20 frames each way; of one side, the capture lost some in the middle."""
    return pcap(_talk(CALLER if side is Side.CALLER else SERVER, range(5, 5 + frames)).packets)


def _talk(who: int = CALLER, lost: range = range(0)) -> Talk:
    talk = Talk().open().say(CALLER, OPENING)
    for number in range(20):
        for each in (CALLER, SERVER):
            put = talk.lose if each == who and number in lost else talk.say
            put(each, audio(number))
    return talk.close()
