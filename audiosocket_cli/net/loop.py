"""The event loop of a command: uvloop where there is one, and signals that end it in order."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import math
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final, TypeVar

T = TypeVar("T")

_PATIENCE_S: Final = 1.0
_COLLECT_AFTER: Final = 20_000


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine to its end on a loop of its own."""
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        # Inherited from some supervisors; the kernel would then keep from us how our children ended.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # What was imported stays, and a call leaves few cycles behind: looking for them often costs more than they do, all
    # calls at once.
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main)


@contextlib.contextmanager
def signals_to(handle: Callable[[int], None], *, hangup_anyway: bool = False) -> Iterator[None]:
    """Hand SIGINT, SIGTERM and SIGHUP to `handle`, on the running loop, until the block ends.

    SIGHUP stays ignored where nohup made it so, unless it is wanted anyway. SIGINT does not: a script's background
    jobs start with it ignored, and are told to end with it all the same.
    """
    loop = asyncio.get_running_loop()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hangup_anyway or not survives_hangup():
        numbers.append(signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    first_s = math.inf

    def take(number: int) -> None:
        nonlocal first_s
        first_s = min(first_s, time.monotonic())
        if number == signal.SIGHUP:
            _let_go_of_lost_terminal()
        handle(number)

    for number in numbers:
        loop.add_signal_handler(number, take, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number] if math.isinf(first_s) else _end_if_it_takes_long(first_s))


def _end_if_it_takes_long(first_s: float) -> Callable[[int, Any], None]:
    """Return a handler for signals that follow, on the heels of the first, an end in order that is nearly there.

    `timeout` and others send each signal twice. Later ones come from somebody who has lost patience.
    """

    def handle(number: int, frame: Any) -> None:
        if time.monotonic() - first_s > _PATIENCE_S:
            os._exit(128 + number)

    return handle


def survives_hangup() -> bool:
    """Whether SIGHUP is ignored, as nohup sees to it: its terminal may go away. Ask before `signals_to`."""
    return signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def has_terminal() -> bool:
    """Whether this process has a controlling terminal; one that was closed is none."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def _let_go_of_lost_terminal() -> None:
    """Let output go nowhere that would go to a terminal which is no more: each write of it would be an error."""
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
