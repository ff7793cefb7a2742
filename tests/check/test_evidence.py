"""What passed is told in lines, and kept as a capture that reads back the same."""

from __future__ import annotations

import time
from pathlib import Path

from audiosocket_cli.capture.items import Captured, Ended, Remark
from audiosocket_cli.capture.opening import open_capture
from audiosocket_cli.check.evidence import Passed, lines_of, write_capture
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.model import How, Side

UUID = bytes.fromhex("010010 40325ec25efd4bd3805f53576e581d13")
FRAME = encode(Frame(Kind.SLIN, bytes(320)))
DIGIT = encode(Frame(Kind.DTMF, b"1"))


def passed(port: int = 50000) -> Passed:
    found = Passed(time.monotonic(), ("127.0.0.1", port), ("127.0.0.1", 9092))
    found.add(Side.CALLER, UUID)
    for _ in range(5):
        found.add(Side.SERVER, FRAME)
    found.add(Side.CALLER, FRAME[:100])
    found.add(Side.CALLER, FRAME[100:] + DIGIT)
    found.add(Side.SERVER, b"", How.RESET)
    return found


def told(lines: list[str]) -> list[str]:
    return [line.partition(" s  ")[2] for line in lines]


def test_lines_say_who_sent_what() -> None:
    assert told(lines_of([passed()])) == [
        "caller  uuid, 16 bytes: 40 32 5e c2 5e fd 4b d3 80 5f 53 57 6e 58 1d 13",
        "server  slin, 320 bytes  (and 4 more such)",
        "caller  100 bytes, ends 0 frames, and begins another: 10 01 40 00 00 00 00 00 00 00 00 00 …",
        "caller  227 bytes, ends 2 frames: 00 00 00 00 00 00 00 00 00 00 00 00 …",
        "server  resets (RST)",
    ]


def test_lines_are_bounded() -> None:
    found = passed()
    for number in range(10_000):
        found.add(Side.SERVER, encode(Frame(Kind.SLIN, bytes(2 + number % 200))))
    lines = lines_of([found] * 100)
    assert len(lines) < 150
    assert lines[0] == "connection 1 of 100:"
    assert any("lines left out" in line for line in lines)


def test_a_capture_holds_each_piece_as_it_was_cut(tmp_path: Path) -> None:
    first, second = passed(50000), passed(50001)
    path = write_capture(tmp_path / "new", "frame-split", [first, second], "frame/split: heard nothing", "audiosocket")
    again = write_capture(tmp_path / "new", "frame-split", [first], "again", "audiosocket")
    assert [path.name, again.name] == ["frame-split.pcapng", "frame-split-2.pcapng"]
    items = list(open_capture(str(path)))
    frames = [item for item in items if isinstance(item, Captured)]
    assert len({item.call.name for item in frames}) == 2
    assert [(item.side, item.frame.kind) for item in frames[:7]] == [
        (Side.CALLER, Kind.UUID),
        *[(Side.SERVER, Kind.SLIN)] * 5,
        (Side.CALLER, Kind.SLIN),
    ]
    assert frames[6].begun_s < frames[6].at_s
    assert "frame/split: heard nothing" in [item.text for item in items if isinstance(item, Remark)]
    assert [(item.side, item.reset) for item in items if isinstance(item, Ended)][:1] == [(Side.SERVER, True)]
    assert path.stat().st_mode & 0o777 == 0o600


def test_where_there_are_remarks_they_stand_for_the_frames() -> None:
    found = passed()
    found.remark(found.connected_s + 2.5, Side.SERVER, "begins to speak")
    found.remark(found.connected_s - 1.0, Side.CALLER, "falls silent")
    for _ in range(2):
        found.add(Side.CALLER, b"", How.CLOSED)
    lines = lines_of([found])
    assert told(lines) == [
        "caller  falls silent", "server  resets (RST)", "caller  closes (FIN)", "server  begins to speak"
    ]  # fmt: skip
    assert lines[3].startswith("   2.500 s")
