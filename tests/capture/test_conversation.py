"""Packets that never were: they are valid TCP/IP, and hold what was said, in order."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.capture.conversation import Conversation
from audiosocket_cli.capture.packets import ACK, FIN, RST, SYN, Segment, tcp_segment

RAW_IP = 101
V4 = (("10.0.0.1", 40000), ("192.0.2.7", 9092))
V6 = (("2001:db8::1", 40000), ("fe80::2%eth0", 9092))
MAPPED = (("::ffff:10.0.0.1", 1), ("10.0.0.2", 2))


def checksum(data: bytes) -> int:
    """The one's complement sum of 16-bit words, word by word (RFC 1071); 0xFFFF of what holds its own checksum."""
    total = 0
    for (word,) in struct.iter_unpack(">H", data + b"\0" * (len(data) % 2)):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total


def segment(packet: bytes) -> Segment:
    """Read a packet, whose checksums have to be right."""
    if packet[0] >> 4 == 4:
        assert checksum(packet[:20]) == 0xFFFF
        addresses, tcp = packet[12:20], packet[20:]
    else:
        addresses, tcp = packet[8:40], packet[40:]
    assert checksum(addresses + struct.pack(">II", len(tcp), 6) + tcp) == 0xFFFF
    found = tcp_segment(RAW_IP, packet)
    assert isinstance(found, Segment)
    return found


@pytest.mark.parametrize("ends", [V4, V6, MAPPED], ids=["IPv4", "IPv6", "mapped"])
@given(chunks=st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=200)), max_size=8),
       first_seq=st.sampled_from([0, 0xFFFFFF00]))  # fmt: skip
def test_each_side_says_its_bytes_in_order(
    ends: tuple[tuple[str, int], tuple[str, int]], chunks: list[tuple[bool, bytes]], first_seq: int
) -> None:
    talk = Conversation(*ends, first_seq=first_seq)
    (_, syn), (_, answer), _ = talk.opening(sent=True)
    following = {True: segment(syn).seq + 1, False: segment(answer).seq + 1}
    for sent, data in chunks:
        (packet,) = talk.chunk(data, sent=sent)
        found = segment(packet)
        assert (found.seq, found.payload) == (following[sent] & 0xFFFFFFFF, data)
        assert found.ack == following[not sent] & 0xFFFFFFFF
        following[sent] += len(data)


def test_a_handshake_is_of_who_dialled() -> None:
    for sent in (True, False):
        packets = list(Conversation(*V4).opening(sent=sent))
        assert [who for who, _ in packets] == [sent, not sent, sent]
        assert [segment(packet).flags for _, packet in packets] == [SYN, SYN | ACK, ACK]


def test_a_long_chunk_is_several_segments() -> None:
    data = bytes(range(256)) * 600
    packets = list(Conversation(*V4).chunk(data, sent=True))
    assert len(packets) == 3
    assert b"".join(segment(packet).payload for packet in packets) == data


def test_each_side_closes_once_and_a_reset_ends_both() -> None:
    talk = Conversation(*V4)
    end = talk.end(sent=True)
    assert end is not None
    assert segment(end).flags == FIN | ACK
    assert talk.end(sent=True) is None
    assert not talk.has_ended
    assert segment(talk.reset(sent=False)).flags == RST | ACK
    assert talk.has_ended
    assert talk.end(sent=False) is None
    assert segment(talk.acknowledgement(sent=True)).payload == b""


def test_addresses_of_two_families_and_no_addresses_are_refused() -> None:
    with pytest.raises(ValueError, match="are not of one family"):
        Conversation(("10.0.0.1", 1), ("::1", 2))
    with pytest.raises(ValueError, match="nobody"):
        Conversation(("nobody", 1), ("::1", 2))
