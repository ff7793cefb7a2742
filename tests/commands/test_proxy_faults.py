"""`audiosocket proxy --fault` between real sockets: each fault as the other end meets it, and as a capture shows it.

Times are bounded from below; what a busy machine may do to them from above is of no interest here.
"""

from __future__ import annotations

import itertools
import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from audiosocket_cli.codec import Frame, Kind, encode
from support.far_end import exactly, is_reset
from support.peers import FRAME, connected, opening, read_to_end, reset
from support.running import Serving, need, run

Proxy = Callable[..., Serving]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server of the test's."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(20)
        yield made


@pytest.fixture
def proxy(answer: Callable[..., Serving], listener: socket.socket) -> Proxy:
    """Start a proxy of that server with these faults, and take the connection with which it tries it."""

    def start(*faults: str, options: tuple[str, ...] = ()) -> Serving:
        words = [word for fault in faults for word in ("--fault", fault)]
        target = f"127.0.0.1:{listener.getsockname()[1]}"
        serving = answer("proxy", target, "--json", "--capture", "captures", *words, *options)
        listener.accept()[0].close()
        return serving

    return start


class Ends(NamedTuple):
    """A call through a proxy: the sockets of both sides, and its UUID."""

    caller: socket.socket
    server: socket.socket
    uuid: str
    first: bytes


@contextmanager
def a_call(serving: Serving, listener: socket.socket, number: int = 1) -> Iterator[Ends]:
    uuid, first = opening(number)
    with connected(serving, first) as caller:
        server, _ = listener.accept()
        server.settimeout(20)
        caller.settimeout(20)
        with server:
            yield Ends(caller, server, uuid, first)


class Packet(NamedTuple):
    """A packet of a capture that has data, or ends something."""

    at_s: float
    to_asterisk: bool
    length: int
    comments: list[str]


def packets(folder: Path, uuid: str, port: int) -> list[Packet]:
    """Return the packets of a call's capture, as tshark has them."""
    path = folder / "captures" / f"{uuid}.pcapng"
    fields = ("frame.time_epoch", "tcp.srcport", "tcp.len", "frame.comment")
    words = [word for field in fields for word in ("-e", field)]
    done = subprocess.run(
        [need("tshark"), "-r", path, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=|", *words],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = []
    for line in done.stdout.splitlines():
        at, source, length, comments = line.split("\t")
        said = [text for text in comments.split("|") if text.startswith("fault")]
        found.append(Packet(float(at), int(source) == port, int(length), said))
    return found


def applied(result: dict[str, Any]) -> dict[str, int]:
    faults = result["relay"]["faults"]["applied"]
    return {f"{fault['direction']} {fault['fault']}": fault["count"] for fault in faults}


def audio(number: int) -> bytes:
    return encode(Frame(Kind.SLIN, bytes([number]) * 320))


def test_latency_delays_both_ways_and_is_a_comment_on_each_packet(
    proxy: Proxy, listener: socket.socket, tmp_path: Path
) -> None:
    serving = proxy("to-server latency 200ms", "to-asterisk latency 400ms jitter 100ms")
    begun_s = time.monotonic()
    with a_call(serving, listener) as (caller, server, uuid, first):
        assert exactly(server, len(first)) == first
        assert time.monotonic() - begun_s >= 0.2
        sent_s = time.monotonic()
        server.sendall(FRAME)
        assert exactly(caller, len(FRAME)) == FRAME
        assert time.monotonic() - sent_s >= 0.3
    result = serving.wait_for_end(uuid)
    # A frame each way, and the two ends:
    assert applied(result) == {"to-server latency 200ms": 2, "to-asterisk latency 400ms jitter 100ms": 2}
    assert result["relay"]["faults"]["lost_bytes"] == {"to_server": 0, "to_asterisk": 0}
    told = [packet for packet in packets(tmp_path, uuid, serving.port) if packet.length]
    assert [(packet.to_asterisk, packet.length) for packet in told] == [(False, len(first)), (True, len(FRAME))]
    assert told[0].comments == ["fault to-server latency 200ms: held 200 ms"]
    (said,) = told[1].comments
    held = re.fullmatch(r"fault to-asterisk latency 400ms jitter 100ms: held (\d+) ms", said)
    assert held is not None
    assert 300 <= int(held[1]) <= 500


def test_slices_are_packets_of_their_own_and_take_their_time(
    proxy: Proxy, listener: socket.socket, tmp_path: Path
) -> None:
    serving = proxy("to-asterisk slice 100 every 50ms")
    with a_call(serving, listener) as (caller, server, uuid, first):
        exactly(server, len(first))
        sent_s = time.monotonic()
        server.sendall(FRAME)
        assert exactly(caller, len(FRAME)) == FRAME
        assert time.monotonic() - sent_s >= 0.15
    serving.wait_for_end(uuid)
    sliced = [packet for packet in packets(tmp_path, uuid, serving.port) if packet.to_asterisk and packet.length]
    assert [packet.length for packet in sliced] == [100, 100, 100, 23]
    assert sliced[-1].at_s - sliced[0].at_s >= 0.1
    assert [packet.comments[0].rpartition(": ")[2] for packet in sliced] == [
        "in 4 pieces", "piece 2 of 4", "piece 3 of 4", "piece 4 of 4",
    ]  # fmt: skip


def test_bandwidth_is_a_bound_on_bytes_a_second(proxy: Proxy, listener: socket.socket) -> None:
    serving = proxy("to-server bandwidth 20K")
    with a_call(serving, listener) as (caller, server, uuid, first):
        exactly(server, len(first))
        sent_s = time.monotonic()
        caller.sendall(FRAME * 60)
        assert exactly(server, 60 * len(FRAME)) == FRAME * 60
        assert time.monotonic() - sent_s >= 60 * len(FRAME) / 20_000 - 0.01
    assert serving.wait_for_end(uuid)["relay"]["faults"]["lost_bytes"] == {"to_server": 0}


def test_coalesced_frames_are_one_write(proxy: Proxy, listener: socket.socket, tmp_path: Path) -> None:
    serving = proxy("to-asterisk coalesce 300ms")
    with a_call(serving, listener) as (caller, server, uuid, first):
        exactly(server, len(first))
        for number in range(20):
            server.sendall(audio(number))
            time.sleep(0.03)
        assert exactly(caller, 20 * len(FRAME)) == b"".join(map(audio, range(20)))
    serving.wait_for_end(uuid)
    written = [packet for packet in packets(tmp_path, uuid, serving.port) if packet.to_asterisk and packet.length]
    assert sum(packet.length for packet in written) == 20 * len(FRAME)
    gaps = [later.at_s - packet.at_s for packet, later in itertools.pairwise(written)]
    assert len(written) <= 12  # of twenty; a long write is several packets of one moment
    assert all(gap < 0.001 or gap > 0.15 for gap in gaps)


def test_a_stall_holds_all_for_as_long_as_it_lasts(proxy: Proxy, listener: socket.socket) -> None:
    serving = proxy("to-server stall for 1s after frame 2")
    with a_call(serving, listener) as (caller, server, uuid, first):
        sent_s = time.monotonic()
        caller.sendall(audio(1) + audio(2))
        assert exactly(server, len(first) + len(FRAME)) == first + audio(1)
        caller.sendall(audio(3))
        assert exactly(server, 2 * len(FRAME)) == audio(2) + audio(3)
        assert time.monotonic() - sent_s >= 1.0
    assert applied(serving.wait_for_end(uuid))["to-server stall for 1s after frame 2"] >= 1


def test_frames_are_dropped_corrupted_and_of_a_wrong_kind(
    proxy: Proxy, listener: socket.socket, tmp_path: Path
) -> None:
    serving = proxy(
        "to-asterisk drop every 4", "to-asterisk corrupt frame 2", "to-asterisk kind slin16 frame 3",
        options=("--record", "calls"),
    )  # fmt: skip
    sent = [Frame(Kind.SLIN, bytes([number]) * 320) for number in range(1, 10)]
    with a_call(serving, listener) as (caller, server, uuid, first):
        exactly(server, len(first))
        for frame in sent:
            server.sendall(encode(frame))
            time.sleep(0.02)
        server.shutdown(socket.SHUT_WR)
        got = read_to_end(caller)
    assert [got[0], *got[3:]] == [sent[0], *sent[4:7], sent[8]]
    assert (got[1].kind, len(got[1].payload), got[1] != sent[1]) == (Kind.SLIN, 320, True)
    assert got[2] == Frame(Kind.SLIN16, sent[2].payload)
    result = serving.wait_for_end(uuid)
    assert list(applied(result).values()) == [2, 1, 1]
    assert result["relay"]["faults"]["lost_bytes"] == {"to_asterisk": 2 * len(FRAME)}
    assert result["relay"]["server"]["frames"] == 7
    said = [said for packet in packets(tmp_path, uuid, serving.port) for said in packet.comments]
    assert said == [
        "fault to-asterisk corrupt frame 2: at frame 2", "fault to-asterisk kind slin16 frame 3: at frame 3",
        "fault to-asterisk drop every 4: at frame 4", "fault to-asterisk drop every 4: at frame 8",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("direction", "resets"),
    [("to-server", (False, True)), ("to-asterisk", (True, False)), ("both", (True, True))],
)
def test_a_reset_is_of_the_side_that_it_is_about(
    proxy: Proxy, listener: socket.socket, tmp_path: Path, direction: str, resets: tuple[bool, bool]
) -> None:
    serving = proxy(f"{direction} reset after 500ms")
    begun_s = time.monotonic()
    with a_call(serving, listener) as (caller, server, uuid, first):
        exactly(server, len(first))
        assert (is_reset(caller), is_reset(server)) == resets
        assert time.monotonic() - begun_s >= 0.5
    result = serving.wait_for_end(uuid)
    label = f"fault {'to-server' if direction == 'both' else direction} reset after 500ms"
    assert (result["ended_by"], result["ended_how"], result["ended_reason"]) == ("server", "reset", label)
    assert set(applied(result).values()) == {1}
    assert label in [said for packet in packets(tmp_path, uuid, serving.port) for said in packet.comments]


def test_a_close_is_a_half_close_and_the_other_direction_goes_on(proxy: Proxy, listener: socket.socket) -> None:
    serving = proxy("to-server close after frame 3")
    with a_call(serving, listener) as (caller, server, uuid, first):
        caller.sendall(audio(1) + audio(2) + audio(3))
        assert exactly(server, 2000) == first + audio(1) + audio(2)
        server.sendall(FRAME)
        assert exactly(caller, len(FRAME)) == FRAME
    assert serving.wait_for_end(uuid)["ended_reason"] == "fault to-server close after frame 3"


def test_a_reset_of_a_side_passes_after_what_is_held(proxy: Proxy, listener: socket.socket) -> None:
    serving = proxy("latency 1s")
    with a_call(serving, listener) as (caller, server, uuid, first):
        exactly(server, len(first))
        server.sendall(FRAME * 20)
        time.sleep(0.5)
        reset(server)
        assert exactly(caller, 20 * len(FRAME)) == FRAME * 20
        assert is_reset(caller)
    assert serving.wait_for_end(uuid)["ended_how"] == "reset"


def test_a_flood_under_latency_takes_bounded_memory_and_arrives_whole(proxy: Proxy, listener: socket.socket) -> None:
    serving = proxy("to-server latency 500ms", "to-server stall after 200ms for 3s")
    block = FRAME * 200
    with a_call(serving, listener) as (caller, server, uuid, first):
        caller.settimeout(1.0)
        sent = 0
        try:
            while sent < 200_000_000:
                sent += caller.send(block[sent % len(block) :])
        except TimeoutError:
            pass
        status = Path(f"/proc/{serving.process.pid}/status").read_text()
        assert int(re.search(r"VmRSS:\s+(\d+)", status)[1]) < 150_000  # type: ignore[index]
        caller.settimeout(20)
        caller.shutdown(socket.SHUT_WR)
        received = exactly(server, len(first) + sent)
        assert len(received) == len(first) + sent
        assert received[len(first) :] == (block * (sent // len(block) + 1))[:sent]
        server.close()
    assert serving.wait_for_end(uuid)["relay"]["faults"]["lost_bytes"] == {"to_server": 0}


def which_calls(serving: Serving, listener: socket.socket, calls: int) -> list[bool]:
    """Return which of some calls got a fault."""
    hit = []
    for number in range(1, calls + 1):
        with a_call(serving, listener, number) as (_, server, uuid, first):
            exactly(server, len(first))
        hit.append("faults" in serving.wait_for_end(uuid)["relay"])
    return hit


def test_a_seed_gives_the_same_calls_the_same_faults_and_the_summary_counts_them(
    proxy: Proxy, listener: socket.socket
) -> None:
    first, same = (proxy("latency 5ms share 50%", options=("--seed", "4")) for _ in range(2))
    hit = which_calls(first, listener, 12)
    assert hit == which_calls(same, listener, 12)
    assert 0 < sum(hit) < 12
    _, _, err = first.end()
    assert f"faults put into {sum(hit)} call" in err


def test_a_file_of_faults_is_read_again_and_a_wrong_one_leaves_the_old(
    proxy: Proxy, listener: socket.socket, tmp_path: Path
) -> None:
    path = tmp_path / "faults"
    path.write_text("to-server drop frame 2\n")
    serving = proxy(options=("--faults", str(path)))

    def reload(content: str) -> str:
        """Write the file, have it read again, and return what is said of it."""
        assert serving.process.stderr is not None
        path.write_text(content)
        serving.process.send_signal(signal.SIGHUP)
        return serving.process.stderr.readline()

    def dropped(number: int) -> list[int]:
        """Return which of three frames do not arrive."""
        with a_call(serving, listener, number) as (caller, server, _, first):
            exactly(server, len(first))
            caller.sendall(audio(2) + audio(3) + audio(4))
            caller.shutdown(socket.SHUT_WR)
            return sorted({2, 3, 4} - {frame.payload[0] for frame in read_to_end(server)})

    assert dropped(1) == [2]
    said = reload("to-server drop frame 3  # another\nto-server drop frame 4")
    assert said.endswith(f"2 faults in {path}, for the calls that begin from now on\n")
    assert dropped(2) == [3, 4]
    said = reload("to-server drop frame two")
    assert "line 1: 'two' is not a count: write a whole number from 1 to 1000000000; the old faults stay" in said
    assert dropped(3) == [3, 4]


def test_the_log_says_which_faults_there_are_and_which_happened(
    answer: Callable[..., Serving], listener: socket.socket, tmp_path: Path
) -> None:
    target = f"127.0.0.1:{listener.getsockname()[1]}"
    serving = answer("proxy", target, "--fault", "to-server latency 20ms", "--seed", "9", "--log-file", "log")
    listener.accept()[0].close()
    with a_call(serving, listener) as (_, server, _, first):
        exactly(server, len(first))
    give_up_s = time.monotonic() + 20
    while " ended by " not in (log := (tmp_path / "log").read_text()) and time.monotonic() < give_up_s:
        time.sleep(0.02)
    assert "faults: to-server latency 20ms (--seed 9 repeats them)\n" in log
    assert re.search(r" ended by .*, fault to-server latency 20ms \d times?,", log)


def test_faults_can_be_set_in_the_environment() -> None:
    done = run("proxy", "127.0.0.1:9", AUDIOSOCKET_PROXY_FAULT="stall after 1s;latency soon")
    assert done.returncode == 2
    assert "'soon' is not a length of time" in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--fault", "latncy 1s"], 2, "'latncy' is not a fault: write latency, bandwidth"),
        (["--fault", "drop"], 2, "drop needs the number of a frame: write drop frame N or drop every N"),
        (["--seed", "3"], 2, "--seed does nothing without faults: add --fault SPEC or --faults FILE"),
        (["--faults", "no-such-file"], 5, "cannot read no-such-file: no such file or directory"),
    ],
    ids=["unknown", "incomplete", "seed", "file"],
)
def test_what_cannot_be_a_fault_is_refused_in_one_line(options: list[str], code: int, says: str) -> None:
    done = run("proxy", "127.0.0.1:9", *options)
    assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
    assert says in done.stderr


def test_json_of_a_call_without_faults_says_nothing_of_them(proxy: Proxy, listener: socket.socket) -> None:
    serving = proxy("latency 1s share 0%")
    with a_call(serving, listener) as (_, server, uuid, first):
        exactly(server, len(first))
    result = serving.wait_for_end(uuid)
    assert "faults" not in result["relay"]
    assert json.dumps(result["relay"])
