"""The server's own process, where the check starts it: in a group of its own, watched, and ended with all its children.

What it writes is kept for a while, so that its lines can stand beside a case.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from audiosocket_cli.call.bots.process import Process, how_it_ended
from audiosocket_cli.check.sockets import group_of, is_listening, knows_sockets
from audiosocket_cli.errors import NetworkError, UsageError
from audiosocket_cli.net.dial import dial
from audiosocket_cli.net.target import PORT_FIELD, Target, WebSocketTarget

START_WITHIN_S: Final = 10.0
"""How long a server may take until it listens, unless that is given."""

_LOOK_S: Final = 0.05
_TERM_S: Final = 5.0
"""How long a group may take to end after SIGTERM, before SIGKILL."""
_KILL_S: Final = 2.0
_KERNEL_S: Final = 3.0
"""How long the kernel alone is asked whether the server listens; it does not know of one in a container."""

_DEATH_S: Final = 0.05
"""A server that a call kills may take this long to die."""
_READ_BYTES: Final = 65536
_MAX_LINES: Final = 2000
_MAX_LINE_BYTES: Final = 500
_SHOWN_LINES: Final = 20


class Log:
    """The last lines that a process has written, with times."""

    def __init__(self) -> None:
        self._lines: deque[tuple[float, bytes]] = deque(maxlen=_MAX_LINES)
        self._rest = b""
        """The beginning of a line that nothing has ended yet."""
        self._taken_s = 0.0

    def take(self, data: bytes) -> None:
        """Take the next bytes."""
        *whole, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:_MAX_LINE_BYTES]
        self._taken_s = time.monotonic()
        self._lines.extend((self._taken_s, line[:_MAX_LINE_BYTES]) for line in whole[-_MAX_LINES:])

    def since(self, begin_s: float) -> list[str]:
        """Return the last lines that came at or after a time, and what has come of one that is not whole."""
        unfinished = [(self._taken_s, self._rest)] if self._rest else []
        lines = [line for at_s, line in [*self._lines, *unfinished] if at_s >= begin_s]
        return [line.decode(errors="replace").rstrip() for line in lines[-_SHOWN_LINES:]]


class Subject:
    """A server that is started for the check."""

    def __init__(self, command: Sequence[str], target: Target, within_s: float) -> None:
        """`target` is where it listens within so many seconds; {port} in the command becomes its port."""
        self._target = target.address if isinstance(target, WebSocketTarget) else target
        self._command = [word.replace(PORT_FIELD, str(self._target.port)) for word in command]
        self._within_s = within_s
        self._process: Process | None = None
        self._output = -1
        self.log = Log()
        self.starts = 0
        """How many times it was started."""
        self._reviving = asyncio.Lock()

    @property
    def pid(self) -> int:
        """The number of its process, and of its group; 0 before the start."""
        return 0 if self._process is None else self._process.pid

    def pids(self) -> list[int]:
        """Return all processes of its group."""
        return group_of(self.pid) if self.pid else []

    def how_it_died(self) -> str | None:
        """Say how it ended of its own accord; None while it runs."""
        if self._process is None or not self._process.poll():
            return None
        return f"the server {how_it_ended(self._process.status)}"

    async def start(self) -> None:
        """Start it, and wait until it listens. Raises `NetworkError`, and `UsageError` for a command that is none."""
        await self.end()
        if await self._is_there():
            raise NetworkError(
                f"something listens on {self._target} already: end it, or let the command take its port ({PORT_FIELD})"
            )
        begun_s = time.monotonic()
        self._spawn()
        while not await self._is_there(begun_s + _KERNEL_S):
            self._check_start(begun_s)
            await asyncio.sleep(_LOOK_S)

    async def revive(self, on_death: Callable[[str], object]) -> None:
        """Start it the first time, or again after it died: then `on_death` is called, once even if several calls ask.

        Raises as `start` does.
        """
        async with self._reviving:
            died = self.how_it_died()
            if died is not None:
                on_death(died)
            if not self.pid or died is not None:
                await self.start()

    async def last_words(self, begin_s: float) -> list[str]:
        """Return what it wrote since a time, after a moment in which the last call may still kill it."""
        await asyncio.sleep(_DEATH_S)
        return self.log.since(begin_s)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start it, and end it when the block ends, also after an error. Raises as `start` does."""
        try:
            await self.start()
            yield
        finally:
            await self.end()

    async def end(self) -> None:
        """End its process group: SIGTERM, then SIGKILL. Safe to call twice."""
        process = self._process
        if process is None:
            return
        for number, patience_s in ((signal.SIGTERM, _TERM_S), (signal.SIGKILL, _KILL_S)):
            process.signal(number)
            stop_s = time.monotonic() + patience_s
            while not process.is_gone() and time.monotonic() < stop_s:
                await asyncio.sleep(_LOOK_S)
        process.release()
        self._process = None
        self._close_output()

    def _spawn(self) -> None:
        nothing = os.open(os.devnull, os.O_RDONLY)
        self._output, output = os.pipe()
        try:
            self._process = Process(self._command, os.environ, [nothing, output, output])
        except (OSError, ValueError) as error:
            self._close_output()
            reason = (getattr(error, "strerror", None) or str(error)).lower()
            raise UsageError(f"cannot start {self._command[0]!r:.80}: {reason}") from None
        finally:
            os.close(nothing)
            os.close(output)
        self.starts += 1
        os.set_blocking(self._output, False)
        asyncio.get_running_loop().add_reader(self._output, self._readable)

    def _check_start(self, begun_s: float) -> None:
        """Raise `NetworkError` when it will not listen any more, or takes too long."""
        died = self.how_it_died()
        if self._output >= 0:
            self._readable()  # what it wrote before it died is there now
        said = self.log.since(begun_s)
        words = f"; its last words: {said[-1]}" if said else ""
        if died is not None:
            raise NetworkError(f"{died} before it listened on {self._target}{words}")
        if time.monotonic() - begun_s > self._within_s:
            raise NetworkError(
                f"the server did not listen on {self._target} within {self._within_s:g} s: raise --start-within, or "
                f"name its port{words}"
            )

    async def _is_there(self, dial_from_s: float = 0.0) -> bool:
        """Whether somebody listens. Where the kernel can say so, no connection is made before `dial_from_s`: it might
        disturb a server that has just begun to listen."""
        if _is_local(self._target.host or "localhost"):
            if is_listening(self._target.port):
                return True
            if knows_sockets() and time.monotonic() < dial_from_s:
                return False
        try:
            (await dial(self._target)).close()
        except NetworkError:
            return False
        return True

    def _readable(self) -> None:
        try:
            data = os.read(self._output, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.log.take(data)
        else:
            self._close_output()

    def _close_output(self) -> None:
        if self._output >= 0:
            with contextlib.suppress(RuntimeError):  # no loop runs any more
                asyncio.get_running_loop().remove_reader(self._output)
            os.close(self._output)
            self._output = -1


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
