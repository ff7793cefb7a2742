"""`serve --workers`: several processes on one port that behave like one."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from audiosocket_cli.codec import Kind
from support.peers import FRAME, connected, opening, read_to_end
from support.running import COMMAND, Serve, Serving, need, run, standing_still, wait_until

SPEECH = FRAME * 25


def workers_of(serving: Serving) -> list[int]:
    """The processes that answer calls, by who started them."""
    children = Path(f"/proc/{serving.process.pid}/task/{serving.process.pid}/children")
    if not children.exists():
        need("/proc")
    return [int(pid) for pid in children.read_text().split()]


@contextlib.contextmanager
def calls(serving: Serving, numbers: range) -> Iterator[list[socket.socket]]:
    """Calls that have said their UUIDs and half a second of audio, and stay."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connected(serving, opening(number)[1], SPEECH)) for number in numbers]


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_all_calls_are_answered_recorded_and_told_in_one_log_with_one_set_of_totals(
    serve: Serve, tmp_path: Path
) -> None:
    serving = serve("--workers", "2", "--record", "calls", "--json")
    pids = workers_of(serving)
    assert len(pids) == 2
    with calls(serving, range(20)) as peers:
        for peer in peers:
            peer.shutdown(socket.SHUT_WR)
            assert {frame.kind for frame in read_to_end(peer)} <= {Kind.SLIN}
    uuids = {opening(number)[0] for number in range(20)}
    while len([line for line in serving.rest if '"ended"' in line]) < 20:
        serving.wait_for('"event": "ended"')
    code, lines, err = serving.end(signal.SIGTERM)
    events = [json.loads(line) for line in lines]
    assert {event["call"]["uuid"] for event in events if event["event"] == "ended"} == uuids
    assert len([event for event in events if event["event"] == "listening"]) == 1
    assert (code, err) == (143, "answered 20 calls with 10.0 s of caller audio\n")
    for uuid in uuids:
        samples, _ = soundfile.read(tmp_path / "calls" / f"{uuid}.wav")
        assert len(samples) >= 4000
    assert not any(map(is_there, pids))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_in_order(serve: Serve, tmp_path: Path, number: int) -> None:
    serving = serve("--workers", "2", "--record", "calls")
    pids = workers_of(serving)
    with calls(serving, range(8)) as peers:
        for _ in range(8):
            serving.wait_for(" call ")
        serving.process.send_signal(number)
        assert [read_to_end(peer)[-1].kind for peer in peers] == [Kind.HANGUP] * 8
    code, lines, err = serving.end(0)
    assert (code, err.startswith("answered 8 calls with")) == (128 + number, True)
    assert sum("server stopped" in line for line in lines) == 8
    assert len(list((tmp_path / "calls").glob("*.json"))) == 8
    assert not any(map(is_there, pids))


def test_a_second_signal_does_not_wait_for_peers(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--workers", "2", "--on-call-end", "touch begun")
    with calls(serving, range(4)) as peers:
        for _ in range(4):
            serving.wait_for(" call ")
        serving.process.send_signal(signal.SIGINT)
        for peer in peers:
            read_to_end(peer)
        assert serving.end(signal.SIGINT)[0] == 130
    # No caller has closed: calls that are waited for end after two seconds, and then a command begins.
    assert not (tmp_path / "begun").exists()


def test_a_worker_that_is_killed_is_replaced_and_said_so_and_others_calls_go_on(serve: Serve) -> None:
    serving = serve("--workers", "2")
    before = workers_of(serving)
    with contextlib.ExitStack() as stack:
        peers = []
        for other, numbers in zip(reversed(before), (range(5), range(5, 12)), strict=True):
            with standing_still(other):
                peers += stack.enter_context(calls(serving, numbers))
                for _ in numbers:
                    serving.wait_for(" call ")
        os.kill(before[0], signal.SIGKILL)
        assert serving.process.stderr is not None
        told = serving.process.stderr.readline()
        match = re.fullmatch(
            rf"worker \d \(process {before[0]}\) was killed by SIGKILL: 5 calls are lost; another takes its place\n",
            told,
        )
        assert match is not None, told
        wait_until(lambda: len(workers_of(serving)) == 2 and before[0] not in workers_of(serving))
        assert [_is_gone(peer) for peer in peers] == [True] * 5 + [False] * 7
        wait_until(lambda: _answers(serving))
    code, _, err = serving.end()
    assert code == 130
    assert "ended by an internal error" in err


def _is_gone(peer: socket.socket) -> bool:
    """Whether a call was cut; one that goes on is told silence ten times a second."""
    deadline_s = time.monotonic() + 1
    try:
        while time.monotonic() < deadline_s:
            if not peer.recv(65536):
                return True
    except ConnectionError:
        return True
    return False


def _answers(serving: Serving) -> bool:
    with contextlib.suppress(OSError), connected(serving, opening(99)[1]) as peer:
        peer.settimeout(1)
        return bool(peer.recv(3))
    return False


def test_workers_end_when_whoever_started_them_is_killed(serve: Serve) -> None:
    serving = serve("--workers", "2")
    pids = workers_of(serving)
    with calls(serving, range(2)) as peers:
        serving.process.kill()
        for peer in peers:
            read_to_end(peer)
    wait_until(lambda: not any(map(is_there, pids)))


def test_calls_n_counts_the_calls_of_all(serve: Serve) -> None:
    serving = serve("--workers", "2", "--calls", "5")
    with contextlib.ExitStack() as stack:
        for number in range(12):
            with contextlib.suppress(OSError):
                stack.enter_context(connected(serving, opening(number)[1]))
        for _ in range(5):
            serving.wait_for(" call ")
    code, lines, err = serving.end(0)
    assert (code, sum(re.match(r"\S+ call ", line) is not None for line in lines)) == (0, 5)
    assert err.startswith("answered 5 calls ")


def test_max_calls_counts_the_calls_of_all(serve: Serve) -> None:
    serving = serve("--workers", "2", "--max-calls", "5")
    with calls(serving, range(5)):
        for _ in range(5):
            serving.wait_for(" call ")
        for number in range(10, 16):
            with connected(serving, opening(number)[1]) as peer:
                assert read_to_end(peer)[-1].kind == Kind.HANGUP
    code, _, err = serving.end()
    assert (code, "refused 6" in err) == (130, True)


def test_a_port_that_workers_share_is_taken(serve: Serve) -> None:
    serving = serve("--workers", "2")
    for more in ([], ["--workers", "2"]):
        done = run("serve", "--listen", serving.target, *more)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr == (
            f"audiosocket: error: cannot listen on {serving.target}: the port is in use; stop the other program or "
            "choose another port with --listen\n"
        )


@pytest.mark.parametrize("args", [["--capture", "-"], ["--capture", "all.pcapng"]])
def test_what_needs_one_process_is_refused(args: list[str], tmp_path: Path) -> None:
    done = run("serve", "--workers", "2", *args, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_a_log_that_nobody_reads_holds_up_no_call(serve: Serve) -> None:
    serving = serve("--workers", "2", "--json")
    for number in range(60):
        with connected(serving, opening(number)[1], b"\x03\x00\x011" * 20) as peer:
            peer.shutdown(socket.SHUT_WR)
            begun_s = time.monotonic()
            read_to_end(peer)
            assert time.monotonic() - begun_s < 20
    code, lines, _ = serving.end()
    assert (code, len(lines)) == (130, 1 + 60 * 22)


def test_a_file_of_uuids_is_read_again_by_all(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "uuids").write_text("")
    serving = serve("--workers", "2", "--allow-uuid", tmp_path / "uuids")
    (tmp_path / "uuids").write_text(opening(1)[0] + "\n")
    serving.process.send_signal(signal.SIGHUP)
    assert serving.process.stderr is not None
    assert [serving.process.stderr.readline() for _ in range(2)] == ["1 UUID may call now\n"] * 2
    for _ in range(6):
        with connected(serving, opening(1)[1]) as peer:
            assert peer.recv(1) == bytes([Kind.SLIN])


def test_a_worker_that_cannot_start_is_an_error_and_not_tried_for_ever(tmp_path: Path) -> None:
    broken = "import sys; sys.modules['audiosocket_cli.server.server'] = None"
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys\nif '--worker' in ' '.join(getattr(sys, 'orig_argv', [])).split():\n    {broken}\n"
    )
    done = subprocess.run(
        [*COMMAND, "serve", "--workers", "2", "--listen", "127.0.0.1:0"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert re.search(r"error: worker \d exited with code 1 before it could answer calls\n$", done.stderr)


def test_max_calls_from_counts_the_calls_of_all_and_those_of_a_dead_worker_no_more(serve: Serve) -> None:
    serving = serve("--workers", "2", "--max-calls-from", "4")
    pids = workers_of(serving)
    with contextlib.ExitStack() as stack:
        for other, numbers in zip(pids, (range(2), range(2, 4)), strict=True):  # each has two
            with standing_still(other):
                stack.enter_context(calls(serving, numbers))
                for _ in numbers:
                    serving.wait_for(" call ")
        for number in range(10, 14):
            with connected(serving, opening(number)[1]) as peer:
                assert read_to_end(peer)[-1].kind == Kind.HANGUP
        with socket.create_connection(("127.0.0.1", serving.port), 10, ("127.0.0.2", 0)) as other:
            other.sendall(opening(20)[1])
            assert other.recv(1) == bytes([Kind.SLIN])
        os.kill(pids[0], signal.SIGKILL)
        wait_until(lambda: _answers(serving))
    wait_until(lambda: _answers(serving))
    code, lines, _ = serving.end()
    assert (code, sum("--max-calls-from 4 is reached" in line for line in lines) >= 4) == (130, True)
