"""`--capture` as a user says it: a file, a folder, a pipe; what is refused; what a kill or a full disk leaves."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from audiosocket_cli.capture.items import Captured, Damage, Item, Remark
from audiosocket_cli.capture.opening import Capture, open_capture
from audiosocket_cli.codec import Frame, Kind, encode, uuid_frame
from audiosocket_cli.model import Side
from support.running import COMMAND, Serve, Serving, need, run, wait_until

Answer = Callable[..., Serving]
UUID_1 = UUID("11111111-2222-4333-8444-555555555555")
AUDIO = encode(Frame(Kind.SLIN, b"\x10\x20" * 160))


def frames(items: list[Item], side: Side) -> list[Frame]:
    return [item.frame for item in items if isinstance(item, Captured) and item.side is side]


def items_of(path: Path) -> list[Item]:
    return list(open_capture(path))


def call(serving: Serving, *chunks: bytes, uuid: UUID = UUID_1) -> socket.socket:
    """Connect, and send what a caller would."""
    connection = socket.create_connection(("127.0.0.1", serving.port))
    for chunk in (encode(uuid_frame(uuid)), *chunks):
        connection.sendall(chunk)
        time.sleep(0.05)
    return connection


def test_both_ends_of_a_call_capture_the_same_frames(serve: Serve, tmp_path: Path, tone_file: Path) -> None:
    serving = serve("--echo", "--capture", "captures", "--calls", "1")
    done = run("inject-dtmf", "12", serving.target, "--audio", tone_file, "--capture", tmp_path / "c.pcapng")
    assert done.returncode == 0
    assert "\ncaptured to " in done.stdout
    code, lines, _ = serving.end(0)
    assert code == 0
    (theirs,) = (tmp_path / "captures").iterdir()
    assert lines[-1].endswith(f"captured to captures/{theirs.name}")
    caller, server = items_of(tmp_path / "c.pcapng"), items_of(theirs)
    assert frames(caller, Side.CALLER) == frames(server, Side.CALLER)
    heard = frames(caller, Side.SERVER)
    assert len(heard) > 90
    assert frames(server, Side.SERVER)[: len(heard)] == heard
    for path in (theirs, tmp_path / "c.pcapng"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    remarks = [item.text for item in server if isinstance(item, Remark)]
    assert {"digit 1", "digit 2", "audio: slin"} <= set(remarks)
    assert any(text.startswith("ended by caller (closed) after") for text in remarks)


def test_a_second_call_with_the_same_uuid_and_one_without_have_files_of_their_own(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--capture", "captures/")
    for _ in range(2):
        call(serving, AUDIO).close()
        serving.wait_for("ended by")
    connection = socket.create_connection(("127.0.0.1", serving.port))
    connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
    port = connection.getsockname()[1]
    serving.wait_for("no call from")
    connection.close()
    serving.end()
    names = sorted(path.name for path in (tmp_path / "captures").iterdir())
    assert names[:2] == [f"{UUID_1}-2.pcapng", f"{UUID_1}.pcapng"]
    assert names[2].endswith(f"_127.0.0.1_{port}.pcapng")
    assert b"GET / HTTP/1.0" in (tmp_path / "captures" / names[2]).read_bytes()


def test_a_file_takes_all_calls(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--capture", "all.pcapng", "--json")
    uuids = [UUID(int=number) for number in (1, 2, 3)]
    connections = [call(serving, AUDIO, uuid=uuid) for uuid in uuids]
    for connection in connections:
        connection.close()
    ended = [json.loads(serving.wait_for('"ended"')) for _ in uuids]
    serving.end()
    assert {event["capture"] for event in ended} == {"all.pcapng"}
    assert {event["call"]["capture"]["file"] for event in ended} == {"all.pcapng"}
    found = {item.call.uuid: item for item in items_of(tmp_path / "all.pcapng") if isinstance(item, Captured)}
    assert set(found) == set(uuids)


def test_a_pipe_is_read_while_calls_last_and_the_log_is_on_stderr(serve: Serve, tmp_path: Path) -> None:
    out, into = os.pipe()
    reader = subprocess.Popen(
        [need("tshark"), "-l", "-r", "-", "-T", "fields", "-e", "tcp.len", "-e", "frame.comment"],
        stdin=out, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    os.close(out)
    serving = serve("--capture", "-", "--calls", "1", stdout=into)
    os.close(into)
    connection = call(serving, AUDIO)
    assert reader.stdout is not None
    for line in reader.stdout:  # which ends only if nothing comes while the call lasts
        if f"call {UUID_1}" in line:
            break
    else:
        pytest.fail("tshark saw no call")
    connection.close()
    code, _, err = serving.end(0)
    assert code == 0
    assert "ended by caller" in err
    assert reader.wait(20) == 0
    reader.stdout.close()


def test_results_leave_standard_output_to_the_capture(serve: Serve, tone_file: Path) -> None:
    serving = serve()
    done = subprocess.run(
        [*COMMAND, "play", tone_file, serving.target, "--capture", "-"], capture_output=True, check=False
    )
    assert done.returncode == 0
    assert done.stdout.startswith(b"\n\r\r\n")
    assert b"ended by caller" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["play", "TONE", "--capture", "there.pcapng"],
         "cannot capture to there.pcapng: it exists; choose another name or add --force"),
        (["play", "TONE", "--capture", "/proc/nowhere/c.pcapng"],
         "cannot capture to /proc/nowhere/c.pcapng: no such file or directory"),
        (["serve", "--capture", "there.pcapng/captures"],
         "cannot capture to there.pcapng/captures: not a directory"),
        (["serve", "--capture", "there.pcapng"],
         "cannot capture to there.pcapng: it exists; choose another name or name a folder"),
        (["play", "TONE", "--capture", "TONE", "--force"],
         "cannot capture to TONE: a capture is not a sound file; name it .pcapng, or use --record"),
        (["serve", "--capture", "{uuid}.pcapng"],
         "cannot capture to {uuid}.pcapng: names of captures have no fields; name a folder"),
        (["record", "-", "--capture", "-"],
         "the recording and the capture both go to standard output: name a file for one of them"),
    ],
    ids=["exists", "impossible", "below a file", "exists, and no --force", "sound", "fields", "both to a pipe"],
)  # fmt: skip
def test_what_cannot_be_captured_to_is_said_before_anything_connects(
    tmp_path: Path, tone_file: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.pcapng").write_bytes(b"mine")
    done = run(*(str(tone_file) if word == "TONE" else word for word in arguments))
    told = done.stderr.replace(str(tone_file), "TONE")
    assert (done.returncode, told) == (2, f"audiosocket: error: {message}\n")
    assert (tmp_path / "there.pcapng").read_bytes() == b"mine"


def test_force_overwrites(serve: Serve, tmp_path: Path, tone_file: Path) -> None:
    (tmp_path / "c.pcapng").write_bytes(b"old")
    serving = serve()
    assert run("play", tone_file, serving.target, "--capture", tmp_path / "c.pcapng", "--force").returncode == 0
    assert len(frames(items_of(tmp_path / "c.pcapng"), Side.CALLER)) == 76


@pytest.mark.parametrize("force", [[], ["--force"]], ids=["new", "force"])
def test_without_a_connection_no_file_is_made_and_none_is_lost(
    tmp_path: Path, tone_file: Path, force: list[str]
) -> None:
    path = tmp_path / "c.pcapng"
    if force:
        path.write_bytes(b"old")
    done = run("play", tone_file, "127.0.0.1:1", "--capture", path, *force)
    assert done.returncode == 3
    assert path.read_bytes() == b"old" if force else not path.exists()


def test_a_killed_process_leaves_all_chunks_whole(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--echo", "--capture", "captures")
    connection = call(serving, *[AUDIO] * 20)
    path = tmp_path / "captures" / f"{UUID_1}.pcapng"
    wait_until(lambda: path.exists() and all(len(frames(items_of(path), side)) >= 20 for side in Side))
    wait_until(lambda: len(frames(items_of(path), Side.CALLER)) == 21)
    serving.process.send_signal(signal.SIGKILL)
    serving.process.wait(30)
    connection.close()
    items = items_of(path)
    assert not [item for item in items if isinstance(item, Damage)]
    assert frames(items, Side.CALLER) == [uuid_frame(UUID_1), *[Frame(Kind.SLIN, AUDIO[3:])] * 20]
    assert len(frames(items, Side.SERVER)) >= 20


@pytest.mark.parametrize("form", ["captures", "all.pcapng"])
def test_a_killed_process_costs_at_most_half_a_second_of_a_call(serve: Serve, tmp_path: Path, form: str) -> None:
    serving = serve("--echo", "--capture", form)
    connection = call(serving)
    sent_s = []
    for number in range(60):
        connection.sendall(encode(Frame(Kind.SLIN, bytes((number, 1)) * 160)))
        sent_s.append(time.monotonic())
        time.sleep(0.02)
    killed_s = time.monotonic()
    serving.process.send_signal(signal.SIGKILL)
    serving.process.wait(30)
    connection.close()
    path = tmp_path / form
    items = items_of(path if path.is_file() else path / f"{UUID_1}.pcapng")
    assert not [item for item in items if isinstance(item, Damage)]
    there = frames(items, Side.CALLER)[1:]
    assert [frame.payload[0] for frame in there] == list(range(len(there)))
    slack_s = 0.5  # for a machine that is busy
    assert all(killed_s - at_s < 0.5 + slack_s for at_s in sent_s[len(there) :])


def test_a_capture_cut_at_any_byte_gives_all_frames_before_the_cut(serve: Serve, tmp_path: Path) -> None:
    short = encode(Frame(Kind.SLIN, b"\x10\x20" * 5))
    serving = serve("--capture", "captures", "--calls", "1", "--silence", "full")
    call(serving, short, b"\x03\x00\x015", short[:8], short[8:]).close()
    serving.end(0)
    data = (tmp_path / "captures" / f"{UUID_1}.pcapng").read_bytes()
    whole = captured(data)
    before = 0
    for size in range(4, len(data)):
        seen = captured(data[:size])
        assert [item.frame for item in seen] == [item.frame for item in whole[: len(seen)]]
        assert len(seen) >= before
        before = len(seen)
    assert before == len(whole) >= 10


def captured(data: bytes) -> list[Captured]:
    return [item for item in Capture(io.BytesIO(data).read, "cut") if isinstance(item, Captured)]


def test_a_full_disk_ends_the_capture_and_not_the_call(tmp_path: Path, serve: Serve, tone_file: Path) -> None:
    serving = serve("--echo")
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); from audiosocket_cli.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, "play", tone_file, serving.target, "--capture", tmp_path / "c.pcapng"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "capture failed: File too large" in done.stdout
    assert "1.50 of 1.50 s of audio" in done.stdout
    items = items_of(tmp_path / "c.pcapng")
    assert not [item for item in items if isinstance(item, Damage)]
    assert len(frames(items, Side.CALLER)) > 10


def test_a_server_whose_captures_fail_says_so_for_each_call(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--capture", "captures")
    (tmp_path / "captures").rmdir()
    (tmp_path / "captures").write_bytes(b"")
    call(serving, AUDIO).close()
    assert "failed: " in serving.wait_for("capture of 127.0.0.1:")
    serving.wait_for("ended by caller")
    code, _, err = serving.end()
    assert code == 130
    assert "1 capture failed" in err
