"""Calls measured by processes of this machine.

Processes, as threads share one interpreter, which most of the measuring needs (scripts/bench/analyze --threads).
A process may die of a recording, and takes nothing with it: the call is tried again in a new one, and after
`TRIES` that is what is known of it.
"""

from __future__ import annotations

import itertools
import os
import queue
import select
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from audiosocket_cli.calls_analysis.attempt import VERSION, Attempt
from audiosocket_cli.calls_analysis.listed_call import ListedCall
from audiosocket_cli.calls_analysis.process import read_message, write_message
from audiosocket_cli.errors import OutputError
from audiosocket_cli.signals import LOOK_AGAIN_S

TRIES: Final = 3

_START_S: Final = 120.0
_MAX_S: Final = 300.0
_MAX_S_PER_MB: Final = 10.0
"""How long a call may take: a thousand times as long as most do."""

_AHEAD: Final = 2
"""Calls that wait, or are under way, for each process."""

MEASURER: Final = (sys.executable, "-P", "-m", "audiosocket_cli.calls_analysis.process")
"""The program of `process`."""


class Done(NamedTuple):
    """A call, and what came of it."""

    call: ListedCall
    attempt: Attempt
    killed: str | None = None
    """How it ended each process that measured it; then `attempt` has nothing."""


def measure_here(calls: Iterable[ListedCall], jobs: int, command: Sequence[str] = MEASURER) -> Iterator[Done]:
    """Yield calls as they are measured by so many processes, in any order. Closed early, it ends them at once."""
    crew = _Crew(jobs, command)
    try:
        yield from crew.work(iter(calls))
    finally:
        crew.stop()


class _Crew:
    """Threads that each have a process, which they ask for one call at a time."""

    def __init__(self, jobs: int, command: Sequence[str]) -> None:
        self._questions: queue.SimpleQueue[ListedCall | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Done | BaseException] = queue.SimpleQueue()
        self._measurers = [_Measurer(command) for _ in range(jobs)]

    def work(self, calls: Iterator[ListedCall]) -> Iterator[Done]:
        """Yield what is done; `calls` is read by the thread that takes it, and no further ahead than necessary."""
        for number, measurer in enumerate(self._measurers):
            threading.Thread(target=self._run, args=(measurer,), name=f"measuring-{number}", daemon=True).start()
        under_way = 0
        for call in itertools.islice(calls, _AHEAD * len(self._measurers)):
            self._questions.put(call)
            under_way += 1
        while under_way:
            try:
                done = self._done.get(timeout=LOOK_AGAIN_S)
            except queue.Empty:
                continue
            if isinstance(done, BaseException):
                raise done
            if (call_next := next(calls, None)) is not None:
                self._questions.put(call_next)
            else:
                under_way -= 1
            yield done

    def stop(self) -> None:
        """End the threads and their processes."""
        for measurer in self._measurers:
            self._questions.put(None)
            measurer.end()

    def _run(self, measurer: _Measurer) -> None:
        try:
            while not measurer.is_ended and (call := self._questions.get()) is not None:
                self._done.put(measurer.measure(call))
        except BaseException as error:
            self._done.put(error)


class _Measurer:
    """Has calls measured by a process, and by another one where that dies."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self.is_ended = False

    def measure(self, call: ListedCall) -> Done:
        how = ""
        for _ in range(TRIES):
            if self.is_ended:
                break
            try:
                process = self._started()
                assert process.stdin is not None
                assert process.stdout is not None
                write_message(process.stdin, call)
                if not _answers_within(process, _MAX_S + _MAX_S_PER_MB * sum(file.size for file in call.files) / 1e6):
                    how = "it took too long"
                    self._end_process()
                    continue
                return Done(call, read_message(process.stdout))
            except (OSError, EOFError):
                how = _end_in_words(self._process)
                self._end_process()
        return Done(call, Attempt(), how or "it was ended")

    def end(self) -> None:
        self.is_ended = True
        self._end_process()

    def _started(self) -> subprocess.Popen[bytes]:
        """Return the process; start it if there is none. Raises `OutputError` for one that does not become ready."""
        if self._process is None:
            self._process = process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )  # fmt: skip
            assert process.stdout is not None
            try:
                if not _answers_within(process, _START_S) or read_message(process.stdout) != VERSION:
                    raise OutputError(f"the process that measures calls is not ready after {_START_S:.0f} s")
            except EOFError:
                if not self.is_ended:
                    raise OutputError(
                        f"cannot start the process that measures calls: {_end_in_words(process)}"
                    ) from None
                raise
        return self._process

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was to be written has nobody to read it
                    continue


def _answers_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for an answer, or for the process to die."""
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN)  # type: ignore[arg-type]
    return bool(poll.poll(seconds * 1000))


def _end_in_words(process: subprocess.Popen[bytes] | None) -> str:
    if process is None:
        return "it was ended"
    code = process.wait()
    return f"signal {-code}" if code < 0 else f"exit code {code}"
