"""Connections between the same ports, at the same time, and without end."""

from __future__ import annotations

import io

import pytest

from audiosocket_cli.capture import connections
from audiosocket_cli.capture.opening import Capture
from support.captures import calls_of, heard, items_of, losses, no_calls, plain, said
from support.packets import (
    CALLER,
    OPENING,
    RST,
    SERVER,
    START_NS,
    STEP_NS,
    SYN,
    UUID_BYTES,
    Talk,
    a_call,
    audio,
    pcap,
    speech,
)
from support.segments import UUID_TEXT, read

WHOLE = items_of(pcap(a_call()))


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
