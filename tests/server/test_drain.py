"""`serve --drain`: told to end, it accepts no more calls, and cuts none of those that are there."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from audiosocket_cli.codec import Kind
from support.peers import FRAME, connected, free_port, get, opening, read_to_end
from support.running import CLOCK, Serve, Serving, children_of, run

WAYS = pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["alone", "workers"])


def told(serving: Serving) -> str:
    """The next line of stderr."""
    assert serving.process.stderr is not None
    return serving.process.stderr.readline().rstrip("\n")


def refuses(serving: Serving) -> bool:
    """Whether the port closes, soon."""
    give_up_s = time.monotonic() + 10
    while time.monotonic() < give_up_s:
        try:
            socket.create_connection(("127.0.0.1", serving.port), timeout=5).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:
            pass  # it is being closed
        time.sleep(0.02)
    return False


@WAYS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_calls_go_on_to_their_end_and_no_more_are_accepted(
    serve: Serve, tmp_path: Path, more: tuple[str, ...], number: int
) -> None:
    serving = serve("--drain", "30", "--record", "calls", *more)
    with connected(serving, opening(1)[1], FRAME * 10) as one, connected(serving, opening(2)[1], FRAME * 10) as other:
        for _ in range(2):
            serving.wait_for(" call ")
        for peer in (one, other):
            assert peer.recv(1, socket.MSG_PEEK), "it is not answered"
        serving.process.send_signal(number)
        assert told(serving) == "draining: 2 calls go on, for 30 s at most; a second signal hangs up now"
        assert refuses(serving)
        for peer in (one, other):
            peer.sendall(FRAME * 10)
            peer.shutdown(socket.SHUT_WR)
            assert {frame.kind for frame in read_to_end(peer)} == {Kind.SLIN}, "it was hung up"
    code, lines, err = serving.end(0)
    assert code == 128 + number
    assert re.fullmatch(
        r"answered 2 calls with 0\.8 s of caller audio(, \d+ connections? closed without a byte)?\n", err
    )
    assert sum("ended by caller" in line for line in lines) == 2
    for call in (1, 2):
        result = json.loads((tmp_path / "calls" / f"{opening(call)[0]}.json").read_text())
        assert result["caller"]["frames"] == {"slin": {"frames": 20, "bytes": 6400}}


@WAYS
def test_when_the_time_is_over_they_are_hung_up(serve: Serve, more: tuple[str, ...]) -> None:
    serving = serve("--drain", "0.5", *more)
    with connected(serving, opening()[1], FRAME) as peer:
        serving.wait_for(" call ")
        serving.process.send_signal(signal.SIGTERM)
        assert told(serving) == "draining: 1 call goes on, for 0.5 s at most; a second signal hangs up now"
        assert read_to_end(peer)[-1].kind == Kind.HANGUP
    assert told(serving) == "drained for 0.5 s, but 1 call goes on: hanging up"
    code, lines, _ = serving.end(0)
    assert code == 143
    assert "ended by server (hangup: server stopped)" in lines[-1]


@WAYS
def test_a_second_signal_ends_them_now(serve: Serve, more: tuple[str, ...]) -> None:
    serving = serve("--drain", "1000", *more)
    with connected(serving, opening()[1], FRAME):
        serving.wait_for(" call ")
        serving.process.send_signal(signal.SIGTERM)
        assert told(serving).startswith("draining: 1 call goes on")
        begun_s = time.monotonic()
        code, lines, _ = serving.end(signal.SIGTERM)
    assert (code, time.monotonic() - begun_s < 20) == (143, True)
    assert "ended by server" in lines[-1]


@WAYS
def test_with_a_delay_calls_are_accepted_while_health_says_that_it_drains(serve: Serve, more: tuple[str, ...]) -> None:
    health = free_port()
    serving = serve("--drain", "30", "--drain-delay", "6", "--health", f"127.0.0.1:{health}", *more)
    with connected(serving, opening(1)[1], FRAME) as early:
        serving.wait_for(" call ")
        serving.process.send_signal(signal.SIGTERM)
        serving.told_in("draining in 6 s: calls are still accepted, and health checks say 503; a second signal hangs")
        assert get(health) == (503, "draining\n")
        with connected(serving, opening(2)[1], FRAME) as late:
            serving.wait_for(f"call {opening(2)[0]}")
            serving.told_in("draining: 2 calls go on, for 30 s at most")
            assert refuses(serving)
            for peer in (early, late):
                peer.shutdown(socket.SHUT_WR)
                assert {frame.kind for frame in read_to_end(peer)} == {Kind.SLIN}
    code, _, err = serving.end(0)
    assert code == 143
    assert err.startswith("answered 2 calls")


@WAYS
def test_a_delay_without_calls_is_waited_for(serve: Serve, more: tuple[str, ...]) -> None:
    serving = serve("--drain", "30", "--drain-delay", "500ms", *more)
    begun_s = time.monotonic()
    code, _, err = serving.end(signal.SIGTERM)
    assert time.monotonic() - begun_s >= 0.5
    assert (code, err.splitlines()[1]) == (143, "draining: no calls are left")


@WAYS
def test_a_second_signal_ends_a_delay(serve: Serve, more: tuple[str, ...]) -> None:
    serving = serve("--drain", "1000", "--drain-delay", "1000", *more)
    with connected(serving, opening()[1], FRAME):
        serving.wait_for(" call ")
        serving.process.send_signal(signal.SIGTERM)
        serving.told_in("draining in 1000 s")
        code, lines, err = serving.end(signal.SIGTERM)
    assert (code, "draining:" in err) == (143, False)
    assert "ended by server" in lines[-1]


def test_a_worker_that_dies_in_the_delay_is_replaced(serve: Serve) -> None:
    serving = serve("--drain", "30", "--drain-delay", "5", "--workers", "2")
    workers = children_of(serving.process.pid)
    serving.process.send_signal(signal.SIGTERM)
    serving.told_in("draining in 5 s")
    os.kill(min(workers), signal.SIGKILL)
    assert serving.told_in("worker ").endswith("no call is lost; another takes its place")
    with connected(serving, opening(1)[1], FRAME) as peer:
        serving.wait_for(" call ")
        serving.told_in("draining: 1 call goes on")
        peer.shutdown(socket.SHUT_WR)
        read_to_end(peer)
    assert serving.end(0)[0] == 143


@pytest.mark.parametrize("command", ["serve", "proxy 127.0.0.1:1"])
def test_a_delay_needs_a_drain(command: str) -> None:
    done = run(*command.split(), "--drain-delay", "5")
    assert (done.returncode, done.stderr) == (
        2, "audiosocket: error: --drain-delay does nothing without --drain: add that, or leave out --drain-delay\n",
    )  # fmt: skip


@WAYS
def test_without_calls_it_ends_at_once(serve: Serve, more: tuple[str, ...]) -> None:
    serving = serve("--drain", "1000", *more)
    code, _, err = serving.end(signal.SIGTERM)
    assert (code, err) == (143, "draining: no calls are left\nanswered 0 calls with 0.0 s of caller audio\n")


def test_who_has_connected_but_not_said_a_uuid_still_becomes_a_call(serve: Serve) -> None:
    serving = serve("--drain", "30")
    with connected(serving) as early, connected(serving, opening(2)[1]) as other:
        serving.wait_for(" call ")
        serving.process.send_signal(signal.SIGTERM)
        assert told(serving).startswith("draining: 2 calls go on")
        early.sendall(opening(1)[1] + FRAME)
        serving.wait_for(f"call {opening(1)[0]}")
        for peer in (early, other):
            peer.shutdown(socket.SHUT_WR)
            assert {frame.kind for frame in read_to_end(peer)} <= {Kind.SLIN}
    assert serving.end(0)[2] == "answered 2 calls with 0.0 s of caller audio\n"


def test_who_waits_to_be_let_in_is_let_in(serve: Serve, tmp_path: Path) -> None:
    script = tmp_path / "ask"
    script.write_text("#!/bin/sh\ntouch asked; until [ -e answer ]; do sleep 0.05; done\n")
    script.chmod(0o755)
    serving = serve("--drain", "30", "--authorize", "./ask", "--authorize-timeout", "60")
    with connected(serving, opening()[1], FRAME) as peer:
        while not (tmp_path / "asked").exists():
            time.sleep(0.02)
        serving.process.send_signal(signal.SIGTERM)
        assert told(serving).startswith("draining: 1 call goes on")
        (tmp_path / "answer").touch()
        serving.wait_for(" call ")
        peer.shutdown(socket.SHUT_WR)
        read_to_end(peer)
    assert serving.end(0)[2] == "answered 1 call with 0.0 s of caller audio\n"


@WAYS
def test_programs_and_hooks_belong_to_calls_that_go_on(serve: Serve, tmp_path: Path, more: tuple[str, ...]) -> None:
    hook = tmp_path / "after"
    hook.write_text('#!/bin/sh\necho "$AUDIOSOCKET_ENDED_BY" >> "$AUDIOSOCKET_UUID"\n')
    hook.chmod(0o755)
    serving = serve("--drain", "30", *more, "--on-call-end", "./after", "--exec", "cat")
    call, first = opening()
    with connected(serving, first, FRAME * 5) as peer:
        serving.wait_for(" call ")
        serving.process.send_signal(signal.SIGTERM)
        assert told(serving).startswith("draining: 1 call goes on")
        peer.sendall(FRAME * 5)
        give_up_s, heard = time.monotonic() + 20, b""
        while FRAME[3:] not in heard and time.monotonic() < give_up_s:
            heard += peer.recv(65536)
        peer.shutdown(socket.SHUT_WR)
        read_to_end(peer)
    assert serving.end(0)[0] == 143
    assert FRAME[3:] in heard
    assert (tmp_path / call).read_text() == "caller\n"


def test_without_it_calls_are_hung_up_as_ever(serve: Serve) -> None:
    serving = serve()
    with connected(serving, opening()[1], FRAME) as peer:
        serving.wait_for(" call ")
        serving.process.send_signal(signal.SIGTERM)
        assert read_to_end(peer)[-1].kind == Kind.HANGUP
    code, lines, err = serving.end(0)
    assert (code, err) == (143, "answered 1 call with 0.0 s of caller audio\n")
    assert re.fullmatch(CLOCK + r".* ended by server \(hangup: server stopped\) after .*", lines[-1])


def test_a_time_that_is_none_is_refused() -> None:
    done = run("serve", "--drain", "soon")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
