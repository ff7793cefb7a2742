"""An async function as one end of a call: it runs on the server's own loop, one task for each call.

The call's clock drives what is said, as it does with a program; the function only queues it. It is woken when there is
something that it waits for, and not for each frame. What it raises ends its own call, with one line that says where.
"""

from __future__ import annotations

import asyncio
import os
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from audiosocket_cli.call.bots.answer_pacer import AnswerPacer
from audiosocket_cli.call.bots.block_watch import OURS, Block, BlockWatch, file_of
from audiosocket_cli.call.bots.bot import Bot
from audiosocket_cli.call.bots.bot_call import BotCall
from audiosocket_cli.call.bots.line import CallOverError, Line
from audiosocket_cli.call.events import ProgramSaid, Report
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.sources.basic import LEAD_FRAMES, Outlet, encoded, frame_of, silence_frame
from audiosocket_cli.call.sources.prompts import Threads
from audiosocket_cli.codec import Frame, Kind, rate_of
from audiosocket_cli.finding import tagged
from audiosocket_cli.model import Call

BotFunction = Callable[[BotCall], Awaitable[object]]
"""What answers a call: an async function of the call."""

_MAX_TRACEBACK_LINES: Final = 60
"""The most lines of a traceback that are reported, the last ones."""

_MAX_TRACEBACK_LINE: Final = 1000
"""Characters of each: the text of an error may hold all that a service has sent."""

_KILLED_S: Final = 0.5
"""How long a cancelled function may take where all is to end now."""


@dataclass(frozen=True, slots=True)
class FunctionOptions:
    """Which function is the bot, and how it is treated."""

    function: BotFunction
    name: str
    """As the user wrote it: `bot:answer`."""
    rate_hz: int | None = None
    """The sample rate that it hears and speaks, a multiple of 50 Hz; None: that of the call."""
    grace_s: float = 5.0
    """How many seconds it may take to return after the end of its call, and again after it was cancelled."""
    threads: Threads = field(default_factory=Threads)
    """The threads that read the files it wants to play."""
    watch: BlockWatch = field(default_factory=BlockWatch)
    """Finds the function that holds up all calls."""


class FunctionBot(Bot):
    """A bot that is an async function."""

    listens = hears_together = says_bytes = says_at_once = True
    descriptors = 2
    """The files that it plays: one, and the next."""

    def __init__(self, options: FunctionOptions, report: Report) -> None:
        """`report` gets the lines of its traceback."""
        self._options = options
        self._report = report
        self._call: Call | None = None
        self._line: Line | None = None
        """Once it has begun, as its task."""
        self._task: asyncio.Task[BaseException | None] | None = None
        self._began_s = self._ran_s = 0.0
        self._error: str | None = None
        """What it raised, and where, in words."""
        self._stopped_by: str | None = None
        self._hurry: asyncio.Future[None] | None = None
        """What shortens the wait for its end."""
        self._is_killed = False
        self._waited = 0
        self._pacer = AnswerPacer(0.0)
        self._outlet: Outlet | None = None
        """Where frames may go at once, until the function has begun, and its line has it."""

    # As a source.

    def make_pacer(self) -> Pacer:
        return self._pacer

    def begin(self, outlet: Outlet) -> None:
        self._outlet = outlet

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        return frame_of(self.next_bytes(heard_kind))

    def next_bytes(self, heard_kind: int | None) -> bytes | None:
        line, task = self._line, self._task
        if line is None or task is None:
            return self._before_the_start(heard_kind)
        self._options.watch.beat_s = time.monotonic()
        if task.done() and not self._ran_s:
            self._take_outcome(task)
            line.speaker.end()
        return line.next_bytes()

    def answer(self, data: bytes, at_s: float = 0.0) -> bytes | None:
        line = self._line
        if line is None:
            line = self._start(data[0])
        self._options.watch.beat_s = time.monotonic()
        line.heard_kind = data[0]
        line.heard.take(data)
        return None

    def close(self) -> Sequence[str]:
        self._outlet = None
        return () if self._line is None else self._line.close()

    @property
    def ending(self) -> str:  # type: ignore[override]
        """Why the call ends, once the function has nothing more to say."""
        if self._error is not None:
            return f"the bot raised {self._error}"
        return "the bot hung up" if self._line is not None and self._line.has_hung_up else "the bot's function returned"

    # As a tap.

    def opened(self, call: Call) -> None:
        self._call = call

    def digit(self, at_s: float, digit: str) -> None:
        if self._line is not None:
            self._line.keys.press(digit)

    def closed(self, call: Call) -> None:
        if self._line is not None:
            assert call.ending is not None
            self._line.end(call.ending)

    # After the call.

    async def finish(self) -> None:
        """Wait for the function to return; cancel it after the grace period, and leave it alone after another one."""
        task, line = self._task, self._line
        if task is None or line is None:
            return
        self._hurry = asyncio.get_running_loop().create_future()
        if self._is_killed:
            self._hurry.set_result(None)
        is_done = await self._is_done(task)
        if not is_done:
            task.cancel()
            self._stopped_by = "cancelled"
            is_done = await self._is_done(task)
        if not is_done:
            self._note(
                "bot-not-ended", "the bot's function does not end, although it was cancelled: it is left running"
            )
            self._stopped_by = "left running"
            self._ran_s = time.monotonic() - self._began_s
        elif not self._ran_s:
            self._take_outcome(task)
        self._options.watch.leave(line.call)
        self._task = None
        self._note_what_was_odd(line)

    def kill(self) -> None:
        self._is_killed = True
        if self._task is not None and not self._task.done():
            self._stopped_by = "cancelled"
            self._task.cancel()
        if self._hurry is not None and not self._hurry.done():
            self._hurry.set_result(None)

    def facts(self) -> dict[str, Any]:
        line = self._line
        function = {
            "function": self._options.name,
            "rate_hz": line.rate_hz if line else self._options.rate_hz or rate_of(Kind.SLIN),
            "ran_s": round(self._ran_s, 3),
            "stopped_by": self._stopped_by,
            "said_s": round(line.speaker.said_s, 3) if line else 0.0,
            "unread_s": round(line.ear.lost_s, 3) if line else 0.0,
            "blocks": self.blocks,
            "blocked_s": round(self.blocked_s, 3),
            "error": self._error,
        }
        return {"bot": function}

    # Starting and ending.

    def _before_the_start(self, heard_kind: int | None) -> bytes | None:
        self._waited += 1
        if self._waited > LEAD_FRAMES:
            self._start(Kind.SLIN)
        return encoded(silence_frame(heard_kind or Kind.SLIN))

    def _start(self, kind: int) -> Line:
        assert self._call is not None
        options, call = self._options, self._call
        line = self._line = Line(call, options.rate_hz or rate_of(kind), kind, options.threads, self._pacer)
        line.outlet = self._outlet
        for _, digit, _ in call.digits:
            line.keys.press(digit)
        self._began_s = time.monotonic()
        run = run_function(options.function, BotCall(line))
        options.watch.enter(call, run, options.function, self._on_blocked)
        self._task = asyncio.get_running_loop().create_task(run, name=f"bot of call {call.uuid}")
        return line

    async def _is_done(self, task: asyncio.Task[Any]) -> bool:
        """Wait for the function to return, a little where all is to end now; returns whether it has."""
        assert self._hurry is not None
        await asyncio.wait({task, self._hurry}, timeout=self._options.grace_s, return_when=asyncio.FIRST_COMPLETED)
        if not task.done() and self._hurry.done():
            await asyncio.wait({task}, timeout=_KILLED_S)
        return task.done()

    def _take_outcome(self, task: asyncio.Task[BaseException | None]) -> None:
        """Keep how it ended, and report what it raised."""
        self._ran_s = max(time.monotonic() - self._began_s, 1e-6)
        if task.cancelled():
            if self._stopped_by is None:
                self._error = "CancelledError: it was cancelled, and not by the server"
                self._note("bot-failed", f"the bot raised {self._error}")
            return
        error = task.result()
        if error is None:
            return
        assert self._call is not None
        self._error = in_words(error, self._options.function)
        self._note("bot-failed", f"the bot raised {self._error}")
        lines = "".join(traceback.format_exception(error)).splitlines()
        for text in lines[-_MAX_TRACEBACK_LINES:]:
            self._report(ProgramSaid(self._call, text[:_MAX_TRACEBACK_LINE]))

    def _note(self, finding_id: str, text: str) -> None:
        assert self._call is not None
        self._call.note(tagged(finding_id, text))

    def _note_what_was_odd(self, line: Line) -> None:
        if self._stopped_by == "cancelled":
            self._note("bot-not-ended", "the bot's function did not return after its call: it was cancelled")
        if line.speaker.queue.odd:
            self._note("bot-odd-bytes", "the bot said an odd number of bytes: half a sample is left over")
        if line.ear.lost and line.ear.was_read:  # one that never listens, such as a menu, does not want to
            text = f"the bot reads too slowly: {line.ear.lost_s:.1f} s of the caller's audio were dropped"
            self._note("bot-reads-slowly", text)
        if line.keys.lost:
            self._note("bot-reads-slowly", f"the bot does not read its digits: {line.keys.lost} were dropped")

    def _on_blocked(self, block: Block) -> None:
        """It holds up all calls, or did."""
        who = f"the bot {self._options.name}" if block.is_certain else f"a task of the bot {self._options.name}"
        if block.goes_on:
            text = f"{who} has held up all calls for {block.seconds:.0f} s so far, at {block.where}"
            self._note("bot-blocks-calls", text)
            return
        self.blocks += 1
        self.blocked_s += block.seconds
        if self.blocks == 1:
            self._note(
                "bot-blocks-calls",
                f"{who} held up all calls for {block.seconds:.2f} s at {block.where}: "
                "run what takes long in a thread, with asyncio.to_thread",
            )


async def run_function(function: BotFunction, call: BotCall) -> BaseException | None:
    """Let a function answer a call. Returns what it raised, if that matters: any, even a `SystemExit`, is its own."""
    try:
        await function(call)
    except (asyncio.CancelledError, GeneratorExit):
        raise
    except BaseException as error:
        return _unless_over(error)
    return None


def _unless_over(error: BaseException) -> BaseException | None:
    """Return an error that matters: not the one of a bot that wanted to say something after the call was over."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(CallOverError)[1]
    return None if isinstance(error, CallOverError) else error


def in_words(error: BaseException, function: object) -> str:
    """Say in one line what a function raised, and where in its file."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    try:
        text = " ".join(str(error)[:_MAX_TRACEBACK_LINE].split())
    except Exception:  # an error's text is the bot's code, too
        text = ""
    what = f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
    where = _place_of(error, function)
    return f"{what} at {where}" if where else what


def _place_of(error: BaseException, function: object) -> str:
    """Return the innermost line of the function's file, or else of any file but our own, that an error passed."""
    lines = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    own = file_of(function)
    found = [line for line in lines if line[0] == own] or [line for line in lines if not line[0].startswith(OURS)]
    return f"{os.path.basename(found[-1][0])}:{found[-1][1]}" if found else ""
