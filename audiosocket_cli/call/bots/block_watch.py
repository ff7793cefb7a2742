"""Finds the bot that holds up all calls: code that computes or waits in the event loop's own thread.

Calls set the time with each frame that is due (`beat_s`). While there are calls, a thread looks several times a second
whether that time stands still. If it does, it looks at the stack of the loop's thread, which names the line. On a
machine that is only busy, there is no bot's code in that stack, and no bot is named.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from types import FrameType
from typing import Any, Final, NamedTuple

from audiosocket_cli.model import Call

BLOCKED_S: Final = 0.1
"""How long the loop may stand still: five frames of each call are late by then."""

STILL_S: Final = 2.0
"""After so long it is told that a bot goes on to hold up all calls, which may never end."""

_LOOK_S: Final = 0.04
_LOOK_AGAIN_S: Final = 0.01
_MAX_MISSES: Final = 10
"""Looks in a row that find no bot: what has waited meanwhile, such as the audio of other calls, has its turn first."""

OURS: Final = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
"""Where our own code is."""


_ASYNCIO: Final = os.path.dirname(asyncio.__file__)
_LOOPS: Final = ("Handle._run", "Runner.run", "BaseEventLoop.run_until_complete")
"""What calls the steps of tasks: of asyncio's own loop, and, as uvloop's is not Python, what has begun that."""


class Block(NamedTuple):
    """A time for which a bot held up all calls."""

    seconds: float
    where: str
    """The line of the bot that ran then: `bot.py:12`."""
    is_certain: bool = True
    """Whether it was this call's; else that of another call with the same bot: a task that a bot has begun."""
    goes_on: bool = False
    """Whether it has not ended."""


class _Watched(NamedTuple):
    """A bot that runs."""

    run: Coroutine[Any, Any, object]
    file: str | None
    tell: Callable[[Block], object]


class BlockWatch:
    """Watches the bots of one event loop. Its thread runs while there are any."""

    def __init__(self) -> None:
        self.beat_s = 0.0
        """When a frame of any call was last due, on the monotonic clock."""
        self._watched: dict[int, _Watched] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0

    def enter(
        self, call: Call, run: Coroutine[Any, Any, object], function: object, tell: Callable[[Block], object]
    ) -> None:
        """Watch the bot of a call: the coroutine in which the function runs.

        `tell` is called once the bot has held up all calls, on the loop; and in another thread while that goes on.
        """
        watched = _Watched(run, file_of(function), tell)
        with self._lock:
            self._watched[id(call)] = watched
            if self._thread is None:
                self.beat_s = time.monotonic()
                self._loop, self._loop_thread = asyncio.get_running_loop(), threading.get_ident()
                self._thread = threading.Thread(target=self._watch, name="watch of bots", daemon=True)
                self._thread.start()

    def leave(self, call: Call) -> None:
        """The bot of a call has ended."""
        with self._lock:
            self._watched.pop(id(call), None)

    def _watch(self) -> None:
        while True:
            time.sleep(_LOOK_S)
            with self._lock:
                if not self._watched:
                    self._thread = None
                    return
            beat_s = self.beat_s
            if time.monotonic() - beat_s >= BLOCKED_S:
                self._follow(beat_s)

    def _follow(self, beat_s: float) -> None:
        """See who holds up the loop, and for how long."""
        seen = self._look()
        told_s, misses = STILL_S, 0
        while seen is not None and self.beat_s == beat_s:
            time.sleep(_LOOK_AGAIN_S)
            again = self._look()
            misses = 0 if again is not None else misses + 1
            if misses >= _MAX_MISSES and self.beat_s == beat_s:
                return  # the loop waits: no frame was due, and nobody was held up
            seconds = time.monotonic() - beat_s
            if again is not None and seconds > told_s:
                told_s *= 10
                watched, block = again
                watched.tell(block._replace(seconds=seconds, goes_on=True))
        if seen is not None and self._loop is not None:
            watched, block = seen
            with contextlib.suppress(RuntimeError):  # it was closed meanwhile
                self._loop.call_soon_threadsafe(watched.tell, block._replace(seconds=time.monotonic() - beat_s))

    def _look(self) -> tuple[_Watched, Block] | None:
        """Return whose code the loop's thread runs now; None where it is no bot's."""
        with self._lock:
            all_watched = list(self._watched.values())
        frames = []
        frame = sys._current_frames().get(self._loop_thread)
        while frame is not None:
            frames.append(frame)
            frame = frame.f_back
        frames = _above_loop(frames)
        runs = {id(frame) for frame in frames}
        for watched in all_watched:
            if id(getattr(watched.run, "cr_frame", None)) in runs:
                return watched, Block(0.0, _line_of(frames, watched.file))
        files = {frame.f_code.co_filename for frame in frames}
        for watched in all_watched:
            if watched.file in files:
                return watched, Block(0.0, _line_of(frames, watched.file), is_certain=False)
        return None


def _above_loop(frames: list[FrameType]) -> list[FrameType]:
    """Return what the event loop has called, of frames that are innermost first: what has begun the loop may be in the
    bot's own file."""
    for name in _LOOPS:
        for at in reversed(range(len(frames))):
            code = frames[at].f_code
            if code.co_qualname == name and code.co_filename.startswith(_ASYNCIO):
                return frames[:at]
    return frames


def _line_of(frames: Sequence[FrameType], file: str | None) -> str:
    """Return the innermost line of a file, or of any file that is not ours; `frames` are innermost first."""
    of_file = [frame for frame in frames if frame.f_code.co_filename == file]
    others = [frame for frame in frames if not frame.f_code.co_filename.startswith(OURS)]
    frame = (of_file or others or list(frames))[0]
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


def file_of(function: object) -> str | None:
    """Return the file that a function is written in, where that can be told."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function) if callable(function) else function
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    return None if code is None else str(code.co_filename)
