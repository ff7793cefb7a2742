"""From segments to calls: order, loss, duplicates, and which connections are calls at all."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.asterisk.rules import UUID_WITHOUT_ANSWER_HINT
from audiosocket_cli.capture import connections
from audiosocket_cli.capture.items import Captured, Ended, Item, Lost, Opened, Over
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
    RST,
    SERVER,
    START_NS,
    STEP_NS,
    SYN,
    UUID_BYTES,
    Stamped,
    Talk,
    a_call,
    audio,
    digit,
    pcap,
    speech,
)

UUID_TEXT = "11111111-2222-4333-8444-555555555555"
MISSING = "missing from the capture"
WHOLE = items_of(pcap(a_call()))


def read(packets: list[Stamped]) -> list[Item]:
    return items_of(pcap(packets))


def read_counting(packets: list[Stamped]) -> tuple[Capture, list[Item]]:
    capture = Capture(io.BytesIO(pcap(packets)).read, "x")
    return capture, list(capture)


def times_of(items: list[Item], side: Side) -> list[int]:
    """Return the wall clock of a side's frames in ns."""
    return [
        round(item.at_s * 1e9) + (item.call.started_ns or 0)
        for item in items
        if isinstance(item, Captured) and item.side is side
    ]


def ends_of(items: list[Item]) -> list[tuple[Side, bool]]:
    return [(item.side, item.reset) for item in items if isinstance(item, Ended)]


# Order


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


def test_a_frame_in_two_segments_begins_with_the_first() -> None:
    frame = audio(1)
    talk = Talk().open().say(CALLER, OPENING, frame[:3], frame[3:], audio(2)).close()
    _, split, whole = [item for item in read(talk.packets) if isinstance(item, Captured)]
    assert (split.begun_s, split.at_s, whole.begun_s, whole.at_s) == (0.02, 0.04, 0.06, 0.06)


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


# Loss


def with_loss(lost: int, *, acknowledged: bool, behind: int = 8, cut: bool = False) -> Talk:
    """Return a call that lost so many bytes behind its first three frames."""
    talk = Talk().open().say(CALLER, OPENING, *speech(3))
    stream = b"".join(speech(40, 3))
    talk.lose(CALLER, stream[:lost])
    rest = stream[lost : 323 * (-(-lost // 323) + behind) - (10 if cut else 0)]
    for at in range(0, len(rest), 323):
        talk.say(CALLER, rest[at : at + 323])
        if acknowledged:
            talk.at_ns += 10**9
            talk.put(SERVER)
    return talk


@pytest.mark.parametrize("acknowledged", [True, False])
@pytest.mark.parametrize("lost", [1, 3, 100, 323, 324, 646, 1000])
def test_lost_bytes_are_counted_and_frames_go_on_in_step(lost: int, acknowledged: bool) -> None:
    items = read(with_loss(lost, acknowledged=acknowledged).close().packets)
    frames = -(-lost // 323)
    expected = [(Side.CALLER, lost, MISSING)]
    if lost % 323:
        expected.append((Side.CALLER, 323 - lost % 323, "passed over to find the next frame"))
    assert losses(items) == expected
    assert heard(items) == [OPENING, *speech(3), *speech(8, 3 + frames)]
    offsets = [item.offset for item in items if isinstance(item, Captured)]
    assert offsets[4] == 19 + 323 * (3 + frames)


def test_the_part_of_a_frame_before_a_loss_is_counted_too() -> None:
    talk = Talk().open().say(CALLER, OPENING, audio(0)[:200]).lose(CALLER, audio(0)[200:] + audio(1))
    items = read(talk.say(CALLER, *speech(5, 2)).close().packets)
    assert losses(items) == [(Side.CALLER, 200, "of a frame that is not whole"), (Side.CALLER, 446, MISSING)]
    assert heard(items) == [OPENING, *speech(5, 2)]


def test_a_loss_that_was_acknowledged_is_told_within_two_seconds_not_at_the_end() -> None:
    talk = with_loss(323, acknowledged=True)
    lost_ns = talk.packets[7].at_ns
    told = [item for item in read(talk.say(CALLER, *speech(400, 100)).packets) if isinstance(item, Lost | Captured)]
    (number,) = [i for i, item in enumerate(told) if isinstance(item, Lost)]
    assert [item.at_s for item in told[number:][:2]] == [round((lost_ns - START_NS - 3 * STEP_NS) / 1e9, 9)] * 2


@pytest.mark.parametrize("acknowledged", [True, False])
def test_frames_behind_a_loss_keep_their_own_times(acknowledged: bool) -> None:
    talk = with_loss(323, acknowledged=acknowledged)
    own = [packet.at_ns for packet in talk.packets if len(packet.data) > 300]
    assert times_of(read(talk.packets), Side.CALLER)[1:] == own


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


# From the middle on


@pytest.mark.parametrize("skip", [0, 1, 3, 100, 322], ids=lambda skip: f"{skip} bytes into a frame")
@pytest.mark.parametrize("port", [9092, 5555])
def test_a_capture_that_begins_in_mid_call(skip: int, port: int) -> None:
    talk = Talk(server=("10.0.0.2", port))
    upward, downward = b"".join(speech(8)), b"".join(speech(8, 100))
    for at in range(skip, len(upward), 323):
        talk.say(CALLER, upward[at : at + 323]).say(SERVER, downward[at : at + 323])
    items = read(talk.close().packets)
    (call,) = calls_of(items)
    assert (call.name, call.uuid, call.whole, call.started_ns) == ("1", None, False, START_NS)
    assert (call.caller, call.server) == ("10.0.0.1:40000", f"10.0.0.2:{port}")
    first = 1 if skip else 0
    assert heard(items) == speech(8 - first, first)
    assert said(items) == speech(8 - first, 100 + first)
    passed = [(side, 323 - skip, "passed over to find the next frame") for side in Side] if skip else []
    assert losses(items) == passed
    # A chunk ends skip bytes into the next frame, so frame n is whole with chunk n, be it that it was found later.
    assert times_of(items, Side.CALLER) == [START_NS + number * 2 * STEP_NS for number in range(first, 8)]


def test_a_capture_that_begins_in_mid_call_after_the_syn_was_lost_still_has_its_uuid() -> None:
    items = read(Talk().open().say(CALLER, OPENING, *speech(4)).close().packets[3:])
    (call,) = calls_of(items)
    assert (call.name, call.whole) == (UUID_TEXT, True)
    assert heard(items) == [OPENING, *speech(4)]


def test_the_longest_frames_in_use_are_found_in_mid_call() -> None:
    talk = Talk(server=("10.0.0.2", 5555))
    stream = b"".join(audio(number, 23_040, 0x18) for number in range(7))[1000:]
    for at in range(0, len(stream), 1448):
        talk.say(CALLER, stream[at : at + 1448])
    assert heard(read(talk.packets)) == [audio(number, 23_040, 0x18) for number in range(1, 7)]


# Which connections are calls


@pytest.mark.parametrize("port", [9092, 5555, 80])
def test_a_uuid_makes_a_call_on_every_port(port: int) -> None:
    items = read(Talk(server=("10.0.0.2", port)).open().say(CALLER, OPENING, audio(0)).close().packets)
    assert [call.server for call in calls_of(items)] == [f"10.0.0.2:{port}"]


def test_a_uuid_in_single_bytes_makes_a_call() -> None:
    talk = Talk(server=("10.0.0.2", 5555)).open().say(CALLER, *(bytes([byte]) for byte in OPENING + audio(0))).close()
    items = read(talk.packets)
    (call,) = calls_of(items)
    assert heard(items) == [OPENING, audio(0)]
    assert call.started_ns == START_NS + (2 + len(OPENING)) * STEP_NS


def test_a_server_that_speaks_before_the_uuid_makes_no_other_call() -> None:
    talk = Talk().open().say(SERVER, *speech(10, 100)).say(CALLER, OPENING, *speech(2)).close()
    items = read(talk.packets)
    (call,) = calls_of(items)
    assert (call.name, call.whole, call.started_ns) == (UUID_TEXT, True, START_NS + 13 * STEP_NS)
    assert (heard(items), said(items)) == ([OPENING, *speech(2)], speech(10, 100))


def test_a_server_that_echoes_the_uuid_is_not_the_caller() -> None:
    talk = Talk().open()
    first = talk.packet(CALLER, talk.seqs[CALLER], ACK, OPENING)
    talk.seqs[CALLER] += len(OPENING)
    talk.say(SERVER, OPENING)
    talk.packets.append(first)  # captured late
    items = read(talk.say(CALLER, audio(0)).say(SERVER, audio(0)).close().packets)
    assert calls_of(items)[0].caller == "10.0.0.1:40000"
    assert heard(items) == said(items) == [OPENING, audio(0)]


HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200))
OTHERS = {
    "http": (8080, [(CALLER, b"GET / HTTP/1.1\r\n\r\n"), (SERVER, b"HTTP/1.1 200 OK\r\n\r\n" + bytes(3000))]),
    "ssh": (22, [(SERVER, b"SSH-2.0-OpenSSH_9.6\r\n"), (CALLER, b"SSH-2.0-PuTTY\r\n"), (SERVER, bytes(range(256)))]),
    "tls": (443, [(CALLER, HELLO), (SERVER, HELLO)]),
    "silent": (5432, []),
    "banner only": (25, [(SERVER, b"220 mail ESMTP\r\n")]),
}  # fmt: skip


@pytest.mark.parametrize("seen", ["whole", "from the middle"])
@pytest.mark.parametrize("protocol", OTHERS)
def test_other_protocols_are_ignored_and_counted(protocol: str, seen: str) -> None:
    port, chunks = OTHERS[protocol]
    talk = Talk(("10.0.0.9", 50_000), ("10.0.0.2", port)).open()
    for who, chunk in chunks:
        talk.say(who, chunk)
    packets = talk.close().packets
    if seen == "from the middle":
        packets = packets[3:]
    capture, items = read_counting(sorted(packets + a_call()))
    assert plain(items) == plain(WHOLE)
    assert capture.ignored == (0 if not chunks and seen != "whole" else 1)


def no_call(packets: list[Stamped]) -> str:
    """Return why a connection on AudioSocket's port was no call."""
    capture, items = read_counting(packets)
    (found,) = no_calls(items)
    assert (found.caller, found.server, found.started_ns) == ("10.0.0.1:40000", "10.0.0.2:9092", START_NS)
    assert (len(items), capture.ignored) == (1, 1)
    return found.reason


def test_a_connection_that_never_says_a_uuid_is_no_call_and_has_a_cure() -> None:
    assert UUID_WITHOUT_ANSWER_HINT in no_call(Talk().open().close().packets)


def test_a_connection_to_which_only_the_server_speaks_is_no_call() -> None:
    assert UUID_WITHOUT_ANSWER_HINT in no_call(Talk().open().say(SERVER, *speech(20)).close().packets)


def test_on_other_ports_frames_without_a_uuid_are_no_call_either() -> None:
    end = ("10.0.0.2", 5555)
    silent = Talk(server=end).open().say(SERVER, *speech(20)).close().packets
    early = Talk(server=end).open().say(CALLER, b"".join(speech(5)), OPENING).close().packets
    (first,), (second,) = no_calls(read(silent)), no_calls(read(early))
    assert UUID_WITHOUT_ANSWER_HINT in first.reason
    assert "audio came before the UUID" in second.reason


def test_a_uuid_that_is_cut_off_is_no_call() -> None:
    assert no_call(Talk().open().say(CALLER, OPENING[:10]).close().packets) == "it ended before its UUID was whole"


def test_a_port_where_nobody_listens_is_told_from_a_missing_answer() -> None:
    talk = Talk()
    refused = [talk.packet(CALLER, 1000, SYN), talk.packet(SERVER, 0, RST | ACK, ack=1001)]
    assert no_call(refused) == "it was refused: does nothing listen there?"


def test_a_connection_that_is_never_answered_is_told_from_a_missing_answer() -> None:
    talk = Talk()
    tries = [talk.packet(CALLER, 1000, SYN) for _ in range(3)]
    assert no_call(tries) == "nobody answered it: is the address right, or a firewall in the way?"


@pytest.mark.parametrize(
    ("said_first", "part"),
    [
        (b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "GET /health HTTP/1.1"),
        (HELLO, "a TLS handshake"),
        (b"\x01\x00\x24" + b"1" * 36, "its UUID has 36 bytes"),
        (audio(0), "audio came before the UUID"),
        (b"\xfe\xfd\x00\x01", "it began with fe fd 00 01"),
    ],
    ids=["http", "tls", "text-uuid", "audio", "junk"],
)
def test_what_says_something_else_first_is_no_call_and_is_named(said_first: bytes, part: str) -> None:
    assert part in no_call(Talk().open().say(CALLER, said_first).say(SERVER, b"?").close().packets)


# Ends


@pytest.mark.parametrize("who", [CALLER, SERVER])
def test_a_reset_ends_a_call(who: int) -> None:
    items = read(Talk().open().say(CALLER, OPENING, *speech(3)).put(who, RST | ACK).packets)
    side = (Side.CALLER, Side.SERVER)[who]
    assert ends_of(items) == [(side, True)]
    assert heard(items) == [OPENING, *speech(3)]
    assert isinstance(items[-1], Over)


def test_a_half_closed_call_goes_on() -> None:
    talk = Talk().open().say(CALLER, OPENING).put(SERVER, FIN | ACK).say(CALLER, *speech(3)).put(CALLER, FIN | ACK)
    items = read(talk.packets)
    assert heard(items) == [OPENING, *speech(3)]
    assert ends_of(items) == [(Side.SERVER, False), (Side.CALLER, False)]


def test_a_call_that_goes_on_at_the_end_of_the_capture_has_no_end_but_is_over() -> None:
    items = read(Talk().open().say(CALLER, OPENING, *speech(3)).packets)
    assert (ends_of(items), heard(items), isinstance(items[-1], Over)) == ([], [OPENING, *speech(3)], True)


def test_bytes_of_a_frame_that_never_became_whole_are_counted_at_the_end() -> None:
    items = read(Talk().open().say(CALLER, OPENING, audio(0)[:100]).close().packets)
    assert losses(items) == [(Side.CALLER, 100, "of a frame that is not whole")]


@pytest.mark.parametrize("ending", ["fin", "rst", "none"])
def test_the_same_ports_again_are_another_call(ending: str) -> None:
    first = Talk().open().say(CALLER, OPENING, *speech(2))
    if ending == "fin":
        first.close()
    elif ending == "rst":
        first.put(SERVER, RST)
    second = Talk(seqs=(777_000, 888_000), at_ns=first.at_ns).open()
    second.say(CALLER, OPENING, *speech(3, 50)).say(SERVER, audio(60)).close()
    items = read(first.packets + second.packets)
    assert [call.name for call in calls_of(items)] == [UUID_TEXT, f"{UUID_TEXT}#2"]
    assert heard(items, UUID_TEXT) == [OPENING, *speech(2)]
    assert heard(items, f"{UUID_TEXT}#2") == [OPENING, *speech(3, 50)]
    assert said(items, f"{UUID_TEXT}#2") == [audio(60)]
    assert losses(items) == []


def test_the_same_ports_again_may_be_a_call_after_another_protocol() -> None:
    other = Talk().open().say(CALLER, b"GET / HTTP/1.1\r\n\r\n")
    call = Talk(seqs=(777_000, 888_000), at_ns=other.at_ns).open().say(CALLER, OPENING, audio(0)).close()
    items = read(other.packets + call.packets)
    assert (len(no_calls(items)), heard(items)) == (1, [OPENING, audio(0)])


def test_a_late_segment_of_a_call_that_is_over_begins_no_other() -> None:
    packets = a_call()
    again = [packet._replace(at_ns=packets[-1].at_ns + STEP_NS) for packet in packets[3:]]
    assert plain(read(packets + again)) == plain(WHOLE)


def test_calls_at_the_same_time_are_kept_apart() -> None:
    other_uuid = b"\x01\x00\x10" + UUID_BYTES[::-1]
    other = Talk(("10.0.0.7", 40001), at_ns=START_NS + STEP_NS // 2).open()
    other.say(CALLER, other_uuid, *speech(5, 200)).say(SERVER, *speech(5, 300)).close()
    items = read(sorted(a_call() + other.packets))
    mine, theirs = (call.name for call in calls_of(items))
    assert (heard(items, mine), said(items, mine)) == (heard(WHOLE), said(WHOLE))
    assert (heard(items, theirs), said(items, theirs)) == ([other_uuid, *speech(5, 200)], speech(5, 300))
    alone = [item for item in items if getattr(item, "call", None) is calls_of(items)[0]]
    assert plain(alone) == plain(WHOLE)


# Any call, any way of capturing it


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
@settings(max_examples=200, deadline=None)
def test_any_segments_in_any_order_give_the_same_frames(case: tuple[list[bytes], list[bytes], list[Stamped]]) -> None:
    upward, downward, packets = case
    items = read(packets)
    assert (heard(items), said(items), losses(items)) == (upward, downward, [])
    assert [call.name for call in calls_of(items)] == [UUID_TEXT]
    assert sorted(ends_of(items)) == [(Side.CALLER, False), (Side.SERVER, False)]


# Floods


def bounded(packets: list[Stamped], most_s: float) -> list[Item]:
    data = pcap(packets)
    begun = time.process_time()
    items = items_of(data)
    assert time.process_time() - begun < most_s
    return items


def test_a_flood_of_segments_out_of_order_costs_no_more_than_its_size() -> None:
    talk = Talk().open().say(CALLER, OPENING)
    for number in range(40_000, 0, -1):
        talk.packets.append(talk.packet(CALLER, talk.seqs[CALLER] + 10 + 2 * number, ACK, b"x"))
        talk.at_ns -= STEP_NS - 1000
    items = bounded(talk.packets, 5)
    # Every byte of the stream is either heard, or named as lost.
    assert sum(lost for _, lost, _ in losses(items)) == 10 + 2 * 40_000 + 1


@pytest.mark.parametrize("step", [1, 400], ids=["single bytes", "segments"])
@pytest.mark.parametrize("where", ["in a call", "in an unknown connection"])
def test_noise_without_frames_is_not_searched_again_with_each_segment(where: str, step: int) -> None:
    noise = random.Random(1).randbytes(12_000 if step == 1 else 3_000_000)
    talk = Talk(server=("10.0.0.2", 5555))
    if where == "in a call":
        talk.open().say(CALLER, OPENING).lose(CALLER, b"?")
    for at in range(0, len(noise), step):
        talk.put(CALLER, ACK, noise[at : at + step])
        talk.at_ns -= STEP_NS - 1000
    items = bounded(talk.packets, 4)
    if where == "in a call":
        assert heard(items) == [OPENING]
        assert sum(lost for _, lost, _ in losses(items)) == 1 + len(noise)
    else:
        assert items == []


def test_connections_without_end_are_followed_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_MAX_OPEN", 50)
    monkeypatch.setattr(connections, "_MAX_ENDED", 50)
    call = Talk().open().say(CALLER, OPENING)
    packets = call.packets
    for number in range(500):
        scan = Talk(("10.9.9.9", 1024 + number), at_ns=call.at_ns)
        packets.append(scan.packet(CALLER, 7, SYN))
        if number % 40 == 0:
            call.say(CALLER, audio(number))
    call.close()
    everything = connections.Connections()
    reader = Capture(io.BytesIO(pcap(packets)).read, "x")
    reader._connections = everything
    items = list(reader)
    assert heard(items) == [OPENING, *(audio(number) for number in range(0, 500, 40))]
    assert len(no_calls(items)) == 500
    assert len(everything._open) == 0
    assert len(everything._by_flow) <= 2 * 101
