"""What a host does to a server: clocks that are set, processes that die or stay, too few open files, huge files."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest

from audiosocket_cli.audio.growing_wav import wav_header
from audiosocket_cli.codec import Frame, Kind, encode
from support.faults import (
    BESIDE_OTHERS,
    FRAMES,
    OFTEN,
    PTIME_S,
    Serve,
    descriptors,
    dial,
    ends,
    failures,
    heard_s,
    needs_proc,
    recording,
    said,
    show,
    speak,
)
from support.running import COMMAND, need, wait_until

LINGERER = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
all(os.fork() for _ in range(2))
os.write(2, f"lingers {os.getpid()}\\n".encode())
time.sleep(1000)
"""
"""A program that forks, hears nothing of the end of its call, and does not mind being told to end."""


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that says by how much the time of day is wrong for all processes that start, as +5h."""
    need("faketime")
    (library, *_) = [*Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), Path("libfaketime.so.1")]
    path = tmp_path / "clock"
    path.write_text("+0")
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(path))
    monkeypatch.setenv("FAKETIME_CACHE_DURATION", "1")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    return path


@pytest.mark.parametrize("steps", [("+5h", "+10h"), ("-5h", "-10h"), ("+5h", "-5h")], ids=" ".join)
def test_a_clock_that_is_set_by_hours_changes_no_call(serve: Serve, clock: Path, steps: tuple[str, str]) -> None:
    serving = serve("--record", "calls", "--capture", "calls", "--json", "--echo", "--idle-timeout", "3")
    begun_at = datetime.now().timestamp()
    peer = dial(serving, 1)
    speak([peer], 4, {1.0: lambda: clock.write_text(steps[0]), 2.5: lambda: clock.write_text(steps[1])})
    events = ends(serving, 1)
    assert serving.end()[0] == 128 + signal.SIGINT
    (ended,) = (event["call"] for event in events if event["event"] == "ended" and event["uuid"] == str(UUID(int=1)))
    assert ended["caller"]["audio_s"] == 4
    assert 1 < ended["duration_s"] < 30  # and not hours; a busy server may have begun late
    assert abs(datetime.fromisoformat(ended["started_at"]).timestamp() - begun_at) < 60
    assert said(recording(clock.with_name("calls"), 1)) == 4 * 8000
    done = subprocess.run(
        [*COMMAND, "dump", clock.with_name("calls") / f"{UUID(int=1)}.pcapng", "--json"],
        capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    times_s = [json.loads(line)["t"] for line in done.stdout.splitlines()]
    assert times_s == sorted(times_s)
    assert 1 < times_s[-1] < 30
    show(f"the clock set by {' and '.join(steps)} during a call: all times and samples are right")


def test_a_worker_that_is_killed_takes_only_its_own_calls_and_their_last_second(serve: Serve, tmp_path: Path) -> None:
    needs_proc()
    rng, worst_s, lost, all_calls = random.Random(8), 0.0, 0, 0
    for attempt in range(min(OFTEN, 10)):
        folder = tmp_path / f"calls{attempt}"
        serving = serve("--record", folder, "--workers", "2")
        victim = rng.choice(children(serving.process.pid))
        peers = [dial(serving, number) for number in range(40)]
        kill_after_s, begun_s, number, gone = rng.uniform(1.5, 3), time.monotonic(), 0, set[socket.socket]()
        killed_s = 0.0
        while time.monotonic() - begun_s < 5:
            if not killed_s and time.monotonic() - begun_s > kill_after_s:
                os.kill(victim, signal.SIGKILL)
                killed_s = number * PTIME_S
            for peer in peers:
                try:
                    peer.sendall(FRAMES[number])
                except ConnectionError:
                    gone.add(peer)
            number += 1
            time.sleep(max(0.0, begun_s + number * PTIME_S - time.monotonic()))
        for peer in peers:
            peer.close()
        with dial(serving, 100) as another:
            another.sendall(FRAMES[0] + encode(Frame(Kind.HANGUP)))
            while another.recv(4096):
                pass
        code, _, err = serving.end()
        assert code == 128 + signal.SIGINT
        assert re.search(
            rf"process {victim}\) was killed by SIGKILL: (no call is|1 call is|{len(gone)} calls are) lost", err
        )
        for call, peer in enumerate(peers):
            whole = said(recording(folder, call)) / 8000
            if peer in gone:
                worst_s = max(worst_s, killed_s - whole)
            else:
                assert whole == number * PTIME_S
        lost, all_calls = lost + len(gone), all_calls + len(peers)
    show(f"a worker killed under {all_calls} calls: {lost} ended, lack at most {worst_s:.2f} s; the others are whole")
    assert worst_s <= (1.7 if BESIDE_OTHERS else 1.0)  # they lasted for 2 s


def test_programs_that_fork_and_linger_are_all_ended(serve: Serve, tmp_path: Path) -> None:
    needs_proc()
    calls = 20
    serving = serve("--record", "calls", "--json", "--grace", "0.5", "--exec", sys.executable, "-c", LINGERER)
    before = descriptors(serving.process.pid)
    speak([dial(serving, number) for number in range(calls)], 3)
    events = ends(serving, calls)
    wait_until(lambda: descriptors(serving.process.pid) <= before + 1)
    wait_until(lambda: not children(serving.process.pid))
    _, _, err = serving.end()
    pids = [int(pid) for pid in re.findall(r"lingers (\d+)", err)]
    assert len(pids) == 3 * calls
    wait_until(lambda: not [pid for pid in pids if Path(f"/proc/{pid}").exists()])  # who is killed takes a moment
    for number in range(calls):
        assert heard_s(events, number) == 3
        assert said(recording(tmp_path / "calls", number)) == 3 * 8000
    show(f"{len(pids)} processes of {calls} calls that lingered: all ended after the grace, none is left")


def test_where_open_files_run_out_calls_are_refused_and_those_that_are_there_lose_nothing(
    serve: Serve, tmp_path: Path
) -> None:
    needs_proc()
    limit = 96
    few_files = ["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh"]
    serving = serve("--record", "calls", "--capture", "calls", "--json", on=few_files)
    pid = serving.process.pid
    before = descriptors(pid)
    peers = [dial(serving, number) for number in range(300)]
    for peer in peers:  # until each has heard that it is answered, or a hangup
        with contextlib.suppress(ConnectionError):
            peer.recv(1, socket.MSG_PEEK)
    refused = [peer for peer in peers if _hung_up(peer)]
    kept = [peer for peer in peers if peer not in refused]
    most = descriptors(pid)
    speak(kept, 3)
    events = ends(serving, len(kept))
    for peer in refused:
        peer.close()
    with dial(serving, 1000) as peer:
        peer.sendall(FRAMES[0] + encode(Frame(Kind.HANGUP)))
    ends(serving, 1)
    wait_until(lambda: descriptors(pid) <= before + 1)
    code, _, err = serving.end()
    assert code == 128 + signal.SIGINT
    assert not failures(events)
    assert len(err.splitlines()) < 20
    wavs = list((tmp_path / "calls").glob("*.wav"))
    assert len(wavs) == len(kept) + 1
    assert sum(said(path) == 3 * 8000 for path in wavs) == len(kept)
    assert all(path.with_suffix(".json").exists() and path.with_suffix(".pcapng").exists() for path in wavs)
    show(f"300 calls where {limit} files may be open: {len(kept)} were answered and are whole, {most} files open")


def _hung_up(peer: socket.socket) -> bool:
    peer.setblocking(False)
    try:
        return peer.recv(4096)[:3] in (b"\0\0\0", b"")
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        peer.setblocking(True)


MOST_MEMORY = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Runs a command and prints its most memory, in KB. As it begins, a process counts as large as the one that began it,
and the tests' own may be larger than the command."""


@pytest.mark.parametrize("rate_hz", [8000] if BESIDE_OTHERS else [8000, 48000])
def test_a_file_of_two_hours_takes_little_more_memory_than_its_samples(tmp_path: Path, rate_hz: int) -> None:
    needs_proc()
    path, seconds = tmp_path / "long.wav", 2 * 3600
    with path.open("wb") as file:  # silence that takes no room on the disk
        file.write(wav_header(44100, 2, 4 * 44100 * seconds))
        file.truncate(44 + 4 * 44100 * seconds)
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = f"127.0.0.1:{server.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-c", MOST_MEMORY, *COMMAND, "play", path, target, "--rate", str(rate_hz)],
            stdout=subprocess.PIPE,
        )
        server.settimeout(120)
        server.accept()[0].close()
        most_mb = int(process.communicate()[0]) / 1000
    whole_mb = 2 * rate_hz * seconds / 1e6
    show(f"two hours of stereo, played at {rate_hz} Hz: at most {most_mb:.0f} MB, of {whole_mb:.0f} MB of samples")
    assert most_mb < 100 + 2.5 * whole_mb
