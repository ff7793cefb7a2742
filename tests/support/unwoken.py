"""A signal that does not wake the main thread, as one does not that comes just before it falls asleep."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable

_ASLEEP_S = 0.3
_MAX_S = 20


class _InterruptedError(BaseException):
    """As `KeyboardInterrupt`, and not that of a user who ends the tests."""


def interrupt(waits: Callable[[], object]) -> None:
    """Interrupt what waits for something, and see that it ends soon, and not only when that has come.

    Another thread takes the signal: its handler still runs in the main thread, which sleeps on.
    """

    def handle(*_: object) -> None:
        raise _InterruptedError

    def take() -> None:
        time.sleep(_ASLEEP_S)
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    taking, until_s = threading.Thread(target=take), time.monotonic() + _MAX_S
    before = signal.signal(signal.SIGUSR1, handle)
    is_heard = False
    try:
        taking.start()
        waits()
    except _InterruptedError:
        is_heard = True
    finally:
        with contextlib.suppress(_InterruptedError):
            taking.join()
        signal.signal(signal.SIGUSR1, before)
    assert is_heard
    assert time.monotonic() < until_s, "it was heard only when what was waited for had come"
