"""The event loop of a command: uvloop where there is one, and signals that end it in order."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import math
import os
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, Final, TypeVar

from audiosocket_cli.errors import AudioSocketError
from audiosocket_cli.signals import has_terminal, survives_hangup, told_to_end

T = TypeVar("T")

_PATIENCE_S: Final = 1.0
_LOOK_AGAIN_S: Final = 0.5
_WAKE_BYTES: Final = 4096
_LAST_S: Final = 0.5
"""How long a task may take to end that is left at the end of all."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine to its end on a loop of its own, whatever a bot in Python does to that loop.

    Raises `AudioSocketError` when somebody cancelled the coroutine, and all that it raises itself.
    """
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        # Inherited from some supervisors; the kernel would then keep from us how our children ended.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    gc.freeze()  # what was imported stays: nobody has to look for cycles in it
    runner = asyncio.Runner(loop_factory=_loop_factory())
    try:
        return _run_to_its_end(runner, main)
    except asyncio.CancelledError:
        raise AudioSocketError("somebody cancelled all that runs here: a bot may cancel its own tasks only") from None
    finally:
        if runner.run(_end_tasks()):
            runner.close()


def _run_to_its_end(runner: asyncio.Runner, main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine. The `SystemExit` of a task beside it, and one that stops the loop, keep it up only."""
    task: asyncio.Task[T] | None = None

    async def own() -> T:
        nonlocal task
        task = asyncio.current_task()
        return await main

    try:
        return runner.run(own())
    except (SystemExit, RuntimeError):
        loop = runner.get_loop()
        while task is not None and not task.done() and not loop.is_closed() and told_to_end() is None:
            with contextlib.suppress(SystemExit, RuntimeError):
                return loop.run_until_complete(task)
        if task is not None and task.done():
            return task.result()
        raise


async def _end_tasks() -> bool:
    """Cancel all tasks that are left; False where one does not end: a bot's, that ignores its cancellation. To close
    the loop would wait for it for ever; the process ends without."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if not left:
        return True
    _, running = await asyncio.wait(left, timeout=_LAST_S)
    for task in running:
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # it was told of
    return not running


@contextlib.contextmanager
def signals_to(handle: Callable[[int], None], *, on_hangup: Callable[[], object] | None = None) -> Iterator[None]:
    """Hand SIGINT, SIGTERM and SIGHUP to `handle`, on the running loop, until the block ends.

    With `on_hangup`, SIGHUP is handed to `handle` only where the terminal that we began on is gone: it is what a
    service manager, which gives none, asks to reload with. Without, SIGHUP stays ignored where nohup made it so.

    SIGINT does not stay ignored (see `signals.end_on_signals`).

    While something holds up the loop, `handle` cannot be called. Then a second SIGINT or SIGTERM, a second after the
    first, ends the process at once.
    """
    loop = asyncio.get_running_loop()
    has_terminal_to_lose = has_terminal() and not survives_hangup()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if on_hangup is not None or not survives_hangup():
        numbers.append(signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    first_s = asked_s = math.inf  # `asked_s`: since when a signal waits for the loop

    def has_lost_terminal() -> bool:
        return has_terminal_to_lose and not has_terminal()

    def look_again() -> None:
        if has_lost_terminal():
            take(signal.SIGHUP)

    def take(number: int) -> None:
        nonlocal first_s, asked_s
        asked_s = math.inf
        if number == signal.SIGHUP and on_hangup is not None and not has_lost_terminal():
            on_hangup()
            # A shell passes SIGHUP on as soon as it has it itself; the kernel may not have come to us yet.
            loop.call_later(_LOOK_AGAIN_S, look_again)
            return
        first_s = min(first_s, time.monotonic())
        if number == signal.SIGHUP:
            _discard_output_to_lost_terminal()
        handle(number)

    def heard(number: int, frame: FrameType | None) -> None:
        """Take a signal where Python does, between two steps of any code, before it is the loop's turn."""
        nonlocal asked_s
        if number != signal.SIGHUP:
            if time.monotonic() - asked_s > _PATIENCE_S:
                os.write(2, b"something holds up all calls, and keeps them from ending in order: ended at once\n")
                os._exit(128 + number)
            asked_s = min(asked_s, time.monotonic())
        loop.call_soon_threadsafe(take, number)

    # Not `loop.add_signal_handler`: when that one is removed, a signal does what it does by default for a moment, and
    # a second one that comes just then ends the process before it has said what it did.
    with _woken_by_signals(loop):
        for number in numbers:
            signal.signal(number, heard)
            signal.siginterrupt(number, False)  # what waits for the kernel goes on
        early = told_to_end()
        if early is not None:
            loop.call_soon(handle, early)
        try:
            yield
        finally:
            for number in numbers:
                signal.signal(number, before[number] if math.isinf(first_s) else _end_if_it_takes_long(first_s))


@contextlib.contextmanager
def _woken_by_signals(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Wake the loop at each signal, whichever thread the kernel gives it to: handlers run in the main thread only."""

    def awake() -> None:  # Python runs handlers where its own code begins; uvloop's and a socket's are not that
        ours.recv(_WAKE_BYTES)

    ours, of_handlers = socket.socketpair()
    with ours, of_handlers:
        ours.setblocking(False)
        of_handlers.setblocking(False)
        before = signal.set_wakeup_fd(of_handlers.fileno(), warn_on_full_buffer=False)
        loop.add_reader(ours, awake)
        try:
            yield
        finally:
            loop.remove_reader(ours)
            signal.set_wakeup_fd(before, warn_on_full_buffer=False)


def _end_if_it_takes_long(first_s: float) -> Callable[[int, Any], None]:
    """Return a handler for later signals, while an end in order is nearly done: it exits at once, but ignores a
    repetition of the first signal.

    `timeout` and others send each signal twice. A signal after `_PATIENCE_S` comes from somebody who does not want to
    wait.
    """

    def handle(number: int, frame: Any) -> None:
        if time.monotonic() - first_s > _PATIENCE_S:
            os._exit(128 + number)

    return handle


def _discard_output_to_lost_terminal() -> None:
    """Redirect output from a terminal that is gone to /dev/null: each write to it would fail."""
    for descriptor in (1, 2):
        try:
            os.write(descriptor, b"")
        except OSError as error:
            if error.errno == errno.EIO:
                os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
