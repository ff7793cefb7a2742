"""Live captures: what a connection leaves in a pcapng, held against tshark, capinfos, editcap and tcpdump."""

from __future__ import annotations

import errno
import io
import json
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.capture.conversation import Address
from audiosocket_cli.capture.items import Captured, Ended, Item, Opened, Remark
from audiosocket_cli.capture.opening import Capture
from audiosocket_cli.capture.packet_queue import PacketQueue
from audiosocket_cli.capture.pcapng import opening_blocks
from audiosocket_cli.capture.trace import Trace
from audiosocket_cli.codec import Frame, Kind, encode, uuid_frame
from audiosocket_cli.model import Side
from support.running import need

UUID_1 = UUID("11111111-2222-4333-8444-555555555555")
AUDIO = encode(Frame(Kind.SLIN, bytes(range(160)) * 2))
OURS, THEIRS = ("127.0.0.1", 9092), ("192.0.2.7", 40000)
OURS_6, THEIRS_6 = ("::1", 9092), ("2001:db8::7", 40000)


class Clock:
    """Nanoseconds that pass by the millisecond."""

    def __init__(self) -> None:
        self.ns = 1_700_000_000_000_000_000

    def __call__(self) -> int:
        self.ns += 1_000_000
        return self.ns


class File:
    """Keeps blocks, and fails when told."""

    def __init__(self) -> None:
        self.blocks = [opening_blocks({"schema": "audiosocket.capture/1", "me": "server"}, "audiosocket test")]
        self.error: OSError | None = None

    def __call__(self, block: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.blocks.append(block)

    @property
    def data(self) -> bytes:
        return b"".join(self.blocks)

    @property
    def items(self) -> list[Item]:
        return list(Capture(io.BytesIO(self.data).read, "test"))

    def saved(self, folder: Path) -> Path:
        path = folder / "test.pcapng"
        path.write_bytes(self.data)
        return path


@pytest.fixture
def file() -> File:
    return File()


def trace_to(file: File, ours: Address = OURS, theirs: Address = THEIRS, **others: Any) -> Trace:
    return Trace(PacketQueue(file), ours, theirs, clock_ns=Clock(), **{"me": Side.SERVER, **others})


def a_call(trace: Trace) -> None:
    """Every kind of thing that passes in a call."""
    trace.received(encode(uuid_frame(UUID_1)) + AUDIO)
    trace.sent(AUDIO)
    trace.received(AUDIO[:3])
    trace.received(AUDIO[3:])
    trace.received(b"\x03\x00\x015" + AUDIO + AUDIO[:100])
    trace.received(AUDIO[100:])
    trace.sent(encode(Frame(Kind.SLIN192, bytes(7680))))
    trace.remark("finding: nothing, \u00b5-law excepted")
    trace.sent(encode(Frame(Kind.HANGUP)))
    trace.ended(sent=True)
    trace.ended(sent=False)
    trace.close()


def frames(items: Iterable[Item]) -> list[tuple[Side, Frame]]:
    return [(item.side, item.frame) for item in items if isinstance(item, Captured)]


def tshark(path: Path, *arguments: str) -> str:
    done = subprocess.run([need("tshark"), "-r", path, *arguments], capture_output=True, text=True, check=True)
    assert not [line for line in done.stderr.splitlines() if "root" not in line]
    return done.stdout


BOTH = pytest.mark.parametrize(
    ("ours", "theirs"), [(OURS, THEIRS), (OURS_6, THEIRS_6), (("::ffff:127.0.0.1", 9092), THEIRS)],
    ids=["ipv4", "ipv6", "ipv4-mapped"],
)  # fmt: skip


@BOTH
@pytest.mark.parametrize("me", Side, ids=str)
def test_what_passed_is_read_again(file: File, ours: Address, theirs: Address, me: Side) -> None:
    trace = trace_to(file, ours, theirs, me=me)
    (trace.received if me is Side.SERVER else trace.sent)(encode(uuid_frame(UUID_1)) + AUDIO)
    (trace.sent if me is Side.SERVER else trace.received)(AUDIO)
    trace.close()
    items = file.items
    assert isinstance(items[0], Opened)
    call = items[0].call
    assert (call.uuid, call.whole, call.me) == (UUID_1, True, Side.SERVER)
    assert frames(items) == [
        (Side.CALLER, uuid_frame(UUID_1)), (Side.CALLER, Frame(Kind.SLIN, AUDIO[3:])),
        (Side.SERVER, Frame(Kind.SLIN, AUDIO[3:])),
    ]  # fmt: skip
    named = f"[{ours[0]}]:9092" if ours == OURS_6 else "127.0.0.1:9092"
    assert named in (call.server, call.caller)


def test_times_and_the_parts_of_a_frame_are_kept(file: File) -> None:
    a_call(trace_to(file))
    captured = [item for item in file.items if isinstance(item, Captured) and item.side is Side.CALLER]
    assert [round((item.at_s - item.begun_s) * 1000) for item in captured] == [0, 0, 1, 0, 0, 1]
    assert captured[0].at_s == 0.0


def test_each_meaning_is_a_comment_on_its_packet(file: File) -> None:
    a_call(trace_to(file))
    assert [item.text for item in file.items if isinstance(item, Remark)] == [
        f"call {UUID_1}", "audio: slin", "audio: slin", "digit 5", "audio: slin192",
        "finding: nothing, \u00b5-law excepted", "hangup",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("frame", "comment"),
    [
        (Frame(Kind.ERROR, b"\x02"), "error: a frame could not be forwarded"),
        (Frame(0x7F, b"x"), "a frame of unknown kind 0x7f"),
        (Frame(Kind.SLIN), "an audio frame of length 0"),
        (Frame(Kind.DTMF, b"x"), "payload 78 is not a DTMF digit"),
        (Frame(Kind.UUID, b"short"), "a UUID has 16 bytes, not 5"),
    ],
    ids=["error", "unknown", "empty", "no digit", "short UUID"],
)
def test_odd_frames_have_comments_too(file: File, frame: Frame, comment: str) -> None:
    trace = trace_to(file)
    trace.received(encode(uuid_frame(UUID_1)))
    trace.sent(encode(frame))
    assert comment in [item.text for item in file.items if isinstance(item, Remark)]


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (lambda trace: trace.was_reset(), [(Side.CALLER, True)]),
        (lambda trace: trace.ended(sent=False), [(Side.CALLER, False), (Side.SERVER, False)]),
        (lambda trace: trace.ended(sent=True), [(Side.SERVER, False)]),
        (lambda trace: None, [(Side.SERVER, False)]),
    ],
    ids=["reset", "closed by the caller", "closed by us", "just closed"],
)
def test_the_end_is_as_it_happened(file: File, end: Callable[[Trace], None], expected: list[tuple[Side, bool]]) -> None:
    trace = trace_to(file)
    trace.received(encode(uuid_frame(UUID_1)))
    end(trace)
    trace.close()
    trace.close()
    assert [(item.side, item.reset) for item in file.items if isinstance(item, Ended)] == expected


def test_what_is_said_of_a_reset_is_on_its_packet(file: File, tmp_path: Path) -> None:
    trace = trace_to(file)
    trace.received(encode(uuid_frame(UUID_1)))
    trace.was_reset()
    trace.remark("ended by caller (reset)")
    trace.close()
    assert b"ended by caller (reset)" in file.blocks[-1]
    rows = tshark(file.saved(tmp_path), "-T", "fields", "-e", "tcp.flags.str", "-e", "frame.comment").splitlines()
    assert len(rows) == 5
    assert rows[-1].split("\t")[1] == "ended by caller (reset)"


def test_what_is_said_when_both_sides_have_closed_is_on_a_packet_of_its_own(file: File, tmp_path: Path) -> None:
    trace = trace_to(file)
    a_call(trace)
    trace.remark("one thing more")
    trace.close()
    path = file.saved(tmp_path)
    assert tshark(path, "-T", "fields", "-e", "frame.comment").splitlines()[-1] == "one thing more"
    assert tshark(path, "-Y", "tcp.analysis.flags") == ""


def test_a_disk_that_fails_ends_the_capture_and_tells_once(file: File) -> None:
    told: list[OSError] = []
    trace = trace_to(file, on_failure=told.append)
    trace.received(encode(uuid_frame(UUID_1)))
    file.error = OSError(errno.ENOSPC, "No space left on device")
    a_call(trace)
    assert told == [file.error]
    assert trace.error is file.error
    file.error = None
    trace.sent(AUDIO)  # what follows a hole would be taken for something else
    assert len(frames(file.items)) == 1


@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=400)), max_size=20))
def test_chunks_of_any_bytes_are_kept_as_they_were(chunks: list[tuple[bool, bytes]]) -> None:
    file = File()
    trace = trace_to(file)
    trace.received(encode(uuid_frame(UUID_1)))
    for sent, data in chunks:
        (trace.sent if sent else trace.received)(data)
    data = file.data
    for sent, chunk in chunks:
        at = data.find(chunk)
        assert at >= 0, (sent, chunk)


def test_two_connections_from_the_same_port_are_two_calls(file: File) -> None:
    uuids = [UUID(int=number) for number in (1, 2)]
    clock = Clock()
    for uuid in uuids:
        trace = Trace(PacketQueue(file), OURS, THEIRS, me=Side.SERVER, clock_ns=clock)
        trace.received(encode(uuid_frame(uuid)) + AUDIO)
        trace.close()
        clock.ns += 60_000_000_000
    assert [item.call.uuid for item in file.items if isinstance(item, Opened)] == uuids
    assert len(frames(file.items)) == 4


def test_a_chunk_longer_than_a_packet_is_several(file: File, tmp_path: Path) -> None:
    trace = trace_to(file)
    trace.received(encode(uuid_frame(UUID_1)))
    trace.sent(encode(Frame(Kind.SLIN, bytes(65534))))
    assert frames(file.items)[-1] == (Side.SERVER, Frame(Kind.SLIN, bytes(65534)))
    lengths = tshark(file.saved(tmp_path), "-T", "fields", "-e", "tcp.len").split()
    assert lengths[-2:] == ["65495", str(65537 - 65495)]


@BOTH
def test_tshark_has_nothing_to_remark_and_follows_the_stream(
    file: File, tmp_path: Path, ours: Address, theirs: Address
) -> None:
    trace = trace_to(file, ours, theirs)
    a_call(trace)
    path = file.saved(tmp_path)
    checks = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
    assert tshark(path, *checks, "-Y", "tcp.analysis.flags || tcp.checksum.status == 0 || _ws.malformed") == ""
    assert "Warn" not in tshark(path, *checks, "-q", "-z", "expert")
    followed = tshark(path, "-q", "-z", "follow,tcp,raw,0").splitlines()
    lines = [line for line in followed if line.strip() and set(line.strip()) <= set("0123456789abcdef")]
    caller = b"".join(bytes.fromhex(line) for line in lines if not line.startswith("\t"))
    server = b"".join(bytes.fromhex(line.strip()) for line in lines if line.startswith("\t"))
    expected = [encode(uuid_frame(UUID_1)), AUDIO, AUDIO, b"\x03\x00\x015", AUDIO, AUDIO]
    assert caller == b"".join(expected)
    assert server == AUDIO + encode(Frame(Kind.SLIN192, bytes(7680))) + b"\0\0\0"


def test_tshark_sees_comments_directions_and_times(file: File, tmp_path: Path) -> None:
    a_call(trace_to(file))
    path = file.saved(tmp_path)
    rows = [
        line.split("\t")
        for line in tshark(
            path, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.p2p_dir", "-e", "frame.comment",
            "-e", "tcp.flags.str",
        ).splitlines()
    ]  # fmt: skip
    times = [row[0] for row in rows]
    assert times == sorted(times)
    assert times[3] == "1700000000.002000000"
    assert f"call {UUID_1},audio: slin" in rows[3][2]
    assert [row[3].strip("·") for row in rows[:3]] == ["S", "A··S", "A"]
    about = json.loads(subprocess.run(
        [need("capinfos"), "-k", path], capture_output=True, text=True, check=True
    ).stdout.split("Capture comment:")[1])  # fmt: skip
    assert about == {"schema": "audiosocket.capture/1", "me": "server"}


def test_editcap_and_tcpdump_take_it(file: File, tmp_path: Path) -> None:
    a_call(trace_to(file))
    path, copy = file.saved(tmp_path), tmp_path / "copy.pcapng"
    subprocess.run([need("editcap"), path, copy], check=True, capture_output=True)
    assert frames(Capture(io.BytesIO(copy.read_bytes()).read, "copy")) == frames(file.items)
    done = subprocess.run([need("tcpdump"), "-nvr", path], capture_output=True, text=True, check=True)
    assert done.stdout.count(" Flags [") == 3 + 8 + 2  # the handshake, chunks and ends
    assert "cksum 0x" in done.stdout
    assert "incorrect" not in done.stdout
