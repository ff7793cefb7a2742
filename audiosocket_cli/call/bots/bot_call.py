"""A call as code in Python sees it: `BotCall` for a bot's function; `LineCall` is what it shares with a caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.asterisk.facts import PTIME_MS
from audiosocket_cli.audio.pcm import to_slin
from audiosocket_cli.call.bots.ear import MAX_UNREAD_S, Audio
from audiosocket_cli.call.bots.line import CallOverError, Line
from audiosocket_cli.codec import SAMPLE_BYTES, kind_name
from audiosocket_cli.model import Ending

Speech = bytes | bytearray | memoryview | NDArray[np.int16]
"""What can be said: mono samples of 16 bits at the rate of the call, little-endian bytes or an array of shape (n,)."""


class LineCall:
    """One end of a call: what it says, what it hears, and how the call ends."""

    __slots__ = ("_line",)

    def __init__(self, line: Line) -> None:
        self._line = line

    def __repr__(self) -> str:
        state = "" if self.ended is None else f", ended by {self.ended.by}"
        return f"<{type(self).__name__} {self.uuid}, {self.peer}, {self.rate_hz} Hz{state}>"

    @property
    def uuid(self) -> UUID:
        """The UUID of the call."""
        return self._line.call.uuid

    @property
    def peer(self) -> str:
        """Who is at the other end, as `host:port`."""
        return self._line.call.peer

    @property
    def rate_hz(self) -> int:
        """The sample rate of all that is heard and said."""
        return self._line.rate_hz

    @property
    def kind(self) -> str:
        """The kind that the call began with, as `slin16`."""
        return kind_name(self._line.kind)

    @property
    def ended(self) -> Ending | None:
        """Who ended the call, how and why, once it is over: `by`, `how`, `reason`."""
        return self._line.ending

    # Hearing.

    def audio(self, *, ms: float | None = None, samples: int | None = None) -> AsyncIterator[bytes]:
        """Iterate over what the other side says, as it comes: pieces of 20 ms, of `ms` milliseconds, or of `samples`.

        All pieces are bytes of the same length, int16 little-endian; where the audio pauses they are silence. It ends
        with the call. When more than ten seconds wait to be read, the oldest audio is dropped, and counted.

        Raises `ValueError` for a length of no sample, or of more than ten seconds.
        """
        if ms is not None and samples is not None:
            raise ValueError("audio() takes ms or samples, not both")
        wanted = (PTIME_MS if ms is None else ms) * self.rate_hz / 1000 if samples is None else samples
        count = round(wanted) if 0 < wanted <= MAX_UNREAD_S * self.rate_hz else 0
        if not count or (samples is not None and count != samples):
            what = f"ms={ms:g}" if samples is None else f"samples={samples}"
            raise ValueError(f"audio({what}) is not a length: take from one sample to {MAX_UNREAD_S:g} s")
        return Audio(self._line.ear, count * SAMPLE_BYTES)

    def skip(self) -> float:
        """Drop what was heard and has not been read yet; returns how many seconds that was."""
        return self._line.ear.skip()

    # Saying.

    async def say(self, audio: Speech) -> None:
        """Queue samples, to be said after what is queued already; waits while more than ten seconds are queued.

        Raises `CallOverError` when the call is over, which a bot need not catch, and `TypeError` for what is neither
        bytes nor an array of int16.
        """
        if type(audio) is not bytes:
            audio = _bytes_of(audio)
        if not audio:  # who says nothing in a loop would have the event loop for itself
            await asyncio.sleep(0)
        try:
            while not self._line.say_now(audio):
                await self._line.wait_to_say()
        except CallOverError:  # and so would who catches this in one
            await asyncio.sleep(0)
            raise

    async def play(self, path: str | Path) -> None:
        """Queue a sound file of any rate and format, to be said after what is queued already.

        Raises `FileError` when it cannot be played, and `CallOverError`.
        """
        if self._line.is_over:
            await asyncio.sleep(0)
        await self._line.play(Path(path))

    async def flush(self) -> float:
        """Drop all that has not been said yet, as when the other side interrupts; returns how many seconds that was."""
        if self._line.is_over:
            await asyncio.sleep(0)
        return self._line.flush()

    def mark(self) -> asyncio.Future[bool]:
        """Mark the end of what is queued now. Await the mark, now or later: it is True once the other side has heard
        everything before it, or False once some of that was dropped."""
        return self._line.mark()

    async def said(self) -> bool:
        """Wait until all that is queued has been said; False if some of it was dropped, or the call has ended."""
        return await self._line.mark()

    # Ending.

    async def over(self) -> Ending:
        """Wait until the call is over; returns who ended it, how and why."""
        return await self._line.over()


class BotCall(LineCall):
    """A call that a bot's function answers."""

    __slots__ = ()

    @property
    def variables(self) -> Mapping[str, str]:
        """What is known of the caller beside the UUID: names and values."""
        return self._line.call.variables

    async def digits(self) -> AsyncIterator[str]:
        """Iterate over the keys that the caller presses, as they come, until the call is over."""
        while (key := await self._line.keys.next()) is not None:
            yield key

    async def digit(self, timeout: float | None = None) -> str | None:
        """Return the next key that the caller presses; None when there is none in `timeout` seconds, or the call is
        over."""
        try:
            async with asyncio.timeout(timeout):
                return await self._line.keys.next()
        except TimeoutError:
            return None

    def hangup(self, result: str | None = None) -> None:
        """End the call once everything queued has been said; to end it now, `flush` first.

        `result` is what came of the call, in 1 to 200 printable characters: it is kept in the call's JSON, and the
        dialplan can ask `serve --api` for it. Raises `ValueError` for anything else.
        """
        problem = None if result is None else self._line.call.take_result(result)
        if problem is not None:
            raise ValueError(problem)
        self._line.hang_up()


def _bytes_of(audio: object) -> bytes:
    """Return samples as slin. Raises `TypeError`."""
    if isinstance(audio, bytes | bytearray | memoryview):
        return bytes(audio)
    if isinstance(audio, np.ndarray) and audio.dtype.kind == "i" and audio.dtype.itemsize == SAMPLE_BYTES:
        if audio.ndim != 1:
            raise TypeError(f"mono samples have the shape (n,), not {audio.shape}: say one channel")
        return to_slin(audio)
    what = f"an array of {audio.dtype}" if isinstance(audio, np.ndarray) else type(audio).__name__
    raise TypeError(f"samples are bytes or an array of int16, not {what}")
