"""Peers that send every frame unlike the one before, or frames of a single sample: nobody beside them notices."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audiosocket_cli.codec import encode, uuid_frame
from support.faults import BESIDE_OTHERS, FRAMES, OFTEN, Neighbour, Serve, dial, ends, memory_mb, needs_proc, show
from support.running import COMMAND

FLOOD = """
import random, socket, struct, sys, time, uuid
port, mix, bytes_s, seconds, count = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), 10
rng, audio = random.Random(5), range(0x10, 0x19)
frame = lambda kind, payload=b"\\1\\2": struct.pack(">BH", kind, len(payload)) + payload
mixes = {
    "one sample": lambda n: frame(0x10),
    "two kinds": lambda n: frame(0x10 + n % 2),
    "ten kinds": lambda n: frame([*audio, 0x77][n % 10]),
    "two lengths": lambda n: frame(0x10, b"\\1\\2" * (1 + n % 2)),
    "an unknown kind": lambda n: frame(0x10 if n % 2 else 0x77),
    "digits": lambda n: frame(3, b"5"),
    "empty": lambda n: frame(0x10, b""),
    "uuids": lambda n: frame(1, uuid.uuid4().bytes),
    "random lengths": lambda n: frame(rng.choice(audio), b"\\1\\2" * rng.randrange(200)),
    "all kinds": lambda n: frame(rng.randrange(1, 256), b"\\1\\2" * rng.randrange(4)),
}
data = b"".join(map(mixes[mix], range(5000)))
peers = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
for peer in peers:
    peer.sendall(frame(1, uuid.uuid4().bytes))
    peer.setblocking(False)
at, owed, before_s, until_s = [0] * count, [0.0] * count, time.monotonic(), time.monotonic() + seconds
while time.monotonic() < until_s:
    now_s = time.monotonic()
    for number, peer in enumerate(peers):
        owed[number] = min(owed[number] + bytes_s * (now_s - before_s), bytes_s / 2)
        start = at[number] % len(data)
        try:
            sent = peer.send(data[start : start + int(owed[number])])
            at[number] += sent
            owed[number] -= sent
            peer.recv(1 << 16)
        except BlockingIOError:
            pass
    before_s = now_s
    time.sleep(0.01)
print(sum(at))
"""
"""Ten callers in a process of their own; they read what comes back."""

MIXES = (
    "one sample", "two kinds", "ten kinds", "two lengths", "an unknown kind", "digits", "empty", "uuids",
    "random lengths", "all kinds",
)  # fmt: skip
WAYS = {
    "heard": (),
    "recorded": ("--record", "calls"),
    "echoed": ("--echo",),
    "all at once": ("--echo", "--record", "calls", "--capture", "calls", "--detect-dtmf"),
    "one capture": ("--echo", "--capture", "calls.pcapng"),
    "a program": ("--record", "calls", "--exec", "cat"),
}
ORDINARY = 16_000
"""Bytes a second of an ordinary call of slin."""


@contextmanager
def flooded(port: int, mix: str, times: float, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", FLOOD, str(port), mix, str(ORDINARY * times), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as flood:
        try:
            yield flood
        finally:
            flood.kill()


def beside(serving: object, seconds: float = 3.0) -> Neighbour:
    neighbour = Neighbour(serving)  # type: ignore[arg-type]
    with neighbour.calling():
        time.sleep(seconds)
    return neighbour


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mix", MIXES if OFTEN > 1 else ("two kinds", "all kinds"))
def test_a_neighbour_of_mixed_frames_at_a_hundred_times_their_rate(serve: Serve, way: str, mix: str) -> None:
    needs_proc()
    options = WAYS[way]
    echoes = bool({"--echo", "--exec"} & set(options))
    serving = serve(*options, *(() if echoes else ("--silence", "full")))
    alone = beside(serving, 2) if echoes else heard_beside(serving.port, 2)
    before_mb = memory_mb(serving.process.pid)
    with flooded(serving.port, mix, 100, 6):
        time.sleep(1)
        neighbour = beside(serving) if echoes else heard_beside(serving.port, 3)
        most_mb = memory_mb(serving.process.pid)
    show(f"{mix}, {way}: a neighbour's frames are {neighbour} apart; when alone {alone}; {most_mb - before_mb:.1f} MB")
    assert neighbour.p99_ms < max(2 * alone.p99_ms, 400 if BESIDE_OTHERS else 60)
    assert most_mb - before_mb < 200
    assert serving.end()[0] == 128 + signal.SIGINT


def heard_beside(port: int, seconds: float) -> Neighbour:
    """A caller who hears silence all the time, and times it."""
    neighbour = Neighbour(None)  # type: ignore[arg-type]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.sendall(encode(uuid_frame(uuid.uuid4())))
        hearing = threading.Thread(target=_time_all, args=(peer, neighbour))
        hearing.start()
        begun_s = time.monotonic()
        for number in range(round(seconds / 0.02)):
            peer.sendall(FRAMES[number])
            time.sleep(max(0.0, begun_s + (number + 1) * 0.02 - time.monotonic()))
        peer.shutdown(socket.SHUT_WR)
        hearing.join(10)
    return neighbour


def _time_all(peer: socket.socket, neighbour: Neighbour) -> None:
    before_s = time.monotonic()
    while peer.recv(65536):
        now_s = time.monotonic()
        neighbour.gaps_ms.append((now_s - before_s) * 1000)
        before_s = now_s


@pytest.mark.parametrize("mix", MIXES if OFTEN > 1 else ("two kinds", "ten kinds"))
def test_mixed_frames_at_an_ordinary_rate_are_all_counted_and_a_new_caller_is_heard(serve: Serve, mix: str) -> None:
    serving = serve("--record", "calls", "--json")
    with flooded(serving.port, mix, 1, 3) as flood:
        assert flood.stdout is not None
        sent = int(flood.stdout.read())
        begun_s = time.monotonic()
        with dial(serving, 1) as peer:
            peer.sendall(FRAMES[0])
            peer.recv(10)
            waited_s = time.monotonic() - begun_s
    events = [event for event in ends(serving, 11) if event["event"] == "ended"]
    counted = sum(
        one["bytes"] + 3 * one["frames"] for event in events for one in event["call"]["caller"]["frames"].values()
    )
    cut = 10 * 500  # the last frame of each may be cut
    assert sent - cut <= counted - 323 <= sent
    show(f"{mix}: of 10 callers all {counted:,} bytes are counted; a new one hears something after {waited_s:.3f} s")
    assert waited_s < (8 if BESIDE_OTHERS else 0.1)
    assert serving.end()[0] == 128 + signal.SIGINT


@pytest.mark.parametrize("options", [(), WAYS["all at once"]], ids=["silence", "all at once"])
@pytest.mark.parametrize("mix", MIXES if OFTEN > 1 else ("two kinds",))
def test_a_signal_ends_a_flooded_server(serve: Serve, mix: str, options: tuple[str, ...]) -> None:
    serving = serve(*options)
    with flooded(serving.port, mix, 100, 30):
        time.sleep(2)
        begun_s = time.monotonic()
        code, _, err = serving.end()
        took_s = time.monotonic() - begun_s
    show(f"{mix}: SIGINT ends a flooded server after {took_s:.2f} s")
    assert (code, "internal error" in err) == (128 + signal.SIGINT, False)
    assert took_s < (20 if BESIDE_OTHERS else 2)  # the flood goes on for 30


PLACED: dict[str, Callable[[Path, int], list[str]]] = {
    "play": lambda tone, port: ["play", str(tone), f"127.0.0.1:{port}", "--loop", "1000"],
    "record": lambda tone, port: ["record", "out.wav", f"127.0.0.1:{port}"],
    "inject-dtmf": lambda tone, port: ["inject-dtmf", "1W2", f"127.0.0.1:{port}", "--wait", "60"],
    "bench": lambda tone, port: ["bench", f"127.0.0.1:{port}", "--calls", "3", "--duration", "60"],
    "replay": lambda tone, port: ["replay", "script.jsonl", f"127.0.0.1:{port}"],
}
SCRIPT = '{"silence_ms": 60000}\n'


@pytest.mark.parametrize("command", PLACED)
@pytest.mark.parametrize("mix", ["two kinds", "two lengths"])
def test_a_signal_ends_a_command_whose_server_floods_it(
    command: str, mix: str, tmp_path: Path, tone_file: Path
) -> None:
    (tmp_path / "script.jsonl").write_text(SCRIPT)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        ending = threading.Event()
        answering = threading.Thread(target=_answer_with_flood, args=(listener, mix, ending))
        answering.start()
        arguments = PLACED[command](tone_file, port)
        with subprocess.Popen(
            [*COMMAND, *arguments], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            try:
                time.sleep(4 if BESIDE_OTHERS else 3)
                assert process.poll() is None, process.stderr and process.stderr.read().decode()
                process.send_signal(signal.SIGINT)
                begun_s = time.monotonic()
                process.wait(45)
                took_s = time.monotonic() - begun_s
            finally:
                process.kill()
                ending.set()
                answering.join(10)
    show(f"{mix}: SIGINT ends {command} after {took_s:.2f} s while its server floods it")
    assert took_s < (30 if BESIDE_OTHERS else 2)  # each goes on for a minute


def _answer_with_flood(listener: socket.socket, mix: str, ending: threading.Event) -> None:
    source = FLOOD[FLOOD.index("rng, audio") : FLOOD.index("peers = ")]
    names: dict[str, object] = {"mix": mix}
    exec(f"import random, struct\n{source}", names)
    data = names["data"]
    assert isinstance(data, bytes)
    listener.settimeout(0.1)
    peers: list[socket.socket] = []
    while not ending.is_set():
        try:
            peers.append(listener.accept()[0])
            peers[-1].setblocking(False)
        except TimeoutError:
            pass
        for peer in list(peers):
            try:
                peer.send(data)
            except BlockingIOError:
                pass
            except OSError:
                peer.close()
                peers.remove(peer)
    for peer in peers:
        peer.close()
