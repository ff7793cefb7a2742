"""One poll for all sockets of a process: epoll where there is one."""

from __future__ import annotations

import select
import selectors
from functools import partial
from typing import Final, Protocol

READABLE: Final = 0x0001  # EPOLLIN
WRITABLE: Final = 0x0004  # EPOLLOUT
ENDED: Final = 0x2000  # EPOLLRDHUP
LOST: Final = 0x0002  # EPOLLPRI: what is always told is all that is wanted, an error or the end of both ways


class Poll(Protocol):
    """What a driver needs of a poll."""

    def fileno(self) -> int:
        """Return the descriptor that is readable when a socket is ready."""

    def look_out(self, fd: int, before: int, events: int) -> None:
        """Watch a socket for these events instead of those `before`."""

    def ready(self) -> list[tuple[int, int]]:
        """Return the ready sockets, each with its events."""


def make_poll() -> Poll:
    """Return a new poll, the best that the system has."""
    return _Epoll() if hasattr(select, "epoll") else _Selector()


class _Epoll:
    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.fileno = self._epoll.fileno
        self.ready = partial(self._epoll.poll, 0)

    def look_out(self, fd: int, before: int, events: int) -> None:
        if not events:
            self._epoll.unregister(fd)
        elif before:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)


class _Selector:
    """The standard library's selector, for systems without epoll. The end of a stream is found when it is read."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def fileno(self) -> int:
        return int(self._selector.fileno())  # type: ignore[attr-defined,unused-ignore]

    def look_out(self, fd: int, before: int, events: int) -> None:
        wanted = selectors.EVENT_READ if events & READABLE else 0
        wanted |= selectors.EVENT_WRITE if events & WRITABLE else 0
        if fd in self._selector.get_map():
            self._selector.unregister(fd)
        if wanted:
            self._selector.register(fd, wanted)

    def ready(self) -> list[tuple[int, int]]:
        return [
            (key.fd, READABLE * bool(events & selectors.EVENT_READ) | WRITABLE * bool(events & selectors.EVENT_WRITE))
            for key, events in self._selector.select(0)
        ]
