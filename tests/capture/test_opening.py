"""The way into a capture: known by its content, packed or not, from a file or a pipe."""

from __future__ import annotations

import gc
import gzip
import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from audiosocket_cli.capture.items import Captured, Item
from audiosocket_cli.capture.jsonl import item_line
from audiosocket_cli.capture.opening import Capture, open_capture
from audiosocket_cli.capture.runs import Run
from audiosocket_cli.errors import FileError
from support.captures import damage, heard, in_pieces, items_of, plain, said
from support.packets import (
    CALLER,
    OPENING,
    Talk,
    a_call,
    audio,
    digit,
    ethernet,
    linked,
    packed,
    pcap,
    pcapng,
    speech,
)

RAW = OPENING + b"".join(speech(6)) + digit("5")
LINES = "".join(f"{line}\n" for item in items_of(pcap(a_call())) if (line := item_line(item))).encode()
FORMATS = {"pcap": pcap(a_call()), "pcapng": pcapng(a_call()), "jsonl": LINES, "raw": RAW}
WHOLE = {name: plain(items_of(data)) for name, data in FORMATS.items()}


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_known_by_its_content(name: str, tmp_path: Path) -> None:
    path = tmp_path / "capture.wrong-suffix"
    path.write_bytes(FORMATS[name])
    capture = open_capture(path)
    assert (capture.format, capture.name) == (name, str(path))
    assert heard(capture) == [OPENING, *speech(6), digit("5")]


@pytest.mark.parametrize("piece", [1, 7, 100, 65536])
@pytest.mark.parametrize("name", FORMATS)
def test_pieces_of_any_size_give_the_same_items(name: str, piece: int) -> None:
    assert plain(items_of(FORMATS[name], piece=piece)) == WHOLE[name]
    assert plain(items_of(packed(FORMATS[name]), piece=piece)) == WHOLE[name]


@pytest.mark.parametrize("members", [1, 2, 3, 50])
@pytest.mark.parametrize("name", FORMATS)
def test_gzip_is_unpacked_whatever_it_holds(name: str, members: int) -> None:
    data = packed(FORMATS[name], members)
    assert plain(items_of(data)) == WHOLE[name]
    assert plain(items_of(data + bytes(512))) == WHOLE[name]  # some writers pad
    assert plain(items_of(packed(data))) == WHOLE[name]  # packed twice, by a log rotation


@pytest.mark.parametrize("name", FORMATS)
def test_runs_hold_the_same_frames_as_items(name: str) -> None:
    runs = [item for item in Capture(io.BytesIO(FORMATS[name]).read, "x").runs() if isinstance(item, Run)]
    frames = [item for item in items_of(FORMATS[name]) if isinstance(item, Captured)]
    assert sum(len(run.payloads) for run in runs) == len(frames)
    for side in {frame.side for frame in frames}:
        joined = b"".join(run.payloads.tobytes() for run in runs if run.side is side)
        assert joined == b"".join(frame.frame.payload for frame in frames if frame.side is side)


def test_a_run_knows_the_longest_gap_inside_its_frames() -> None:
    frame = audio(1)
    talk = Talk().open().say(CALLER, OPENING, audio(0), frame[:3], frame[3:], audio(2)).close()
    _, run = [i for i in Capture(io.BytesIO(pcap(talk.packets)).read, "x").runs() if isinstance(i, Run)]
    assert run.gap_s == pytest.approx(0.02)
    assert run.at_s.tolist() == [0.02, 0.06, 0.08]


def test_runs_are_short_in_time_and_in_bytes() -> None:
    talk = Talk().open().say(CALLER, OPENING, *speech(100))
    runs = [i for i in Capture(io.BytesIO(pcap(talk.packets)).read, "x").runs() if isinstance(i, Run)][1:]
    assert [len(run.payloads) for run in runs] == [25, 25, 25, 25]
    big = Talk().open().say(CALLER, OPENING)
    for number in range(20):
        big.say(CALLER, audio(number, 60_000))
        big.at_ns -= 20_000_000
    runs = [i for i in Capture(io.BytesIO(pcap(big.packets)).read, "x").runs() if isinstance(i, Run)]
    assert sum(len(run.payloads) for run in runs) == 21
    assert max(run.payloads.nbytes for run in runs) <= 320_000


# What is no capture


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"", "it is empty"), (gzip.compress(b""), "it is empty"), (gzip.compress(b"x")[:5], "the gzip stream is cut"),
     (b"\x1f\x8b\x08\x00" + b"\xff" * 20, "the gzip stream is damaged (invalid block type)"),
     (b"RIFF\x24\0\0\0WAVE", "it is a WAV file, not a capture"), (b"\x7fELF\x02", "it is a program, not a capture")],
    ids=["empty", "empty-gzip", "cut-gzip", "damaged-gzip", "wav", "program"],
)  # fmt: skip
def test_nothing_to_read_is_an_error_with_the_name(data: bytes, why: str) -> None:
    with pytest.raises(FileError) as caught:
        Capture(io.BytesIO(data).read, "some.pcap")
    assert str(caught.value) == f"cannot read some.pcap: {why}"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file or directory"):
        open_capture(tmp_path / "missing.pcap")


def test_a_folder_is_no_capture(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is a directory"):
        open_capture(tmp_path)


def test_an_error_while_reading_is_told() -> None:
    def read(size: int) -> bytes:
        raise FileError("cannot read x: input/output error")

    with pytest.raises(FileError, match="input/output error"):
        Capture(read, "x")


def test_a_file_that_unpacks_to_itself_comes_to_an_end() -> None:
    class Quine:
        """Packs what it has said once more, for ever."""

        def __init__(self) -> None:
            self.data = b"\x10\x00\x00"
            for _ in range(30):
                self.data = gzip.compress(self.data, mtime=0)

    items = items_of(Quine().data)
    assert damage(items)[0].offset == 0
    assert damage(items)[0].reason.startswith("not an AudioSocket frame: its kind would be 0x1f")


@pytest.mark.parametrize(
    "data",
    [b"{ not json", b"# only a comment\n", b"  \n \n", b"{", b"#", b"/", b"//", b"[1]", b"{1:2}\n", b"#" * 100_000],
    ids=lambda data: repr(data[:20]),
)
def test_what_only_looks_like_json_is_damage_not_a_crash(data: bytes) -> None:
    assert len(damage(items_of(data))) == 1
    assert len(damage(items_of(data, piece=1 if len(data) < 1000 else 5000))) == 1


def test_comments_before_json_may_be_long() -> None:
    data = b"# a comment\n\n// another\n" * 2000 + b'{"digit":"1"}\n'
    assert heard(items_of(data)) == [digit("1")]
    assert heard(items_of(data, piece=4096)) == [digit("1")]


# Where it comes from


def test_standard_input_is_read_as_it_comes() -> None:
    code = (
        "import sys; from audiosocket_cli.capture.opening import open_capture; c = open_capture('-');"
        "print(c.name, c.format, sum(type(i).__name__ == 'Captured' for i in c))"
    )
    told = subprocess.run([sys.executable, "-c", code], input=FORMATS["pcap"], capture_output=True, check=True).stdout
    assert told == b"standard input pcap 15\n"


def test_a_closed_standard_input_is_an_error() -> None:
    code = "from audiosocket_cli.capture.opening import open_capture; open_capture('-')"
    told = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" <&-', sys.executable, code], capture_output=True, text=True, check=False
    )
    assert "cannot read standard input: bad file descriptor" in told.stderr


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_grows_is_followed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleep, looks = time.sleep, iter(range(5000))

    def look(seconds: float) -> None:
        assert next(looks, None) is not None, "what has been written is not told"
        sleep(0.001)

    monkeypatch.setattr("audiosocket_cli.capture.opening.time.sleep", look)
    path = tmp_path / "growing"
    data = FORMATS[name]
    path.write_bytes(data[:50])

    def grow() -> None:
        with path.open("ab") as file:
            for at in range(50, len(data), 1000):
                sleep(0.002)
                file.write(data[at : at + 1000])
                file.flush()

    writer = threading.Thread(target=grow)
    writer.start()
    found: list[Item] = []
    for item in open_capture(path, follow=True):
        found.append(item)
        if isinstance(item, Captured) and item.frame.payload == b"5":
            break
    writer.join()
    assert heard(found) == [OPENING, *speech(6), digit("5")]


def test_a_file_is_closed_with_its_reader(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(RAW)
    gc.collect()  # what other tests left open is closed by now, not between our looks
    before = len(os.listdir("/dev/fd"))
    captures = [open_capture(path) for _ in range(5)]
    assert len(os.listdir("/dev/fd")) == before + 5
    for capture in captures:
        next(iter(capture))
    del captures, capture
    gc.collect()
    assert len(os.listdir("/dev/fd")) == before


def test_what_a_pipe_has_given_is_told_before_more_is_read() -> None:
    data = packed(pcap(linked(a_call(), ethernet), 1))
    reads = 0
    stream = in_pieces(data, 64)

    def read(size: int) -> bytes:
        nonlocal reads
        reads += 1
        return stream(size)

    items = iter(Capture(read, "x"))
    first = next(item for item in items if isinstance(item, Captured))
    assert first.frame.payload == OPENING[3:]
    assert reads < len(data) // 64 // 2
    assert len(said(items)) == 7
