"""Callers with known sound: noise that the UUID determines, without a zero, so that all silence in a recording is the
server's."""

from __future__ import annotations

import random
import socket
import struct
import time
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import numpy.typing as npt

PTIME_S = 0.02
SAMPLES = 160
AUDIO = b"\x10\x01\x40"
FRAME_BYTES = len(AUDIO) + 2 * SAMPLES
HANGUP = b"\0\0\0"
KEYS = "0123456789*#ABCD"
RESET = struct.pack("ii", 1, 0)
TURNS = 4
"""Calls speak in so many turns within 20 ms."""

SAME_UUID_SHARE = 0.01
"""Of calls that come with the UUID of one that has ended."""

MAX_KEYS = 3
MAX_LATE_S = 0.2
"""Callers that are later do not say at once what was due: no PBX would."""

Samples = npt.NDArray[np.int16]


def noise(uuid: UUID, occurrence: int, frames: int) -> Samples:
    """Return the sound of the nth call with a UUID."""
    rng = np.random.default_rng([uuid.int % (1 << 64), uuid.int >> 64, occurrence])
    samples = rng.integers(-9000, 9000, frames * SAMPLES, dtype=np.int16)
    samples[samples == 0] = 1
    return samples


def framed(samples: Samples) -> bytes:
    """Return samples as frames."""
    table = np.empty((len(samples) // SAMPLES, FRAME_BYTES), np.uint8)
    table[:, : len(AUDIO)] = list(AUDIO)
    table[:, len(AUDIO) :] = samples.astype("<i2").view(np.uint8).reshape(-1, 2 * SAMPLES)
    return table.tobytes()


@dataclass(frozen=True)
class Plan:
    """A call to place."""

    uuid: UUID
    occurrence: int
    """How many calls with its UUID came before it."""
    frames: int
    keys: tuple[tuple[int, str], ...]
    """The frame before which each key is pressed, rising."""
    has_hangup: bool
    """Whether it says that it ends, or only closes."""


class Call:
    """A call under way, and then what its caller knows of it: it is asked every 20 ms to speak."""

    def __init__(self, plan: Plan, port: int) -> None:
        """Connect. Raises `OSError` where nobody listens."""
        self.plan = plan
        self.is_over = False
        self.is_cut = False
        """Whether the server ended it, as one that dies does."""
        self.over_s = 0.0
        self.sent_s = array("d")
        """When each frame was sent, by `time.monotonic`."""
        self.keys: list[str] = []
        self._speech = framed(noise(plan.uuid, plan.occurrence, plan.frames))
        self._has_parted = False
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.begun_s = time.monotonic()
        self._socket.sendall(b"\x01\x00\x10" + plan.uuid.bytes)
        self._socket.setblocking(False)

    def step(self) -> None:
        """Hear what there is, and say what is due."""
        self._hear()
        if self.is_over or self._has_parted:
            return
        number = len(self.sent_s)
        if number == self.plan.frames:
            self._part()
            return
        pressed = [key for at, key in self.plan.keys if at == number]
        data = b"".join(b"\x03\x00\x01" + key.encode() for key in pressed)
        if self._send(data + self._speech[number * FRAME_BYTES : (number + 1) * FRAME_BYTES]):
            self.sent_s.append(time.monotonic())
            self.keys += pressed

    def frames_before(self, at_s: float) -> int:
        """Return how many frames it had sent at a time."""
        return sum(sent_s <= at_s for sent_s in self.sent_s)

    @property
    def samples(self) -> Samples:
        """All that it said."""
        return noise(self.plan.uuid, self.plan.occurrence, self.plan.frames)[: len(self.sent_s) * SAMPLES]

    def _send(self, data: bytes) -> bool:
        try:
            if self._socket.send(data) == len(data):
                return True
        except OSError:
            pass
        self._end(is_cut=True)
        return False

    def _part(self) -> None:
        self._has_parted = True
        if not self.plan.has_hangup or self._send(HANGUP):
            self._socket.shutdown(socket.SHUT_WR)

    def _hear(self) -> None:
        try:
            while data := self._socket.recv(1 << 16):
                if data == HANGUP and self._has_parted:
                    continue
        except BlockingIOError:
            return
        except OSError:
            self._end(is_cut=True)
            return
        self._end(is_cut=not self._has_parted)

    def _end(self, *, is_cut: bool) -> None:
        if self.is_over:
            return
        self.is_over, self.is_cut, self.over_s = True, is_cut, time.monotonic()
        self._speech = b""
        self._socket.close()


class Callers:
    """All calls, in turns of 5 ms."""

    def __init__(self, total: int, at_once: int, seconds: tuple[float, float], seed: int) -> None:
        self.placed: list[Call] = []
        self.refused = 0
        """How often nobody listened."""
        self.worst_s = 0.0
        """The most that callers were late."""
        self.slips = 0
        """How often they were so late that they spoke on without what was due."""
        self._total = total
        self._at_once = at_once
        self._seconds = seconds
        self._random = random.Random(seed)
        self._live: list[list[Call]] = [[] for _ in range(TURNS)]
        self._uuids: Counter[UUID] = Counter()
        self._plan: Plan | None = None

    @property
    def are_done(self) -> bool:
        return len(self.placed) >= self._total and not any(self._live)

    def _next_plan(self) -> Plan:
        rng = self._random
        uuid = UUID(int=rng.getrandbits(128), version=4)
        ended = [call.plan.uuid for call in self.placed[: len(self.placed) // 2] if call.is_over]
        if ended and rng.random() < SAME_UUID_SHARE:
            uuid = rng.choice(ended)
            if any(call.plan.uuid == uuid for turn in self._live for call in turn):
                uuid = UUID(int=rng.getrandbits(128), version=4)
        frames = round(rng.uniform(*self._seconds) / PTIME_S)
        pressed = sorted((rng.randrange(frames), rng.choice(KEYS)) for _ in range(rng.choice((0, 0, 1, MAX_KEYS))))
        return Plan(uuid, self._uuids[uuid], frames, tuple(pressed), rng.random() < 0.7)

    def _place(self, port: int, turn: list[Call]) -> None:
        self._plan = self._plan or self._next_plan()
        try:
            call = Call(self._plan, port)
        except OSError:
            self.refused += 1
            return
        self._uuids[self._plan.uuid] += 1
        self._plan = None
        self.placed.append(call)
        turn.append(call)

    def speak(self, port: int, until: Callable[[], bool]) -> None:
        """Keep calls going until all have been placed and are over; `until` is asked each turn."""
        number, begun_s = 0, time.monotonic()
        while not self.are_done:
            asked_s = time.monotonic()
            if until():
                return
            begun_s += time.monotonic() - asked_s  # nobody spoke meanwhile
            due_s = begun_s + number * PTIME_S / TURNS
            late_s = time.monotonic() - due_s
            if late_s > MAX_LATE_S:
                begun_s += late_s
                self.slips += 1
            time.sleep(max(0.0, due_s - time.monotonic()))
            turn = self._live[number % TURNS]
            for call in turn:
                call.step()
            self.worst_s = max(self.worst_s, time.monotonic() - due_s)
            turn[:] = [call for call in turn if not call.is_over]
            if len(self.placed) < self._total and sum(map(len, self._live)) < self._at_once:
                self._place(port, turn)
            number += 1
