"""Work on a thread that nothing waits for when the command ends: a name server or a disk may be silent for long,
and a file may be long to look through."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


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
