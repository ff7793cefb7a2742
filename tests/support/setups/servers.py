"""Small servers that each have one fault, as a program: `python servers.py FAULT [HOST PORT]`.

All greet as they should, except for their fault: they speak first, send a frame of a quiet tone each 20 ms on the clock
and read what comes. `FAULTS` says what each does instead.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

import numpy as np

from audiosocket_cli.audio.pcm import Samples
from support.setups.phone import to_ulaw

FRAME_S = 0.02


def tone(rate_hz: int, first: int, count: int, peak: int = 6000) -> Samples:
    """Return `count` samples of a sound with overtones that moves as speech does, from sample `first` on."""
    times = (first + np.arange(count)) / rate_hz
    louder = 0.6 + 0.4 * np.sin(2 * np.pi * 3 * times)
    waves = sum(np.sin(2 * np.pi * 220 * n * times) / n for n in (1, 2, 3, 5))
    return (peak / 2 * louder * waves).astype("<i2")


def frame(payload: bytes, kind: int = 0x10) -> bytes:
    return struct.pack(">BH", kind, len(payload)) + payload


def sound(n: int) -> bytes:
    """Return frame `n` of what a healthy server says."""
    return frame(tone(8000, 160 * n, 160).tobytes())


class Over(Exception):  # noqa: N818
    """The call has ended."""


class Connection:
    """One call: it has been read up to its UUID."""

    def __init__(self, accepted: socket.socket) -> None:
        self.socket = accepted
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began_s = 0.0

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise Over
            data += part
        return data

    def read_frame(self) -> tuple[int, bytes]:
        kind, size = struct.unpack(">BH", self.read(3))
        return kind, self.read(size)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def drain(self) -> None:
        """Read what comes, beside what is sent."""

        def read() -> None:
            with contextlib.suppress(OSError):
                while self.socket.recv(65536):
                    pass
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)

        threading.Thread(target=read, daemon=True).start()

    def ticks(self, first: int = 0) -> Callable[[], int]:
        """Return a function that waits for the next frame's time, and returns the frame's number."""
        began = time.monotonic() - first * FRAME_S
        number = first

        def wait() -> int:
            nonlocal number
            time.sleep(max(0.0, began + number * FRAME_S - time.monotonic()))
            number += 1
            return number - 1

        return wait


def speak(call: Connection, make: Callable[[int], bytes], frames: int = 10**9) -> None:
    """Send a frame each 20 ms."""
    wait = call.ticks()
    for _ in range(frames):
        call.send(make(wait()))


def healthy(call: Connection) -> None:
    call.drain()
    speak(call, sound)


def waits(call: Connection) -> None:
    """Says nothing before the caller's first frame; then answers each with one."""
    for n in range(10**9):
        while call.read_frame()[0] != 0x10:
            pass
        call.send(sound(n))


def silent(call: Connection) -> None:
    """Reads, and never sends anything."""
    while True:
        call.read_frame()


def bursts(call: Connection) -> None:
    """Sends each sentence of 3 s at once, as text-to-speech returns it."""
    call.drain()
    wait = call.ticks()
    while True:
        n = wait()
        if n % 200 == 25:
            call.send(b"".join(sound(n + i) for i in range(150)))
        elif not 25 < n % 200 < 175:
            call.send(frame(bytes(320)))


def splits(call: Connection, at: int, gap_s: float) -> None:
    call.drain()

    def parted(n: int) -> bytes:
        whole = sound(n)
        if n < 50:
            return whole
        call.send(whole[:at])
        time.sleep(gap_s)
        return whole[at:]

    speak(call, parted)


def splits_frames(call: Connection) -> None:
    """Sends each header 12 ms before its payload, from the second second on."""
    splits(call, 3, 0.012)


def splits_headers(call: Connection) -> None:
    """Sends the first byte of each header 12 ms before the rest, which 22.9 and later take."""
    splits(call, 1, 0.012)


def once(call: Connection, data: bytes, after: int = 50) -> None:
    """Speak, and send something else after a second."""
    call.drain()
    speak(call, lambda n: data if n == after else sound(n))


def sends_digits(call: Connection) -> None:
    """Sends a digit, to type for the caller."""
    once(call, frame(b"5", 0x03))


def sends_unknown(call: Connection) -> None:
    """Sends a kind of its own, with JSON in it."""
    once(call, frame(b'{"event":"mark"}', 0x20))


def sends_empty(call: Connection) -> None:
    """Sends an audio frame without audio where its sentence ends."""
    once(call, frame(b""))


def sends_long(call: Connection) -> None:
    """Sends a whole sentence as one frame: 65,534 bytes, 4 s."""
    call.drain()
    wait = call.ticks()
    while True:
        n = wait()
        if n % 250 == 50:
            call.send(frame(tone(8000, 0, 32767).tobytes()))
        elif not 50 < n % 250 < 255:
            call.send(frame(bytes(320)))


def closes_unread(call: Connection) -> None:
    """Says its sentence, reads nothing of what the caller says, and closes after 2 s."""
    speak(call, sound, 100)


def stalls(call: Connection) -> None:
    """Reads for a second, and then never again, but goes on to speak."""
    call.socket.settimeout(None)
    end = time.monotonic() + 1

    def read() -> None:
        with contextlib.suppress(OSError, Over):
            while time.monotonic() < end:
                call.read_frame()

    threading.Thread(target=read, daemon=True).start()
    speak(call, sound)


def dies_in_frame(call: Connection) -> None:
    """Ends as a killed process does, in the middle of a frame."""
    call.drain()
    speak(call, sound, 100)
    call.send(sound(100)[:100])
    call.socket.shutdown(socket.SHUT_RDWR)  # a close alone would wait for the thread that reads


def slin16_as_slin(call: Connection) -> None:
    """Sends what its text-to-speech made at 16 kHz as if it had 8 kHz: twice as many bytes each 20 ms."""
    call.drain()
    speak(call, lambda n: frame(tone(16000, 320 * n, 320).tobytes()))


def ulaw(call: Connection) -> None:
    """Sends µ-law, 160 bytes each 20 ms, as slin."""
    call.drain()
    speak(call, lambda n: frame(to_ulaw(tone(8000, 160 * n, 160))))


def big_endian(call: Connection) -> None:
    """Sends samples with their high byte first."""
    call.drain()
    speak(call, lambda n: frame(tone(8000, 160 * n, 160).astype(">i2").tobytes()))


def clips(call: Connection) -> None:
    """Sends sound that is 20 times too loud, cut at the limits."""
    call.drain()

    def loud(n: int) -> bytes:
        samples = np.clip(tone(8000, 160 * n, 160).astype(np.float64) * 20, -32768, 32767)
        return frame(samples.astype("<i2").tobytes())

    speak(call, loud)


def too_slow(call: Connection) -> None:
    """Sleeps 20 ms after each frame, and 5 ms of work."""
    call.drain()
    for n in range(10**9):
        call.send(sound(n))
        time.sleep(FRAME_S + 0.005)


FAULTS: dict[str, Callable[[Connection], None]] = {
    each.__name__.replace("_", "-"): each
    for each in (
        healthy, waits, silent, bursts, splits_frames, splits_headers, sends_digits, sends_unknown, sends_empty,
        sends_long, closes_unread, stalls, dies_in_frame, slin16_as_slin, ulaw, big_endian, clips, too_slow,
    )
}  # fmt: skip


def answer(accepted: socket.socket, fault: Callable[[Connection], None]) -> None:
    with accepted, contextlib.suppress(OSError, Over):
        call = Connection(accepted)
        if call.read_frame()[0] == 0x01:
            fault(call)


def serve(fault: str, host: str, port: int) -> None:
    """Answer calls until the process is ended."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        print("listening", flush=True)
        while True:
            accepted, _ = listener.accept()
            threading.Thread(target=answer, args=(accepted, FAULTS[fault]), daemon=True).start()


def name_server(knows: str) -> None:
    """Answer all questions with "there is no such name" (`unknown`), or none of them (`silent`)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.bind(("127.0.0.1", 53))
        print("listening", flush=True)
        while True:
            question, peer = asked.recvfrom(4096)
            if knows == "unknown":  # the question again, as an answer with RCODE 3
                asked.sendto(question[:2] + b"\x81\x83" + question[4:6] + bytes(6) + question[12:], peer)


if __name__ == "__main__":
    if sys.argv[1] == "name-server":
        name_server(sys.argv[2])
    else:
        serve(sys.argv[1], *(sys.argv[2:3] or ["127.0.0.1"]), *map(int, sys.argv[3:4] or [9092]))
