"""`audiosocket proxy --mirror`: what the second server hears, what is kept of it, and what it cannot do to a call."""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.call.events import CaptureFailed, Event
from audiosocket_cli.call.mirror import FailuresOnly
from audiosocket_cli.codec import Frame, Kind, encode
from support.far_end import Server, exactly, is_reset, through
from support.peers import FRAME, connected, free_port, get, opening, reset
from support.running import Serve, Serving, run, wait_until

Proxy = Callable[..., Serving]

LONG_FRAME = encode(Frame(Kind.SLIN192, bytes(7680)))


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    both = Server(), Server()
    yield both
    for each in both:
        each.listener.close()


@pytest.fixture
def proxy(answer: Callable[..., Serving]) -> Proxy:
    def start(*args: str | Path, **more: Any) -> Serving:
        return answer("proxy", *args, **more)

    return start


def mirror_of(serving: Serving, call: str) -> dict[str, Any]:
    """What came of the mirror of a call (with --json)."""
    found: dict[str, Any] = serving.wait_for_end(call)["mirror"]
    return found


def test_a_mirror_hears_the_same_bytes_and_the_same_end_and_nobody_hears_it(
    proxy: Proxy, servers: tuple[Server, Server]
) -> None:
    server, mirror = servers
    serving = proxy(server.target, "--mirror", mirror.target, "--json")
    call, first = opening()
    up = first + np.random.default_rng(1).bytes(200_000)
    heard: list[bytes] = []
    with connected(serving, up[:1000]) as caller, server.accept() as far, mirror.accept() as mirrored:
        reading = threading.Thread(target=lambda: heard.append(exactly(mirrored, len(up) + 1)))
        reading.start()
        mirrored.sendall(FRAME * 50)
        for start in range(1000, len(up), 7777):
            caller.sendall(up[start : start + 7777])
        assert exactly(far, len(up)) == up
        far.sendall(FRAME)
        caller.shutdown(socket.SHUT_WR)
        reading.join(10)
        assert heard == [up]  # and then the end of the stream
        far.shutdown(socket.SHUT_WR)
        mirrored.shutdown(socket.SHUT_WR)
        assert exactly(caller, 2 * len(FRAME)) == FRAME
    assert mirror_of(serving, call)["bytes"] == len(up)
    assert serving.end()[0] == 130


def test_a_reset_of_the_caller_is_one_for_the_mirror(proxy: Proxy, servers: tuple[Server, Server]) -> None:
    server, mirror = servers
    serving = proxy(server.target, "--mirror", mirror.target)
    _, first = opening()
    with connected(serving, first) as caller, server.accept() as far, mirror.accept() as mirrored:
        exactly(far, len(first))
        exactly(mirrored, len(first))
        reset(caller)
        assert is_reset(mirrored)
        assert is_reset(far)


@pytest.mark.parametrize("hz", [440, 1000], ids=["same", "different"])
def test_both_answers_are_recorded_and_compared(
    proxy: Proxy, serve: Serve, tmp_path: Path, tone_file: Path, hz: int
) -> None:
    soundfile.write(tmp_path / "other.wav", tone(hz, 8000, 1.5), 8000)
    soundfile.write(tmp_path / "voice.wav", tone(300, 8000, 2.5) // 2, 8000)
    server, mirror = serve("--play", tone_file), serve("--play", tmp_path / "other.wav")
    port = free_port()
    serving = proxy(
        server.target, "--mirror", mirror.target, "--record", "calls", "--capture", "calls", "--json",
        "--metrics", f"127.0.0.1:{port}",
    )  # fmt: skip
    assert run("play", tmp_path / "voice.wav", serving.target).returncode == 0
    told = json.loads(serving.wait_for('"event": "mirror"'))
    result = json.loads(serving.wait_for('"event": "ended"'))["call"]
    uuid, found = result["uuid"], result["mirror"]
    expected = "same" if hz == 440 else "different"
    assert (told["uuid"], told["outcome"], found["outcome"], found["reason"]) == (uuid, expected, expected, None)
    assert bool(found["differences"]) is (hz != 440)
    assert (found["target"], found["files"], found["capture"]) == (
        mirror.target, [f"{uuid}.mirror.wav"], f"{uuid}.mirror.pcapng"
    )  # fmt: skip
    assert found["bytes"] == result["relay"]["caller"]["bytes"]
    names = {path.name for path in (tmp_path / "calls").iterdir()}
    assert names == {f"{uuid}{middle}.{suffix}" for middle in ("", ".mirror") for suffix in ("wav", "json", "pcapng")}
    (caller, near), (copy, mirrored) = (
        soundfile.read(tmp_path / "calls" / f"{uuid}{middle}.wav", dtype="int16")[0].T for middle in ("", ".mirror")
    )
    begin, other = (int(np.flatnonzero(one)[0]) for one in (caller, copy))
    np.testing.assert_array_equal(caller[begin : begin + 16_000], copy[other : other + 16_000])
    for sound, pitch_hz in ((near, 440), (mirrored, hz)):
        loud = sound[np.flatnonzero(sound)[0] :][:8000]
        assert np.argmax(np.abs(np.fft.rfft(loud))) == pytest.approx(pitch_hz, abs=1)
    beside = json.loads((tmp_path / "calls" / f"{uuid}.mirror.json").read_text())
    assert (beside["uuid"], beside["relay"]["target"]) == (uuid, mirror.target)
    counted = f"audiosocket_mirrored_{expected}_total 1.0"
    wait_until(lambda: counted in get(port, "/metrics")[1])
    assert f"mirror: 1 {expected}" in serving.end()[2]


# What a mirror can do, and what comes of it.


def never_read(_: socket.socket) -> None:
    time.sleep(60)


def reset_soon(mirrored: socket.socket) -> None:
    mirrored.recv(1000)
    time.sleep(0.3)
    reset(mirrored)


def flood(mirrored: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            mirrored.sendall(FRAME * 50)


def say_garbage(mirrored: socket.socket) -> None:
    with contextlib.suppress(OSError):
        mirrored.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20)
        while mirrored.recv(65536):
            pass


def close_soon(mirrored: socket.socket) -> None:
    mirrored.shutdown(socket.SHUT_WR)
    with contextlib.suppress(OSError):
        while mirrored.recv(65536):
            pass


TROUBLE = {
    "does not read": (never_read, "unknown", "comparing needs"),
    "resets": (reset_soon, "gone", "server reset the connection"),
    "floods": (flood, "gone", "it sent 4 MiB more than 512 KiB a second"),
    "says garbage": (say_garbage, "gone", "what it sends is not AudioSocket"),
    "closes": (close_soon, "unknown", "comparing needs"),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_whatever_a_mirror_does_the_call_is_as_without(
    proxy: Proxy, servers: tuple[Server, Server], tmp_path: Path, trouble: str
) -> None:
    act, outcome, reason = TROUBLE[trouble]
    server, mirror = servers
    serving = proxy(server.target, "--mirror", mirror.target, "--record", "calls", "--json")
    call, first = opening()
    with contextlib.ExitStack() as stack:
        caller = stack.enter_context(connected(serving, first))
        far, mirrored = stack.enter_context(server.accept()), stack.enter_context(mirror.accept())
        threading.Thread(target=act, args=(mirrored,), daemon=True).start()
        assert exactly(far, len(first)) == first
        frames = [encode(Frame(Kind.SLIN, bytes([number, 1]) * 160)) for number in range(100)]
        took_s = []
        for frame in frames:
            begun_s = time.monotonic()
            caller.sendall(frame)
            assert exactly(far, len(frame)) == frame
            far.sendall(frame)
            assert exactly(caller, len(frame)) == frame
            took_s.append(time.monotonic() - begun_s)
            time.sleep(0.02)
        caller.shutdown(socket.SHUT_WR)
        assert far.recv(1) == b""
        far.shutdown(socket.SHUT_WR)
        assert caller.recv(1) == b""
        found = serving.wait_for_end(call)
    # That the call is as quick is the promise. A machine that stands still delays a few frames, not one in ten.
    assert np.quantile(took_s, 0.9) < 0.2
    assert max(took_s) < 5
    assert found["mirror"]["outcome"] == outcome
    assert found["mirror"]["reason"].startswith(reason)
    assert (found["ended_by"], found["ended_how"]) == ("caller", "closed")
    for side in ("caller", "server"):
        assert found[side]["frames"]["slin"]["frames"] == 100
        assert found["relay"][side]["stalls"] == 0
    recorded = soundfile.read(tmp_path / "calls" / f"{call}.wav", dtype="int16")[0]
    for channel in range(2):
        heard = {int(value) for value in np.unique(recorded[:, channel])}
        assert heard >= {256 + number for number in range(100)}
    assert serving.end()[0] == 130


def test_a_mirror_that_does_not_read_is_given_up_and_takes_little_memory(
    proxy: Proxy, servers: tuple[Server, Server]
) -> None:
    server, mirror = servers
    mirror.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    serving = proxy(server.target, "--mirror", mirror.target)
    call, first = opening()
    count = 1500
    with connected(serving, first) as caller, server.accept() as far, mirror.accept():
        caller.settimeout(20)
        sending = threading.Thread(target=caller.sendall, args=(LONG_FRAME * count,))
        sending.start()
        exactly(far, len(first))
        for _ in range(count):
            assert exactly(far, len(LONG_FRAME)) == LONG_FRAME
        sending.join()
        status = Path(f"/proc/{serving.process.pid}/status").read_text()
        assert int(re.search(r"VmRSS:\s+(\d+)", status)[1]) < 150_000  # type: ignore[index]
        caller.shutdown(socket.SHUT_WR)
        assert far.recv(1) == b""
    assert f"{call} mirror {mirror.target}: gone: it fell 256 KiB behind the caller" in serving.wait_for(" mirror ")
    assert "mirror: 1 gone" in serving.end()[2]


def test_a_mirror_that_is_down_is_told_once_and_calls_do_not_wait_for_it(
    proxy: Proxy, servers: tuple[Server, Server]
) -> None:
    server, mirror = servers
    mirror.stop()
    target = f"127.0.0.1:{mirror.listener_port}"
    serving = proxy(server.target, "--mirror", target)
    for number in (1, 2):
        call, first = opening(number)
        with through(serving, server, first) as (_, far):
            assert exactly(far, len(first)) == first
        told = serving.wait_for(f"{call} mirror")
        assert f"gone: cannot connect to {target}: connection refused" in told
    mirror.again()
    mirror.listener.settimeout(0.5)
    calls = {}
    for number in range(3, 30):  # it is tried each second
        call, first = opening(number)
        calls[first] = call
        with through(serving, server, first), contextlib.suppress(TimeoutError), mirror.accept() as mirrored:
            call = calls[exactly(mirrored, len(first))]  # one that came late was waiting
            break
    assert "not compared" in serving.wait_for(f"{call} mirror")
    err = serving.end()[2]
    assert f"mirror: cannot connect to {target}" not in err  # but at its start
    assert f"mirror: {target} answers again" in err
    assert re.search(r"mirror: \d+ gone, 1 not compared", err)


def test_a_mirror_is_told_who_calls_as_the_server_is(proxy: Proxy, servers: tuple[Server, Server]) -> None:
    server, mirror = servers
    serving = proxy(server.target, "--mirror", mirror.target, "--send-proxy", "v1")
    _, first = opening()
    with connected(serving, first) as caller, server.accept() as far, mirror.accept() as mirrored:
        host, port = caller.getsockname()
        header = f"PROXY TCP4 {host} 127.0.0.1 {port} {serving.port}\r\n".encode()
        assert exactly(far, len(header + first)) == header + first
        assert exactly(mirrored, len(header + first)) == header + first


def test_a_stopped_proxy_lets_the_mirror_hear_the_end(proxy: Proxy, servers: tuple[Server, Server]) -> None:
    server, mirror = servers
    serving = proxy(server.target, "--mirror", mirror.target, "--record", "calls")
    call, first = opening()
    with connected(serving, first + FRAME) as caller, server.accept() as far, mirror.accept() as mirrored:
        exactly(far, len(first + FRAME))
        serving.process.terminate()
        assert exactly(mirrored, len(first + FRAME) + 1) == first + FRAME
        for each in (far, caller, mirrored):
            each.close()
    code, out, _ = serving.end(0)
    assert code == 143
    assert any(f"{call} mirror {mirror.target}: not compared" in line for line in out)


def test_a_proxy_that_mirrors_to_itself_is_told_in_one_line() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = f"127.0.0.1:{server.getsockname()[1]}"
        done = run("proxy", target, "--mirror", f"localhost:{port}", "--listen", f":{port}")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"audiosocket: error: a proxy of itself: localhost:{port} is where this proxy listens; name another server"
    ]


def test_a_flooding_mirror_leaves_other_calls_their_turn(proxy: Proxy, servers: tuple[Server, Server]) -> None:
    server, mirror = servers
    serving = proxy(server.target, "--mirror", mirror.target)
    (_, first), (_, second) = opening(1), opening(2)
    with contextlib.ExitStack() as stack:
        stack.enter_context(connected(serving, first))
        stack.enter_context(server.accept())
        flooding = stack.enter_context(mirror.accept())
        threading.Thread(target=flood, args=(flooding,), daemon=True).start()
        caller = stack.enter_context(connected(serving, second))
        far = stack.enter_context(server.accept())
        exactly(far, len(second))
        took_s, until_s = [], time.monotonic() + 2
        while time.monotonic() < until_s:
            begun_s = time.monotonic()
            caller.sendall(FRAME)
            assert exactly(far, len(FRAME)) == FRAME
            took_s.append(time.monotonic() - begun_s)
            select.select([], [], [], 0.01)
        # That others have their turn is a promise about time: half of the frames, and none far too late.
        assert np.median(took_s) < 0.2
        assert max(took_s) < 5


def test_a_mirror_hears_what_the_caller_sends_whatever_faults_are_put_in(
    proxy: Proxy, servers: tuple[Server, Server]
) -> None:
    server, mirror = servers
    serving = proxy(server.target, "--mirror", mirror.target, "--fault", "to-server drop every 2")
    _, first = opening()
    with connected(serving, first) as caller, server.accept() as far, mirror.accept() as mirrored:
        caller.sendall(FRAME * 20)
        caller.shutdown(socket.SHUT_WR)
        assert exactly(mirrored, len(first + FRAME * 20) + 1) == first + FRAME * 20
        assert len(exactly(far, len(first + FRAME * 20))) < len(first + FRAME * 20)


def test_a_mirror_does_not_wait_for_a_uuid_that_a_fault_holds_back(
    proxy: Proxy, servers: tuple[Server, Server]
) -> None:
    server, mirror = servers
    options = ("--mirror", mirror.target, "--record", "calls", "--fault", "to-server latency 500ms", "--json")
    serving = proxy(server.target, *options)
    call, first = opening()
    with connected(serving, first) as caller, server.accept() as far, mirror.accept() as mirrored:
        assert exactly(mirrored, len(first)) == first
        caller.sendall(FRAME * 20)
        caller.shutdown(socket.SHUT_WR)
        assert exactly(mirrored, len(FRAME * 20) + 1) == FRAME * 20
        assert exactly(far, len(first + FRAME * 20) + 1) == first + FRAME * 20
    found = mirror_of(serving, call)
    assert (found["outcome"], found["bytes"]) == ("unknown", len(first + FRAME * 20))
    assert found["files"] == [f"{call}.mirror.wav"]


def test_a_mirror_that_does_not_read_lets_a_stopped_proxy_end_in_time(
    proxy: Proxy, servers: tuple[Server, Server]
) -> None:
    server, mirror = servers
    serving = proxy(server.target, "--mirror", mirror.target, "--capture", "captures", "--json")
    call, first = opening()
    with connected(serving, first + FRAME), server.accept() as far, mirror.accept():
        exactly(far, len(first + FRAME))
        begun_s = time.monotonic()
        serving.process.terminate()
        found = mirror_of(serving, call)
        assert time.monotonic() - begun_s < 20  # 0.8 s for all, and 0.8 s more for the mirror; it would never end
    assert (found["outcome"], found["reason"]) == ("unknown", "the proxy ended the call: proxy stopped")


def test_what_fails_of_the_files_of_a_mirror_says_so() -> None:
    told: list[Event] = []
    report = FailuresOnly(told.append)
    report(CaptureFailed("peer", "No space left on device"))
    assert [event.sentence() for event in told] == ["capture of peer failed: No space left on device (of the mirror)"]
