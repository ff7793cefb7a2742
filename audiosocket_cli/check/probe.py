"""A caller who sends bytes exactly as a case cuts them, and reads all that comes back with the time of each read.

It reads whenever there is something, so that the server never waits for it, and keeps a bounded part of it: of a server
that sends without end it stops reading, as `flooded` says. Nothing here judges.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import struct
import time
from array import array
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from audiosocket_cli.asterisk.facts import FRAME_GAP_MS, PTIME_MS
from audiosocket_cli.call.wire import Link
from audiosocket_cli.check.evidence import Passed
from audiosocket_cli.codec import HEADER_BYTES, SAMPLE_BYTES, FrameDecoder, Kind, is_audio
from audiosocket_cli.model import How, Side

MAX_BYTES: Final = 4 << 20
"""The most that is kept of what one server sends on one connection."""

_MAX_FRAMES: Final = 50_000
_READ_BYTES: Final = 65536
_STALL_S: Final = 5.0
"""How long a server may leave us unread before we give up."""
_MAX_WATCH_S: Final = 0.2
"""How long the parts of one frame are waited for at its place: meanwhile nothing else runs."""
_PTIME_S: Final = PTIME_MS / 1000
_CATCH_UP_S: Final = 0.2
"""A schedule that lies further back than this begins anew."""


class HeardFrame(NamedTuple):
    """A frame from the server."""

    at_s: float
    """When its last byte was read, on the monotonic clock."""
    kind: int
    payload_bytes: int
    sound_bytes: int = 0
    """Of the payload, what is not digital silence."""


class Patience(NamedTuple):
    """How long Asterisk waits inside a frame. None: for ever."""

    header_s: float | None = None
    payload_s: float | None = FRAME_GAP_MS / 1000


class Cut(NamedTuple):
    """A frame that did not come whole in time."""

    at_s: float
    arrived_bytes: int
    """How many of its bytes were there."""


class Probe:
    """One connection of a case."""

    def __init__(self, link: Link, *, max_bytes: int = MAX_BYTES, patience: Patience | None = None) -> None:
        """Take a connected, non-blocking socket. With `patience`, frames in parts are looked at as Asterisk does."""
        connection = link.socket
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._max_bytes = max_bytes
        self._patience = patience
        self._decoder = FrameDecoder()
        self._changed = asyncio.Event()
        self._due_s = 0.0
        self._received_bytes = 0
        self.passed = Passed(time.monotonic(), link.ours or connection.getsockname(), link.theirs)
        self.frames: list[HeardFrame] = []
        self.audio = bytearray()
        """The samples of all audio frames, one after the other, without those that are digital silence: a server may
        put some between the parts of what it echoes, and what we say has none."""
        self.spoke = False
        """Whether any audio came, if only silence."""
        self.cuts: list[Cut] = []
        self.ended: How | None = None
        """How the server ended the connection: CLOSED or RESET."""
        self.ended_s = 0.0
        self.hung_up = False
        """Whether it sent a hangup frame."""
        self.flooded = False
        self.stalled = False
        """Whether it left us unread for too long."""
        self.lateness_s = 0.0
        """The most that a frame of ours was late."""
        self._reads = True
        asyncio.get_running_loop().add_reader(connection.fileno(), self._readable)

    @property
    def since_s(self) -> float:
        """Seconds since the connection."""
        return time.monotonic() - self.passed.connected_s

    @property
    def is_over(self) -> bool:
        """Whether the server ended the call, or can be talked to no more."""
        return self.ended is not None or self.stalled

    @property
    def unfinished(self) -> bytes:
        """The bytes of a frame that is not whole."""
        return self._decoder.buffered

    def how_it_ended(self) -> str:
        """Say how, and when, the server ended the call."""
        if self.ended is None:
            return f"left us unread for {_STALL_S:g} s" if self.stalled else "did not end the call"
        how = "reset the connection" if self.ended is How.RESET else "closed the connection"
        hangup = "sent a hangup frame and " if self.hung_up else ""
        return f"{hangup}{how} after {self.ended_s - self.passed.connected_s:.2f} s"

    async def send(self, *pieces: bytes, pause_s: float = 0.0) -> bool:
        """Send pieces, each with one `send`, with a pause after each but the last. False once the call is over."""
        for number, piece in enumerate(pieces):
            if number:
                await asyncio.sleep(pause_s)
            if not await self._send(piece):
                return False
        return True

    async def speak(self, frames: Iterable[bytes], ptime_s: float = _PTIME_S) -> None:
        """Send frames when they are due, going on with the schedule of those before."""
        now_s = time.monotonic()
        if now_s - self._due_s > _CATCH_UP_S:
            self._due_s = now_s
        for frame in frames:
            delay_s = self._due_s - time.monotonic()
            if delay_s > 0:
                await asyncio.sleep(delay_s)
            self.lateness_s = max(self.lateness_s, time.monotonic() - self._due_s)
            if not await self._send(frame):
                return
            self._due_s += ptime_s

    async def until(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until something holds, or the server has ended the call; returns whether it holds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not holds() and not self.is_over and not self.flooded:
                    self._changed.clear()
                    await self._changed.wait()
        return holds()

    async def until_ended(self, timeout_s: float) -> bool:
        """Wait for the server to end the call."""
        return await self.until(lambda: self.ended is not None, timeout_s)

    def stop_reading(self) -> None:
        """Leave what comes unread."""
        if self._reads:
            self._reads = False
            asyncio.get_running_loop().remove_reader(self._socket.fileno())

    def half_close(self) -> None:
        """Say that we send no more."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            self.passed.add(Side.CALLER, b"", How.CLOSED)

    def close(self) -> None:
        """Close as Asterisk does: a reset where something is unread. Safe to call twice."""
        if self._socket.fileno() >= 0:
            self.stop_reading()
            self.passed.add(Side.CALLER, b"", How.CLOSED)
            self._socket.close()

    def reset(self) -> None:
        """Reset the connection."""
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    async def leave(self) -> None:
        """Close so that no reset can come of it: half-close, and read on for a moment."""
        if self._socket.fileno() >= 0 and self.ended is None and self._reads:
            self.half_close()
            await self.until_ended(0.5)
        self.close()

    async def _send(self, data: bytes) -> bool:
        rest = memoryview(data)
        give_up_s = time.monotonic() + _STALL_S
        while rest and not self.is_over:
            try:
                taken = self._socket.send(rest)
            except BlockingIOError:
                self.stalled = time.monotonic() > give_up_s
                await asyncio.sleep(0.01)
                continue
            except OSError:
                self._take_rest()
                self._end(How.RESET)
                break
            self.passed.add(Side.CALLER, bytes(rest[:taken]))
            rest = rest[taken:]
        return not self.is_over

    def _readable(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._end(How.RESET)
            return
        if not data:
            self._end(How.CLOSED)
            return
        self._take(data)
        if self._patience is not None and self._decoder.inside_frame and len(data) < _READ_BYTES:
            self._watch(self._patience)
        self._changed.set()

    def _take(self, data: bytes) -> None:
        now_s = self.passed.add(Side.SERVER, data)
        for frame in self._decoder.feed(data):
            sound = _without_silence(frame.payload) if is_audio(frame.kind) else b""
            self.frames.append(HeardFrame(now_s, frame.kind, len(frame.payload), len(sound)))
            self.hung_up |= frame.kind == Kind.HANGUP
            self.spoke |= is_audio(frame.kind) and bool(frame.payload)
            self.audio += sound
        self._received_bytes += len(data)
        if self._received_bytes > self._max_bytes or len(self.frames) > _MAX_FRAMES:
            self.flooded = True
            self.stop_reading()

    def _take_rest(self) -> None:
        """Take what had come before the reset that sending found."""
        with contextlib.suppress(OSError):
            while not self.is_over and (data := self._socket.recv(_READ_BYTES)):
                self._take(data)

    def _watch(self, patience: Patience) -> None:
        """Wait on the spot for the rest of a frame, as long as Asterisk does for each part: the wait begins after our
        read, so that a late turn of ours accuses nobody."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        stop_s = time.monotonic() + _MAX_WATCH_S
        while self._decoder.inside_frame and not self.flooded:
            arrived = len(self._decoder.buffered)
            wait_s = patience.header_s if arrived < HEADER_BYTES else patience.payload_s
            if wait_s is None:
                return
            if not poll.poll(wait_s * 1000) or time.monotonic() > stop_s:
                self.cuts.append(Cut(time.monotonic(), arrived))
                return
            try:
                data = self._socket.recv(_READ_BYTES)
            except OSError:
                return  # the loop will find the same
            if not data:
                self._end(How.CLOSED)
                return
            self._take(data)

    def _end(self, how: How) -> None:
        if self.ended is None:
            self.ended = how
            self.ended_s = self.passed.add(Side.SERVER, b"", how)
            self.stop_reading()
        self._changed.set()


def _without_silence(payload: bytes) -> bytes:
    """Return the samples that are not 0, and half a one at the end."""
    if b"\0\0" not in payload:
        return payload
    if payload.count(0) == len(payload):
        return b""
    whole = len(payload) - len(payload) % SAMPLE_BYTES
    return array("h", filter(None, array("h", payload[:whole]))).tobytes() + payload[whole:]
