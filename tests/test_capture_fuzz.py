"""What fuzzing found in the readers of captures: pinned, with the smallest input that showed it."""

from __future__ import annotations

import struct

import pytest
from captures import calls_of, damage, in_pieces, items_of, no_calls, said
from packets import START_NS, SYN, Stamped, ipv4, pcap, pcapng, tcp

from audiosocket_cli.capture.jsonl import item_line
from audiosocket_cli.capture.opening import Capture
from audiosocket_cli.capture.packets import Unreadable, tcp_segment
from audiosocket_cli.capture.pcapng import opening_blocks, packet_block

IMPOSSIBLE = "with headers shorter than headers can be"


def with_byte(packet: bytes, at: int, value: int) -> bytes:
    return packet[:at] + bytes([value]) + packet[at + 1 :]


A_SYN = ipv4("10.0.0.1", "10.0.0.2", tcp((40000, 9092), 1, flags=SYN))

# An IPv4 header of no words, so that the TCP header is looked for in its place, in a packet that ends inside its
# addresses: they were no addresses of any family when their names were asked for.
INSIDE_ITSELF = struct.pack(">BBHHHBBHI", 0x40, 0, 9092, 1, 0, 64, 6, 0x0200, 0)[:18]

SHORT = {
    "no IP header": INSIDE_ITSELF,
    "IP header of 4 words": with_byte(A_SYN, 0, 0x44),
    "no TCP header": with_byte(A_SYN, 32, 0x00),
    "TCP header of 4 words": with_byte(A_SYN, 32, 0x40),
}


@pytest.mark.parametrize("case", SHORT)
def test_packets_with_headers_that_cannot_be_are_left_out(case: str) -> None:
    assert tcp_segment(101, SHORT[case]) == Unreadable(IMPOSSIBLE)
    for data in (pcap([Stamped(START_NS, SHORT[case])]), pcapng([Stamped(START_NS, SHORT[case])])):
        capture = Capture(in_pieces(data, len(data)), "x")
        assert list(capture) == []
        assert capture.packets_left_out == {IMPOSSIBLE: 1}


NO_YEAR = {
    "before year 1": "0001-01-01T00:00:00+23:59",
    "after year 9999": "9999-12-31T23:59:59-23:59",
}


@pytest.mark.parametrize("event", ["opened", "no-call"])
@pytest.mark.parametrize("case", NO_YEAR)
def test_times_of_day_that_utc_cannot_say_are_damage(case: str, event: str) -> None:
    items = items_of(f'{{"event":"{event}","at":"{NO_YEAR[case]}"}}\n'.encode())
    (found,) = damage(items)
    assert found.reason == f"line 1: \"at\" is '{NO_YEAR[case]}', which is in no year from 1 to 9999 of UTC"
    assert not calls_of(items)
    assert not no_calls(items)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "0001-01-01T23:59:00+23:59"])
def test_the_first_and_the_last_times_of_day_are_written_again(at: str) -> None:
    items = items_of(f'{{"event":"no-call","at":"{at}"}}\n'.encode())
    lines = [line for item in items if (line := item_line(item))]
    assert [item_line(item) for item in items_of("\n".join(lines).encode())] == lines
    assert len(no_calls(items)) == 1


ENDLESS = {
    "offset": ['{"digit":"1","offset":9223372036854775804}', '{"digit":"2"}'],
    "loss": ['{"event":"lost","bytes":9223372036854775807}', '{"event":"lost","bytes":1}'],
    "frame after loss": ['{"event":"lost","bytes":9223372036854775804}', '{"digit":"2"}'],
}


@pytest.mark.parametrize("case", ENDLESS)
def test_offsets_stay_below_what_can_be_read_again(case: str) -> None:
    items = items_of("\n".join([*ENDLESS[case], '{"side":"server","digit":"3"}']).encode(), resync=True)
    assert len(damage(items)) == 1
    assert len(said(items)) == 1
    lines = [line for item in items if (line := item_line(item))]
    assert [item_line(item) for item in items_of("\n".join(lines).encode())][: len(lines)] == lines


@pytest.mark.parametrize("at_ns", [-1, 1 << 63, 1 << 64, 1 << 80])
def test_a_time_that_no_stamp_can_say_is_written_as_the_nearest(at_ns: int) -> None:
    data = opening_blocks({}, "x") + packet_block(at_ns, A_SYN, outbound=True)
    (found,) = no_calls(items_of(data))
    assert found.started_ns == (0 if at_ns < 0 else (1 << 63) - 1)
