"""Both directions of a call for code in Python: what it says, what it hears, and what it waits for.

The call's clock asks it for 20 ms at a time (`next_bytes`), and gives it what arrives (`hear`); a `LineCall` is what
code sees of it. It refers to no session and to no bot, so that a call makes no reference cycle.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Final, TypeVar

from audiosocket_cli.audio.files import Sound
from audiosocket_cli.call.bots.answer_pacer import AnswerPacer
from audiosocket_cli.call.bots.ear import Ear, Keys
from audiosocket_cli.call.bots.speaker import Failed, Marked, Speaker
from audiosocket_cli.call.bots.streams import HeardStream
from audiosocket_cli.call.pacer import PTIME_S
from audiosocket_cli.call.sources.basic import Outlet
from audiosocket_cli.call.sources.prompts import Speech, Threads, Track
from audiosocket_cli.errors import AudioSocketError, FileError
from audiosocket_cli.finding import tagged
from audiosocket_cli.model import Call, Ending

T = TypeVar("T")

MAX_QUEUED_S: Final = 10.0
"""Seconds of samples that may wait to be said before `say` waits."""

MAX_FILES: Final = 100
MAX_MARKS: Final = 1000

_MAX_TICKS: Final = 50
"""The most frames of silence that are filled in at once."""


class CallOverError(AudioSocketError):
    """Something was to be said in a call that is over, or that was told to end."""


class Line:
    """What is said and heard in one call, between the call's clock and code that waits for it."""

    def __init__(self, call: Call, rate_hz: int, kind: int, threads: Threads, pacer: AnswerPacer) -> None:
        """Say and hear samples at a rate; `kind` is said before anything is heard. The threads read files, the pacer
        says when frames are due."""
        self.call = call
        self.outlet: Outlet | None = None
        """Where a frame may go at once, while the call goes on."""
        self.heard_kind = kind
        """The kind of the last audio that was heard."""
        self.rate_hz = rate_hz
        self.kind = kind
        self.speaker = Speaker(rate_hz, kind)
        self.ear = Ear(rate_hz)
        self.heard = HeardStream(self.ear.hear, rate_hz)
        self.keys = Keys()
        self.ending: Ending | None = None
        """How the call ended, once it has."""
        self.has_hung_up = False
        """Whether our code wants the call to end."""
        self._pacer = pacer
        self._tick_s = pacer.deadline_s
        """Up to when the pauses of the caller are accounted for, on the clock of the pacer."""
        self._is_by_frames = False
        """Whether what was said last was 20 ms: then the next 20 ms may come as an answer."""
        self._threads = threads
        self._marks: dict[str, asyncio.Future[bool]] = {}
        self._marked = 0
        """Marks so far: their names."""
        self._to_say: list[asyncio.Future[None]] = []
        """Who waits until less is queued."""
        self._to_end: list[asyncio.Future[None]] = []
        """Who waits for the end."""

    # As the call's clock sees it.

    def next_bytes(self) -> bytes | None:
        """Return the next 20 ms as a frame's bytes; None ends the call."""
        self._let_time_pass(self._pacer.deadline_s)
        speaker = self.speaker
        had_speech = not speaker.queue.is_idle
        data = speaker.next_bytes(self.heard_kind)
        if self._is_by_frames and had_speech:
            self._pacer.note_queue(len(speaker.queue) // speaker.frame_bytes)
        if speaker.told:
            self._pass_on()
        if self._to_say and speaker.queued_s <= MAX_QUEUED_S:
            self._to_say = _let_go_on(self._to_say)
        return data

    def close(self) -> list[str]:
        """The call is over: stop reading files. Returns what was odd about them, a line each."""
        self.outlet = None
        self.speaker.end()
        queue = self.speaker.queue
        queue.forget_files()
        return queue.speech_notes.texts()

    def end(self, ending: Ending) -> None:
        """The call has ended: wake every task that waits for something."""
        self.ending = ending
        self.heard.pass_on()
        self.ear.end()
        self.keys.end()
        self.speaker.end()
        self._pass_on()
        for mark in self._marks.values():
            _settle(mark, False)
        self._marks.clear()
        self._to_say, self._to_end = _let_go_on(self._to_say), _let_go_on(self._to_end)

    # As code in Python sees it.

    @property
    def is_over(self) -> bool:
        """Whether nothing more can be said."""
        return self.speaker.is_ending

    def say_now(self, data: bytes) -> bool:
        """Queue samples, or send them at once where they are an answer; False while too many wait.

        Raises `CallOverError`.
        """
        self._check()
        speaker, queue = self.speaker, self.speaker.queue
        self._is_by_frames = len(data) == speaker.frame_bytes
        if self._is_by_frames and self.outlet is not None and queue.is_idle:
            now_s = self.outlet.now_s
            if self._pacer.may_answer(now_s):
                self._pacer.note_answer(now_s)
                self._let_time_pass(now_s)
                self.outlet.send(speaker.speak_now(data, self.heard_kind), now_s)
                return True
        if speaker.queued_s > MAX_QUEUED_S:
            return False
        queue.add(data)
        self._hasten()
        return True

    async def wait_to_say(self) -> None:
        """Wait until there may be room to say more."""
        await _wait_in(self._to_say)

    async def play(self, path: Path) -> None:
        """Queue a sound file, once it is known to be one. Raises `FileError`, `CallOverError`."""
        self._check()
        sound = Sound(path, never_waits=True)
        await self._look_at(sound)
        while not self.is_over and self.speaker.queue.files >= MAX_FILES:
            await _wait_in(self._to_say)
        self._check()
        self.speaker.queue.add_file(lambda: self._begin_file(sound))
        self._hasten()

    def mark(self) -> asyncio.Future[bool]:
        """Return what is True once all that was queued so far has been heard, and False once it was dropped.

        Raises `AudioSocketError` where too many wait.
        """
        mark: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if self.ending is not None:  # soon, not now: who awaits one after the other lets others go on
            asyncio.get_running_loop().call_soon(_settle, mark, False)
            return mark
        if len(self._marks) >= MAX_MARKS:
            raise AudioSocketError(f"{MAX_MARKS} marks are already waiting: wait for some of them first")
        self._marked += 1
        self._marks[str(self._marked)] = mark
        self.speaker.queue.add_mark(str(self._marked))
        self._hasten()
        return mark

    def flush(self) -> float:
        """Drop what has not been said yet; returns how many seconds that was."""
        dropped_s = self.speaker.flush()
        self._pass_on()
        self._to_say = _let_go_on(self._to_say)
        return dropped_s

    def hang_up(self) -> None:
        """End the call once all that is queued has been said."""
        self.has_hung_up = True
        self.speaker.end()

    async def over(self) -> Ending:
        """Wait until the call has ended, and return how."""
        while self.ending is None:
            await _wait_in(self._to_end)
        return self.ending

    def _let_time_pass(self, now_s: float) -> None:
        """Account for the time until now, in which the caller may have paused."""
        frames = int((now_s - self._tick_s) / PTIME_S + 0.5)
        if frames <= 0:
            return
        self._tick_s += frames * PTIME_S
        for _ in range(min(frames, _MAX_TICKS)):
            self.heard.tick()
        if frames > _MAX_TICKS:  # all stood still, and what the caller said is there all the same
            self.heard.pass_time(frames - _MAX_TICKS)

    def _hasten(self) -> None:
        """Something waits to be said."""
        if self._pacer.hasten() and self.outlet is not None:
            self.outlet.replan()

    def _check(self) -> None:
        if self.is_over:
            raise CallOverError("the call is over: nothing more can be said in it")

    def _pass_on(self) -> None:
        """Tell the tasks that wait what has become of the speech."""
        for told in self.speaker.told:
            match told:
                case Marked(name, dropped):
                    mark = self._marks.pop(name, None)  # None: the call's end has settled it
                    if mark is not None:
                        _settle(mark, not dropped)
                case Failed(problem):
                    self.call.note(tagged("sound-file", problem))
        self.speaker.told.clear()

    async def _look_at(self, sound: Sound) -> None:
        """Open a file and close it, in a thread. Raises `FileError`."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[FileError | None] = loop.create_future()

        def look() -> None:
            error = None
            try:
                sound.open().close()
            except FileError as problem:
                error = problem
            with contextlib.suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(_settle, found, error)

        self._threads.do(look)
        error = await found
        if error is not None:
            raise error

    def _begin_file(self, sound: Sound) -> Speech:
        return Speech(Track(sound, self.rate_hz, self._threads, keep=False), self.rate_hz)


def _settle(future: asyncio.Future[T], result: T) -> None:
    """Set a result, unless the task that waited has given up."""
    if not future.done():
        future.set_result(result)


async def _wait_in(waiting: list[asyncio.Future[None]]) -> None:
    waiter = asyncio.get_running_loop().create_future()
    waiting.append(waiter)
    await waiter


def _let_go_on(waiting: list[asyncio.Future[None]]) -> list[asyncio.Future[None]]:
    """Wake all tasks that wait, each to look again; returns a list for those that wait from now on."""
    for waiter in waiting:
        _settle(waiter, None)
    return []
