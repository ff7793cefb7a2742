"""A program as one end of a call: it hears on its standard input and speaks on its standard output.

The call's clock drives everything. With each frame that is due, its commands are taken, its output is read up to a
bound, and 20 ms of it are sent. If the program writes nothing, silence is sent; if it writes too much, its `write`
blocks; if it does not read its input, the unread audio is dropped and counted. None of these delays the call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from audiosocket_cli.audio.files import Sound
from audiosocket_cli.call.bots.bot import Bot
from audiosocket_cli.call.bots.child import COMMANDS, END, ERRORS, OUTPUT, UNSENT, Child
from audiosocket_cli.call.bots.error_log import ErrorLog
from audiosocket_cli.call.bots.lifetime import Lifetime
from audiosocket_cli.call.bots.process import why_not_run
from audiosocket_cli.call.bots.speaker import Failed, Idle, Marked, Speaker
from audiosocket_cli.call.bots.speech_queue import Lines
from audiosocket_cli.call.bots.streams import HeardStream
from audiosocket_cli.call.bots.watch import Watch
from audiosocket_cli.call.events import Report
from audiosocket_cli.call.sources.basic import LEAD_FRAMES, encoded, frame_of, silence_frame
from audiosocket_cli.call.sources.prompts import Speech, Threads, Track
from audiosocket_cli.codec import Frame, Kind, kind_name, rate_of
from audiosocket_cli.finding import tagged
from audiosocket_cli.model import Call

MAX_QUEUED_FRAMES: Final = 500
"""How many 20 ms frames of a program's speech are read ahead: ten seconds. The rest waits in the pipe. The program then
blocks in its `write` and does not see key presses, unless it has a thread for them."""

_MAX_COMMANDS: Final = 10
"""The most command lines taken per frame; the rest waits, and so does a program that floods."""

_LOOK_AGAIN_S: Final = 0.02

_MAX_FILES: Final = 100
_MAX_MARKS: Final = 1000


@dataclass(frozen=True, slots=True)
class ProgramOptions:
    """Which program is the bot, and how it is treated."""

    command: Sequence[str]
    rate_hz: int | None = None
    """The sample rate that it hears and speaks, a multiple of 50 Hz; None: that of the call."""
    grace_s: float = 5.0
    """How many seconds it may take to end after its input has ended, and again after SIGTERM."""
    threads: Threads = field(default_factory=Threads)
    """The threads that read the files it wants to play."""
    watch: Watch = field(default_factory=Watch)
    """Tells which of all programs have something for us."""


class _Running(NamedTuple):
    """A started program and its streams."""

    child: Child
    life: Lifetime
    heard: HeardStream
    speaker: Speaker


class Program(Bot):
    """A bot that is a program."""

    listens = hears_together = says_bytes = True
    descriptors = 6
    """Its input, output and errors, its events, its end, and a file that it plays."""

    def __init__(self, options: ProgramOptions, report: Report) -> None:
        """`report` gets each line of its standard error."""
        self._options = options
        self._call: Call | None = None
        self._running: _Running | None = None
        """Once it was started."""
        self._failure: str | None = None
        self._rate_hz = options.rate_hz or rate_of(Kind.SLIN)
        self._opened_s = 0.0
        self._waited = 0
        self._heard_kind: int = Kind.SLIN
        self._reads = True
        self._hanging_up = False
        self._commands = Lines()
        self._errors = ErrorLog(report)

    @property
    def processes(self) -> int:
        return int(self._running is not None and self._running.child.status is None)

    # As a source.

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        return frame_of(self.next_bytes(heard_kind))

    def next_bytes(self, heard_kind: int | None) -> bytes | None:
        running = self._running
        if running is None:
            return self._before_the_start(heard_kind)
        child, _, heard, speaker = running
        ready = child.ready
        ready.look_again()
        if ready.bits & ~OUTPUT:
            self._attend(child, speaker)
        heard.tick()
        is_over = self._hanging_up or ready.bits & END
        if is_over and not speaker.is_ending and (self._hanging_up or running.life.has_ended()):
            speaker.queue.add(child.drain())  # all that is left
            speaker.end()
        if ready.bits & OUTPUT and not speaker.is_ending:
            data = speaker.next_bytes(self._heard_kind, child.read, MAX_QUEUED_FRAMES * speaker.frame_bytes)
        else:
            data = speaker.next_bytes(self._heard_kind)
        if speaker.told:
            self._pass_on(speaker)
        return data

    def _attend(self, child: Child, speaker: Speaker) -> None:
        """Do what is seldom there to do."""
        bits = child.ready.bits
        if bits & UNSENT:
            child.push()
        if bits & COMMANDS:
            self._take_commands(child, speaker)
        if child.ready.bits & ERRORS:
            assert self._call is not None
            self._errors.pass_on(child, self._call)

    def answer(self, data: bytes, at_s: float = 0.0) -> bytes | None:
        self._heard_kind = data[0]
        if self._running is None and self._failure is None:
            self._start(self._heard_kind)
        if self._running is not None:
            self._running.heard.take(data)
        return None

    def close(self) -> Sequence[str]:
        if self._running is None:
            return ()
        queue = self._running.speaker.queue
        queue.forget_files()
        return queue.speech_notes.texts()

    @property
    def ending(self) -> str:  # type: ignore[override]
        """Why the call ends, once the program has nothing more to say."""
        if self._failure is not None or self._running is None:
            return self._failure or "the program ended"
        return "the program hung up" if self._hanging_up else f"the program {self._running.life.how()}"

    # As a tap.

    def opened(self, call: Call) -> None:
        self._call = call
        self._opened_s = time.monotonic()

    def digit(self, at_s: float, digit: str) -> None:
        self._send_event(event="digit", digit=digit, at_s=round(at_s, 3))

    def closed(self, call: Call) -> None:
        assert call.ending is not None
        self._send_event(event="hangup", by=call.ending.by, how=call.ending.how, reason=call.ending.reason)
        if self._running is not None:
            self._running.heard.pass_on()
            self._reads = self._running.child.has_read()
            self._running.child.end_input()

    # After the call.

    async def finish(self) -> None:
        """Wait for the program to end: SIGTERM after the grace period, SIGKILL after another one.

        Processes that it left running in its process group are ended, too.
        """
        if self._running is None:
            return
        assert self._call is not None
        child, life = self._running.child, self._running.life
        child.end_input()
        ended_s = time.monotonic()
        while not life.is_over():
            life.escalate(time.monotonic() - ended_s)
            child.read()  # a program blocked in a write does not see that its input has ended
            self._take_late_result(child)
            child.push()
            self._errors.pass_on(child, self._call)
            await asyncio.sleep(_LOOK_AGAIN_S)
        self._take_late_result(child)
        if not await self._errors.finish(child, self._call):
            text = "the rest of the program's standard error is dropped: it does not end"
            self._call.note(tagged("bot-not-ended", text))
        child.close()
        self._note_what_was_odd(self._running)

    def kill(self) -> None:
        if self._running is not None:
            self._running.life.stop(signal.SIGKILL)

    def facts(self) -> dict[str, Any]:
        running = self._running
        nothing = {"exit_code": None, "signal": None, "stopped_by": None, "ran_s": 0.0}
        program = {
            "command": list(self._options.command),
            "rate_hz": self._rate_hz,
            **(running.life.as_dict() if running else nothing),
            "said_s": round(running.speaker.said_s, 3) if running else 0.0,
            "unread_s": round(running.heard.unread_s, 3) if running else 0.0,
            "error": self._failure,
        }
        return {"program": program}

    # Starting and ending.

    def _before_the_start(self, heard_kind: int | None) -> bytes | None:
        if self._failure is not None:
            return None
        self._waited += 1
        if self._waited > LEAD_FRAMES:
            self._start(Kind.SLIN)
        return encoded(silence_frame(heard_kind or Kind.SLIN))

    def _start(self, kind: int) -> None:
        assert self._call is not None
        self._rate_hz = self._options.rate_hz or rate_of(kind)
        facts = {
            "AUDIOSOCKET_UUID": str(self._call.uuid),
            "AUDIOSOCKET_PEER": self._call.peer,
            "AUDIOSOCKET_RATE": str(self._rate_hz),
            "AUDIOSOCKET_KIND": kind_name(kind),
        }
        environment = {**os.environ, **self._call.environment(), **facts}
        try:
            child = Child(self._options.command, environment, self._options.watch)
        except OSError as error:
            self._failure = f"cannot run {self._options.command[0]}: {why_not_run(self._options.command[0], error)}"
            self._call.note(tagged("bot-failed", self._failure))
            return
        self._begin(child, kind)
        for at_s, digit, _ in self._call.digits:
            self.digit(at_s, digit)

    def _begin(self, child: Child, kind: int) -> None:
        life = Lifetime(child, self._options.grace_s)
        self._running = _Running(child, life, HeardStream(child.write, self._rate_hz), Speaker(self._rate_hz, kind))

    def _note_what_was_odd(self, running: _Running) -> None:
        assert self._call is not None
        for text in running.life.oddities():
            self._call.note(text)
        if running.speaker.queue.odd:
            text = "the program wrote an odd number of bytes: half a sample is left over"
            self._call.note(tagged("bot-odd-bytes", text))
        unread_s = running.heard.unread_s
        if unread_s and self._reads:  # one that never reads, such as a menu, does not want to
            text = f"the program reads too slowly: {unread_s:.1f} s of the caller's audio were dropped"
            self._call.note(tagged("bot-reads-slowly", text))

    # Its commands, and its events.

    def _take_commands(self, child: Child, speaker: Speaker) -> None:
        if not self._commands.waiting:
            self._commands.feed(child.receive())
        for line in self._commands.take(_MAX_COMMANDS):
            try:
                self._do(child, speaker, json.loads(line))
            except (ValueError, RecursionError):
                self._complain(f"not understood: {line[:100]}")

    def _do(self, child: Child, speaker: Speaker, command: Any) -> None:
        match command:
            case {"flush": True, **rest} if not rest:
                speaker.queue.add(child.drain())
                dropped_s = speaker.flush()
                self._pass_on(speaker)
                self._send_event(event="flushed", dropped_s=round(dropped_s, 3))
            case {"hangup": True, **rest} if not rest.keys() - {"result"}:
                self._take_result(rest.get("result"))
                self._hanging_up = True
            case {"play": str(name), **rest} if not rest:
                self._play(child, speaker, name)
            case {"mark": str(name), "after_bytes": int(written), **rest} if not rest and written >= 0:
                self._mark(child, speaker, name, written)
            case {"mark": str(name), **rest} if not rest:
                self._mark(child, speaker, name)
            case _:
                raise ValueError

    def _take_late_result(self, child: Child) -> None:
        """Take commands after the call's end, when a result is all that they can bring: it is for the call's JSON."""
        for _ in range(_MAX_COMMANDS):
            if not self._commands.waiting:
                self._commands.feed(child.receive())
            lines = self._commands.take(_MAX_COMMANDS)
            if not lines:
                return
            for line in lines:
                with contextlib.suppress(ValueError, RecursionError):
                    match json.loads(line):
                        case {"hangup": True, "result": result, **rest} if not rest:
                            self._take_result(result)

    def _take_result(self, result: object) -> None:
        """Take a result; None is none. With what cannot be one the call is hung up all the same: the bot is done."""
        assert self._call is not None
        problem = None if result is None else self._call.take_result(result)
        if problem is not None:
            self._complain(f"{problem}; the call is hung up without one")

    def _play(self, child: Child, speaker: Speaker, name: str) -> None:
        if speaker.queue.files >= _MAX_FILES:
            self._complain(f"{name} is not played: {_MAX_FILES} files are already waiting")
            return
        speaker.queue.add(child.drain())  # said before the file, as it was written before
        speaker.queue.add_file(lambda: self._begin_file(name))

    def _mark(self, child: Child, speaker: Speaker, name: str, written: int | None = None) -> None:
        """Mark a place in the speech: after so many bytes that the program has written since its start, or after all
        that has come by now. The commands come on a way of their own, and what it wrote later may be here before."""
        if speaker.queue.marks >= _MAX_MARKS:
            self._complain(f"the mark {name} is ignored: {_MAX_MARKS} marks are already waiting")
            return
        speaker.queue.add(child.drain())
        speaker.queue.add_mark(name, 0 if written is None else max(0, child.said_bytes - written))

    def _pass_on(self, speaker: Speaker) -> None:
        """Tell the program what has become of its speech."""
        for told in speaker.told:
            match told:
                case Idle():
                    self._send_event(event="idle")
                case Marked(name, dropped):
                    at_s = round(time.monotonic() - self._opened_s, 3)
                    more = {"dropped": True} if dropped else {}
                    self._send_event(event="mark", mark=name, at_s=at_s, **more)
                case Failed(problem):
                    self._complain(problem)
        speaker.told.clear()

    def _begin_file(self, name: str) -> Speech:
        sound = Sound(Path(name), never_waits=True)
        return Speech(Track(sound, self._rate_hz, self._options.threads, keep=False), self._rate_hz)

    def _send_event(self, **event: object) -> None:
        if self._running is None or self._call is None:
            return
        # A file's name may hold what is not a character; its escape is right in JSON.
        line = json.dumps(event, ensure_ascii=False).encode("utf-8", "backslashreplace")
        if not self._running.child.send(line + b"\n"):
            self._call.note(tagged("bot-reads-slowly", "the program does not read its events: some are lost"))

    def _complain(self, problem: str) -> None:
        """Tell the program, and the log, that it asked for something impossible."""
        assert self._call is not None
        self._call.note(tagged("bot-command", f"the program's command failed: {problem}"))
        self._send_event(event="error", error=problem)
