"""The short way of packets that only bring the next frame gives what the long way gives, whatever else is between."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.capture.items import Captured
from audiosocket_cli.capture.opening import CallsInPackets
from audiosocket_cli.capture.pcapng import PcapngReader
from support.captures import items_of, plain
from support.hurt import hurt
from support.packets import LINKS, linked, pcap, pcapng


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
