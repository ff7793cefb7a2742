"""Captures in other formats: what is written says the same as what was read."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.capture.exports import as_bytes, as_jsonl, as_pcapng
from audiosocket_cli.capture.items import (
    CUT_FRAME,
    MISSING,
    Captured,
    CapturedCall,
    Item,
    Lost,
    Opened,
    Over,
    Remark,
)
from audiosocket_cli.capture.jsonl import item_line
from audiosocket_cli.codec import Frame, FrameDecoder, Kind, digit_frame, encode, uuid_frame
from audiosocket_cli.errors import UsageError
from audiosocket_cli.model import Side
from support import packets
from support.captured import (
    QUIET,
    UUID_1,
    UUID_2,
    a_call,
    a_normal_call,
    as_lines,
    cut,
    reviewed,
    sent,
    speech,
    steady,
    whole,
)
from support.captures import calls_of, heard, items_of, losses, plain, said
from support.running import need


def pcapng_of(items: Iterable[Item]) -> bytes:
    return b"".join(as_pcapng(items, "test"))


def talk_of_all_sorts(me: Side | None = Side.SERVER) -> list[Item]:
    """Both sides, digits, a hangup, an unknown kind, a frame in parts, comments."""
    call = a_call(me=me)
    caller = sent(call, Side.CALLER, [*speech(0.2), digit_frame("#"), Frame(0x42, b"odd"), Frame(Kind.SLIN)],
                  [*steady(0.0213, 10), 0.3, 0.31, 0.32])  # fmt: skip
    server = sent(call, Side.SERVER, [*speech(0.2), Frame(Kind.HANGUP)], [*steady(0.011, 10), 0.4])
    server[3] = server[3]._replace(begun_s=round(server[3].at_s - 0.0051, 9), gap_s=0.0051)
    server[5] = server[5]._replace(begun_s=round(server[5].at_s - 0.0093, 9), gap_s=0.004)
    items = whole(call, caller, server, 0.45)
    items.insert(5, Remark(call, getattr(items[4], "at_s", 0.0), "just so"))
    items.insert(-2, Remark(call, 0.45, "the end"))
    return items


@pytest.mark.parametrize("me", [Side.SERVER, Side.CALLER, None], ids=str)
def test_pcapng_reads_as_what_was_written(me: Side | None) -> None:
    items = talk_of_all_sorts(me)
    assert plain(items_of(pcapng_of(items))) == plain(items)


def test_pcapng_of_pcapng_is_the_same_file() -> None:
    first = pcapng_of(talk_of_all_sorts())
    assert pcapng_of(items_of(first)) == first


@pytest.mark.parametrize("link", ["ethernet", "cooked-2-vlan", "ipv6", "null-big"])
def test_a_pcap_reads_the_same_as_pcapng(link: str) -> None:
    number, wrap = packets.LINKS[link]
    talk = packets.Talk(("fd00::1", 40000), ("fd00::2", 9092)) if link == "ipv6" else packets.Talk()
    talk.open().say(0, packets.OPENING[:7]).say(0, packets.OPENING[7:] + packets.audio(1)[:100])
    talk.say(0, packets.audio(1)[100:] + packets.audio(2)).say(1, packets.audio(3)).say(0, packets.digit("5")).close()
    items = items_of(packets.pcap(packets.linked(talk.packets, wrap), number))
    assert len([item for item in items if isinstance(item, Captured)]) == 5
    assert plain(items_of(pcapng_of(items))) == plain(items)


@pytest.mark.parametrize("side", list(Side), ids=str)
def test_what_a_capture_lacks_is_missing_in_pcapng_too_and_what_it_has_is_kept(side: Side) -> None:
    call = a_call()
    sides = {each: sent(call, each, speech(3.0), steady(0.02, 150)) for each in Side}
    del sides[side][10:140]
    items = whole(call, sides[Side.CALLER], sides[Side.SERVER])
    at_s = sides[side][10].at_s
    before = next(at for at, item in enumerate(items) if isinstance(item, Captured) and item.at_s == at_s)
    items.insert(before, Lost(call, at_s, side, 130 * 323, MISSING))
    result, _ = reviewed(items)
    again = items_of(pcapng_of(items))
    assert [item for item in again if isinstance(item, Remark)] == []
    assert losses(again) == [(side, 130 * 323, MISSING)]
    assert (heard(again), said(again)) == (heard(items), said(items))
    assert reviewed(again)[0].findings == result.findings == []
    assert calls_of(again)[0].remarks == [
        "41990 bytes are missing from the capture, which lost packets: tcpdump -s 0 -B 16384 keeps more"
    ]
    assert plain(items_of(pcapng_of(again))) == plain(again)


def test_digits_between_what_is_missing_are_kept_in_pcapng() -> None:
    """As of tcpdump that cuts packets, and with them all frames of audio."""
    call = a_call()
    digits = sent(call, Side.CALLER, [digit_frame("5"), digit_frame("#")], [0.1, 0.5])
    lost = [Lost(call, at_s, Side.CALLER, 323, MISSING) for at_s in (0.05, 0.3, 0.7)]
    items = whole(call, digits, [], 0.8)
    items[2:4] = [lost[0], digits[0], lost[1], digits[1], lost[2]]
    again = items_of(pcapng_of(items))
    assert heard(again) == heard(items)
    assert losses(again) == [(Side.CALLER, 323, MISSING)] * 3


def test_what_is_not_a_whole_frame_is_told_in_a_comment() -> None:
    call = a_call()
    items = whole(call, sent(call, Side.CALLER, speech(0.4), steady(0.02, 20)), [])
    items.insert(8, Lost(call, 0.12, Side.CALLER, 7, CUT_FRAME))
    again = items_of(pcapng_of(items))
    assert heard(again) == heard(items)
    assert [item.text for item in again if isinstance(item, Remark)] == [
        "lost 7 bytes of the caller: of a frame that is not whole"
    ]


def test_a_call_without_times_begins_in_1970_between_nobody_and_nobody() -> None:
    call = a_call(timed=False)
    items = whole(call, sent(call, Side.CALLER, speech(0.1), steady(0.02, 5)), [])
    (opened, *_) = items_of(pcapng_of(items))
    assert isinstance(opened, Opened)
    assert (opened.call.caller, opened.call.server, opened.call.started_ns) == ("192.0.2.1:40001", "192.0.2.2:9092", 0)


def test_a_capture_without_calls_is_a_file_that_opens() -> None:
    assert pcapng_of([])[:4] == b"\n\r\r\n"
    assert items_of(pcapng_of([])) == []


def test_tshark_reads_what_is_written_without_complaint(tmp_path: Path) -> None:
    tshark = need("tshark")
    path = tmp_path / "out.pcapng"
    call = a_call(UUID_2)
    call.caller = "10.0.0.6:40000"
    other = whole(call, sent(call, Side.CALLER, speech(0.2), steady(0.02, 10)), [])
    path.write_bytes(pcapng_of([*talk_of_all_sorts(), *other]))
    fields = ["frame.number", "tcp.stream", "tcp.len", "frame.comment", "tcp.analysis.flags", "_ws.malformed"]
    done = subprocess.run(
        [tshark, "-r", path, "-T", "fields", "-o", "tcp.check_checksum:TRUE", "-E", "separator=|",
         *[part for field in [*fields, "tcp.checksum.status"] for part in ("-e", field)]],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    rows = [line.split("|") for line in done.stdout.splitlines()]
    # 3 to open each, 25 frames of one (one in two parts, one in four, UUID included) and 11 of the other, 2 FINs each,
    # and one that says what was left to be said
    assert len(rows) == 3 + 29 + 2 + 3 + 11 + 2
    assert [row[3] for row in rows if row[3]] == ["just so", "the end"]
    assert [row for row in rows if row[4] or row[5]] == []
    assert {row[6] for row in rows} == {"1"}
    assert "malformed" not in done.stderr.lower()
    assert "damaged" not in done.stderr.lower()


def test_a_comment_behind_the_end_is_not_lost() -> None:
    items = a_normal_call(0.1)
    items.insert(-1, Remark(call := items[0].call, 0.1, "behind"))  # type: ignore[union-attr]
    again = items_of(pcapng_of(items))
    assert [item.text for item in again if isinstance(item, Remark)] == ["behind"]
    assert call.name == str(UUID_1)


def test_jsonl_is_written_as_it_reads() -> None:
    items = talk_of_all_sorts()
    data = b"".join(as_jsonl(items))
    assert data.decode() == "".join(as_lines(items))
    assert b"".join(as_jsonl(items_of(data))) == data


def test_bytes_are_those_of_the_wire() -> None:
    call = a_call()
    frames = [*speech(0.2), digit_frame("#"), Frame(Kind.SLIN), *cut(tone(440, 16000, 0.2), 320, Kind.SLIN16)]
    items = whole(call, sent(call, Side.CALLER, frames, steady(0.02, 22)), [])
    data = b"".join(as_bytes(items))
    frames = FrameDecoder().feed(data)
    assert frames == [item.frame for item in items if isinstance(item, Captured)]
    assert b"".join(as_bytes(items_of(data))) == data


def test_bytes_of_both_sides_are_refused() -> None:
    with pytest.raises(UsageError, match="choose with --side caller or --side server"):
        list(as_bytes(a_normal_call()))


def test_bytes_of_one_call_after_the_other_are_fine_but_not_of_calls_that_could_not_be_told_apart() -> None:
    first, second = a_call(), a_call(UUID_2)
    one = whole(first, sent(first, Side.CALLER, speech(0.1), steady(0.02, 5)), [])
    other = whole(second, sent(second, Side.CALLER, speech(0.1), steady(0.02, 5)), [])
    assert len(FrameDecoder().feed(b"".join(as_bytes([*one, *other])))) == 12
    mixed = [*one[:4], *other[:4], *one[4:], *other[4:]]
    with pytest.raises(UsageError, match="choose with --call"):
        list(as_bytes(mixed))


def test_a_call_knows_its_bytes() -> None:
    call = CapturedCall("1")
    assert b"".join(as_bytes(sent(call, Side.SERVER, [QUIET] * 3, steady(0, 3)))) == encode(QUIET) * 3


def test_calls_between_the_same_ports_stay_apart_in_pcapng() -> None:
    data = b"".join(encode(frame) for uuid in (UUID_1, UUID_2) for frame in (uuid_frame(uuid), *speech(0.04)))
    again = items_of(pcapng_of(items_of(data)))
    assert [item.call.uuid for item in again if isinstance(item, Opened)] == [UUID_1, UUID_2]
    assert sum(isinstance(item, Captured) for item in again) == 6


@pytest.mark.parametrize(
    "address",
    ["pbx:40000", "[::1]:5", "05.0.0.2:1", "10.0.0.1:70000", "10.0.0.1:\u00b2", "10.0.0.1:" + "9" * 4400, ""],
    ids=["name", "other family", "octal", "port", "digit of another script", "long", "none"],
)
def test_what_is_no_address_is_written_as_one_of_documentation(address: str) -> None:
    call = CapturedCall(str(UUID_1), UUID_1, address, "10.0.0.9:9092", 0)
    items = [
        Opened(call, 0.0),
        *sent(call, Side.CALLER, [uuid_frame(UUID_1), digit_frame("5")], [0.0, 0.1]),
        Over(call),
    ]
    frames = [item.frame for item in items_of(pcapng_of(items)) if isinstance(item, Captured)]
    assert frames == [uuid_frame(UUID_1), digit_frame("5")]


@pytest.mark.parametrize("at_s", [0.0, 0.02, 12.345678901, 1.2345e-06, 1e-05, -0.25, 1234567.1234567891, 1 / 3, 2e16])
def test_a_time_has_at_most_nine_digits_after_the_point(at_s: float) -> None:
    item = Captured(CapturedCall("1"), at_s, Side.SERVER, Frame(Kind.SLIN, bytes(320)), at_s, 7)
    line = b"".join(as_jsonl([item])).decode()
    assert line == f"{item_line(item)}\n"
    assert f'"t": {round(at_s, 9)!r}, ' in line
