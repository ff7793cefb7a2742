"""Packets that bring a frame each give the same together as one by one, and are nearly all taken together."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.capture.connections import Connections
from audiosocket_cli.capture.items import Captured, Damage
from audiosocket_cli.capture.packet_runs import FrameSegments, PacketRun, frame_segments
from audiosocket_cli.capture.packets import plain_segment
from audiosocket_cli.capture.pcap import Packet
from audiosocket_cli.capture.pcapng import PcapngReader
from audiosocket_cli.capture.window import Window
from audiosocket_cli.codec import HEADER_BYTES
from support.captures import in_pieces, items_of, plain
from support.hurt import hurt
from support.packets import LINKS, linked, pcapng


@pytest.mark.parametrize("resolution", [9, 6, 0x80 | 20], ids=["ns", "us", "binary"])
@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1 << 32), harm=st.sampled_from([0.0, 0.01, 0.04]), offset_s=st.sampled_from([0, -7]))
def test_many_frames_together_give_the_same(order: str, resolution: int, seed: int, harm: float, offset_s: int) -> None:
    data = pcapng(hurt(seed, harm, 300), 101, order=order, resolution=resolution, offset_s=offset_s)
    together = plain(items_of(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PcapngReader, "_plain_run", lambda self: None)
        assert plain(items_of(data)) == together


def test_nearly_all_frames_of_a_pcapng_are_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0
    take_frames = Connections.take_frames

    def counting(self: Connections, segments: FrameSegments) -> tuple[int, Iterator[Captured]]:
        nonlocal taken
        count, frames = take_frames(self, segments)
        taken += count
        return count, frames

    monkeypatch.setattr(Connections, "take_frames", counting)
    items_of(pcapng(hurt(1, 0.0, 400), 101))
    assert taken >= 350


@pytest.mark.parametrize("link", ["raw", "ethernet", "cooked", "vlan"])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1 << 32), flips=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255))))
def test_segments_are_those_of_single_packets(link: str, seed: int, flips: list[tuple[int, int]]) -> None:
    number, wrap = LINKS[link]
    packets = [bytearray(packet.data) for packet in linked(hurt(seed, 1.0), wrap)]
    for at, value in flips:
        packet = packets[at % len(packets)]
        packet[at % min(len(packet), 60)] = value
    ends = np.cumsum([len(packet) for packet in packets])
    begins = ends - [len(packet) for packet in packets]
    run = PacketRun(number, b"".join(packets), begins, ends, np.arange(len(packets)))
    is_frame, segments = frame_segments(run)
    for which, packet in enumerate(run.packets()):
        assert packet == run.packet(which)
        single = plain_segment(packet.link_type, packet.data)
        is_one = single is not None and len(single[2]) >= HEADER_BYTES
        is_one = is_one and struct.unpack_from(">H", single[2], 1)[0] == len(single[2]) - HEADER_BYTES
        assert is_frame[which] == is_one
        if is_one:
            payload = run.data[segments.begins[which] : segments.ends[which]]
            assert (segments.flows[which].tobytes(), segments.seqs[which], payload) == single


def test_directions_are_told_apart_up_to_the_most() -> None:
    flows = np.array([[1, 2, 3], [4, 5, 6], [1, 2, 3], [7, 8, 9], [4, 5, 6]], np.uint32)
    numbers = np.zeros(5, np.int64)
    segments = FrameSegments(b"", numbers, flows, numbers, numbers, numbers)
    assert segments.by_flow(9)[1].tolist() == [0, 1, 0, 2, 1]
    known, which = segments.by_flow(2)
    assert known == [flows[0].tobytes(), flows[1].tobytes()]
    assert which.tolist() == [0, 1, 0, -1, 1]


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@settings(max_examples=60, deadline=None)
@given(
    streaks=st.lists(st.tuples(st.integers(0, 12), st.integers(1, 40)), min_size=1, max_size=12),
    piece=st.integers(60, 5000), cut=st.integers(0, 40), hole=st.integers(0, 1 << 20), is_hurt=st.booleans(),
)  # fmt: skip
def test_blocks_of_any_lengths_in_a_row_are_all_found(
    order: str, streaks: list[tuple[int, int]], piece: int, cut: int, hole: int, is_hurt: bool
) -> None:
    sizes = [size for size, count in streaks for _ in range(count)]
    data = bytearray(pcapng([(number, bytes(size), ()) for number, size in enumerate(sizes)], order=order))
    if is_hurt:
        data[-1 - hole % (len(data) - 99)] ^= 0x40
    del data[len(data) - cut :]

    def read() -> list[Packet | Damage]:
        return list(PcapngReader(Window(in_pieces(bytes(data), piece)), resync=True))

    together = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PcapngReader, "_plain_run", lambda self: None)
        assert read() == together
    assert is_hurt or cut or len(together) == len(sizes)


def test_blocks_of_one_length_are_found_together(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = 0

    class Counting(struct.Struct):
        def unpack_from(self, *args: object) -> tuple[int, ...]:  # type: ignore[override]
            nonlocal looked_at
            looked_at += 1
            return super().unpack_from(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("audiosocket_cli.capture.pcapng.struct.Struct", Counting)
    window = Window(in_pieces(pcapng([(number, bytes(363), ()) for number in range(5000)]), 1 << 20))
    assert len(list(PcapngReader(window, resync=False))) == 5000
    assert looked_at < 250
