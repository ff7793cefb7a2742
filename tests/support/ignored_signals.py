"""Signals that whoever started the tests ignores: what the tests start shall not."""

from __future__ import annotations

import os
import signal

_KEPT_IGNORED = "TESTS_IGNORE_SIGNALS"


def ignore_for_ourselves_only() -> None:
    """Let what we start begin with no signal ignored, as a user would start it, however we were started ourselves.

    Under nohup SIGHUP is ignored, in a script's background job SIGINT, and whoever is started inherits that: tests that
    send it would wait for ever. What is caught, by a function that does nothing, is no more inherited.
    """
    numbers = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM]
    ignored = {int(number) for number in numbers if signal.getsignal(number) is signal.SIG_IGN}
    ignored |= set(map(int, os.environ.get(_KEPT_IGNORED, "").split()))
    for number in ignored:
        signal.signal(number, lambda *_: None)
    os.environ[_KEPT_IGNORED] = " ".join(map(str, ignored))  # for workers of pytest-xdist, which we start as well
