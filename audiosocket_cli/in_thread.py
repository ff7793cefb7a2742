"""Work on a thread that nothing waits for when the command ends: a name server or a disk may be silent for long,
and a file may be long to look through."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_lookups: dict[tuple[asyncio.AbstractEventLoop, str, int], asyncio.Task[list[Any]]] = {}
"""Those that go on: however many calls are placed to a host at once, its name is asked for once."""


async def in_thread(work: Callable[[], T]) -> T:
    """Return what a function returns, or raise what it raises; the loop goes on meanwhile."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(set_it: Callable[[], None]) -> None:
        if not future.done():
            set_it()

    def main() -> None:
        try:
            value = work()
        except Exception as error:
            told = error  # `error` is gone after this block
            _call(loop, lambda: settle(lambda: future.set_exception(told)))
        else:
            _call(loop, lambda: settle(lambda: future.set_result(value)))

    threading.Thread(target=main, daemon=True).start()
    return await future


def _call(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:  # the loop is closed: nobody waits any more
        return


async def addresses_of(host: str, port: int) -> list[Any]:
    """Return the TCP addresses of a host, as `socket.getaddrinfo` does. Raises `socket.gaierror` and `UnicodeError`.

    The loop's own `getaddrinfo` looks names up on a thread that the loop waits for at its end: where a name server is
    silent, Ctrl-C would take as long as that.
    """
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:  # it is a name
        pass
    place = asyncio.get_running_loop(), host, port
    lookup = _lookups.get(place)
    if lookup is None:
        lookup = _lookups[place] = asyncio.create_task(
            in_thread(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)), name=f"lookup of {host}"
        )
        lookup.add_done_callback(lambda _: _lookups.pop(place))
    return await asyncio.shield(lookup)
