"""The short way of packets that only bring the next frame gives what the long way gives, whatever else is between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.capture.connections import Connections
from audiosocket_cli.capture.items import Captured
from audiosocket_cli.capture.opening import CallsInPackets
from audiosocket_cli.capture.packet_runs import FrameSegments
from audiosocket_cli.capture.pcapng import PcapngReader
from support.captures import items_of, plain
from support.packets import CALLER, LINKS, OPENING, SERVER, Stamped, Talk, audio, digit, linked, pcap, pcapng


def hurt(seed: int, harm: float, frames: int = 60) -> list[Stamped]:
    """Two calls at the same time, of whose packets some are lost, repeated, late, cut in two, or two in one."""
    rng = Random(seed)
    talks = [
        Talk(caller=("10.0.0.1", 40000 + number), seqs=(number << 30, 5000 + (number << 30))).open()
        for number in range(2)
    ]
    for number, talk in enumerate(talks):
        talk.say(CALLER, OPENING[:-1] + bytes([number]))
    for number in range(frames):
        talk = rng.choice(talks)
        who = rng.choice((CALLER, SERVER))
        chunk = audio(number, rng.choice((320, 320, 320, 640, 0)))
        what = rng.random() / max(harm, 1e-9)
        if what < 0.1:
            talk.lose(who, chunk)
        elif what < 0.2:
            talk.say(who, chunk[:100], chunk[100:])
        elif what < 0.3:
            talk.say(who, chunk + digit("5") + chunk)
        elif what < 0.35:
            talk.put(who)  # an acknowledgement
        else:
            talk.say(who, chunk)
    packets = [packet for talk in talks for packet in talk.close().packets]
    packets.sort(key=lambda packet: packet.at_ns)
    for _ in range(int(10 * harm)):
        at = rng.randrange(len(packets))
        match rng.randrange(3):
            case 0:
                packets.insert(at, packets[at])
            case 1:
                del packets[at]
            case 2:
                packets[at], packets[at - 1] = packets[at - 1], packets[at]
    return packets


@pytest.mark.parametrize("link", ["raw", "ethernet", "cooked", "vlan"])
@pytest.mark.parametrize("write", [pcap, pcapng], ids=["pcap", "pcapng"])
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 32), harm=st.sampled_from([0.0, 0.3, 1.0]))
def test_both_ways_give_the_same(write: Callable[..., bytes], link: str, seed: int, harm: float) -> None:
    number, wrap = LINKS[link]
    data = write(linked(hurt(seed, harm), wrap), number)
    short = plain(items_of(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CallsInPackets, "take_frame", lambda self, packet: None)
        patch.setattr(PcapngReader, "_plain_run", lambda self: None)
        assert plain(items_of(data)) == short
    assert harm or sum(name == "Captured" for name, *_ in short) >= 50


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


def test_frames_of_a_call_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0
    take_frame = CallsInPackets.take_frame

    def counting(self: CallsInPackets, packet: object) -> Captured | None:
        nonlocal taken
        frame = take_frame(self, packet)  # type: ignore[arg-type]
        taken += frame is not None
        return frame

    monkeypatch.setattr(CallsInPackets, "take_frame", counting)
    items_of(pcap(hurt(1, 0.0), 101))
    assert taken >= 50
