"""Which connections are calls, who called, and how they end."""

from __future__ import annotations

import io

import pytest

from audiosocket_cli.capture.items import Item, Over
from audiosocket_cli.capture.opening import Capture
from audiosocket_cli.model import Side
from support.captures import calls_of, heard, items_of, losses, no_calls, plain, said
from support.packets import (
    ACK,
    CALLER,
    FIN,
    OPENING,
    RST,
    SERVER,
    START_NS,
    STEP_NS,
    SYN,
    Stamped,
    Talk,
    a_call,
    audio,
    pcap,
    speech,
)
from support.segments import UUID_TEXT, ends_of, read, times_of

NO_ANSWER = "(is an Answer() missing in the dialplan before AudioSocket()?) [no-answer]"

WHOLE = items_of(pcap(a_call()))


def read_counting(packets: list[Stamped]) -> tuple[Capture, list[Item]]:
    capture = Capture(io.BytesIO(pcap(packets)).read, "x")
    return capture, list(capture)


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
    assert NO_ANSWER in no_call(Talk().open().close().packets)


def test_a_connection_to_which_only_the_server_speaks_is_no_call() -> None:
    assert NO_ANSWER in no_call(Talk().open().say(SERVER, *speech(20)).close().packets)


def test_on_other_ports_frames_without_a_uuid_are_no_call_either() -> None:
    end = ("10.0.0.2", 5555)
    silent = Talk(server=end).open().say(SERVER, *speech(20)).close().packets
    early = Talk(server=end).open().say(CALLER, b"".join(speech(5)), OPENING).close().packets
    (first,), (second,) = no_calls(read(silent)), no_calls(read(early))
    assert NO_ANSWER in first.reason
    assert "audio came before the UUID" in second.reason


def test_a_uuid_that_is_cut_off_is_no_call() -> None:
    assert no_call(Talk().open().say(CALLER, OPENING[:10]).close().packets) == "it ended before its UUID was complete"


def test_a_port_where_nobody_listens_is_told_from_a_missing_answer() -> None:
    talk = Talk()
    refused = [talk.packet(CALLER, 1000, SYN), talk.packet(SERVER, 0, RST | ACK, ack=1001)]
    assert no_call(refused) == "it was refused: is a server listening there?"


def test_a_connection_that_is_never_answered_is_told_from_a_missing_answer() -> None:
    talk = Talk()
    tries = [talk.packet(CALLER, 1000, SYN) for _ in range(3)]
    assert no_call(tries) == "it was not answered: is the address right? is a firewall in the way?"


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
