"""JSON lines: what is written reads as the same, what people write is read, what is wrong is named by its line."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.capture.items import (
    Captured,
    CapturedCall,
    Damage,
    Ended,
    Item,
    Lost,
    NoCall,
    Opened,
    Over,
    Remark,
    Step,
)
from audiosocket_cli.capture.jsonl import item_line
from audiosocket_cli.capture.opening import Capture
from audiosocket_cli.codec import Frame
from audiosocket_cli.model import Side
from support.captures import calls_of, damage, heard, items_of, losses, no_calls, plain, said
from support.packets import (
    ACK,
    CALLER,
    FIN,
    HANGUP,
    OPENING,
    RST,
    SERVER,
    START_NS,
    STEP_NS,
    Stamped,
    Talk,
    a_call,
    audio,
    digit,
    pcap,
    pcapng,
    speech,
)

UUID_TEXT = "11111111-2222-4333-8444-555555555555"


def lines_of(items: list[Item]) -> str:
    return "".join(f"{line}\n" for item in items if (line := item_line(item)) is not None)


def read(text: str, *, resync: bool = False, scripts: bool = False) -> list[Item]:
    return items_of(text.encode(), resync=resync, scripts=scripts)


def told(items: list[Item]) -> list[Any]:
    """Return items without the ends of calls, which lines do not say."""
    return plain(item for item in items if not isinstance(item, Over))


def split() -> list[Stamped]:
    frame = audio(1)
    return Talk().open().say(CALLER, OPENING, frame[:3], frame[3:100], frame[100:]).close().packets


def commented() -> list[Stamped]:
    texts = ('"quoted" \\ back', "line\nbreak\r\ttab", "Grüße 😀\u2028\u0000", "")
    return [packet._replace(comments=(texts[number % 4],)) for number, packet in enumerate(a_call())]


def lossy() -> list[Stamped]:
    talk = Talk().open().say(CALLER, OPENING, audio(0)[:50]).lose(CALLER, audio(0)[50:])
    return talk.say(CALLER, *speech(5)).say(SERVER, b"\x7f\x00\x02hi", b"\x10\x00\x00", HANGUP).close().packets


def several() -> list[Stamped]:
    again = Talk(seqs=(77_000, 88_000), at_ns=START_NS + 60 * STEP_NS).open().say(CALLER, OPENING, audio(5)).close()
    silent = Talk(("10.0.0.5", 2222), at_ns=START_NS + 90 * STEP_NS).open().close()
    middle = Talk(("10.0.0.6", 2223), at_ns=START_NS + 95 * STEP_NS).say(CALLER, *speech(6))
    return a_call() + again.packets + silent.packets + middle.packets


CAPTURES = {
    "a call": pcap(a_call()),
    "split frames": pcap(split()),
    "comments": pcapng(commented()),
    "loss": pcap(lossy()),
    "several calls": pcap(several()),
    "reset": pcap(Talk().open().say(CALLER, OPENING, audio(0)).put(SERVER, RST).packets),
    "half closed": pcap(Talk().open().say(CALLER, OPENING).put(SERVER, FIN | ACK).say(CALLER, audio(0)).packets),
    "our own side": pcapng(a_call(), about='{"me": "server"}'),
    "damaged": pcap(a_call())[:-9],
    "raw": OPENING + b"".join(speech(3)) + digit("#") + b"\x02\x00\x01x" + OPENING + audio(4) + b"\xff\x00\x01\x01",
    "raw of a server": b"".join(audio(n, 1764, 0x15) for n in range(60)) + b"\x77",
}


@pytest.mark.parametrize("name", CAPTURES)
def test_what_is_written_reads_as_the_same_items_and_writes_the_same_lines(name: str) -> None:
    items = items_of(CAPTURES[name])
    assert len(items) > 3
    text = lines_of(items)
    again = read(text)
    assert told(again) == told(items)
    assert lines_of(again) == text
    assert sorted(call.name for call in calls_of(again)) == sorted(i.call.name for i in again if isinstance(i, Over))


def test_a_call_of_which_both_sides_have_closed_is_over_at_once() -> None:
    text = lines_of(items_of(pcap(several())))
    items = read(text)
    first, second, *_ = calls_of(items)
    over = next(number for number, item in enumerate(items) if isinstance(item, Over))
    assert items[over] == Over(first)
    assert over < items.index(Opened(second, -0.06))


@st.composite
def calls(draw: st.DrawFn) -> list[Item]:
    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    seconds = st.integers(-(10**12), 10**15).map(lambda ns: ns / 10**9)
    sides = st.sampled_from(Side)
    items: list[Item] = []
    for number in range(draw(st.integers(1, 3))):
        uuid = draw(st.none() | st.uuids())
        call = CapturedCall(
            f"{uuid or ''}#{number}", uuid, draw(texts), draw(texts),
            draw(st.none() | st.integers(0, 2**63 - 1)), draw(st.none() | sides), whole=draw(st.booleans()),
        )  # fmt: skip
        items.append(Opened(call, draw(seconds)))
        for _ in range(draw(st.integers(0, 6))):
            at_s, side = draw(seconds), draw(sides)
            frame = Frame(draw(st.integers(0, 255)), draw(st.binary(max_size=40)))
            begun_s = draw(st.just(at_s) | seconds)
            gap_s = draw(st.just(round(at_s - begun_s, 9)) | seconds)
            happened: list[Item] = [
                Captured(call, at_s, side, frame, begun_s, draw(st.integers(0, 2**62)), gap_s),
                Remark(call, at_s, draw(texts)),
                Lost(call, at_s, side, draw(st.integers(0, 2**40)), draw(texts)),
                Ended(call, at_s, Side.CALLER, draw(st.booleans())),
                NoCall(draw(st.integers(0, 2**63 - 1)), draw(texts), draw(texts), draw(texts)),
                Damage(draw(st.integers(0, 2**62)), draw(texts), draw(st.none() | st.integers(0, 2**62))),
            ]
            items.append(draw(st.sampled_from(happened)))
    return items


@given(calls())
@settings(max_examples=150)
def test_any_items_round_trip(items: list[Item]) -> None:
    text = lines_of(items)
    again = read(text)
    assert told(again) == told(items)
    assert lines_of(again) == text


def test_each_line_is_an_object_with_what_a_frame_means() -> None:
    lines = [json.loads(line) for line in lines_of(items_of(pcap(several()))).splitlines()]
    assert lines[0] == {
        "schema": "audiosocket.frames/1", "call": UUID_TEXT, "t": -0.06, "event": "opened", "uuid": UUID_TEXT,
        "at": "2023-11-14T22:13:20.183456000Z", "caller": "10.0.0.1:40000", "server": "10.0.0.2:9092", "me": None,
        "whole": True,
    }  # fmt: skip
    assert [line["digit"] for line in lines if "digit" in line] == ["5"]
    first = next(line for line in lines if line.get("kind") == "slin")
    assert (first["ms"], first["bytes"], base64.b64decode(first["payload"])) == (20, 320, audio(0)[3:])


# Written by hand


def test_a_line_by_hand_needs_little() -> None:
    items = read('# a script\n\n{"t":1.2,"digit":"5"}\n// so, too\n  {"digit": "#", "side": "server"}\n')
    (call,) = calls_of(items)
    assert (call.name, call.uuid, items[0]) == ("script", None, Opened(call, 0.0))
    assert (heard(items), said(items)) == ([digit("5")], [digit("#")])
    assert [item.at_s for item in items if isinstance(item, Captured)] == [1.2, 1.2]


@pytest.mark.parametrize(
    ("line", "frame"),
    [
        ('{"digit":"*"}', Frame(3, b"*")),
        (f'{{"uuid":"{UUID_TEXT}"}}', Frame(1, OPENING[3:])),
        (f'{{"kind":"uuid","uuid":"{UUID_TEXT}"}}', Frame(1, OPENING[3:])),
        ('{"payload":"AAEC"}', Frame(0x10, b"\0\1\2")),
        ('{"payload":""}', Frame(0x10)),
        ('{"kind":"hangup","payload":""}', Frame(0)),
        ('{"kind":"0x7f","payload":"eA=="}', Frame(0x7F, b"x")),
    ],
)
def test_frames_by_hand(line: str, frame: Frame) -> None:
    (found,) = [item for item in read(line) if isinstance(item, Captured)]
    assert found.frame == frame


def test_lines_of_several_captures_may_follow_each_other() -> None:
    text = lines_of(items_of(pcap(Talk().open().say(CALLER, OPENING, audio(0)).packets)))
    items = read(text + text)
    assert len({call.name for call in calls_of(items)}) == 2
    assert [len(heard(items, call.name)) for call in calls_of(items)] == [2, 2]
    assert len([item for item in items if isinstance(item, Over)]) == 2


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2023-11-14T22:13:20Z", 1_700_000_000_000_000_000),
        ("2023-11-14T22:13:20.5Z", 1_700_000_000_500_000_000),
        ("2023-11-14T22:13:20.123456789Z", 1_700_000_000_123_456_789),
        ("2023-11-14T23:13:20.000000001+01:00", 1_700_000_000_000_000_001),
        ("2023-11-14 22:13:20", 1_700_000_000_000_000_000),
    ],
)
def test_times_of_day_by_hand(at: str, expected: int) -> None:
    (call,) = calls_of(read(json.dumps({"event": "opened", "at": at})))
    assert call.started_ns == expected


@pytest.mark.parametrize("at_ns", [0, 2**63 - 1, -62135596800 * 10**9, 253402300799 * 10**9 + 999_999_999])
def test_times_of_day_are_written_from_the_first_year_to_the_last(at_ns: int) -> None:
    line = item_line(Opened(CapturedCall("x", started_ns=at_ns), 0.0))
    (call,) = calls_of(read(line or ""))
    assert call.started_ns == at_ns


def test_a_byte_order_mark_is_no_fault() -> None:
    assert heard(items_of(b'\xef\xbb\xbf{"digit":"1"}\r\n{"digit":"2"}\r\n')) == [digit("1"), digit("2")]


STEPS = '{"t":0.5,"play":"hello.wav"}\n{"silence_ms":300}\n{"digit":"1"}\n{"expect":{"digit":"5"}}\n{"hangup":true}\n'


def test_scripts_give_steps_with_their_lines() -> None:
    items = read(STEPS, scripts=True)
    steps = [item for item in items if isinstance(item, Step)]
    assert [(step.at_s, step.what, step.line) for step in steps] == [
        (0.5, "play", 1), (None, "silence_ms", 2), (None, "expect", 4), (None, "hangup", 5),
    ]  # fmt: skip
    assert steps[0].facts == {"t": 0.5, "play": "hello.wav"}
    assert [item.at_s for item in items if isinstance(item, Captured)] == [0.5]


def test_steps_are_for_scripts_only() -> None:
    assert damage(read(STEPS))[0].reason == "line 1: 'play' is a step of a script; only replay takes it"


# What is wrong


BAD = {
    "no number": '{"t":"soon","digit":"1"}',
    "null": '{"t":null,"digit":"1"}',
    "bool": '{"t":true,"digit":"1"}',
    "nan": '{"t":NaN,"digit":"1"}',
    "infinity": '{"t":-Infinity,"digit":"1"}',
    "huge": '{"t":1e999,"digit":"1"}',
    "huge integer": '{"t":1' + "0" * 400 + ',"digit":"1"}',
    "too many digits": '{"t":1' + "0" * 5000 + ',"digit":"1"}',
    "begun": '{"begun_t":[],"digit":"1"}',
    "no object": "[1, 2]",
    "no JSON": '{"t":1.2,',
    "only text": "hello\x1b[31m",
    "deep": '{"t":' + "[" * 100_000,
    "deep and whole": '{"t":' + "[" * 900 + "]" * 900 + "}",
    "invalid base64": '{"payload":"A"}',
    "base64 with junk": '{"payload":"AAEC!"}',
    "base64 of umlauts": '{"payload":"äöü="}',
    "payload of no text": '{"payload":5}',
    "too long payload": json.dumps({"payload": base64.b64encode(bytes(65536)).decode()}),
    "no kind": '{"kind":"slin17","payload":""}',
    "kind of no text": '{"kind":16,"payload":""}',
    "no digit": '{"digit":"x"}',
    "digit of no text": '{"digit":5}',
    "no uuid": '{"uuid":"123"}',
    "uuid of no text": '{"uuid":123}',
    "nothing said": '{"t":1.0}',
    "unknown event": '{"event":"exploded"}',
    "event of no text": '{"event":[1]}',
    "no side": '{"digit":"1","side":"middle"}',
    "side of no text": '{"digit":"1","side":{}}',
    "offset": '{"digit":"1","offset":-1}',
    "offset of no integer": '{"digit":"1","offset":1.5}',
    "lost nothing": '{"event":"lost"}',
    "lost infinity": '{"event":"lost","bytes":1e400}',
    "lost less": '{"event":"lost","bytes":-5}',
    "comment of no text": '{"event":"comment","text":5}',
    "half a character": '{"event":"comment","text":"\\ud800"}',
    "opened with no uuid": '{"event":"opened","uuid":5}',
    "opened at no time": '{"event":"opened","at":"yesterday"}',
    "opened at a number": '{"event":"opened","at":5}',
    "opened in year 0": '{"event":"opened","at":"0000-01-01T00:00:00Z"}',
    "opened by nobody": '{"event":"opened","me":"nobody"}',
    "a name that is a path": '{"digit":"1","call":"../../etc/x"}',
    "a name that is hidden": '{"digit":"1","call":".x"}',
    "a name with quotes": '{"event":"opened","call":"a\\"b"}',
    "a name of no text": '{"digit":"1","call":5}',
    "an empty name": '{"digit":"1","call":""}',
    "a name without end": json.dumps({"digit": "1", "call": "x" * 101}),
    "damage nowhere": '{"event":"damage","reason":"x"}',
    "damage of no size": '{"event":"damage","offset":1,"reason":"x","skipped_bytes":"x"}',
    "a result": '{"schema":"audiosocket.call/1","uuid":"12345678-1234-1234-1234-123456789abc"}',
    "a schema of no text": '{"schema":["audiosocket.frames/1"],"digit":"1"}',
    "no call at no time": '{"event":"no-call","at":"x"}',
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_line_is_damage_with_its_number(case: str) -> None:
    first, last = '{"digit":"1"}\n', '{"digit":"2"}\n'
    bad = f"{BAD[case]}\n"
    items = read(first + bad + last)
    (found,) = damage(items)
    assert (found.offset, found.skipped_bytes) == (len(first), None)
    assert found.reason.startswith("line 2: ")
    assert found.reason.isprintable()
    assert len(found.reason) <= 208
    assert heard(items) == [digit("1")]
    items = read(first + bad + last, resync=True)
    (found,) = damage(items)
    assert found.skipped_bytes == len(bad.encode())
    assert heard(items) == [digit("1"), digit("2")]
    assert len(calls_of(items)) == 1


def test_bytes_that_are_no_text_are_damage() -> None:
    items = items_of(b'{"digit":"1"}\n\xff\xfe\n{"digit":"2"}\n', resync=True)
    assert (damage(items)[0].offset, damage(items)[0].skipped_bytes) == (14, 3)
    assert heard(items) == [digit("1"), digit("2")]


@pytest.mark.parametrize("size", [(1 << 20) + 1, 5 << 20])
@pytest.mark.parametrize("ended", [True, False], ids=["ended", "endless"])
def test_a_line_longer_than_any_frame_is_one_damage(size: int, ended: bool) -> None:
    first, last = b'{"digit":"1"}\n', b'\n{"digit":"2"}\n' if ended else b""
    items = items_of(first + b'{"t":' + b" " * (size - 5) + last, resync=True)
    (found,) = damage(items)
    assert found == Damage(14, "line 2: longer than any frame: over 1048576 bytes", size + ended)
    assert heard(items) == [digit("1"), digit("2")][: 1 + ended]


def test_the_longest_frame_is_a_line() -> None:
    frame = audio(0, 0xFFFE)
    talk = Talk().open().say(CALLER, OPENING, frame[:40_000], frame[40_000:]).close()
    items = read(lines_of(items_of(pcap(talk.packets))))
    assert (heard(items), losses(items)) == ([OPENING, frame], [])


def test_a_hundred_megabytes_without_a_line_end_cost_little() -> None:
    begun = time.process_time()
    left = [b'{"t":'] + [b"x" * (1 << 20)] * 100
    (found,) = Capture(lambda size: left.pop(0) if left else b"", "x", resync=True)
    assert isinstance(found, Damage)
    assert found.skipped_bytes == 5 + (100 << 20)
    assert time.process_time() - begun < 3


def test_no_calls_are_read_back() -> None:
    text = lines_of(items_of(pcap(Talk().open().close().packets)))
    assert [found.caller for found in no_calls(read(text))] == ["10.0.0.1:40000"]


def test_a_growing_file_is_told_line_by_line() -> None:
    lines = [b'{"digit":"1"}\n', b'{"digit":', b'"2"}\n']
    told: list[str] = []

    def reading(size: int) -> bytes:
        told.append("read")
        return lines.pop(0) if lines else b""

    for item in Capture(reading, "x"):
        if isinstance(item, Captured):
            told.append("heard")
    assert told[:6] == ["read", "heard", "read", "read", "heard", "read"]
