"""`audiosocket proxy` between real sockets: a caller and servers that are the test's own, or `serve` and `play`."""

from __future__ import annotations

import contextlib
import json
import re
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiosocket_cli.asterisk.rules import PROXY_V2_SIGNATURE
from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.codec import Frame, Kind, encode
from support.far_end import Server, exactly, is_reset, send_for, through
from support.peers import FRAME, connected, free_port, get, in_time, opening, read_to_end, reset
from support.running import Serve, Serving, run, wait_until

HANGUP = encode(Frame(Kind.HANGUP))


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.listener.close()


Proxy = Callable[..., Serving]


@pytest.fixture
def proxy(answer: Callable[..., Serving]) -> Proxy:
    def start(*args: str | Path, **more: Any) -> Serving:
        return answer("proxy", *args, **more)

    return start


# Bytes and ends.


def test_bytes_pass_both_ways_as_they_are(proxy: Proxy, server: Server) -> None:
    serving = proxy(server.target)
    _, first = opening()
    random = np.random.default_rng(1)
    up, down = first + random.bytes(200_000), random.bytes(300_000)
    with through(serving, server, up[:1000]) as (caller, far):
        for start in range(1000, len(up), 7777):
            caller.sendall(up[start : start + 7777])
        for start in range(0, len(down), 9999):
            far.sendall(down[start : start + 9999])
        assert exactly(far, len(up)) == up
        assert exactly(caller, len(down)) == down
    assert serving.end()[0] == 130


@pytest.mark.parametrize("side", ["caller", "server"])
def test_a_half_close_passes_and_later_data_arrives(proxy: Proxy, server: Server, side: str) -> None:
    serving = proxy(server.target)
    call, first = opening()
    with through(serving, server, first) as ends:
        first_to_end, other = ends if side == "caller" else ends[::-1]
        exactly(ends[1], len(first))
        first_to_end.sendall(FRAME)
        first_to_end.shutdown(socket.SHUT_WR)
        assert exactly(other, len(FRAME)) == FRAME
        assert other.recv(1) == b""
        time.sleep(0.3)
        other.sendall(FRAME)
        assert exactly(first_to_end, len(FRAME)) == FRAME
        other.shutdown(socket.SHUT_WR)
        assert first_to_end.recv(1) == b""
    assert f"ended by {side} (closed" in serving.wait_for(f"{call} ended")


@pytest.mark.parametrize("side", ["caller", "server"])
def test_a_reset_passes_and_what_came_before_arrives(proxy: Proxy, server: Server, side: str) -> None:
    serving = proxy(server.target, "--capture", "captures")
    call, first = opening()
    with through(serving, server, first) as ends:
        resetting, other = ends if side == "caller" else ends[::-1]
        exactly(ends[1], len(first))
        resetting.sendall(FRAME * 20)
        time.sleep(0.2)
        reset(resetting)
        assert exactly(other, 20 * len(FRAME)) == FRAME * 20
        assert is_reset(other)
    assert f"ended by {side} (reset" in serving.wait_for(f"{call} ended")


@pytest.mark.parametrize("side", ["caller", "server"])
def test_closing_with_unread_input_is_a_reset_to_the_other_side(proxy: Proxy, server: Server, side: str) -> None:
    serving = proxy(server.target)
    _, first = opening()
    with through(serving, server, first) as ends:
        closing, other = ends if side == "caller" else ends[::-1]
        other.sendall(FRAME)
        assert select.select([closing], [], [], 20)[0]
        closing.close()
        assert is_reset(other)


def test_a_closed_server_resets_a_caller_who_goes_on(proxy: Proxy, server: Server) -> None:
    serving = proxy(server.target)
    _, first = opening()
    with through(serving, server, first) as (caller, far):
        exactly(far, len(first))
        far.close()
        assert caller.recv(1) == b""
        with pytest.raises(ConnectionError):
            send_for(5, caller)
    assert serving.wait_for("ended by server")


def test_a_side_that_does_not_read_stops_the_other_and_memory_does_not_grow(proxy: Proxy, server: Server) -> None:
    serving = proxy(server.target, "--json")
    call, first = opening()
    with through(serving, server, first) as (caller, far):
        exactly(far, len(first))
        caller.setblocking(False)
        sent, until_s = 0, time.monotonic() + 20
        block = FRAME * 200
        while time.monotonic() < until_s:  # until nothing has been taken for a second
            if not select.select([], [caller], [], 1.0)[1]:
                break
            with contextlib.suppress(BlockingIOError):
                sent += caller.send(block[sent % len(FRAME) :])
        status = Path(f"/proc/{serving.process.pid}/status").read_text()
        assert int(re.search(r"VmRSS:\s+(\d+)", status)[1]) < 150_000  # type: ignore[index]
        caller.settimeout(10)
        caller.shutdown(socket.SHUT_WR)
        assert len(exactly(far, sent)) == sent
        far.close()
    relay = serving.wait_for_end(call)["relay"]
    assert relay["caller"]["bytes"] == sent + len(first)
    assert relay["caller"]["stalls"] >= 1
    assert relay["caller"]["stalled_ms"] > 500


def test_a_flood_from_either_side_delays_no_other_call(proxy: Proxy, server: Server) -> None:
    serving = proxy(server.target)
    (_, first), (_, second) = opening(1), opening(2)
    with through(serving, server, first) as (flooder, flooded), through(serving, server, second) as (caller, far):
        for peer in (flooder, flooded):
            peer.setblocking(False)
        exactly(far, len(second))
        flood, took_s, until_s = FRAME * 50, [], time.monotonic() + 2
        while time.monotonic() < until_s:
            for peer in (flooder, flooded):
                with contextlib.suppress(BlockingIOError):
                    peer.send(flood)
                with contextlib.suppress(BlockingIOError):
                    peer.recv(1 << 20)
            begun_s = time.monotonic()
            caller.sendall(FRAME)
            assert exactly(far, len(FRAME)) == FRAME
            took_s.append(time.monotonic() - begun_s)
        # A promise about time: half of the frames, and none far too late, whatever the machine does besides.
        assert np.median(took_s) < 0.2
        assert max(took_s) < 5
    assert serving.end()[0] == 130


# Which server.


def test_a_caller_is_reset_with_its_uuid_unread_when_the_server_is_gone_and_the_port_is_then_closed(
    proxy: Proxy, server: Server
) -> None:
    serving = proxy(server.target)
    server.stop()
    _, first = opening()
    with connected(serving, first) as caller:
        assert is_reset(caller)
    assert "reset, because cannot connect to" in serving.wait_for("no call from")
    wait_until(lambda: is_closed(serving.port), "the port stays open")
    server.again()
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s:
        with contextlib.suppress(ConnectionRefusedError), through(serving, server, first) as (caller, far):
            assert exactly(far, len(first)) == first
            break
        time.sleep(0.1)
    code, _, err = serving.end()
    assert code == 130
    assert "it gets no calls until it answers" in err
    assert "no server is up: the port is closed until one is" in err
    assert "answers again, after" in err


def is_closed(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) != 0


def test_a_server_that_is_down_at_the_start_leaves_the_port_closed(proxy: Proxy) -> None:
    serving = proxy(f"127.0.0.1:{free_port()}")
    assert is_closed(serving.port)
    assert serving.end()[0] == 130


def test_the_next_server_is_tried_when_the_first_is_down(proxy: Proxy, server: Server) -> None:
    gone = Server()
    serving = proxy(gone.target, "--target", server.target)
    gone.stop()
    call, first = opening()
    with through(serving, server, first) as (_, far):
        assert exactly(far, len(first)) == first
    assert f"server {server.target}" in serving.wait_for(f"{call} ended")
    assert serving.end()[0] == 130


@pytest.mark.parametrize(
    ("balance", "shares"), [("first", (4, 0)), ("round-robin", (2, 2)), ("least", (2, 2))], ids=lambda value: str(value)
)
def test_calls_are_balanced(proxy: Proxy, server: Server, balance: str, shares: tuple[int, int]) -> None:
    other = Server()
    for each in (server, other):
        each.answer_all()
    serving = proxy(server.target, "--target", other.target, "--balance", balance, "--json")
    with contextlib.ExitStack() as stack:
        calls = []
        for number in range(4):
            call, first = opening(number + 1)
            stack.enter_context(connected(serving, first))
            serving.wait_for('"event": "call"')
            calls.append(call)
    got = [json.loads(serving.wait_for('"event": "ended"'))["call"]["relay"]["target"] for _ in calls]
    assert (got.count(server.target), got.count(other.target)) == shares
    other.listener.close()


def test_least_sends_a_call_where_fewest_are(proxy: Proxy, server: Server) -> None:
    other = Server()
    for each in (server, other):
        each.answer_all()
    serving = proxy(server.target, "--target", other.target, "--balance", "least", "--json")
    (_, first), (_, second), (third_call, third) = (opening(number) for number in (1, 2, 3))
    with connected(serving, first):
        serving.wait_for('"event": "call"')
        with connected(serving, second):
            serving.wait_for('"event": "call"')
        gone = json.loads(serving.wait_for('"event": "ended"'))["call"]["relay"]["target"]
        with connected(serving, third):
            serving.wait_for('"event": "call"')
        assert serving.wait_for_end(third_call)["relay"]["target"] == gone
    other.listener.close()


def test_a_proxy_of_itself_is_told_in_one_line() -> None:
    port = free_port()
    done = run("proxy", f"localhost:{port}", "--listen", f":{port}")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"audiosocket: error: a proxy of itself: localhost:{port} is where this proxy listens; name another server"
    ]


# PROXY protocol.


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_server_is_told_who_calls(proxy: Proxy, serve: Serve, version: str) -> None:
    behind = serve("--proxy-protocol")
    serving = proxy(behind.target, "--send-proxy", version)
    call, first = opening()
    with connected(serving, first) as caller:
        host, port = caller.getsockname()
        assert f"call {call} from {host}:{port}" in behind.wait_for(f"call {call}")


def test_a_header_is_taken_from_a_proxy_before_and_passed_on(proxy: Proxy, server: Server) -> None:
    serving = proxy(server.target, "--proxy-protocol", "--send-proxy", "v1")
    call, first = opening()
    header = b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 9092\r\n"
    with through(serving, server, header + first) as (_, far):
        assert exactly(far, len(header) + len(first)) == header + first
    assert "from 192.0.2.7:40000" in serving.wait_for(f"call {call}")


def test_the_header_of_version_2_comes_before_all_else(proxy: Proxy, server: Server) -> None:
    serving = proxy(server.target, "--send-proxy", "v2")
    _, first = opening()
    with through(serving, server, first) as (_, far):
        assert exactly(far, 28 + len(first))[:12] == PROXY_V2_SIGNATURE


# Taps.


def test_the_recording_of_the_proxy_is_that_of_the_server(
    proxy: Proxy, serve: Serve, tmp_path: Path, tone_file: Path
) -> None:
    voice = tmp_path / "voice.wav"
    soundfile.write(voice, tone(300, 8000, 2.0) // 2, 8000)
    behind = serve("--record", "far", "--layout", "stereo", "--play", tone_file, "--json")
    serving = proxy(behind.target, "--record", "near", "--capture", "captures", "--json")
    done = run("play", voice, serving.target)
    assert done.returncode == 0, done.stderr
    result = json.loads(serving.wait_for('"event": "ended"'))["call"]
    behind.wait_for_end(result["uuid"])
    near, far = (
        soundfile.read(tmp_path / side / f"{result['uuid']}.wav", dtype="int16")[0] for side in ("near", "far")
    )
    for channel, seconds in enumerate((2.0, 1.5)):
        heard, expected = near[:, channel], far[:, channel]
        begin, other = (int(np.flatnonzero(one)[0]) for one in (heard, expected))
        assert abs(begin - other) < 0.1 * 8000
        size = int(seconds * 8000) - 800
        np.testing.assert_array_equal(heard[begin : begin + size], expected[other : other + size])
    assert {side: result[side]["audio_s"] > 1.4 for side in ("caller", "server")} == {"caller": True, "server": True}
    assert result["relay"]["target"] == behind.target
    shown = run("dump", tmp_path / "captures" / f"{result['uuid']}.pcapng")
    assert shown.returncode == 0
    assert "server" in shown.stdout


def test_digits_in_the_audio_are_heard(proxy: Proxy, serve: Serve, tmp_path: Path) -> None:
    keys = tmp_path / "keys.wav"
    pause = np.zeros(1600, np.int16)
    tones = [tone(697, 8000, 0.1) // 2 + tone(high, 8000, 0.1) // 2 for high in (1209, 1336)]
    soundfile.write(keys, np.concatenate([pause, tones[0], pause, tones[1], pause]), 8000)
    behind = serve()
    serving = proxy(behind.target, "--detect-dtmf")
    assert run("play", keys, serving.target).returncode == 0
    assert "digits 12" in serving.wait_for(" ended by ")


def test_findings_of_both_sides_are_told_while_the_call_goes_on(proxy: Proxy, server: Server) -> None:
    serving = proxy(server.target)
    _, first = opening()
    ulaw = encode(Frame(Kind.SLIN, bytes(np.random.default_rng(2).integers(0x60, 0x7F, 160).astype(np.uint8))))
    with through(serving, server, first) as (caller, far):
        exactly(far, len(first))
        far.sendall(encode(Frame(Kind.DTMF, b"1")))
        assert "the server sent a frame of kind dtmf" in serving.wait_for("finding")
        for _ in in_time(150):
            caller.sendall(ulaw)
            far.sendall(FRAME)
        assert "labelled slin" in serving.wait_for("finding")
    assert "ended by" in serving.wait_for(" ended by ")


def test_figures_are_served_and_both_sides_count(proxy: Proxy, server: Server) -> None:
    port = free_port()
    serving = proxy(server.target, "--metrics", f"127.0.0.1:{port}")
    call, first = opening()
    with through(serving, server, first) as (caller, far):
        caller.sendall(FRAME * 3)
        far.sendall(FRAME * 2)
        exactly(caller, 2 * len(FRAME))
        assert exactly(far, len(first) + 3 * len(FRAME))
    serving.wait_for(f"{call} ended")
    until_s = time.monotonic() + 60
    wanted = 'audiosocket_frames_total{kind="slin",side="server"} 2.0'
    while wanted not in (text := get(port, "/metrics")[1]) and time.monotonic() < until_s:
        time.sleep(0.2)
    assert wanted in text
    assert 'audiosocket_frames_total{kind="slin",side="caller"} 3.0' in text
    assert "audiosocket_stalls_total 0.0" in text


# Limits and the end.


def test_more_calls_than_allowed_are_turned_away(proxy: Proxy, server: Server) -> None:
    serving = proxy(server.target, "--max-calls", "1")
    (_, first), (_, second) = opening(1), opening(2)
    with through(serving, server, first), connected(serving, second) as refused:
        assert read_to_end(refused) == [Frame(Kind.HANGUP)]
    assert "--max-calls 1 is reached" in serving.wait_for("refused")


def test_it_ends_after_so_many_calls(proxy: Proxy, server: Server) -> None:
    serving = proxy(server.target, "--calls", "1")
    _, first = opening()
    with through(serving, server, first):
        pass
    assert serving.end(0)[0] == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"])
def test_a_signal_hangs_up_on_both_sides_and_completes_files(
    proxy: Proxy, server: Server, tmp_path: Path, number: int, code: int
) -> None:
    serving = proxy(server.target, "--record", "calls")
    call, first = opening()
    with through(serving, server, first) as (caller, far):
        exactly(far, len(first))
        for _ in range(10):
            caller.sendall(FRAME)
            far.sendall(FRAME)
            time.sleep(0.02)
        assert exactly(far, 10 * len(FRAME)) == FRAME * 10
        serving.process.send_signal(number)
        assert read_to_end(caller)[-1] == Frame(Kind.HANGUP)
        assert read_to_end(far) == []
    returned, out, _ = serving.end(0)
    assert returned == code
    assert any("ended by server (hangup: proxy stopped)" in line for line in out)
    assert soundfile.info(tmp_path / "calls" / f"{call}.wav").channels == 2


def test_a_second_signal_ends_it_at_once(proxy: Proxy, server: Server) -> None:
    serving = proxy(server.target, "--drain", "60")
    _, first = opening()
    with through(serving, server, first) as (caller, far):
        exactly(far, len(first))
        serving.process.send_signal(signal.SIGTERM)
        serving.told_in("draining")  # two signals of a kind at once would be one
        time.sleep(0.5)
        assert serving.process.poll() is None
        begun_s = time.monotonic()
        serving.process.send_signal(signal.SIGTERM)
        assert serving.end(0)[0] == 143
        assert time.monotonic() - begun_s < 20  # it would go on for a minute
        caller.close()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--layout", "mix"], "--layout mix needs a recording"),
        (["--balance", "least"], "--balance least needs a second server"),
        (["--proxy-from", "10.0.0.0/8"], "add --proxy-protocol"),
        (["--shell"], "--shell needs something to run"),
    ],
    ids=["layout", "balance", "proxy-from", "shell"],
)
def test_options_that_mean_nothing_are_refused(options: list[str], says: str) -> None:
    done = run("proxy", "127.0.0.1:9", *options)
    assert done.returncode == 2
    assert says in done.stderr
