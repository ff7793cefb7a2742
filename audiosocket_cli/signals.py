"""Signals before an event loop takes them over, what SIGHUP means, and descriptors that programs must not inherit.

Imports nothing slow: process 1 of a container loses every signal that comes before its handler is there.
"""

import os
import resource
import signal
import sys
from types import FrameType

LOOK_AGAIN_S = 0.1
"""The longest that the main thread waits for another one before it looks for signals, where no event loop does: one
that comes just before it falls asleep does not wake it, and its handler runs only once it is awake."""

_ANSWERING = ("serve", "proxy", "record")
"""The commands that answer calls without `--listen`, too."""

_MAX_DESCRIPTORS = 1 << 16

_told: list[int] = []


def take_over_process(words: list[str]) -> None:
    """Do what has to be done before anything else: handle signals, and make descriptors private.

    `words` is the command line, without the program's name.
    """
    end_on_signals(answers=answers_calls(words))
    keep_descriptors()


def answers_calls(words: list[str]) -> bool:
    """Whether a command line, which nobody has parsed yet, or the environment lets a command answer calls."""
    command = words[0] if words else ""
    named = f"audiosocket_{command}_listen".replace("-", "_").upper()  # as `cli.environment_name` has it
    has_option = any(word == "--listen" or word.startswith("--listen=") for word in words)
    return command in _ANSWERING or has_option or bool(os.environ.get(named))


def end_on_signals(*, answers: bool) -> None:
    """Let SIGTERM and SIGHUP end the command as SIGINT does, through its `finally` blocks, with exit codes 143 and 129.

    By default they end a process at once, and process 1 of a container not at all: the kernel drops what has no
    handler. SIGTERM and SIGHUP stay ignored where they were when we started (nohup), SIGINT does not: a script's
    background jobs start with it ignored, and are told to end with it all the same. SIGHUP ends a command that
    `answers` calls only when it had a terminal, and that is gone (see `net.loop.signals_to`).
    """
    has_terminal_to_lose = has_terminal()

    def end(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP and answers and (not has_terminal_to_lose or has_terminal()):
            return
        _told.append(number)
        sys.exit(128 + number)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, end)
    sys.unraisablehook = _unraisable


def told_to_end() -> int | None:
    """Return the signal that has told this process to end before an event loop took signals over, if one has.

    Normally its `SystemExit` has done so already; where it is raised inside a callback of C code, that drops it.
    """
    return _told[0] if _told else None


def _unraisable(dropped: "sys.UnraisableHookArgs") -> None:
    """Say nothing of a `SystemExit` that was dropped so: whoever asks `told_to_end` ends the command."""
    if not (_told and dropped.exc_type is SystemExit):
        sys.__unraisablehook__(dropped)


def keep_descriptors() -> None:
    """Make the descriptors that we inherited, from a shell or a service manager, private: our programs do not get them.

    What Python opens later is closed when a program starts, anyway.
    """
    for descriptor in _descriptors():
        if descriptor > 2:
            try:
                os.set_inheritable(descriptor, False)
            except OSError:
                continue  # it was open while we looked only


def _descriptors() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/dev/fd")]
    except (OSError, ValueError):  # a chroot without /proc
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return list(range(3, _MAX_DESCRIPTORS if soft < 0 else min(soft, _MAX_DESCRIPTORS)))


def survives_hangup() -> bool:
    """Whether SIGHUP is ignored, as nohup sees to it: its terminal may go away. Ask before the loop takes signals."""
    return signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def has_terminal() -> bool:
    """Whether this process has a controlling terminal; one that was closed does not count."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError:
        return False
    return True
