"""pcap files, those of a patched libpcap too."""

from __future__ import annotations

import struct

import pytest

from support.captures import heard, items_of, plain
from support.packets import (
    OPENING,
    a_call,
    digit,
    ethernet,
    linked,
    pcap,
    speech,
)

HEARD = [OPENING, *speech(6), digit("5")]


def test_upper_bits_of_a_pcap_link_type_are_of_no_matter() -> None:
    data = bytearray(pcap(linked(a_call(), ethernet), 1))
    data[20:24] = struct.pack("<I", 0x5000_0001)  # a frame check sequence of 4 bytes follows each packet
    assert heard(items_of(bytes(data))) == HEARD


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
def test_pcap_of_a_patched_libpcap_is_read(order: str) -> None:
    """Its records have 8 more bytes in front (Kuznetzov, "modified" to Wireshark)."""
    data = bytearray(struct.pack(order + "IHHiIII", 0xA1B2CD34, 2, 4, 0, 0, 262144, 101))
    for at_ns, packet, _ in a_call():
        seconds, rest_ns = divmod(at_ns, 10**9)
        data += struct.pack(order + "IIIIIHBx", seconds, rest_ns // 1000, len(packet), len(packet), 2, 0x0800, 4)
        data += packet
    assert plain(items_of(bytes(data))) == plain(items_of(pcap(a_call(), unit_ns=1000)))
