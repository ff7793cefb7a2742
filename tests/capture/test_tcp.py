"""From segments to calls: order, loss, duplicates, and which connections are calls at all."""

from __future__ import annotations

import io
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.capture.items import Captured, Ended, Lost, Opened, Over
from audiosocket_cli.capture.opening import Capture
from audiosocket_cli.model import Side
from support.captures import calls_of, heard, items_of, losses, no_calls, plain, said
from support.packets import (
    ACK,
    CALLER,
    FIN,
    HANGUP,
    OPENING,
    PSH,
    SERVER,
    START_NS,
    STEP_NS,
    SYN,
    Stamped,
    Talk,
    a_call,
    audio,
    digit,
    pcap,
    speech,
)
from support.segments import MISSING, UUID_TEXT, bounded, ends_of, read, times_of, with_loss

WHOLE = items_of(pcap(a_call()))


def test_a_call_is_told_from_its_handshake_to_its_end() -> None:
    items = WHOLE
    (call,) = calls_of(items)
    assert (call.name, str(call.uuid), call.whole, call.me) == (UUID_TEXT, UUID_TEXT, True, None)
    assert (call.caller, call.server) == ("10.0.0.1:40000", "10.0.0.2:9092")
    assert isinstance(items[0], Opened)
    assert heard(items) == [OPENING, *speech(6), digit("5")]
    assert said(items) == [*speech(6, 100), HANGUP]
    assert ends_of(items) == [(Side.CALLER, False), (Side.SERVER, False)]
    assert isinstance(items[-1], Over)
    assert losses(items) == []


def test_offsets_count_the_bytes_of_each_side() -> None:
    offsets = {side: [i.offset for i in WHOLE if isinstance(i, Captured) and i.side is side] for side in Side}
    assert offsets[Side.CALLER] == [0, *(19 + 323 * number for number in range(7))]
    assert offsets[Side.SERVER] == [323 * number for number in range(7)]


def shuffled(packets: list[Stamped]) -> list[Stamped]:
    """Return data packets in another order, handshake first, the FINs in between; stamps go up all the same."""
    head, rest = packets[:3], packets[3:]
    random.Random(1).shuffle(rest)
    return [packet._replace(at_ns=START_NS + number * STEP_NS) for number, packet in enumerate(head + rest)]


ORDERS: dict[str, Callable[[list[Stamped]], list[Stamped]]] = {
    "pairs swapped": lambda packets: packets[:3] + [p for i in range(3, 21, 2) for p in packets[i : i + 2][::-1]],
    "shuffled": shuffled,
    "each twice": lambda packets: [packet for packet in packets for _ in range(2)],
    "all again": lambda packets: packets[:-3] + packets[3:],
}  # fmt: skip


@pytest.mark.parametrize("order", ORDERS)
def test_segments_in_any_order_give_the_same_frames(order: str) -> None:
    items = read(ORDERS[order](a_call()))
    assert (heard(items), said(items), losses(items)) == (heard(WHOLE), said(WHOLE), [])
    assert len(calls_of(items)) == 1
    assert sorted(ends_of(items)) == sorted(ends_of(WHOLE))


def test_each_packet_captured_twice_gives_the_same_items() -> None:
    doubled = [packet for packet in a_call() for _ in range(2)]
    assert plain(read(doubled)) == plain(WHOLE)


@pytest.mark.parametrize("back", [1, 100, 323, 400, 1000])
@pytest.mark.parametrize("size", [1, 323, 500, 2000])
def test_overlaps_are_taken_once(back: int, size: int) -> None:
    talk = Talk().open().say(CALLER, OPENING)
    stream = b"".join(speech(12))
    begin, at = talk.seqs[CALLER], 0
    while at < len(stream):
        start = max(0, at - back)
        chunk = stream[start : at + size]
        talk.packets.append(talk.packet(CALLER, begin + start, ACK, chunk))
        at += size
    talk.seqs[CALLER] += len(stream)
    items = read(talk.close().packets)
    assert (heard(items), losses(items)) == ([OPENING, *speech(12)], [])


@pytest.mark.parametrize("first", [2**32 - 1, 2**32 - 2, 2**32 - 20, 2**32 - 500, 2**31 - 500], ids=hex)
def test_sequence_numbers_wrap(first: int) -> None:
    talk = Talk(seqs=(first, first)).open().say(CALLER, OPENING, *speech(5)).say(SERVER, *speech(5, 100)).close()
    for packets in (talk.packets, shuffled(talk.packets)):
        items = read(packets)
        assert (heard(items), said(items), losses(items)) == ([OPENING, *speech(5)], speech(5, 100), [])


def test_a_frame_that_waited_for_a_retransmission_was_there_with_it() -> None:
    talk = Talk().open().say(CALLER, OPENING, audio(0))
    hole = talk.packet(CALLER, talk.seqs[CALLER], ACK, audio(1))
    talk.seqs[CALLER] += 323
    talk.say(CALLER, audio(2), audio(3))
    talk.packets.append(hole._replace(at_ns=talk.at_ns))
    filled_ns = talk.at_ns
    talk.at_ns += STEP_NS
    talk.say(CALLER, audio(4)).close()
    items = read(talk.packets)
    assert heard(items) == [OPENING, *speech(5)]
    assert times_of(items, Side.CALLER)[2:] == [filled_ns, filled_ns, filled_ns, filled_ns + STEP_NS]


def test_keepalive_probes_are_no_data() -> None:
    talk = Talk().open().say(CALLER, OPENING)
    for number in range(4):
        talk.say(CALLER, audio(number))
        talk.packets.append(talk.packet(CALLER, talk.seqs[CALLER] - 1, ACK, b"\0"))
        talk.packets.append(talk.packet(CALLER, talk.seqs[CALLER] - 1, ACK))
        talk.packets.append(talk.packet(SERVER, talk.seqs[SERVER] - 1, ACK, b"\0"))
    items = read(talk.close().packets)
    assert (heard(items), said(items), losses(items)) == ([OPENING, *speech(4)], [], [])


def test_data_captured_before_the_syn_that_began_it() -> None:
    packets = Talk().open().say(CALLER, OPENING, *speech(3)).close().packets
    packets[0], packets[3] = packets[3], packets[0]
    items = read(packets)
    assert (heard(items), [call.name for call in calls_of(items)]) == ([OPENING, *speech(3)], [UUID_TEXT])


def test_a_loss_that_was_acknowledged_is_told_within_two_seconds_not_at_the_end() -> None:
    talk = with_loss(323, acknowledged=True)
    lost_ns = talk.packets[7].at_ns
    told = [item for item in read(talk.say(CALLER, *speech(400, 100)).packets) if isinstance(item, Lost | Captured)]
    (number,) = [i for i, item in enumerate(told) if isinstance(item, Lost)]
    assert [item.at_s for item in told[number:][:2]] == [round((lost_ns - START_NS - 3 * STEP_NS) / 1e9, 9)] * 2


def test_one_direction_alone_has_no_acknowledgements_and_is_not_held_back_for_ever() -> None:
    talk = Talk().put(CALLER, SYN).say(CALLER, OPENING, audio(0)).lose(CALLER, audio(1))
    talk.say(CALLER, *speech(1500, 2))
    data = pcap(talk.packets)
    given = 0

    def reading(size: int) -> bytes:
        nonlocal given
        given += 4096
        return data[given - 4096 : given]

    at = next(given for item in Capture(reading, "x") if isinstance(item, Lost))
    assert at < 1100 * 379  # 1000 packets are 20 s
    assert heard(read(talk.packets)) == [OPENING, audio(0), *speech(1500, 2)]


@pytest.mark.parametrize("closing", ["fin", "nothing"])
def test_a_loss_before_two_last_frames(closing: str) -> None:
    talk = with_loss(323, acknowledged=False, behind=2)
    items = read((talk.close() if closing == "fin" else talk).packets)
    assert heard(items) == [OPENING, *speech(3), *speech(2, 4)]
    assert losses(items) == [(Side.CALLER, 323, MISSING)]


def test_a_loss_at_the_very_end_is_known_from_the_fin() -> None:
    talk = Talk().open().say(CALLER, OPENING, *speech(3)).lose(CALLER, audio(3) + audio(4))
    fin_ns = talk.at_ns
    items = read(talk.close().packets)
    assert heard(items) == [OPENING, *speech(3)]
    assert losses(items) == [(Side.CALLER, 646, MISSING)]
    (ended,) = [item for item in items if isinstance(item, Ended) and item.side is Side.CALLER]
    assert round(ended.at_s * 1e9) + START_NS + 3 * STEP_NS == fin_ns


def test_a_snaplen_takes_bytes_that_are_named() -> None:
    packets = Talk().open().say(CALLER, OPENING, *speech(4)).close().packets
    items = items_of(pcap(packets, snaplen=100))
    assert str(calls_of(items)[0].uuid) == UUID_TEXT
    assert heard(items) == [OPENING]
    assert sum(lost for _, lost, _ in losses(items)) == 4 * 323
    assert [(lost, reason) for _, lost, reason in losses(items)] == [
        (60, "of a frame that is not whole"),
        (323 - 60, MISSING),
    ] * 4


def test_a_snaplen_that_cuts_the_uuid_makes_no_uuid_of_what_follows() -> None:
    packets = Talk().open().say(CALLER, OPENING, *speech(4)).close().packets
    (call,) = calls_of(items_of(pcap(packets, snaplen=50)))
    assert (call.uuid, call.whole) == (None, False)


def test_a_capture_of_headers_only_says_so_and_holds_nothing_back() -> None:
    talk = Talk().open()
    for number in range(5000):
        talk.say(CALLER, audio(number % 9))
    capture = Capture(io.BytesIO(pcap(talk.packets, snaplen=40)).read, "x")
    (found,) = no_calls(capture)
    assert "missing from the capture" in found.reason
    assert "-s 0" in found.reason
    assert capture.ignored == 1


@st.composite
def segmentations(draw: st.DrawFn) -> tuple[list[bytes], list[bytes], list[Stamped]]:
    """Frames of both sides, and packets that hold them: cut anywhere, in any order, some of them more than once."""
    frames = st.builds(audio, st.integers(0, 1000), st.integers(1, 200).map(lambda half: half * 2))
    upward = [OPENING, *draw(st.lists(frames | st.sampled_from("0123456789*#ABCD").map(digit), max_size=6))]
    downward = draw(st.lists(frames | st.just(HANGUP) | st.just(b"\x7f\x00\x02hi"), max_size=6))
    seqs = draw(st.tuples(*[st.sampled_from([0, 5000, 2**31 - 100, 2**32 - 100, 2**32 - 1])] * 2))
    talk = Talk(server=("10.0.0.2", draw(st.sampled_from([9092, 4000]))), seqs=seqs).open()
    rest = []
    for who, stream in ((CALLER, b"".join(upward)), (SERVER, b"".join(downward))):
        cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=8)))
        parts = [(a, b) for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True) if a < b]
        parts += draw(st.lists(st.sampled_from(parts), max_size=4)) if parts else []
        again = draw(st.lists(st.tuples(st.integers(0, len(stream)), st.integers(1, 400)), max_size=4))
        parts += [(a, min(a + size, len(stream))) for a, size in again if a < len(stream)]
        rest += [talk.packet(who, talk.seqs[who] + a, ACK | PSH, stream[a:b]) for a, b in parts]
        rest.append(talk.packet(who, talk.seqs[who] + len(stream), FIN | ACK))
    rest = draw(st.permutations(rest))
    return upward, downward, [p._replace(at_ns=START_NS + i * 1000) for i, p in enumerate([*talk.packets, *rest])]


@given(segmentations())
@settings(max_examples=200)
def test_any_segments_in_any_order_give_the_same_frames(case: tuple[list[bytes], list[bytes], list[Stamped]]) -> None:
    upward, downward, packets = case
    items = read(packets)
    assert (heard(items), said(items), losses(items)) == (upward, downward, [])
    assert [call.name for call in calls_of(items)] == [UUID_TEXT]
    assert sorted(ends_of(items)) == [(Side.CALLER, False), (Side.SERVER, False)]


def test_a_flood_of_segments_out_of_order_costs_no_more_than_its_size() -> None:
    talk = Talk().open().say(CALLER, OPENING)
    for number in range(40_000, 0, -1):
        talk.packets.append(talk.packet(CALLER, talk.seqs[CALLER] + 10 + 2 * number, ACK, b"x"))
        talk.at_ns -= STEP_NS - 1000
    items = bounded(talk.packets, 5)
    # Every byte of the stream is either heard, or named as lost.
    assert sum(lost for _, lost, _ in losses(items)) == 10 + 2 * 40_000 + 1
