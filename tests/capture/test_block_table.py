"""Blocks that are made together are those that `packet_block` makes one by one."""

from __future__ import annotations

import random

import pytest

from audiosocket_cli.capture.block_table import Entry, Maker, blocks_of
from audiosocket_cli.capture.conversation import Conversation
from audiosocket_cli.capture.pcapng import packet_block

FIRST_SEQ = 0xFFFFFFFF - 10_000
HEADER = b"\x10\x01\x40"


class Side(Maker):
    """Chunks of one size, which need no comments."""

    def __init__(self, conversation: Conversation, size: int, *, sent: bool) -> None:
        super().__init__(conversation, sent=sent)
        self.size = size
        self.header = HEADER

    def blocks(self, at_ns: int, data: bytes) -> bytes:
        packets = self.conversation.chunk(data, sent=self.sent)
        return b"".join(packet_block(at_ns, packet, outbound=self.sent) for packet in packets)

    def fail(self, error: OSError) -> None:
        raise error


def entries_of(host: str, peer: str, sizes: tuple[int, int]) -> list[Entry]:
    """Two conversations, in which nearly all chunks are alike."""
    rng = random.Random(1)
    sides = []
    for port in (40000, 40001):
        conversation = Conversation((host, 9092), (peer, port), first_seq=FIRST_SEQ)
        conversation.numbers[2] = 0xFFF0
        sides += [Side(conversation, size, sent=sent) for size, sent in zip(sizes, (False, True), strict=True)]
    entries: list[Entry] = []
    for number in range(400):
        side = rng.choice(sides)
        data = HEADER + rng.randbytes(side.size - len(HEADER))
        if number in (37, 38, 300):
            data = data[:-1] if number == 300 else b"\x11" + data[1:]
        elif number % 50 == 0 and side.size < 1000:
            data *= 2  # two frames at once
        entries.append((1_700_000_000_000_000_000 + number * 2_000_000_000, side, data))
    return entries


@pytest.mark.parametrize("sizes", [(323, 323), (323, 643), (324, 325), (4, 65495)], ids=str)
@pytest.mark.parametrize(("host", "peer"), [("10.0.0.9", "10.0.0.5"), ("::1", "2001:db8::7")], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("step", [400, 100])
def test_blocks_made_together_are_those_made_one_by_one(
    host: str, peer: str, sizes: tuple[int, int], step: int
) -> None:
    together = [
        blocks
        for start in range(0, 400, step)
        for blocks in blocks_of(entries_of_one[start : start + step]).split([1, 50, step])
    ] if (entries_of_one := entries_of(host, peer, sizes)) else []  # fmt: skip
    alone = [maker.blocks(at_ns, data) for at_ns, maker, data in entries_of(host, peer, sizes)]
    assert b"".join(together) == b"".join(alone)
    assert together[0] == alone[0]
