"""Damaged captures: cut anywhere, holes, noise, and what an attacker may think of."""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.capture.items import Captured, Damage, Item
from audiosocket_cli.capture.jsonl import item_line
from audiosocket_cli.capture.opening import Capture
from audiosocket_cli.capture.runs import Run
from audiosocket_cli.errors import FileError
from support.captures import damage, heard, items_of, losses, plain, said
from support.packets import (
    ACK,
    CALLER,
    HANGUP,
    OPENING,
    SERVER,
    START_NS,
    Stamped,
    Talk,
    audio,
    block,
    digit,
    enhanced,
    interface,
    option,
    packed,
    pcap,
    pcapng,
    section,
    speech,
)


def small_call(count: int = 4) -> list[Stamped]:
    talk = Talk().open().say(CALLER, OPENING)
    for number in range(count):
        talk.say(CALLER, audio(number, 20)).say(SERVER, audio(50 + number, 20))
    return talk.say(CALLER, digit("5")).say(SERVER, HANGUP).close().packets


PACKETS = small_call()
LINES = [f"{line}\n".encode() for item in items_of(pcap(PACKETS)) if (line := item_line(item))]
FRAMES = [OPENING, *(audio(number, 20) for number in range(6)), digit("5"), b"\x10\x00\x00", HANGUP]


def grown(parts: list[bytes]) -> list[bytes]:
    """Return the file as it was after each record."""
    return [b"".join(parts[: number + 1]) for number in range(len(parts))]


HISTORIES = {
    "pcap": [b"", *(pcap(PACKETS[:number]) for number in range(len(PACKETS) + 1))],
    "pcap-big": [b"", *(pcap(PACKETS[:number], order=">", unit_ns=1000) for number in range(len(PACKETS) + 1))],
    "pcapng": [b"", section("<", "{}"), *(pcapng(PACKETS[:n], about="{}") for n in range(len(PACKETS) + 1))],
    "pcapng-big": [b"", section(">"), *(pcapng(PACKETS[:n], order=">") for n in range(len(PACKETS) + 1))],
    "jsonl": [b"", *grown(LINES)],
    "raw": [b"", *grown(FRAMES)],
}
FILES = {name: history[-1] for name, history in HISTORIES.items()}


def read_or_nothing(data: bytes, **options: Any) -> list[Item]:
    """Return the items; none for a file that is empty."""
    try:
        return items_of(data, **options)
    except FileError:
        return []


def without_damage(items: list[Item]) -> list[Any]:
    return plain(item for item in items if not isinstance(item, Damage))


# Cuts


@pytest.mark.parametrize("resync", [False, True], ids=["stop", "resync"])
@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_anywhere_holds_what_is_whole_before_the_cut(name: str, resync: bool) -> None:
    history = HISTORIES[name]
    whole = 0
    expected: list[Any] = []
    for size in range(1, len(FILES[name]) + 1):
        items = read_or_nothing(FILES[name][:size], resync=resync)
        ends = len(history[whole + 1])
        if size == ends or (name == "jsonl" and size == ends - 1):
            expected = without_damage(items)
            assert expected == without_damage(read_or_nothing(history[whole + 1]))
            assert damage(items) == []
        else:
            assert without_damage(items) == expected
            (found,) = damage(items)
            assert found.offset == len(history[whole])
            assert found.skipped_bytes == (size - len(history[whole]) if resync else None)
        whole += size == ends
    assert whole == len(history) - 1


@pytest.mark.parametrize("name", FILES)
def test_gzip_cut_anywhere_holds_what_is_whole_before_the_cut(name: str) -> None:
    data = packed(FILES[name], 3)
    for size in range(1, len(data)):
        rest, unpacked = data[:size], b""
        while rest[:3] == b"\x1f\x8b\x08":
            member = zlib.decompressobj(wbits=31)
            unpacked += member.decompress(rest)
            rest = member.unused_data
        items = read_or_nothing(data[:size])
        if not unpacked:
            continue
        # Between two members nothing tells that more should follow, unless it is two bytes of it.
        cut = [Damage(len(unpacked), "the gzip stream is cut")] if not member.eof or rest else []
        assert damage(items) == damage(items_of(unpacked)) + cut
        assert without_damage(items) == without_damage(items_of(unpacked))


@pytest.mark.parametrize("name", FILES)
def test_gzip_that_breaks_gives_all_before_the_break(name: str) -> None:
    data = bytearray(gzip.compress(FILES[name], 0, mtime=0))  # stored, so that a byte is a byte
    data[-8] ^= 1
    items = items_of(bytes(data))
    assert without_damage(items) == without_damage(items_of(FILES[name]))
    assert damage(items) == [Damage(len(FILES[name]), "the gzip stream is damaged (incorrect data check)")]


def test_gzip_that_breaks_in_the_middle_gives_the_frames_before() -> None:
    data = b"".join(speech(200))
    compress = zlib.compressobj(wbits=31)
    half = compress.compress(data[: 323 * 100]) + compress.flush(zlib.Z_FULL_FLUSH)
    items = items_of(half + b"\xff" * 100)
    assert said(items) == speech(100)
    assert damage(items) == [Damage(323 * 100, "the gzip stream is damaged (invalid block type)")]


# Damage in the middle


NOISE: dict[str, Callable[[int], bytes]] = {
    "ff": lambda size: b"\xff" * size,
    "noise": lambda size: bytes(byte | 0x80 for byte in random.Random(size).randbytes(size)),
}


@pytest.mark.parametrize("size", [16, 17, 18, 19, 100, 5000, (1 << 20) + 5])
@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("name", FILES)
def test_noise_between_records_is_passed_over_to_the_byte(name: str, noise: str, size: int) -> None:
    history = HISTORIES[name]
    at = len(history[len(history) // 2 if name != "raw" else 3])
    junk = NOISE[noise](size) if name != "jsonl" else NOISE[noise](size - 1) + b"\n"
    data = FILES[name][:at] + junk + FILES[name][at:]
    stopped = items_of(data)
    (found,) = damage(stopped)
    assert (found.offset, found.skipped_bytes) == (at, None)
    assert without_damage(stopped) == without_damage(items_of(FILES[name][:at]))
    going_on = items_of(data, resync=True)
    (found,) = damage(going_on)
    assert (found.offset, found.skipped_bytes) == (at, len(junk))
    assert (heard(going_on), said(going_on)) == (heard(items_of(FILES[name])), said(items_of(FILES[name])))


@pytest.mark.parametrize("size", [16, 160, 4096, 1 << 20])
@pytest.mark.parametrize("name", ["pcap", "pcap-big", "pcapng", "pcapng-big"])
def test_a_hole_of_zeros_between_packets_is_passed_over_to_the_byte(name: str, size: int) -> None:
    at = len(HISTORIES[name][9])
    items = items_of(FILES[name][:at] + bytes(size) + FILES[name][at:], resync=True)
    (found,) = damage(items)
    assert (found.offset, found.skipped_bytes) == (at, size)
    assert (heard(items), said(items)) == (heard(items_of(FILES[name])), said(items_of(FILES[name])))


LENGTHS = {"pcap": 8, "pcap-big": 8, "pcapng": 4, "pcapng-big": 4}


@pytest.mark.parametrize("bit", [2, 4, 7, 11, 14, 17, 22, 31])
@pytest.mark.parametrize("name", LENGTHS)
def test_a_length_that_grew_costs_its_own_record_alone(name: str, bit: int) -> None:
    history = HISTORIES[name]
    at, after = len(history[10]), len(history[11])
    data = bytearray(FILES[name])
    place, order = at + LENGTHS[name], "big" if name.endswith("big") else "little"
    length = int.from_bytes(data[place : place + 4], order)  # type: ignore[arg-type]
    data[place : place + 4] = (length + (1 << bit)).to_bytes(4, order)  # type: ignore[arg-type]
    (found,) = damage(items_of(bytes(data)))
    assert found.offset == at
    items = items_of(bytes(data), resync=True)
    (found,) = damage(items)
    assert (found.offset, found.skipped_bytes) == (at, after - at)
    kept = len(heard(items)) + len(said(items))
    assert kept >= len(heard(items_of(FILES[name]))) + len(said(items_of(FILES[name]))) - 5
    assert heard(items)[-1] == digit("5")


def test_a_section_that_is_none_does_not_take_the_interfaces_away() -> None:
    data = pcapng(PACKETS)
    at = len(HISTORIES["pcapng-big"][9])
    fake = section(">")[:-4] + b"\xff" * 4
    items = items_of(data[:at] + fake + data[at:], resync=True)
    (found,) = damage(items)
    assert (found.offset, found.skipped_bytes) == (at, len(fake))
    assert heard(items) == heard(items_of(data))


def test_damage_may_come_more_than_once() -> None:
    parts = [*speech(6), b"\xee" * 50, *speech(6, 10), b"\xdd" * 70, *speech(6, 20)]
    items = items_of(b"".join(parts), resync=True)
    assert [(found.offset, found.skipped_bytes) for found in damage(items)] == [(6 * 323, 50), (12 * 323 + 50, 70)]
    assert said(items) == [part for part in parts if part[0] == 0x10]


def test_a_flipped_byte_in_the_middle_of_a_raw_file_costs_its_frame() -> None:
    data = bytearray(b"".join(speech(20)))
    data[5 * 323] = 0x03
    items = items_of(bytes(data), resync=True)
    assert [(found.offset, found.skipped_bytes) for found in damage(items)] == [(5 * 323, 323)]
    assert said(items) == speech(5) + speech(14, 6)


# Anything


def reads_to_an_end(data: bytes) -> None:
    for resync in (False, True):
        begun = time.process_time()
        for scripts in (False, True):
            items = read_or_nothing(data, resync=resync, scripts=scripts)
            lines = [line for item in items if (line := item_line(item))]
            assert len([json.loads(line.encode()) for line in lines]) <= len(items)
        items = read_or_nothing(data, resync=resync)
        try:
            joined = list(Capture(io.BytesIO(data).read, "x", resync=resync).runs())
        except FileError:
            joined = []
        frames = sum(len(run.payloads) for run in joined if isinstance(run, Run))
        assert frames == sum(isinstance(item, Captured) for item in items)
        assert [found for found in joined if isinstance(found, Damage)] == damage(items)
        assert time.process_time() - begun < 5


STARTS = [b"", b"\n\r\r\n", b"\x1f\x8b\x08", b"{", OPENING, b"\x10\x01\x40", *(pcap([])[:n] for n in (4, 24)),
          pcapng([]), section(">"), gzip.compress(RAW := b"".join(FRAMES))[:30], b'{"t":1,"digit":"5"}\n']  # fmt: skip


@given(st.sampled_from(STARTS), st.binary(max_size=2000))
@settings(max_examples=300)
def test_any_bytes_are_read_to_an_end(start: bytes, rest: bytes) -> None:
    reads_to_an_end(start + rest)


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """Return a file with bytes flipped, inserted, taken away and repeated."""
    data = bytearray(draw(st.sampled_from([*FILES.values(), *map(packed, FILES.values())])))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        size = draw(st.integers(1, 60))
        match draw(st.sampled_from("fidr")):
            case "f" if at < len(data):
                data[at] = draw(st.integers(0, 255))
            case "i":
                data[at:at] = draw(st.binary(max_size=60))
            case "d":
                del data[at : at + size]
            case _:
                data[at:at] = data[max(0, at - size * 10) : at]
    return bytes(data)


@given(mutations())
@settings(max_examples=400)
def test_damaged_files_are_read_to_an_end(data: bytes) -> None:
    reads_to_an_end(data)


# Attacks


def many(count: int, part: Callable[[int], bytes], start: bytes = b"") -> Iterator[bytes]:
    yield start
    for number in range(count):
        yield part(number)


def from_parts(parts: Iterator[bytes], size: int = 1 << 20) -> Callable[[int], bytes]:
    """Return a read function over parts that are made as they are asked for."""

    def read(wanted: int) -> bytes:
        data = b""
        while len(data) < min(size, wanted):
            part = next(parts, b"")
            if not part:
                break
            data += part
        return data

    return read


def segment_parts(blocks: int, per_block: int, *, ng: bool) -> Iterator[bytes]:
    """Return a call that goes on for ever, in pieces of many packets, with sequence numbers that are right."""
    talk = Talk().open().say(CALLER, OPENING)
    write = pcapng if ng else pcap
    head = write([])
    yield write(talk.packets)
    frames = speech(50)
    for number in range(blocks):
        talk.packets = []
        for at in range(per_block):
            talk.say(CALLER if at % 2 else SERVER, frames[(number + at) % 50])
        yield write(talk.packets)[len(head) :]


def peak_of(read: Callable[[int], bytes], *, runs: bool = False, resync: bool = False) -> tuple[int, int]:
    """Return the most memory that reading took, in bytes, and how many frames there were."""
    tracemalloc.start()
    try:
        frames = 0
        capture = Capture(read, "x", resync=resync)
        for item in capture.runs() if runs else capture:
            frames += len(item.payloads) if isinstance(item, Run) else isinstance(item, Captured)
        return tracemalloc.get_traced_memory()[1], frames
    finally:
        tracemalloc.stop()


def test_two_hundred_megabytes_of_raw_take_no_memory() -> None:
    part = b"".join(speech(50)) * 60
    peak, frames = peak_of(from_parts(iter([part] * 210)), runs=True)
    assert frames == 210 * 3000
    assert peak < 12 << 20


@pytest.mark.parametrize("ng", [False, True], ids=["pcap", "pcapng"])
def test_a_long_packet_capture_takes_no_more_memory_than_a_short_one(ng: bool) -> None:
    peaks = []
    for blocks in (2, 12):
        peak, frames = peak_of(from_parts(segment_parts(blocks, 1000, ng=ng), 64 << 10))
        assert frames == blocks * 1000 + 1
        peaks.append(peak)
    assert peaks[1] < peaks[0] + (1 << 20)
    assert peaks[1] < 4 << 20


def test_long_json_lines_take_no_more_memory_than_short_ones() -> None:
    line = b"".join(b'{"t":%d,"payload":"%s"}\n' % (number, b"AAAA" * 100) for number in range(100))
    peak, frames = peak_of(from_parts(iter([line] * 200)))
    assert frames == 20_000
    assert peak < 8 << 20


@pytest.mark.parametrize("resync", [False, True], ids=["stop", "resync"])
def test_a_small_file_that_unpacks_to_much_takes_no_memory(resync: bool) -> None:
    data = gzip.compress(bytes(100 << 20), 9)
    assert len(data) < 200_000
    peak, frames = peak_of(io.BytesIO(data).read, resync=resync)
    assert (frames, peak < 12 << 20) == (0, True)


def quickly(data: bytes, most_s: float, **options: Any) -> list[Item]:
    begun = time.process_time()
    items = read_or_nothing(data, **options)
    assert time.process_time() - begun < most_s
    return items


def test_tiny_gzip_members_cost_no_more_than_their_size() -> None:
    frames = b"".join(audio(number, 20) for number in range(3000))
    data = b"".join(gzip.compress(frames[at : at + 1], 1, mtime=0) for at in range(len(frames)))
    items = quickly(data, 3)
    assert len(said(items)) == 3000
    assert quickly(gzip.compress(b"") * 100_000, 3) == []


def test_huge_blocks_of_no_use_are_passed_over_and_larger_ones_are_damage() -> None:
    head = section() + interface()
    large = block("<", 0xBAD, bytes((16 << 20) - 12))
    packets = b"".join(enhanced("<", packet.at_ns, packet.data) for packet in PACKETS)
    assert heard(quickly(head + large + packets, 2)) == heard(items_of(FILES["pcap"]))
    (found,) = quickly(head + block("<", 0xBAD, bytes(16 << 20)), 2)
    assert isinstance(found, Damage)


def test_options_without_end_cost_no_more_than_their_size() -> None:
    packet = PACKETS[3]
    body = struct.pack("<IIIII", 0, packet.at_ns >> 32, packet.at_ns & 0xFFFFFFFF, len(packet.data), len(packet.data))
    body += packet.data + bytes(-len(packet.data) % 4)
    full = block("<", 6, body + option("<", 99, b"") * 400_000)
    items = quickly(section() + interface() + full * 3, 6)
    assert heard(items) == [OPENING]
    remarks = block("<", 6, body + option("<", 1, b"x") * 200_000)
    assert len(quickly(section() + interface() + remarks, 6)) == 200_000 + 3


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x10\x00\x02" * 700_000, id="heads of frames"),
        pytest.param(b"\xee" + b"\x10\x7f\xfe" * 300_000, id="heads of long frames"),
        pytest.param(b"\xee" + b"\x10\x11\x12\x13" * 200_000, id="heads at each byte"),
        pytest.param(pcap([]) + b"\xff" * 16 + struct.pack("<I", START_NS // 10**9) * 200_000, id="times of packets"),
        pytest.param(pcapng([]) + b"\xff" * 16 + struct.pack("<II", 6, 1 << 20) * 200_000, id="heads of long blocks"),
        pytest.param(pcapng([]) + b"\xff" * 16 + section()[:12] * 100_000, id="heads of sections"),
        pytest.param(b'{"t":1}\n' * 50_000, id="bad lines"),
        pytest.param(b"{" + b'"\n' * 200_000, id="short lines"),
    ],
)
def test_a_search_costs_no_more_than_the_size_of_what_is_searched(data: bytes) -> None:
    items = quickly(data, 6, resync=True)
    assert all(found.skipped_bytes for found in damage(items))


def test_frames_that_never_become_whole_in_many_small_segments() -> None:
    talk = Talk().open().say(CALLER, OPENING, b"\x10\xff\xff")
    for _ in range(30_000):
        talk.put(CALLER, ACK, b"x")
        talk.at_ns -= 19_999_000
    items = quickly(pcap(talk.close().packets), 5)
    assert losses(items)[-1][1] == 30_003
