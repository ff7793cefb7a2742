"""Servers of another make, each a few lines, on a port of this machine: how real bots answer, and how they fail."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

SILENCE = b"\x10\x01\x40" + bytes(320)
SPEECH = b"\x10\x01\x40" + (8000 * np.sin(np.arange(160) * 0.3)).astype("<i2").tobytes()
HANGUP = b"\x00\x00\x00"


class Closed(Exception):  # noqa: N818 - what it does, and no error
    """The bot closes the connection."""


@dataclass
class Heard:
    """What a bot has heard of a call so far; times are seconds since the connection, by the bot's own clock."""

    now_s: float = 0.0
    digits: list[tuple[float, str]] = field(default_factory=list)
    audio_frames: int = 0
    spoken_s: float | None = None
    """When the caller's last speech came."""

    @property
    def digit_s(self) -> float | None:
        """When the first digit came."""
        return self.digits[0][0] if self.digits else None


Script = Callable[[Heard], bytes | None]
"""Asked every 20 ms for what to send; None: nothing. Raises `Closed` to end the call, with bytes to send first."""


@contextlib.contextmanager
def bot(script: Script, *, reset: bool = False) -> Iterator[str]:
    """Answer calls as a script says, on the port that is returned as a target; `reset` is how it closes."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                threads.append(threading.Thread(target=_serve, args=(peer, script, reset), daemon=True))
                threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in [accepting, *threads]:
            thread.join(10)


def _serve(peer: socket.socket, script: Script, reset: bool) -> None:
    with peer, contextlib.suppress(ConnectionError, BrokenPipeError):
        try:
            _talk(peer, script)
        except Closed as closed:
            if closed.args:
                peer.sendall(closed.args[0])
            if reset:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            peer.shutdown(socket.SHUT_WR)
            peer.settimeout(5)
            while peer.recv(65536):
                pass


def _talk(peer: socket.socket, script: Script) -> None:
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    heard, buffer = Heard(), b""
    begun_s = next_s = time.monotonic()
    while True:
        peer.settimeout(max(0.001, next_s - time.monotonic()))
        with contextlib.suppress(TimeoutError):
            data = peer.recv(65536)
            if not data:
                return
            buffer += data
        heard.now_s = time.monotonic() - begun_s
        while len(buffer) >= 3 and len(buffer) >= (size := 3 + int.from_bytes(buffer[1:3], "big")):
            _hear(heard, buffer[0], buffer[3:size])
            buffer = buffer[size:]
        if time.monotonic() >= next_s:
            next_s += 0.02
            said = script(heard)
            if said:
                peer.sendall(said)


def _hear(heard: Heard, kind: int, payload: bytes) -> None:
    if kind == 3:
        heard.digits.append((heard.now_s, payload.decode()))
    elif kind >= 0x10:
        heard.audio_frames += 1
        if np.abs(np.frombuffer(payload[: len(payload) // 2 * 2], "<i2").astype(int)).max(initial=0) > 1000:
            heard.spoken_s = heard.now_s
