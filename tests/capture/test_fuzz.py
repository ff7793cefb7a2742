"""What fuzzing found in the readers of captures: pinned, with the smallest input that showed it."""

from __future__ import annotations

import struct

import pytest

from audiosocket_cli.capture.items import Captured, Ended, Lost
from audiosocket_cli.capture.jsonl import item_line
from audiosocket_cli.capture.opening import Capture
from audiosocket_cli.capture.packets import Unreadable, tcp_segment
from audiosocket_cli.capture.pcapng import opening_blocks, packet_block
from audiosocket_cli.model import Side
from support.captures import calls_of, damage, heard, in_pieces, items_of, losses, no_calls, plain, said
from support.packets import (
    ACK,
    CALLER,
    FIN,
    OPENING,
    RST,
    SERVER,
    START_NS,
    SYN,
    Stamped,
    Talk,
    audio,
    ipv4,
    packed,
    pcap,
    pcapng,
    speech,
    tcp,
)

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


def with_a_hole(who: int) -> Talk:
    """Return a call in which a side has said more than there is of it, all but the end of the call."""
    talk = Talk().open().say(CALLER, OPENING, *speech(2)).say(SERVER, *speech(2, 10))
    return talk.lose(who, audio(20)).say(who, *speech(3, 30))


def old_fin() -> Talk:
    talk = with_a_hole(CALLER)
    talk.packets.append(talk.packet(CALLER, talk.seqs[CALLER] - 2**31, FIN | ACK))
    return talk.put(SERVER, FIN | ACK)


def data_behind_fin(who: int) -> Talk:
    talk = Talk().open().say(CALLER, OPENING, *speech(2)).say(SERVER, *speech(2, 10)).put(who, FIN | ACK)
    return talk.say(who, audio(20)).lose(who, audio(21)).say(who, *speech(3, 30)).put(1 - who, FIN | ACK)


def fin_inside_data() -> Talk:
    talk = with_a_hole(CALLER)
    talk.packets.append(talk.packet(CALLER, talk.seqs[CALLER] - len(audio(32)), FIN | ACK))
    return talk.put(SERVER, FIN | ACK)


def reset_behind_fin() -> Talk:
    return with_a_hole(SERVER).put(CALLER, FIN | ACK).put(SERVER, RST | ACK)


ENDS = {
    "a FIN from long before": old_fin,
    "a caller's data behind its FIN": lambda: data_behind_fin(CALLER),
    "a server's data behind its FIN": lambda: data_behind_fin(SERVER),
    "a FIN inside data that waits": fin_inside_data,
    "a reset while data waits, behind the other's FIN": reset_behind_fin,
}


@pytest.mark.parametrize("case", ENDS)
def test_nothing_of_a_side_follows_its_end(case: str) -> None:
    """As lines, what followed the ends of both sides was another call."""
    items = items_of(pcap(ENDS[case]().packets))
    for number, item in enumerate(items):
        if isinstance(item, Ended):
            later = [item for item in items[number + 1 :] if isinstance(item, Captured | Lost | Ended)]
            assert item.side not in [each.side for each in later]
    lines = [line for item in items if (line := item_line(item))]
    again = [line for item in items_of("\n".join(lines).encode()) if (line := item_line(item))]
    assert again == lines


def test_what_is_behind_the_end_of_a_stream_is_none_of_it() -> None:
    assert heard(items_of(pcap(data_behind_fin(CALLER).packets))) == [OPENING, *speech(2)]
    items = items_of(pcap(fin_inside_data().packets))
    assert heard(items) == [OPENING, *speech(2), audio(30), audio(31)]
    assert losses(items) == [(Side.CALLER, len(audio(20)), "missing from the capture")]


@pytest.mark.parametrize("resync", [False, True], ids=["stop", "resync"])
def test_unknown_kinds_at_the_end_of_a_run_are_judged_alike_in_pieces_of_any_size(resync: bool) -> None:
    """The last of a run was taken without a look at what follows, unless a piece ended before it."""
    unknown, noise = b"\x7f\x00\x02ab", b"\xfe\xff\xff"
    data = OPENING + 3 * unknown + noise
    (found,) = damage(items_of(data, resync=resync))
    assert found.offset == len(OPENING + 2 * unknown)
    whole = plain(items_of(data, resync=resync))
    for size in range(1, len(data)):
        assert plain(items_of(data, piece=size, resync=resync)) == whole


def test_of_two_packings_that_break_the_inner_is_told_first_in_pieces_of_any_size() -> None:
    """How far the outer one had been read was chance, and so was whether it came first."""
    inner = bytearray(packed(OPENING + b"".join(speech(3))))
    inner[len(inner) // 2] ^= 0xFF
    data = bytearray(packed(bytes(inner)))
    data[-8] ^= 0xFF  # its checksum
    first = [damage(items_of(bytes(data), piece=size, resync=True))[0] for size in (1 << 20, 100, 7)]
    assert len(set(first)) == 1
    assert "gzip" in first[0].reason


def test_zeros_between_the_members_of_a_gzip_file_are_padding_in_pieces_of_any_size() -> None:
    """They were where a piece ended with them, and damage where not."""
    data = packed(OPENING + audio(1)) + bytes(4) + packed(audio(2)) + bytes(4)
    for size in (len(data), 1, 5, 100):
        items = items_of(data, piece=size)
        assert heard(items) == [OPENING, audio(1), audio(2)]
        assert not damage(items)
