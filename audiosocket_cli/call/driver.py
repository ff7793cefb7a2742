"""Connects a session to asyncio: a reader on its socket, a writer while a frame is stuck, one timer for deadlines."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable

from audiosocket_cli.call.session import Session
from audiosocket_cli.call.wire import SocketWire


class _Driver:
    def __init__(self, session: Session, wire: SocketWire) -> None:
        self._session = session
        self._wire = wire
        self._loop = asyncio.get_running_loop()
        self._fd = wire.fileno()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = math.inf
        self._writing = False
        self.over: asyncio.Future[None] = self._loop.create_future()
        session.on_end = self._let_go

    def start(self) -> None:
        self._loop.add_reader(self._fd, self._on_readable)
        self._run(self._session.start)

    def _on_readable(self) -> None:
        self._run(self._read)

    def _read(self) -> None:
        if self._session.readable():
            self._loop.call_soon(self._on_readable)

    def _on_timer(self) -> None:
        self._timer, self._timer_s = None, math.inf
        self._run(self._session.tick)

    def _on_writable(self) -> None:
        self._run(self._wire.flush)

    def _run(self, step: Callable[[], None]) -> None:
        if self._session.ended:
            return
        try:
            step()
        except Exception as error:
            # A fault of ours harms this call alone; whoever awaits it gets the error.
            if not self.over.done():
                self.over.set_exception(error)
            with contextlib.suppress(Exception):
                self._session.abort()
            self._let_go()
            self._wire.close()
            return
        if not self._session.ended:
            self._arm()

    def _arm(self) -> None:
        if self._wire.blocked != self._writing:
            self._writing = self._wire.blocked
            if self._writing:
                self._loop.add_writer(self._fd, self._on_writable)
            else:
                self._loop.remove_writer(self._fd)
        # A timer that comes too early costs one idle tick; moving it each time would cost more.
        if self._session.wake_s < self._timer_s:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_s = self._session.wake_s
            if math.isfinite(self._timer_s):
                # uvloop rounds to the nearest millisecond: round up, or frames are asked for before they are due.
                delay_ms = math.ceil((self._timer_s - time.monotonic()) * 1000)
                self._timer = self._loop.call_later(max(0, delay_ms) / 1000, self._on_timer)

    def _let_go(self) -> None:
        if self._wire.fileno() < 0:
            return
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        if self._timer is not None:
            self._timer.cancel()
        if not self.over.done():
            self.over.set_result(None)


async def drive(session: Session, wire: SocketWire) -> None:
    """Run a session over its connected wire until it has ended and the wire is closed.

    Raises what went wrong inside the session or its taps, if anything did; cancelling aborts the call.
    """
    driver = _Driver(session, wire)
    driver.start()
    try:
        await driver.over
    finally:
        with contextlib.suppress(Exception):
            session.abort()
