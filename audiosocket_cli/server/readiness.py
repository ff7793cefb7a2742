"""The server's state: starting, ready, draining or stopping; reported to systemd and health checks.

A hanging loop reports nothing: then systemd's watchdog gets no signal, and health checks see an old heartbeat.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final

from audiosocket_cli.server.systemd import Notifier

BEAT_S: Final = 1.0
"""The heartbeat interval in seconds; shorter if systemd's watchdog is short."""

SILENT_S: Final = 10.0
"""Seconds without a heartbeat after which the loop is reported as hanging."""

_MORE_TIME_S: Final = 60
"""How much longer systemd is asked to wait each time, while calls end: its TimeoutStopSec= is 90 s by default."""


class State(StrEnum):
    """The state of a server."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    """No more calls are accepted; those that are there go on."""
    STOPPING = "stopping"
    """Calls are being hung up, or all have ended and files are completed."""


class Readiness:
    """A server's state, and its heartbeat."""

    def __init__(self, notifier: Notifier | None = None, *, reopen: Callable[[], object] | None = None) -> None:
        """`reopen` is called, where there is something to open again, whenever settings are read again."""
        self._notifier = notifier or Notifier()
        self._reopen = reopen
        self._state = State.STARTING
        self._hindrance: str | None = None
        """Why no call can be answered for now, although the server is ready."""
        self._beat_s = time.monotonic()

    @property
    def state(self) -> State:
        """The current state."""
        return self._state

    def ready(self) -> None:
        """Calls are accepted from now on."""
        if self._state is State.STARTING:
            self._state = State.READY
            self._notifier.notify("READY=1")

    def hinder(self, reason: str | None) -> None:
        """No call can be answered for now, for this reason; None: calls can be answered again."""
        self._hindrance = reason

    def draining(self) -> None:
        """No more calls are accepted, and those that are there go on."""
        self._stop(State.DRAINING)

    def stopping(self) -> None:
        """No more calls are accepted, and those that are there end now, or have ended."""
        self._stop(State.STOPPING)

    def reloading(self) -> bool:
        """Settings are being read again; `reloaded` follows. Returns whether something was opened again."""
        if self._state is State.READY:
            self._notifier.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        if self._reopen is not None:
            self._reopen()
        return self._reopen is not None

    def reloaded(self) -> None:
        """Settings have been read again, or were found wanting and left as they were."""
        if self._state is State.READY:
            self._notifier.notify("READY=1")

    def life(self) -> tuple[int, str]:
        """Return the HTTP status and the line for who restarts what hangs. May be called on any thread."""
        silent_s = time.monotonic() - self._beat_s
        if silent_s > SILENT_S:
            return 503, f"hangs: nothing done for {silent_s:.0f} s"
        return 200, "lives"

    def health(self) -> tuple[int, str]:
        """Return the HTTP status and the line for who sends calls. May be called on any thread."""
        status, text = self.life()
        if status != 200:
            return status, text
        if self._state is not State.READY:
            return 503, str(self._state)
        return (200, str(self._state)) if self._hindrance is None else (503, self._hindrance)

    @contextlib.contextmanager
    def beating(self, status: Callable[[], str]) -> Iterator[None]:
        """Show that the loop turns until the block ends; `status` is the line for `systemctl status`."""
        task = asyncio.create_task(self._keep_beating(status), name="heartbeat")
        try:
            yield
        finally:
            task.cancel()

    def _stop(self, state: State) -> None:
        if self._state in (State.STARTING, State.READY):
            self._notifier.notify("STOPPING=1")
        if self._state is not State.STOPPING:
            self._state = state

    async def _keep_beating(self, status: Callable[[], str]) -> None:
        watchdog_s = self._notifier.watchdog_s or math.inf
        while True:
            self._beat_s = time.monotonic()
            if self._notifier.is_wanted:
                self._notify(status(), watchdog=not math.isinf(watchdog_s))
            await asyncio.sleep(min(BEAT_S, watchdog_s / 3))

    def _notify(self, status: str, *, watchdog: bool) -> None:
        self._notifier.notify_status(status)
        if watchdog:
            self._notifier.notify("WATCHDOG=1")
        if self._state in (State.DRAINING, State.STOPPING):
            self._notifier.notify(f"EXTEND_TIMEOUT_USEC={_MORE_TIME_S * 1_000_000}")
