"""Headers and records: every link, both IPs, pcap and pcapng in all their dialects."""

from __future__ import annotations

import io

import pytest

from audiosocket_cli.capture.items import Item
from audiosocket_cli.capture.opening import Capture
from audiosocket_cli.capture.packets import Segment, Unreadable, flow_names, reverse_of, tcp_segment
from support.captures import calls_of, heard, items_of, losses, said
from support.packets import (
    ACK,
    CALLER,
    LINKS,
    OPENING,
    SERVER,
    START_NS,
    Stamped,
    Talk,
    a_call,
    digit,
    ethernet,
    ipv4,
    ipv6,
    linked,
    pcap,
    speech,
    tcp,
)

HEARD = [OPENING, *speech(6), digit("5")]

SAID = [*speech(6, 100), b"\x00\x00\x00"]

V6 = Talk(("2001:db8::1", 40000), ("2001:db8::2", 9092)).open().say(CALLER, *HEARD).say(SERVER, *SAID).close().packets

BODY = tcp((40000, 9092), 7, 9, ACK, b"hello")


def segment_of(link: int, data: bytes) -> Segment:
    found = tcp_segment(link, data)
    assert isinstance(found, Segment)
    return found


def capture_of(data: bytes) -> tuple[Capture, list[Item]]:
    capture = Capture(io.BytesIO(data).read, "x")
    return capture, list(capture)


@pytest.mark.parametrize("link", LINKS)
def test_a_call_is_read_from_every_link(link: str) -> None:
    number, wrap = LINKS[link]
    items = items_of(pcap(linked(V6 if link == "ipv6" else a_call(), wrap), number))
    assert (heard(items), said(items), losses(items)) == (HEARD, SAID, [])


@pytest.mark.parametrize("link", sorted(set(LINKS) - {"ipv4"}))
def test_ipv6_is_read_from_every_link(link: str) -> None:
    number, wrap = LINKS[link]
    items = items_of(pcap(linked(V6, wrap), number))
    assert (heard(items), said(items)) == (HEARD, SAID)
    assert (calls_of(items)[0].caller, calls_of(items)[0].server) == ("[2001:db8::1]:40000", "[2001:db8::2]:9092")


def test_packets_of_an_unknown_link_are_counted_by_their_type() -> None:
    capture, items = capture_of(pcap(a_call(), 147))
    assert (items, capture.packets_left_out) == ([], {"of link type 147": len(a_call())})


def test_what_is_not_tcp_is_passed_over_in_silence() -> None:
    arp = Stamped(START_NS, bytes(12) + b"\x08\x06" + bytes(28))
    udp = Stamped(START_NS, ethernet(ipv4("10.0.0.1", "10.0.0.2", bytes(20), protocol=17)))
    udp6 = Stamped(START_NS, ethernet(ipv6("::1", "::2", bytes(20), protocol=17)))
    capture, items = capture_of(pcap([arp, udp, udp6, *linked(a_call(), ethernet)], 1))
    assert (heard(items), capture.packets_left_out) == (HEARD, {})


@pytest.mark.parametrize("size", [4, 12, 40])
def test_ipv4_options_are_stepped_over(size: int) -> None:
    segment = segment_of(101, ipv4("10.0.0.1", "10.0.0.2", BODY, options=b"\x01" * size))
    assert (segment.seq, segment.ack, segment.payload) == (7, 9, b"hello")


@pytest.mark.parametrize(
    "extensions",
    [
        pytest.param([(0, b"\0" + bytes(6))], id="hop-by-hop"),
        pytest.param([(60, b"\x01" + bytes(14))], id="destination"),
        pytest.param([(43, b"\x02" + bytes(22))], id="routing"),
        pytest.param([(51, b"\x04" + bytes(22))], id="authentication"),
        pytest.param([(0, b"\0" + bytes(6)), (60, b"\0" + bytes(6)), (43, b"\0" + bytes(6))], id="three"),
        pytest.param([(44, b"\0" + bytes(6))], id="the-only-fragment"),
    ],
)
def test_ipv6_extension_headers_are_stepped_over(extensions: list[tuple[int, bytes]]) -> None:
    segment = segment_of(101, ipv6("::1", "::2", BODY, extensions=extensions))
    assert (segment.seq, segment.ack, segment.payload) == (7, 9, b"hello")


def test_tcp_options_are_stepped_over() -> None:
    body = tcp((40000, 9092), 7, 9, ACK, b"hello", options=b"\x01" * 12)
    assert segment_of(101, ipv4("10.0.0.1", "10.0.0.2", body)).payload == b"hello"


def test_the_padding_of_a_short_ethernet_frame_is_no_payload() -> None:
    bare = ipv4("10.0.0.1", "10.0.0.2", tcp((40000, 9092), 7))
    padded = segment_of(1, ethernet(bare).ljust(60, b"\0"))
    assert (padded.payload, padded.missing_bytes) == (b"", 0)
    short = ipv4("10.0.0.1", "10.0.0.2", tcp((40000, 9092), 7, data=b"\0\0\0"))
    assert segment_of(1, ethernet(short).ljust(60, b"\0")).payload == b"\0\0\0"


@pytest.mark.parametrize(
    "packet",
    [ipv4("10.0.0.1", "10.0.0.2", BODY, length=0), ipv6("::1", "::2", BODY, length=0)],
    ids=["ipv4", "ipv6"],
)
def test_a_packet_that_the_card_was_to_cut_has_no_length_and_is_read_whole(packet: bytes) -> None:
    assert segment_of(101, packet).payload == b"hello"


def test_a_flow_is_named_and_turned_round() -> None:
    flow = segment_of(101, ipv4("10.0.0.1", "10.0.0.2", BODY)).flow
    assert flow_names(flow) == ("10.0.0.1:40000", "10.0.0.2:9092")
    assert flow_names(reverse_of(flow)) == ("10.0.0.2:9092", "10.0.0.1:40000")
    flow6 = segment_of(101, ipv6("::1", "::2", BODY)).flow
    assert flow_names(reverse_of(flow6)) == ("[::2]:9092", "[::1]:40000")


FRAGMENTS = {
    "first": ipv4("10.0.0.1", "10.0.0.2", BODY, fragment=0x2000),
    "later": ipv4("10.0.0.1", "10.0.0.2", b"rest", fragment=0x0010),
    "ipv6": ipv6("::1", "::2", BODY, extensions=[(44, b"\0\x00\x01" + bytes(4))]),
    "ipv6-later": ipv6("::1", "::2", b"rest", extensions=[(44, b"\0\x00\x08" + bytes(4))]),
}


@pytest.mark.parametrize("kind", FRAGMENTS)
def test_fragments_are_counted(kind: str) -> None:
    capture, items = capture_of(pcap([Stamped(START_NS, FRAGMENTS[kind]), *a_call()]))
    assert (heard(items), capture.packets_left_out) == (HEARD, {"that are IP fragments": 1})


def test_fragments_of_rtp_do_not_count() -> None:
    four = ipv4("10.0.0.1", "10.0.0.2", bytes(20), fragment=0x2000, protocol=17)
    six = ipv6("::1", "::2", bytes(20), extensions=[(44, b"\0\x00\x01" + bytes(4))], protocol=17)
    assert (tcp_segment(101, four), tcp_segment(101, six)) == (None, None)


@pytest.mark.parametrize(
    "packet",
    [ethernet(ipv4("10.0.0.1", "10.0.0.2", BODY)), ethernet(ipv6("::1", "::2", BODY))],
    ids=["ipv4", "ipv6"],
)
def test_a_packet_cut_before_its_flags_is_counted_and_one_cut_behind_them_says_what_is_missing(packet: bytes) -> None:
    readable = len(packet) - len(b"hello") - 6
    for size in range(15, readable):
        assert tcp_segment(1, packet[:size]) == Unreadable("cut before the end of their headers")
    for size in range(readable, len(packet)):
        segment = segment_of(1, packet[:size])
        assert len(segment.payload) + segment.missing_bytes == 5
        assert b"hello".startswith(segment.payload)
