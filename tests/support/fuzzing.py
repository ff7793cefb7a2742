"""What is fuzzed, and what holds of any bytes at all: each target takes some, and raises where something does not hold.

scripts/fuzz makes up bytes, led by the code that they reach; test_fuzz.py takes those that are kept in tests/corpus.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import itertools
import json
import random
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile

from audiosocket_cli.analysis.reviewing import Summary, in_turn, review
from audiosocket_cli.analysis.selection import EVERYTHING
from audiosocket_cli.asterisk.rules import fault_towards_asterisk
from audiosocket_cli.audio.files import Sound, joined
from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.audio.recognition import HEADERLESS
from audiosocket_cli.call.bots.child import COMMANDS, END, ERRORS, OUTPUT
from audiosocket_cli.call.bots.program import Program, ProgramOptions
from audiosocket_cli.call.bots.watch import Ready, Watch
from audiosocket_cli.call.events import CallEnded, ConnectionFailed, Event, EventTap
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.session import AnsweredSession, PlacedSession, Session
from audiosocket_cli.call.sources.basic import Echo
from audiosocket_cli.call.sources.cue_times import ReplayOptions
from audiosocket_cli.call.sources.prompts import Threads
from audiosocket_cli.call.sources.replay import ReplaySource
from audiosocket_cli.call.sources.script import read_script
from audiosocket_cli.call.taps.stats import CallStats, call_result
from audiosocket_cli.capture.exports import as_pcapng
from audiosocket_cli.capture.items import Captured, Damage, Item
from audiosocket_cli.capture.jsonl import item_line
from audiosocket_cli.capture.opening import Capture
from audiosocket_cli.capture.packet_queue import PacketQueue
from audiosocket_cli.capture.pcapng import opening_blocks
from audiosocket_cli.capture.runs import Run, frames_of
from audiosocket_cli.capture.trace import Trace
from audiosocket_cli.codec import (
    KIND_BY_RATE,
    Frame,
    FrameDecoder,
    Kind,
    decode_digit,
    decode_uuid,
    describe_error,
    encode,
    kind_name,
    kind_named,
)
from audiosocket_cli.errors import AudioSocketError, FileError, FrameError, IncompleteFrameError
from audiosocket_cli.model import Call, Ending, How, Side, now_utc
from audiosocket_cli.text import printable
from audiosocket_cli.ui.capture_rows import damage_line, frame_line, other_line, shown_lines, stats_lines
from audiosocket_cli.ui.event_text import event_json, event_line
from support.captures import damage, heard, plain
from support.fakes import UUID_1, FakeClock, FakeWire, KeepingTap, run_until
from support.fuzzing_bots import SEEDS, TALKS, WORDS
from support.packets import (
    CALLER,
    HANGUP,
    LINKS,
    OPENING,
    SERVER,
    Stamped,
    Talk,
    audio,
    digit,
    linked,
    packed,
    pcap,
    pcapng,
)


class Target(NamedTuple):
    """Something that takes bytes from outside."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    """Good inputs, to begin with."""
    words: tuple[bytes, ...]
    """What an input is made of."""


def words(text: str) -> tuple[bytes, ...]:
    return tuple(text.encode("latin-1").split())


def cut(data: bytes) -> list[bytes]:
    """Cut bytes at random, the same bytes always in the same places."""
    chance = random.Random(zlib.crc32(data))
    most = chance.choice([1, 4, 60, 700])
    pieces, at = [], 0
    while at < len(data):
        size = chance.randint(1, most)
        pieces.append(data[at : at + size])
        at += size
    return pieces


def assert_one_line(text: str) -> None:
    """A terminal that is told a text prints it in one line, and obeys none of it."""
    assert printable(text).isprintable(), text


# Frames


def frames(data: bytes) -> None:
    """In pieces of any size bytes are the frames that they are at once; encoded, and captured, these are the same."""
    found, end = decoded([data])
    assert b"".join(map(encode, found)) == (data[: end.offset] if end else data)
    assert end is None or end.offset + end.received_bytes == len(data)
    whole = list(map(encode, found))
    alike = [b"".join(group) for _, group in itertools.groupby(whole, key=lambda frame: frame[:3])]
    rest = [data[end.offset :]] if end else []
    for pieces in (cut(data), [*whole, *rest], [*alike, *rest]):
        again, its_end = decoded(pieces)
        assert again == found
        assert str(its_end) == str(end)
    for frame in found:
        assert kind_named(kind_name(frame.kind)) == frame.kind
        for text in (repr(frame), describe_error(frame.payload), fault_towards_asterisk(frame) or ""):
            assert_one_line(text)
        for decode in (decode_uuid, decode_digit):
            try:
                decode(frame.payload)
            except FrameError as error:
                assert_one_line(str(error))
    assert heard(Capture(traced(cut(data)), "x")) == [OPENING, *whole]


def decoded(pieces: Iterable[bytes]) -> tuple[list[Frame], IncompleteFrameError | None]:
    """Decode as a call does: what is like the last frame is counted, all else is fed."""
    decoder, found = FrameDecoder(), []
    for piece in pieces:
        before = decoder.offset + len(decoder.buffered)
        count = decoder.take_equal(piece)
        if count:
            same = (found[-1].kind, len(found[-1].payload))
            taken = FrameDecoder().feed(piece)
            assert [(frame.kind, len(frame.payload)) for frame in taken] == [same] * count
            found += taken
        else:
            found += decoder.feed(piece)
        assert decoder.offset + len(decoder.buffered) == before + len(piece)
        assert decoder.inside_frame == bool(decoder.buffered)
    try:
        decoder.finish()
    except IncompleteFrameError as error:
        return found, error
    return found, None


def traced(chunks: Iterable[bytes]) -> Callable[[int], bytes]:
    """Capture a call in which a caller says these bytes, and return what reads the capture."""
    clock = itertools.count(10**18, 10**6)
    blocks = [opening_blocks({"me": "server"}, "x")]
    queue = PacketQueue(blocks.append)
    trace = Trace(queue, ("10.0.0.2", 9092), ("10.0.0.1", 40000), me=Side.SERVER, clock_ns=lambda: next(clock))
    for chunk in (OPENING, *chunks):
        trace.received(chunk)
    trace.ended(sent=False)
    trace.close()
    return reading(blocks)


def seeds_of_frames() -> Iterator[bytes]:
    yield OPENING + audio(1, 4) * 3 + audio(2, 6) + digit("5") + HANGUP
    yield audio(3, 8, kind=0x12) + b"\xff\x00\x01\x04" + b"\x7f\x00\x02ab" + audio(4, 2)[:4]
    yield b"\x01\x00\x03abc" + digit("x") + b"\xff\x00\x00" + b"\x00\x00\x02ab"


WORDS_OF_FRAMES = words("\x01\x00\x10 \x10\x01\x40 \x10\x00\x04 \x03\x00\x015 \x00\x00\x00 \xff\x00\x01")


# Captures


def captures(data: bytes) -> None:
    """A capture of any bytes is read alike in pieces of any size, and is printed, exported and read again."""
    for resync in (False, True):
        items = items_of([data], resync=resync)
        assert told(items_of(cut(data), resync=resync)) == told(items)
        joined = runs_of(data, resync=resync)
        by_run = [frame for run in joined if isinstance(run, Run) for frame in frames_of(run)]
        assert by_side(by_run) == by_side(items)
        lines = lines_of(items)
        assert lines_of(items_of(["\n".join(lines).encode()])) == lines
        for line in lines:
            assert "\n" not in line
            json.loads(line)
        assert_is_printed(items, joined)
        assert not damage(items_of([b"".join(as_pcapng(items, "x"))]))


def items_of(pieces: Iterable[bytes], *, resync: bool = False) -> list[Item]:
    try:
        return list(Capture(reading(pieces), "x", resync=resync))
    except FileError as error:
        assert_one_line(str(error))
        return []


def told(items: Iterable[Item]) -> list[Any]:
    """Return items without the damage behind that where reading ended: a little may have been read ahead of it."""
    ended, found = False, []
    for item in items:
        if not (ended and isinstance(item, Damage)):
            found.append(item)
        ended |= isinstance(item, Damage) and item.skipped_bytes is None
    return plain(found)


def runs_of(data: bytes, *, resync: bool) -> list[Run | Item]:
    try:
        return list(Capture(reading([data]), "x", resync=resync).runs())
    except FileError:
        return []


def reading(pieces: Iterable[bytes]) -> Callable[[int], bytes]:
    """Return a read function that gives these pieces, or as much of each as is asked for."""
    waiting = [piece for piece in reversed(list(pieces)) if piece]

    def read(size: int) -> bytes:
        piece = waiting.pop() if waiting else b""
        if len(piece) > size:
            waiting.append(piece[size:])
        return piece[:size]

    return read


def by_side(items: Iterable[Item]) -> dict[tuple[str, Side], list[Frame]]:
    """Return the frames of each side of each call."""
    found: dict[tuple[str, Side], list[Frame]] = {}
    for item in items:
        if isinstance(item, Captured):
            found.setdefault((item.call.name, item.side), []).append(item.frame)
    return found


def lines_of(items: Iterable[Item]) -> list[str]:
    return [line for item in items if (line := item_line(item))]


def assert_is_printed(items: Iterable[Item], joined: Iterable[Run | Item]) -> None:
    for item in items:
        if isinstance(item, Captured):
            assert_one_line(frame_line(item, named=True))
        else:
            assert_one_line(damage_line(item) if isinstance(item, Damage) else other_line(item, named=True) or "")
    for shown in in_turn(review(joined, EVERYTHING, with_rows=True)):
        for line in shown_lines(shown, named=True):
            assert_one_line(line)
        if isinstance(shown, Summary):
            result = shown.call.as_dict()
            json.dumps(result, allow_nan=False).encode()
            for line in stats_lines(result):
                assert_one_line(line)


def small_talk(caller: tuple[str, int], server: tuple[str, int]) -> list[Stamped]:
    """Return a call with all that a call has, in few bytes."""
    talk = Talk(caller, server).open().say(CALLER, OPENING)
    for number in range(4):
        talk.say(CALLER, audio(number, 4)).say(SERVER, audio(10 + number, 4))
    talk.lose(CALLER, audio(20, 4)).say(CALLER, audio(21, 4), digit("5"), audio(22, 4) + audio(23, 4), audio(24, 4))
    talk.packets[-2], talk.packets[-1] = talk.packets[-1], talk.packets[-2]
    return talk.say(SERVER, HANGUP).close().packets


def seeds_of_captures() -> Iterator[bytes]:
    said = [OPENING, *(audio(number, 4) for number in range(4)), digit("5"), audio(5, 8), b"\xff\x00\x01\x02", HANGUP]
    raw = b"".join(said)
    yield raw
    yield raw[:40] + b"noise" + raw[40:] + OPENING + audio(6, 6)
    yield from (packed(raw), packed(raw, 3), packed(packed(raw)), packed(raw)[:-9])
    old, new = ("10.0.0.1", 40000), ("fd00::1", 40000)
    talk = {4: small_talk(old, ("10.0.0.2", 9092)), 6: small_talk(new, ("fd00::2", 5555))}
    for name, (number, wrap) in LINKS.items():
        yield pcap(linked(talk[6 if name in ("ipv6", "vlan") else 4], wrap), number, order="<>"["big" in name])
    remarked = [packet._replace(comments=("a remark",)) for packet in talk[4][:6]]
    ng = pcapng([*remarked, *talk[6]], about='{"me": "server"}')
    yield from (ng, pcapng(talk[4], order=">", resolution=6), ng[:400] + b"noise!" + ng[400:], packed(ng))
    read = traced(said[1:])
    blocks = b"".join(iter(lambda: read(1 << 20), b""))
    for data in (raw, ng, blocks):
        lines = lines_of(items_of([data]))
        yield "\n".join(lines).encode()
    yield blocks
    yield from (f"{line}\n".encode() for line in WRITTEN)


WRITTEN = (
    '{"t":1,"digit":"5"}',
    '{"call":"a","side":"server","kind":"slin16","payload":"AAAA"}',
    '{"event":"lost","bytes":4,"reason":"x"}',
    '{"event":"damage","offset":4,"reason":"x","skipped_bytes":null}',
    '{"event":"no-call","at":"2024-01-01T00:00:00.5Z","caller":"a","server":"b","reason":"c"}',
    '{"event":"comment","text":"x"}\n{"event":"closed"}\n{"event":"reset","side":"server"}',
    '{"uuid":"11111111-2222-4333-8444-555555555555"}',
)
WORDS_OF_CAPTURES = (
    b"\n\r\r\n",
    *words(
        """"call" "t" "side" "kind" "bytes" "offset" "begun_t" "payload" "schema" "event" "opened" "uuid" "at" "caller"
        "server" "me" "whole" "comment" "text" "lost" "reason" "closed" "reset" "no-call" "damage" "skipped_bytes" #2
        "digit" null true false NaN Infinity 1e400 \\u001b \\ud800 "slin192" "0x7f" "AAAA" "2024-01-01T00:00:00Z"
        \x1f\x8b\x08 \xa1\xb2\xc3\xd4 \x4d\x3c\xb2\xa1 \x01\x00\x10 \x10\x00\x04"""
    ),
)


# Calls


def calls(data: bytes) -> None:
    """Whatever comes over the wire, a call comes to an end; and a server hears it alike in pieces of any size."""
    for make in (AnsweredSession, PlacedSession):
        outcome(make, cut(data))
    said = OPENING + data
    assert outcome(AnsweredSession, cut(said)) == outcome(AnsweredSession, [said])


def outcome(make: type[Session], pieces: Iterable[bytes]) -> tuple[object, ...]:
    """Let these bytes come within a second, and then the end; return what came of it."""
    told: list[Event] = []
    wire, clock, kept, stats = FakeWire(), FakeClock(), KeepingTap(), CallStats()
    session = make(wire, "192.0.2.1:5060", source=Echo(), uuid=UUID_1, clock=clock)
    session.watch([kept, stats, EventTap(told.append)])
    session.start()
    for piece in filter(None, pieces):
        if not session.ended:
            wire.inbox.append(piece)
            run_until(clock.now_s + 0.0001, clock, session)
    wire.inbox.append(b"")
    run_until(clock.now_s + 30, clock, session)
    assert session.ended
    call = session.call
    if call is None:
        told.append(ConnectionFailed(session.peer, session.failure or "ended without a UUID"))
    else:
        told.append(CallEnded(call, call_result(call, stats, None), []))
    for event in told:
        assert_is_told(event)
    digits = [digit for _, digit in kept.digits]
    return call and (call.notes, call.ending), [timed.frame for timed in kept.heard], digits


def assert_is_told(event: Event) -> None:
    """An event is a line for people, and one for programs."""
    assert_one_line((event_line(event) or "").replace("\t", " "))
    assert "\n" not in json.dumps(event_json(event), ensure_ascii=False, allow_nan=False)


# Scripts


def scripts(data: bytes) -> None:
    """A script of any bytes is played to its end on either side, or refused."""
    with contextlib.chdir(folder_with_sounds()):
        for side in Side:
            try:
                capture = Capture(reading([data]), "x", scripts=True)
                script = read_script(capture, side, name="x", by_hand=capture.format == "jsonl")
                if not script.has_steps:
                    script.shorten_gaps(1.0)
            except AudioSocketError:
                continue
            for found in script.damages:
                assert_one_line(damage_line(found))
            if len(script.actions) < 1000:
                script.repeat(2)
                play(ReplaySource(script.actions, ReplayOptions(fill=side is Side.SERVER), end_s=script.end_s))


def play(source: ReplaySource) -> None:
    """Take frames until there are no more, or for some seconds, from a source that hears loud and soft sound."""
    heard = [encode(Frame(Kind.SLIN, level * 160)) for level in (b"\0\0", b"\0\x40")]
    for number in range(500):
        frame = source.next_frame(Kind.SLIN)
        if frame is None:
            break
        encode(frame)
        source.answer(heard[number // 60 % 2])
    assert source.said <= source.total
    source.give_up(hung_up=False)
    for failure in source.failures:
        assert_one_line(failure)


@functools.cache
def folder_with_sounds() -> Path:
    """Return a folder in which there is a little to play, and a folder."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    path = Path(folder.name)
    for name, rate_hz in (("a.wav", 8000), ("b.flac", 16000)):
        soundfile.write(path / name, tone(440, rate_hz, 0.05), rate_hz)
    (path / "c.wav").write_bytes(b"no sound")
    (path / "d").mkdir()
    return path


def seeds_of_scripts() -> Iterator[bytes]:
    yield b"""# a call
{"play": "a.wav"}
{"expect": "audio", "within_ms": 800}
{"expect": "silence"}
{"digit": "5"}
{"t": 9.5, "digit": "#"}
{"silence_ms": 2000, "kind": "slin44"}
{"play": "b.flac", "kind": "slin16", "t": 0.5}
{"expect": "hangup", "within_ms": 5000}
"""
    yield from (
        b'{"hangup": true}',
        b'{"play": "c.wav"}',
        b'{"play": "d"}',
        b'{"play": "no.wav"}',
        b'//\n{"uuid": "1"}',
    )
    yield from (f"{line}\n".encode() for line in WRITTEN)
    yield OPENING + audio(1, 4) * 3


WORDS_OF_SCRIPTS = words(
    """"play" "expect" "within_ms" "silence_ms" "hangup" "kind" "t" "a.wav" "b.flac" "audio" "silence" "slin192" "digit"
    "payload" "side" "server" "event" null true NaN Infinity 1e400 86400000 -1 0.001 \\u0000 \\u001b \\ud800"""
)


# Control


def control(data: bytes) -> None:
    """Whatever a program says on its descriptors, its call goes on to its end, in lines that can be printed."""
    answers(data)


def answers(data: bytes) -> list[dict[str, Any]]:
    """Return what a program is told on its events descriptor that says these bytes, in pieces, on all of its own."""
    with contextlib.chdir(folder_with_sounds()):
        child, told = FakeChild(cut(data)), list[Event]()
        program = Program(ProgramOptions(["bot"], threads=AtOnce()), told.append)
        call = Call(Side.SERVER, "192.0.2.1:5060", UUID_1, now_utc(), Pacer(0.0))
        for tap in (EventTap(told.append), program):
            tap.opened(call)
        program._begin(child, Kind.SLIN)  # type: ignore[arg-type]
        for _ in range(10_000):
            frame = program.next_frame(Kind.SLIN)
            if frame is None:
                break
            assert len(frame.payload) == 320
            program.answer(encode(frame))
        else:
            raise AssertionError("the call has no end")
        call.ending = Ending(Side.CALLER, How.CLOSED, "caller closed")
        program.closed(call)
        ending = program.finish()
        with contextlib.suppress(StopIteration):
            while True:
                ending.send(None)
        for event in told:
            assert_is_told(event)
        json.dumps(program.facts(), allow_nan=False)
        return [json.loads(line) for line in b"".join(child.told).splitlines()]


class AtOnce(Threads):
    """Does what is to be done before it says that it will."""

    def do(self, job: Callable[[], object]) -> None:
        job()


class FakeChild:
    """A program that says the same to its standard output, its standard error and its events, and then ends."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.status: int | None = None
        self.told: list[bytes] = []
        self.unsent = b""
        self.ready = Ready(Watch())
        for bit in (OUTPUT, ERRORS, COMMANDS, END):
            self.ready.add(-1, bit)  # which nobody watches, so that each is tried
        self._is_ending = False
        self._streams = [list(reversed(pieces)) for _ in range(3)]

    def poll(self) -> bool:
        if self._is_ending or not any(self._streams):
            self.status = 0
        return self.status is not None

    def _next(self, stream: int) -> bytes:
        return self._streams[stream].pop() if self._streams[stream] else b""

    def read(self) -> bytes:
        return self._next(0)

    def drain(self) -> bytes:
        return self._next(0)

    def read_errors(self, most_bytes: int) -> bytes:
        return self._next(1)[:most_bytes]

    def receive(self) -> bytes:
        return self._next(2)

    def write(self, data: bytes) -> int:
        return len(data)

    def send(self, line: bytes) -> bool:
        self.told.append(line)
        return True

    def has_read(self) -> bool:
        return True

    def is_gone(self) -> bool:
        return True

    def push(self) -> None: ...

    def end_input(self) -> None:
        self._is_ending = True

    def signal(self, number: int) -> None:
        self.status = -number

    def close(self) -> None: ...


def seeds_of_control() -> Iterator[bytes]:
    yield b'{"play": "a.wav"}\n{"flush": true}\n{"play": "b.flac"}\nsome words\n{"hangup": true}\n'
    yield b'{"play": "' + b"long" * 70 + b'.wav"}\n'
    yield b'{"play": "c.wav"}\n{"play": "no.wav"}\n{"play": "d"}\n[1]\n{"flush": 1}\n\xff\xfe\n{"hangup": true, "x": 1}'


WORDS_OF_CONTROL = words(
    '"play" "flush" "hangup" "a.wav" "b.flac" "c.wav" true null NaN 1e400 \\u0000 \\u001b \\ud800 {" ": "}'
)


# Sound


def sound(data: bytes) -> None:
    """A sound file of any bytes is sound, or refused in one line; so is a pipe."""
    rate_hz = sorted(KIND_BY_RATE)[zlib.crc32(data) % len(KIND_BY_RATE)]
    suffix = sorted(HEADERLESS)[zlib.crc32(data) % len(HEADERLESS)]
    path = folder_with_sounds() / (f"any.{suffix}" if rate_hz == 8000 else "any")
    path.write_bytes(data)
    part = {"start_s": 0.01, "duration_s": 0.5, "gain_db": 6.0}
    with open(path, "rb", buffering=0) as file:
        for wanted in (
            Sound(path),
            Sound(data),
            Sound(data, **part),
            Sound(data, raw_rate_hz=rate_hz, **part),
            Sound(file),
        ):
            try:
                opened = wanted.open()
                samples = joined(opened.blocks(rate_hz), wanted.name, rate_hz)
            except FileError as error:
                assert_one_line(str(error))
            else:
                assert samples.dtype == np.int16
                assert samples.ndim == 1
                assert len(samples)
                assert 0 <= opened.remarks.clipped <= len(samples)
                for text in opened.remarks.texts:
                    assert_one_line(text)


def seeds_of_sound() -> Iterator[bytes]:
    for name in sorted(soundfile.available_formats().keys() - {"SD2"}):  # that is two files
        for subtype in soundfile.available_subtypes(name):
            file = io.BytesIO()
            with contextlib.suppress(soundfile.LibsndfileError, ValueError, TypeError):
                soundfile.write(file, tone(440, 8000, 0.03), 8000, subtype, format=name)
                yield file.getvalue()
    odd = np.array([[0.1, np.nan], [np.inf, -np.inf], [1e38, -1e38], [1e300, -1e-300]])
    for subtype in ("FLOAT", "DOUBLE"):
        file = io.BytesIO()
        soundfile.write(file, odd, 44100, subtype, format="WAV")
        yield file.getvalue()


WORDS_OF_SOUND = words(
    """RIFF WAVE fmt data FORM AIFF COMM SSND fLaC OggS OpusHead caff desc .snd LIST fact riff RF64 ds64 BODY VHDR ID3
    \x01\x00\x00\x00 \x00\x00\x00\x01 \xff\xff\xff\xff \xff\xff\xff\x7f \x7f\xff\xff\xff \x00\x00\xc0\x7f"""
)


TARGETS = {
    "frames": Target(frames, seeds_of_frames, WORDS_OF_FRAMES),
    "captures": Target(captures, seeds_of_captures, WORDS_OF_CAPTURES),
    "calls": Target(calls, seeds_of_frames, WORDS_OF_FRAMES),
    "scripts": Target(scripts, seeds_of_scripts, WORDS_OF_SCRIPTS),
    "control": Target(control, seeds_of_control, WORDS_OF_CONTROL),
    "sound": Target(sound, seeds_of_sound, WORDS_OF_SOUND),
    **{name: Target(run, partial(iter, SEEDS[name]), tuple(WORDS[name])) for name, run in TALKS.items()},
}
