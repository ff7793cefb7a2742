"""pcapng files: interfaces, clocks, sections, comments, damage."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path

import pytest

from audiosocket_cli.capture.items import Captured, Opened, Remark
from audiosocket_cli.model import Side
from support.captures import calls_of, damage, heard, items_of, plain, said
from support.packets import (
    CALLER,
    LINKS,
    OPENING,
    START_NS,
    STEP_NS,
    Talk,
    a_call,
    audio,
    block,
    digit,
    enhanced,
    ethernet,
    interface,
    linked,
    option,
    pcap,
    pcapng,
    section,
    speech,
)
from support.running import need

HEARD = [OPENING, *speech(6), digit("5")]

SAID = [*speech(6, 100), b"\x00\x00\x00"]

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


def test_files_of_a_rotation_that_were_appended_to_each_other_are_one() -> None:
    packets = a_call()
    assert plain(items_of(pcap(packets[:7]) + pcap(packets[7:]))) == plain(items_of(pcap(packets)))
    assert plain(items_of(pcapng(packets[:7]) + pcapng(packets[7:]))) == plain(items_of(pcapng(packets)))
