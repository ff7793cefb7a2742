"""Headers and records: every link, both IPs, pcap and pcapng in all their dialects."""

from __future__ import annotations

import io
import json
import struct
import subprocess
from pathlib import Path

import pytest

from audiosocket_cli.capture.items import Captured, Item, Opened, Remark
from audiosocket_cli.capture.opening import Capture
from audiosocket_cli.capture.packets import Segment, Unreadable, flow_names, reverse_of, tcp_segment
from audiosocket_cli.model import Side
from support.captures import calls_of, damage, heard, items_of, losses, plain, said
from support.packets import (
    ACK,
    CALLER,
    LINKS,
    OPENING,
    SERVER,
    START_NS,
    STEP_NS,
    Stamped,
    Talk,
    a_call,
    audio,
    block,
    digit,
    enhanced,
    ethernet,
    interface,
    ipv4,
    ipv6,
    linked,
    option,
    pcap,
    pcapng,
    section,
    speech,
    tcp,
)
from support.running import need

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


# Links


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


def test_upper_bits_of_a_pcap_link_type_are_of_no_matter() -> None:
    data = bytearray(pcap(linked(a_call(), ethernet), 1))
    data[20:24] = struct.pack("<I", 0x5000_0001)  # a frame check sequence of 4 bytes follows each packet
    assert heard(items_of(bytes(data))) == HEARD


def test_packets_of_an_unknown_link_are_counted_by_their_type() -> None:
    capture, items = capture_of(pcap(a_call(), 147))
    assert (items, capture.packets_left_out) == ([], {"of link type 147": len(a_call())})


def test_what_is_not_tcp_is_passed_over_in_silence() -> None:
    arp = Stamped(START_NS, bytes(12) + b"\x08\x06" + bytes(28))
    udp = Stamped(START_NS, ethernet(ipv4("10.0.0.1", "10.0.0.2", bytes(20), protocol=17)))
    udp6 = Stamped(START_NS, ethernet(ipv6("::1", "::2", bytes(20), protocol=17)))
    capture, items = capture_of(pcap([arp, udp, udp6, *linked(a_call(), ethernet)], 1))
    assert (heard(items), capture.packets_left_out) == (HEARD, {})


# IP


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


# Files


DIALECTS = {
    "pcap-us-little": pcap(a_call(), unit_ns=1000),
    "pcap-us-big": pcap(a_call(), order=">", unit_ns=1000),
    "pcap-ns-little": pcap(a_call()),
    "pcap-ns-big": pcap(a_call(), order=">"),
    "pcapng-us": pcapng(a_call(), resolution=None),
    "pcapng-us-said": pcapng(a_call(), resolution=6),
    "pcapng-ns": pcapng(a_call()),
    "pcapng-big": pcapng(a_call(), order=">"),
    "pcapng-offset": pcapng(a_call(), offset_s=1_600_000_000),
    "pcapng-offset-ahead": pcapng(a_call(), offset_s=-1_600_000_000, order=">"),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_all_dialects_hold_the_same_items(dialect: str) -> None:
    expected = items_of(DIALECTS["pcap-ns-little"])
    assert heard(expected) == HEARD
    assert plain(items_of(DIALECTS[dialect])) == plain(expected)


@pytest.mark.parametrize(("resolution", "grain_s"), [(3, 1e-3), (0, 1.0), (0x80 | 10, 1 / 1024), (0x80 | 32, 1e-9)])
def test_times_are_as_fine_as_the_interface_says(resolution: int, grain_s: float) -> None:
    items = items_of(pcapng(a_call(), resolution=resolution))
    (call,) = calls_of(items)
    assert call.started_ns is not None
    assert abs(call.started_ns - (START_NS + 3 * STEP_NS)) <= grain_s * 1e9
    assert heard(items) == HEARD


def test_times_of_frames_are_those_of_their_packets() -> None:
    items = items_of(pcap(a_call()))
    (call,) = calls_of(items)
    assert call.started_ns == START_NS + 3 * STEP_NS
    times = [item.at_s for item in items if isinstance(item, Captured) and item.side is Side.CALLER]
    assert times == [0.0, *(round(0.02 * number, 2) for number in range(1, 12, 2)), 0.26]
    assert [item.at_s for item in items if isinstance(item, Opened)] == [-0.06]


@pytest.mark.parametrize("resolution", [0, 9, 19, 127, 0x80, 0x80 | 127], ids=hex)
@pytest.mark.parametrize("offset_s", [0, -(2**63), 2**63 - 1])
def test_no_stamp_is_beyond_what_a_calendar_holds(resolution: int, offset_s: int) -> None:
    head = section() + interface("<", 101, resolution, offset_s)
    for ticks in (0, 2**64 - 1):
        items = items_of(head + b"".join(enhanced("<", ticks, packet.data) for packet in a_call()))
        (call,) = calls_of(items)
        assert call.started_ns is not None
        assert 0 <= call.started_ns < 2**63
        assert heard(items) == HEARD


def test_obsolete_packet_blocks_are_read() -> None:
    parts = [section(), interface()]
    for at_ns, data, _ in a_call():
        body = struct.pack("<HHIIII", 0, 0xFFFF, at_ns >> 32, at_ns & 0xFFFFFFFF, len(data), len(data))
        parts.append(block("<", 2, body + data + bytes(-len(data) % 4)))
    assert plain(items_of(b"".join(parts))) == plain(items_of(pcapng(a_call())))


def test_simple_packet_blocks_are_read_without_times() -> None:
    parts = [section(), interface()]
    parts += [block("<", 3, struct.pack("<I", len(p.data)) + p.data + bytes(-len(p.data) % 4)) for p in a_call()]
    items = items_of(b"".join(parts))
    assert (heard(items), said(items)) == (HEARD, SAID)


def test_each_interface_has_its_own_link_and_clock() -> None:
    parts = [section(), interface("<", 1, None), interface("<", 113, 9)]
    for number, (at_ns, data, _) in enumerate(a_call()):
        if number % 2:
            parts.append(enhanced("<", at_ns, LINKS["cooked"][1](data), number=1))
        else:
            parts.append(enhanced("<", at_ns // 1000, ethernet(data)))
    assert plain(items_of(b"".join(parts))) == plain(items_of(pcapng(a_call())))


def test_sections_of_either_byte_order_follow_each_other() -> None:
    packets = a_call()
    data = pcapng(packets[:9], order="<") + pcapng(packets[9:], order=">", link=101, resolution=6)
    assert plain(items_of(data)) == plain(items_of(pcapng(packets)))


def test_blocks_of_other_kinds_are_passed_over() -> None:
    names = block("<", 4, option("<", 0, b""))
    secrets = block("<", 10, bytes(3 << 20))
    packets = pcapng(a_call())
    head = len(section() + interface())
    assert heard(items_of(packets[:head] + names + secrets + packets[head:] + names)) == HEARD


def test_comments_are_remarks_in_their_place() -> None:
    packets = a_call()
    packets[6] = packets[6]._replace(comments=("first", "zweiter\nKommentar »“", ""))
    items = items_of(pcapng(packets))
    remarks = [item for item in items if isinstance(item, Remark)]
    assert [remark.text for remark in remarks] == ["first", "zweiter\nKommentar »“"]
    before = items[items.index(remarks[0]) - 1]
    assert isinstance(before, Captured)
    assert remarks[0].at_s == before.at_s == (packets[6].at_ns - packets[3].at_ns) / 1e9


@pytest.mark.parametrize(
    ("about", "me"),
    [
        (json.dumps({"me": "server"}), Side.SERVER),
        (json.dumps({"me": "caller", "x": 1}), Side.CALLER),
        (json.dumps({"me": ["server"]}), None),
        (json.dumps(["me"]), None),
        ("[" * 20_000, None),
        ("no JSON", None),
    ],
    ids=["server", "caller", "list", "no-object", "deep", "text"],
)
def test_a_section_comment_may_say_which_side_we_were(about: str, me: Side | None) -> None:
    (call,) = calls_of(items_of(pcapng(a_call(), about=about)))
    assert call.me is me


def test_a_packet_of_an_interface_that_is_not_described_is_damage() -> None:
    data = section() + interface() + enhanced("<", START_NS, a_call()[0].data, number=1)
    (found,) = damage(items_of(data))
    assert (found.offset, found.reason) == (
        len(section() + interface()),
        "a packet of an interface that is not described",
    )


def test_interfaces_are_many_but_not_without_end() -> None:
    few = section() + interface() * 9_999
    assert damage(items_of(few + interface())) == []
    (found,) = damage(items_of(few + interface() * 2))
    assert found.offset == len(few + interface())


# The real tools


def test_editcap_and_tshark_agree(tmp_path: Path) -> None:
    talk = Talk().open().say(CALLER, OPENING)
    packets = talk.packets
    pieces = [talk.packet(CALLER, talk.seqs[CALLER] + at, data=b"".join(speech(5))[at : at + 200])
              for at in range(0, 5 * 323, 200)]  # fmt: skip
    talk.seqs[CALLER] += 5 * 323
    packets += [pieces[number] for number in (1, 0, 3, 2, 2, 4, 8, 7, 5, 6)]
    talk.close()
    mine, theirs = tmp_path / "mine.pcap", tmp_path / "theirs.pcapng"
    mine.write_bytes(pcap(linked(packets, ethernet), 1))
    subprocess.run([need("editcap"), "-F", "pcapng", mine, theirs], check=True)
    assert theirs.read_bytes()[:4] == b"\n\r\r\n"
    items = items_of(mine.read_bytes())
    assert plain(items_of(theirs.read_bytes())) == plain(items)
    told = subprocess.run(
        [need("tshark"), "-r", mine, "-q", "-z", "follow,tcp,raw,0"], check=True, capture_output=True, text=True
    ).stdout
    lines = [line.strip() for line in told.splitlines() if set(line.strip()) <= set("0123456789abcdef")]
    assert bytes.fromhex("".join(lines)) == b"".join(heard(items))
    assert heard(items) == [OPENING, *speech(5)]
    assert audio(4) in heard(items)


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
def test_pcap_of_a_patched_libpcap_is_read(order: str) -> None:
    """Its records have 8 more bytes in front (Kuznetzov, "modified" to Wireshark)."""
    data = bytearray(struct.pack(order + "IHHiIII", 0xA1B2CD34, 2, 4, 0, 0, 262144, 101))
    for at_ns, packet, _ in a_call():
        seconds, rest_ns = divmod(at_ns, 10**9)
        data += struct.pack(order + "IIIIIHBx", seconds, rest_ns // 1000, len(packet), len(packet), 2, 0x0800, 4)
        data += packet
    assert plain(items_of(bytes(data))) == plain(items_of(pcap(a_call(), unit_ns=1000)))


def test_files_of_a_rotation_that_were_appended_to_each_other_are_one() -> None:
    packets = a_call()
    assert plain(items_of(pcap(packets[:7]) + pcap(packets[7:]))) == plain(items_of(pcap(packets)))
    assert plain(items_of(pcapng(packets[:7]) + pcapng(packets[7:]))) == plain(items_of(pcapng(packets)))
