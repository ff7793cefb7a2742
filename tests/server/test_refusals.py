"""Limits: how much one address may take, what a flood may write, what must stay free, what a process may open."""

from __future__ import annotations

import contextlib
import errno
import json
import re
import shutil
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.growing_wav import GrowingWav
from audiosocket_cli.call.recording.disk_thread import BehindSink, Disk, FreeSpace
from audiosocket_cli.codec import Frame, Kind, digit_frame, encode, uuid_frame
from audiosocket_cli.server.log_limiter import MAX_LINES
from support.faults import descriptors, needs_proc
from support.peers import FRAME, connected, opening, read_to_end
from support.running import COMMAND, Serve, run


@pytest.mark.parametrize("as_json", [False, True], ids=["lines", "json"])
def test_a_flood_of_connections_does_not_fill_the_log(serve: Serve, as_json: bool) -> None:
    serving = serve("--allow-from", "10.0.0.0/8", *(["--json"] if as_json else []))
    for _ in range(200):
        with connected(serving) as peer:
            assert read_to_end(peer) == [Frame(Kind.HANGUP)]
    _, lines, err = serving.end()
    assert err.endswith("refused 200\n")
    told = [line for line in lines if "refused" in line]
    assert len(told) == MAX_LINES + 1
    if as_json:
        last = json.loads(told[-1])
        assert (last["event"], last["host"], last["count"]) == ("more-refused", "127.0.0.1", 190)
    else:
        assert told[-1].endswith("and 190 more connections from 127.0.0.1 refused or failed")


def test_one_address_may_have_so_many_calls_and_others_have_theirs(serve: Serve) -> None:
    serving = serve("--max-calls-from", "2", "--json")
    with connected(serving, opening(1)[1]), connected(serving, opening(2)[1]):
        for _ in range(2):
            serving.wait_for('"call"')
        with connected(serving, opening(3)[1]) as third:
            assert read_to_end(third) == [Frame(Kind.HANGUP)]
        assert json.loads(serving.wait_for("refused"))["reason"] == "--max-calls-from 2 is reached"
        with socket.create_connection(("127.0.0.1", serving.port), source_address=("127.0.0.2", 0)) as other:
            other.sendall(opening(4)[1])
            assert json.loads(serving.wait_for('"call"'))["peer"].startswith("127.0.0.2:")
    for _ in range(3):
        serving.wait_for('"ended"')
    with connected(serving, opening(5)[1]):
        serving.wait_for('"call"')
    assert serving.end()[2].startswith("answered 4 calls")


def test_nothing_is_recorded_where_too_little_is_free_and_the_call_goes_on(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--record", "calls", "--min-free", "1000T", "--json")
    call, first = opening()
    with connected(serving, first, FRAME):
        serving.wait_for('"event": "call"')
        reason = json.loads(serving.wait_for("recording-failed"))["reason"]
        assert re.fullmatch(r"[\d,]+ MB of the disk are free, less than the 1,000,000,000 MB of --min-free", reason)
        time.sleep(0.3)
    result = serving.wait_for_end(call)
    assert result["caller"]["frames"] == {"slin": {"frames": 1, "bytes": 320}}
    assert list((tmp_path / "calls").iterdir()) == []
    assert serving.end()[0] == 128 + signal.SIGINT


def test_a_recording_ends_when_too_little_is_left_and_what_it_has_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = FreeSpace(tmp_path, 1_000_000)
    left = [5_000_000]
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(0, 0, left[0]))
    sink = BehindSink(Disk(free), lambda: GrowingWav(tmp_path / "a.wav", 8000), 8000, 1)
    sink.append(bytes(1600))
    while not (tmp_path / "a.wav").exists() or (tmp_path / "a.wav").stat().st_size < 44 + 1600:
        time.sleep(0.01)
    left[0] = 999_999
    time.sleep(1.1)  # it looks once a second
    sink.append(bytes(1600))
    sink.close()
    with pytest.raises(OSError, match="1 MB of the disk are free, less than the 1 MB of --min-free") as raised:
        sink.finish()
    assert raised.value.errno == errno.ENOSPC
    assert (tmp_path / "a.wav").stat().st_size == 44 + 1600


@pytest.mark.parametrize("size", ["500", "5 M", "-1G", "M"])
def test_a_size_that_is_none_is_refused(size: str) -> None:
    done = run("serve", "--record", "calls", "--min-free", size)
    assert done.returncode == 2
    assert "is not a size: write it with its unit, as 500M, 2G or 1.5T" in done.stderr


def test_too_few_open_files_for_so_many_calls_are_told_at_once(tmp_path: Path) -> None:
    command = " ".join([*COMMAND, "serve --listen 127.0.0.1:0 --record calls --max-calls 100"])
    with subprocess.Popen(
        ["sh", "-c", f"ulimit -n 128; exec {command}"], stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as serving:
        assert serving.stderr is not None
        first = serving.stderr.readline()
        serving.terminate()
    assert first == (
        "--max-calls 100 may take 332 open files, and 128 are allowed: "
        "raise `ulimit -n`, or LimitNOFILE= of a unit file\n"
    )


def descriptors_of(said: str, folder: Path) -> int:
    """How many open files a call may take, as a server counts them."""
    command = " ".join([*COMMAND, f"serve --listen 127.0.0.1:0 --max-calls 10000 {said}"])
    with subprocess.Popen(
        ["sh", "-c", f"ulimit -n 128; exec {command}"], stderr=subprocess.PIPE, text=True, cwd=folder
    ) as serving:
        assert serving.stderr is not None
        told = re.match(r"--max-calls 10000 may take (\d+)0032 open files", serving.stderr.readline())
        serving.terminate()
    assert told
    return int(told[1])


def test_open_files_of_what_calls_are_told_and_asked_are_counted(tmp_path: Path) -> None:
    for name, seconds in ("short.wav", 2), ("long.wav", 60):
        soundfile.write(tmp_path / name, np.zeros(8000 * seconds, np.int16), 8000, "PCM_16")
    counted = {
        "--tone 440": 1,
        "--play short.wav": 1,
        "--play long.wav": 2,
        "--record calls --play long.wav": 4,
        "--exec cat": 7,
        "--authorize true": 3,
        "--authorize true --exec cat": 7,
    }
    assert {said: descriptors_of(said, tmp_path) for said in counted} == counted


def test_calls_that_read_a_long_file_take_no_more_open_files_than_are_counted(serve: Serve, tmp_path: Path) -> None:
    needs_proc()
    soundfile.write(tmp_path / "long.wav", np.ones(8000 * 2400, np.int16), 8000, "PCM_16")
    serving = serve("--play", "long.wav", "--loop")
    pid = serving.process.pid
    with contextlib.ExitStack() as peers:
        before = None
        for number in range(1, 6):
            peer = peers.enter_context(connected(serving, opening(number)[1], FRAME))
            while b"\1\0\1\0" not in (data := peer.recv(65536)):
                assert data  # the file may be opened after the first silence
            before = before or descriptors(pid)
        assert descriptors(pid) <= before + 4 * 2
    serving.end()


def test_digits_that_no_fingers_press_do_not_fill_the_log(serve: Serve) -> None:
    serving = serve("--json")
    call = uuid.UUID(int=1)
    with socket.create_connection(("127.0.0.1", serving.port)) as peer:
        peer.sendall(encode(uuid_frame(call)) + encode(digit_frame("1")) * 100_000 + encode(Frame(Kind.HANGUP)))
        result = serving.wait_for_end(str(call))
    listed = len(result["dtmf"])
    assert 50 <= listed < 200
    assert (
        f"{100_000 - listed} digits are left out: too fast for key presses, or too many [digits-left-out]"
        in result["findings"]
    )
    assert sum('"event": "digit"' in line for line in serving.rest) == listed
