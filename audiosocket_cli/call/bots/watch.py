"""Which programs have something for us: one poll for all of a process, so that a quiet pipe costs nothing.

A look takes about a microsecond, however many programs there are; to try each of a program's descriptors takes six.
A program that talks has something new with each frame: the poll tells that of it once, and again only after a read has
found nothing.
"""

from __future__ import annotations

import select
import time
from typing import Final

_AT_ONCE: Final = 1024
"""The most that one look takes note of; the rest is for the next."""

_LOOK_S: Final = 0.0005
"""A look so many seconds ago is still good for a frame: calls that are due together share one."""


_ONCE: Final = 0x40000001  # EPOLLONESHOT | EPOLLIN


class Ready:
    """What of one program may have something for us, as bits that its owner gives meaning to.

    A bit is set from the start, and again when something is there after `found_nothing`. It stays set until a read
    finds nothing.
    """

    __slots__ = ("_descriptors", "_unwatched", "_watch", "bits", "look", "look_again")

    def __init__(self, watch: Watch) -> None:
        self.bits = 0
        self._unwatched = 0
        """The bits of what nobody can watch, which stay set: its owner tries it each time."""
        self._watch = watch
        self._descriptors: dict[int, int] = {}
        """What is watched, by its bit."""
        self.look = watch.look
        """Update the bits, also those of all others."""
        self.look_again = watch.look_again
        """Do so unless it has just been done."""

    def add(self, descriptor: int, bit: int) -> None:
        """Watch a descriptor."""
        self.bits |= bit
        if self._watch.add(descriptor, self, bit):
            self._descriptors[bit] = descriptor
        else:
            self._unwatched |= bit

    def found_nothing(self, bit: int) -> None:
        """A read found nothing: what comes next is new."""
        self.found_end(bit)
        for watched, descriptor in self._descriptors.items():
            if watched & bit:
                self._watch.tell_again(descriptor)

    def found_end(self, bit: int) -> None:
        """A read found the end of a stream: nothing will come."""
        self.bits &= ~bit | self._unwatched

    def close(self) -> None:
        """Forget the descriptors, which are about to be closed: that takes them out of the poll. Safe to call twice."""
        for descriptor in self._descriptors.values():
            self._watch.forget(descriptor)
        self._descriptors.clear()


class Watch:
    """One poll for many programs. It takes a descriptor while it has any to watch."""

    def __init__(self) -> None:
        self._watched: dict[int, tuple[Ready, int]] = {}
        self._poll: select.epoll | None = None
        self._looked_s = 0.0

    def add(self, descriptor: int, ready: Ready, bit: int) -> bool:
        """Set this bit once a descriptor has something; False where the system cannot tell."""
        if descriptor < 0 or not hasattr(select, "epoll"):
            return False
        try:
            if self._poll is None:
                self._poll = select.epoll()
            self._poll.register(descriptor, _ONCE)
        except OSError:  # no descriptor is left, or too many are watched
            return False
        self._watched[descriptor] = (ready, bit)
        return True

    def forget(self, descriptor: int) -> None:
        """Forget a descriptor."""
        del self._watched[descriptor]
        if not self._watched and self._poll is not None:
            self._poll.close()
            self._poll = None

    def tell_again(self, descriptor: int) -> None:
        """Set its bit once more when it has something, or has already."""
        if self._poll is not None:
            self._poll.modify(descriptor, _ONCE)

    def look_again(self) -> None:
        """Look, unless that has just been done."""
        now_s = time.monotonic()
        if now_s - self._looked_s >= _LOOK_S:
            self._looked_s = now_s
            self.look()

    def look(self) -> None:
        """Set the bits of all that has something new."""
        if self._poll is not None:
            for descriptor, _ in self._poll.poll(0, _AT_ONCE):
                if descriptor in self._watched:  # else it was inherited, by accident, by somebody who keeps it open
                    ready, bit = self._watched[descriptor]
                    ready.bits |= bit
