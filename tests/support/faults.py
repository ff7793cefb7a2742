"""What the tests of faults share: a caller who notices, and figures that `scripts/faults` shows."""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import sys
import threading
import time
import uuid
import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from audiosocket_cli.codec import Frame, Kind, encode, uuid_frame
from support.running import Serving, missing

Serve = Callable[..., Serving]

OFTEN = int(os.environ.pop("AUDIOSOCKET_FAULTS", "1"))  # or commands would warn of it
"""How many times as often as in the suite."""

BESIDE_OTHERS = OFTEN == 1
"""In the suite another test runs on the same cores, and what is timed is given more room."""

PTIME_S = 0.02
_RNG = np.random.default_rng(6)
SPEECH = _RNG.integers(-9000, 9000, 160 * 500).astype("<i2")
FRAMES = [encode(Frame(Kind.SLIN, SPEECH[start : start + 160].tobytes())) for start in range(0, len(SPEECH), 160)]


def show(text: str) -> None:
    """Say what was seen; `scripts/faults` does not hide it."""
    sys.stdout.write(f"{text}\n")


def dial(serving: Serving, number: int) -> socket.socket:
    peer = socket.create_connection(("127.0.0.1", serving.port), timeout=10)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.sendall(encode(uuid_frame(uuid.UUID(int=number))))
    return peer


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory_mb(pid: int) -> float:
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1000


def needs_proc() -> None:
    if not Path("/proc/self/fd").is_dir():
        missing("this system has no /proc")


def recorded(path: Path) -> np.ndarray:
    """The caller's samples in a file whose header tells the truth."""
    with wave.open(str(path)) as file:
        data = file.readframes(file.getnframes())
        channels = file.getnchannels()
        assert len(data) == 2 * channels * file.getnframes() == path.stat().st_size - 44
    return np.frombuffer(data, "<i2")[::channels]


@dataclass
class Neighbour:
    """A caller who does nothing wrong: it speaks, and times what is echoed."""

    serving: Serving
    gaps_ms: list[float] = field(default_factory=list)
    lost: int = 0

    @contextlib.contextmanager
    def calling(self) -> Iterator[None]:
        ends = threading.Event()
        thread = threading.Thread(target=self._call, args=(ends,))
        thread.start()
        try:
            yield
        finally:
            ends.set()
            thread.join(20)

    def _call(self, ends: threading.Event) -> None:
        with dial(self.serving, 0xFFFF) as peer:
            hearing = threading.Thread(target=self._hear, args=(peer,))
            hearing.start()
            begun_s, number = time.monotonic(), 0
            while not ends.is_set():
                peer.sendall(FRAMES[number % len(FRAMES)])
                number += 1
                time.sleep(max(0.0, begun_s + number * PTIME_S - time.monotonic()))
            time.sleep(0.2)
            peer.shutdown(socket.SHUT_WR)
            hearing.join(10)
        self.lost = number - len(self.gaps_ms) - 1

    def _hear(self, peer: socket.socket) -> None:
        before_s, waiting, size = math.nan, b"", len(FRAMES[0])
        while data := peer.recv(65536):
            waiting += data
            while len(waiting) >= size:
                frame, waiting = waiting[:size], waiting[size:]
                if frame[3:] == bytes(size - 3):
                    continue  # silence, from before we spoke
                now_s = time.monotonic()
                if not math.isnan(before_s):
                    self.gaps_ms.append((now_s - before_s) * 1000)
                before_s = now_s

    @property
    def p99_ms(self) -> float:
        return float(np.percentile(self.gaps_ms, 99))

    def __str__(self) -> str:
        return f"p99 {self.p99_ms:.1f} ms, at most {max(self.gaps_ms):.0f} ms"


@contextlib.contextmanager
def undisturbed(serving: Serving, what: str) -> Iterator[None]:
    """Do something to a server while a neighbour calls, who must not notice."""
    alone = Neighbour(serving)
    with alone.calling():
        time.sleep(2)
    beside = Neighbour(serving)
    with beside.calling():
        yield
    show(f"{what}: a neighbour's frames are {beside} apart; when alone {alone}")
    assert beside.lost <= 1
    assert beside.p99_ms < max(2 * alone.p99_ms, 200 if BESIDE_OTHERS else 60)  # 60 ms is a gap
    assert max(beside.gaps_ms) < max(2 * max(alone.gaps_ms), 1500 if BESIDE_OTHERS else 300)


def speak(peers: Sequence[Any], seconds: float, meanwhile: dict[float, Any] | None = None) -> None:
    """Send each peer the same speech in real time; at some seconds, do something else."""
    todo = sorted((meanwhile or {}).items())
    begun_s = time.monotonic()
    for number, frame in enumerate(FRAMES[: round(seconds / PTIME_S)]):
        while todo and todo[0][0] <= number * PTIME_S:
            todo.pop(0)[1]()
        for peer in peers:
            peer.sendall(frame)
        time.sleep(max(0.0, begun_s + (number + 1) * PTIME_S - time.monotonic()))
    for peer in peers:
        peer.close()


def ends(serving: Serving, calls: int) -> list[dict[str, Any]]:
    """Wait for calls to end, and return all events."""
    for _ in range(calls):
        serving.wait_for('"event": "ended"')
    return [json.loads(line) for line in serving.rest]


def failures(events: Sequence[dict[str, Any]]) -> dict[str, str]:
    """UUIDs of the calls whose recording is said to have failed, and why."""
    return {event["uuid"]: event["reason"] for event in events if event["event"] == "recording-failed"}


def recording(folder: Path, number: int) -> Path:
    return folder / f"{UUID(int=number)}.wav"


def heard_s(events: Sequence[dict[str, Any]], number: int) -> float:
    """Seconds that a call has heard of its caller, as it says at its end."""
    (ended,) = (event for event in events if event["event"] == "ended" and event["uuid"] == str(UUID(int=number)))
    seconds: float = ended["call"]["caller"]["audio_s"]
    return seconds


def said(path: Path) -> int:
    """How much of the speech a recording holds, in samples; all that it holds is right, or silence around it."""
    samples = recorded(path)
    sounds = np.flatnonzero(samples)
    if not len(sounds):
        return 0
    speech = samples[sounds[0] : sounds[-1] + 1]
    right = SPEECH[: len(speech)] == speech
    assert right.all(), f"{path}: the speech begins at {sounds[0]}, and is wrong from {np.argmin(right)} on"
    return len(speech)
