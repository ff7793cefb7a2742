"""Requests to stores on threads, so that who waits for one can be interrupted. obstore itself waits to the end."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final, ParamSpec, TypeVar

from audiosocket_cli.signals import LOOK_AGAIN_S

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")

_THREADS: Final = "store-requests"


class Requests:
    """At most so many requests at once."""

    def __init__(self, most: int) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=_THREADS)

    def begin(self, request: Callable[_Given, _Answer], *args: _Given.args, **kwargs: _Given.kwargs) -> Future[_Answer]:
        """Begin a request as soon as fewer are under way."""
        return self._pool.submit(request, *args, **kwargs)

    def ask(self, request: Callable[_Given, _Answer], *args: _Given.args, **kwargs: _Given.kwargs) -> _Answer:
        """Return the answer to a request. Raises what that raises."""
        return answer_to(self._pool.submit(request, *args, **kwargs))

    def close(self) -> None:
        """Begin no more requests, and do not wait for those that are under way."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def answer_to(request: Future[_Answer]) -> _Answer:
    """Wait for the answer to a request, and return it; a signal ends that. Raises what the request raises."""
    while not request.done():
        wait([request], LOOK_AGAIN_S)
    return request.result()


def exit_past_requests(code: int) -> None:
    """End this process at once if requests are under way, for which Python would wait at its exit. What else it has to
    do must be done."""
    if any(thread.name.startswith(_THREADS) for thread in threading.enumerate()):
        os._exit(code)
