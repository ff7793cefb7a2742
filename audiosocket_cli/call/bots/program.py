"""A program as one end of a call: what it hears is its standard input, what it says its standard output.

The call's clock drives everything: with each frame that is due, the program's commands are taken, its output is read,
up to a bound, and 20 ms of it are said. A program that does not write is silence; one that writes too much waits in its
own `write`; one that does not read misses what it does not read, which is counted. None of them holds up the call.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.asterisk.facts import POST_ROLL_MS, PTIME_MS
from audiosocket_cli.audio.files import Sound
from audiosocket_cli.audio.pcm import from_slin, to_slin
from audiosocket_cli.audio.resample import StreamResampler
from audiosocket_cli.call.bots.child import Child
from audiosocket_cli.call.bots.process import how_it_ended, signal_name, why_not_run
from audiosocket_cli.call.bots.speech_queue import Lines, SpeechQueue
from audiosocket_cli.call.events import ProgramSaid, Report
from audiosocket_cli.call.sources.basic import LEAD_FRAMES, Source, silence_frame
from audiosocket_cli.call.sources.prompts import Speech, Threads, Track
from audiosocket_cli.codec import HEADER_BYTES, SAMPLE_BYTES, Frame, Kind, kind_name, rate_of
from audiosocket_cli.model import Call
from audiosocket_cli.runs import FrameRun

MAX_QUEUED_FRAMES: Final = 500
"""As much of a program's speech is read ahead, ten seconds; the rest waits in the pipe, and the program with it, deaf
to its caller's keys unless it has a thread for them."""

BEHIND_FRAMES: Final = 5
"""As far as a program's input may be behind the clock, 100 ms, before silence is written for a caller who pauses."""

_FRAMES_PER_S: Final = 1000 // PTIME_MS
_QUIET_FRAMES: Final = 5
"""As long as this, 100 ms, a program may hesitate within a phrase."""

_ERROR_BYTES: Final = 4096
"""As much of a program's standard error is taken with each frame: 200 kB a second."""

_MAX_ERRORS: Final = 50
_MAX_COMMANDS: Final = 10
"""Lines that are taken with each frame; the rest waits, and a program that floods waits with it."""

_LOOK_AGAIN_S: Final = 0.02
_MAX_LAST_LOOKS: Final = 64
"""As often is a dead program's standard error looked at, for all that the pipe holds; what else has it may go on."""

_KILLED_S: Final = 2.0
"""As long may SIGKILL take. What is then still there cannot be killed, or is dead and its parent does not bury it."""

_MAX_FILES: Final = 100

_JOINED_S: Final = 0.005
"""Frames shorter than this are passed on together: converting and writing costs as much for one sample as for many."""


@dataclass(frozen=True, slots=True)
class ProgramOptions:
    """Which program is to be the bot, and how it is treated."""

    command: Sequence[str]
    rate_hz: int | None = None
    """The rate that it hears and speaks, a multiple of 50 Hz; that of the call when None."""
    grace_s: float = 5.0
    """How long it may take to end by itself once its input has ended, and again after SIGTERM."""
    threads: Threads = field(default_factory=Threads)
    """Read the files that it wants to be played."""


class Program(Source):
    """The source, and the tap, of a call that a program of its own answers."""

    listens = True
    descriptors = 5
    """Its input, output and errors, what it is told and says, and a file that it plays."""

    def __init__(self, options: ProgramOptions) -> None:
        self.report: Report = lambda event: None
        """Told each line of its standard error."""
        self._options = options
        self._call: Call | None = None
        self._child: Child | None = None
        self._failure: str | None = None
        self._stopped_by: str | None = None
        self._killed_s: float | None = None
        self._started_s = self._ran_s = 0.0
        self._rate_hz = options.rate_hz or rate_of(Kind.SLIN)
        self._waited = 0
        self._heard_kind: int = Kind.SLIN
        self._to_program: dict[int, StreamResampler] = {}
        """What converts each kind that was heard: a peer may change it with every frame."""
        self._unheard: defaultdict[int, bytearray] = defaultdict(bytearray)
        """What the caller said and the program has yet to hear, by kind: much less than a frame of a phone's."""
        self._unheard_s = 0.0
        self._due_frames = self._written_bytes = self._unread_bytes = 0
        self._reads = True
        self._said_kind: int = Kind.SLIN
        self._to_call: StreamResampler | None = None
        self._queue = SpeechQueue()
        self._quiet_frames = _QUIET_FRAMES
        self._said_frames = 0
        self._hanging_up = self._deaf = False
        self._post_roll = POST_ROLL_MS // PTIME_MS
        self._commands, self._errors = Lines(), Lines()

    @property
    def is_running(self) -> bool:
        """Whether the program runs, as far as was seen."""
        return self._child is not None and self._child.status is None

    # As a source.

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        if self._child is None:
            return self._before_the_start(heard_kind)
        if not self._due_frames:
            self._written_bytes = 0  # what was said before the caller was let in came at once, and is no lead
        self._due_frames += 1
        self._child.push()
        self._obey(self._child)
        self._pass_on_errors(self._child)
        self._pass_on_heard()
        self._fill_pause()
        self._listen(self._child)
        data = self._queue.take(self._frame_bytes)
        for problem in self._queue.problems():
            self._complain(problem)
        if data is not None:
            return self._say(data)
        if self._deaf and not self._queue and not self._tail_is_due:
            self._post_roll -= 1
            if self._post_roll < 0:
                return None
        return self._fall_silent()

    def answer(self, data: bytes, at_s: float = 0.0) -> bytes | None:
        kind = data[0]
        if self._child is None and self._failure is None:
            self._start(kind)
        self._heard_kind = kind
        size = (len(data) - HEADER_BYTES) // SAMPLE_BYTES * SAMPLE_BYTES
        self._unheard[kind] += data[HEADER_BYTES : HEADER_BYTES + size]
        self._unheard_s += size / SAMPLE_BYTES / rate_of(kind)
        if self._unheard_s >= _JOINED_S:
            self._pass_on_heard()
        return None

    def close(self) -> Sequence[str]:
        self._queue.forget_files()
        return self._queue.account.texts()

    @property
    def ending(self) -> str:  # type: ignore[override]
        """Why the call ends, once the program has nothing more to say."""
        return self._failure or ("the program hung up" if self._hanging_up else f"the program {self._how()}")

    # As a tap.

    def opened(self, call: Call) -> None:
        self._call = call

    def frames(self, heard: Sequence[FrameRun], said: Sequence[FrameRun], now_s: float) -> None:
        pass

    def digit(self, at_s: float, digit: str) -> None:
        self._tell(event="digit", digit=digit, at_s=round(at_s, 3))

    def closed(self, call: Call) -> None:
        assert call.ending is not None
        self._tell(event="hangup", by=call.ending.by, how=call.ending.how, reason=call.ending.reason)
        self._pass_on_heard()
        if self._child is not None:
            self._reads = self._child.has_read()
            self._child.end_input()

    # After the call.

    async def finish(self) -> None:
        """Wait for the program to end, and see to it: SIGTERM after the grace, SIGKILL after as much again.

        What it started and left behind in its process group ends with it.
        """
        child = self._child
        if child is None:
            return
        child.end_input()
        steps = deque([(self._options.grace_s, signal.SIGTERM), (2 * self._options.grace_s, signal.SIGKILL)])
        ended_s = time.monotonic()
        while not self._is_over(child):
            if steps and time.monotonic() - ended_s >= steps[0][0]:
                self._stop(steps.popleft()[1])
            child.read()  # one that waits in a write does not see that its input has ended
            child.receive()
            child.push()
            self._pass_on_errors(child)
            await asyncio.sleep(_LOOK_AGAIN_S)
        for _ in range(_MAX_LAST_LOOKS):
            if not self._pass_on_errors(child):
                break
            await asyncio.sleep(0)
        self._errors.end()
        self._report_errors()
        if self._errors or self._pass_on_errors(child):
            assert self._call is not None
            self._call.note("the last of the program's standard error is lost: there is no end to it")
        child.close()
        self._note_what_was_odd()

    def kill(self) -> None:
        """End it now; `finish` still has to be awaited."""
        self._stop(signal.SIGKILL)

    def as_dict(self) -> dict[str, Any]:
        """Return what became of it as JSON values, units in the keys."""
        status = self._child.status if self._child else None
        return {
            "command": list(self._options.command),
            "rate_hz": self._rate_hz,
            "exit_code": status if status is not None and status >= 0 else None,
            "signal": signal_name(-status) if status is not None and status < 0 else None,
            "stopped_by": self._stopped_by,
            "ran_s": round(self._ran_s, 3),
            "said_s": round(self._said_frames / _FRAMES_PER_S, 3),
            "unread_s": round(self._unread_s, 3),
            "error": self._failure,
        }

    # Starting and ending.

    def _before_the_start(self, heard_kind: int | None) -> Frame | None:
        if self._failure is not None:
            return None
        self._waited += 1
        if self._waited > LEAD_FRAMES:
            self._start(Kind.SLIN)
        return silence_frame(heard_kind or Kind.SLIN)

    def _start(self, kind: int) -> None:
        assert self._call is not None
        self._heard_kind = self._said_kind = kind
        self._rate_hz = self._options.rate_hz or rate_of(kind)
        facts = {
            "AUDIOSOCKET_UUID": str(self._call.uuid),
            "AUDIOSOCKET_PEER": self._call.peer,
            "AUDIOSOCKET_RATE": str(self._rate_hz),
            "AUDIOSOCKET_KIND": kind_name(kind),
        }
        try:
            self._child = Child(self._options.command, {**os.environ, **facts})
        except OSError as error:
            self._failure = f"cannot run {self._options.command[0]}: {why_not_run(self._options.command[0], error)}"
            self._call.note(self._failure)
            return
        self._started_s = time.monotonic()
        for at_s, digit, _ in self._call.digits:
            self.digit(at_s, digit)

    def _is_over(self, child: Child) -> bool:
        if self._has_ended(child) and child.is_gone():
            return True
        return self._killed_s is not None and time.monotonic() - self._killed_s > _KILLED_S

    def _has_ended(self, child: Child) -> bool:
        if not self._ran_s and child.poll():
            self._ran_s = time.monotonic() - self._started_s
        return child.status is not None

    def _stop(self, number: signal.Signals) -> None:
        if self._child is not None and not self._child.is_gone():
            if self._child.status is None:
                self._stopped_by = number.name
            if number == signal.SIGKILL and self._killed_s is None:
                self._killed_s = time.monotonic()
            self._child.signal(number)

    def _how(self) -> str:
        return how_it_ended(self._child.status if self._child else None)

    @property
    def _unread_s(self) -> float:
        return self._unread_bytes / SAMPLE_BYTES / self._rate_hz

    def _note_what_was_odd(self) -> None:
        assert self._call is not None
        assert self._child is not None
        if self._stopped_by is not None:
            self._call.note(f"the program did not end by itself: {self._stopped_by}")
        elif self._child.status:
            self._call.note(f"the program {self._how()}")
        if not self._child.is_gone():
            self._call.note("the program, or what it started, could not be killed")
        if self._queue.odd:
            self._call.note("the program wrote an odd number of bytes: half a sample is left over")
        if self._unread_bytes and self._reads:  # one that never reads, such as a menu, does not want to
            self._call.note(f"the program reads too slowly: {self._unread_s:.1f} s of the caller were dropped")

    # What it hears.

    @property
    def _frame_bytes(self) -> int:
        return self._rate_hz // _FRAMES_PER_S * SAMPLE_BYTES

    def _pass_on_heard(self) -> None:
        for kind, data in self._unheard.items():
            converter = self._to_program.get(kind)
            if converter is None:
                converter = self._to_program[kind] = StreamResampler(rate_of(kind), self._rate_hz)
            self._write(to_slin(converter.feed(from_slin(bytes(data)))))
        self._unheard.clear()
        self._unheard_s = 0.0

    def _write(self, data: bytes) -> None:
        if self._child is not None:
            self._written_bytes += len(data)
            self._unread_bytes += len(data) - self._child.write(data)

    def _fill_pause(self) -> None:
        behind_bytes = self._due_frames * self._frame_bytes - self._written_bytes
        if behind_bytes > BEHIND_FRAMES * self._frame_bytes:
            self._write(bytes(self._frame_bytes))

    # What it says.

    def _listen(self, child: Child) -> None:
        """Read its output: a little ahead, or, once it has no more to say, all that is left."""
        if self._deaf:
            return
        if self._has_ended(child) or self._hanging_up:
            self._deaf = True
            self._queue.add(child.drain())
        elif len(self._queue) < MAX_QUEUED_FRAMES * self._frame_bytes:
            self._queue.add(child.read() or b"")

    def _say(self, data: bytes) -> Frame:
        if self._quiet_frames >= _QUIET_FRAMES:
            # Once a phrase: a change of kind in mid-speech costs 15 ms (see `PromptSource`).
            self._said_kind, self._to_call = self._heard_kind, None
        self._quiet_frames = 0
        self._said_frames += 1
        return self._speech_frame(data)

    def _speech_frame(self, data: bytes) -> Frame:
        self._to_call = _converter(self._to_call, self._rate_hz, rate_of(self._said_kind))
        return Frame(self._said_kind, to_slin(self._to_call.feed(from_slin(data))))

    @property
    def _tail_is_due(self) -> bool:
        return self._quiet_frames < _QUIET_FRAMES

    def _fall_silent(self) -> Frame:
        if not self._tail_is_due:
            return silence_frame(self._said_kind)
        if not self._queue:  # else a file is being loaded
            self._quiet_frames += 1
        if self._quiet_frames == _QUIET_FRAMES:
            self._tell(event="idle")
        return self._speech_frame(bytes(self._frame_bytes))  # what a converter still holds comes out

    # What it asks for, and is told.

    def _obey(self, child: Child) -> None:
        if not self._commands:
            self._commands.feed(child.receive())
        for line in self._commands.take(_MAX_COMMANDS):
            try:
                self._do(child, json.loads(line))
            except (ValueError, RecursionError):
                self._complain(f"not understood: {line[:100]}")

    def _do(self, child: Child, command: Any) -> None:
        match command:
            case {"flush": True, **rest} if not rest:
                self._queue.add(child.drain())
                dropped_s = self._queue.clear() / SAMPLE_BYTES / self._rate_hz
                self._tell(event="flushed", dropped_s=round(dropped_s, 3))
            case {"hangup": True, **rest} if not rest:
                self._hanging_up = True
            case {"play": str(name), **rest} if not rest:
                self._play(child, name)
            case _:
                raise ValueError

    def _play(self, child: Child, name: str) -> None:
        if self._queue.files >= _MAX_FILES:
            self._complain(f"{name} is not played: {_MAX_FILES} files wait already")
            return
        self._queue.add(child.drain())  # said before the file, as it was written before
        self._queue.add_file(lambda: self._begin_file(name))

    def _begin_file(self, name: str) -> Speech:
        sound = Sound(Path(name), never_waits=True)
        return Speech(Track(sound, self._rate_hz, self._options.threads, keep=False), self._rate_hz)

    def _tell(self, **event: object) -> None:
        if self._child is None or self._call is None:
            return
        # A file's name may hold what is not a character; its escape is right in JSON.
        line = json.dumps(event, ensure_ascii=False).encode("utf-8", "backslashreplace")
        if not self._child.send(line + b"\n"):
            self._call.note("the program does not read its events: some are lost")

    def _complain(self, problem: str) -> None:
        """Tell the program, and whoever reads the log, that it asked for what cannot be."""
        assert self._call is not None
        self._call.note(f"the program's command failed: {problem}")
        self._tell(event="error", error=problem)

    def _pass_on_errors(self, child: Child) -> bool:
        """Report some of its standard error; False when there is nothing (yet)."""
        data = b"" if self._errors else child.read_errors(_ERROR_BYTES)
        self._errors.feed(data or b"")
        return self._report_errors() or bool(data)

    def _report_errors(self) -> bool:
        assert self._call is not None
        lines = self._errors.take(_MAX_ERRORS)
        for line in lines:
            self.report(ProgramSaid(self._call, line))
        return bool(lines)


def _converter(current: StreamResampler | None, from_hz: int, to_hz: int) -> StreamResampler:
    """Return the converter at hand, or another when it is for other rates."""
    if current is not None and (current.from_hz, current.to_hz) == (from_hz, to_hz):
        return current
    return StreamResampler(from_hz, to_hz)
