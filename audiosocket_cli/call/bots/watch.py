"""Which programs have something for us: one poll for all of a process, so that a quiet pipe costs nothing.

A look takes about a microsecond, however many programs there are; to try each of a program's descriptors takes six.
"""

from __future__ import annotations

import select
from typing import Final

_AT_ONCE: Final = 1024
"""The most that one look takes note of; the rest is for the next."""


class Ready:
    """What of one program may have something for us, as bits that its owner gives meaning to.

    A bit is set from the start, and again when something new comes: the poll is edge-triggered. It stays set until
    `found_nothing`.
    """

    __slots__ = ("_descriptors", "_unwatched", "_watch", "bits", "look")

    def __init__(self, watch: Watch) -> None:
        self.bits = 0
        self._unwatched = 0
        """The bits of what nobody can watch, which stay set: its owner tries it each time."""
        self._watch = watch
        self._descriptors: list[int] = []
        self.look = watch.look
        """Update the bits, also those of all others."""

    def add(self, descriptor: int, bit: int) -> None:
        """Watch a descriptor."""
        self.bits |= bit
        if self._watch.add(descriptor, self, bit):
            self._descriptors.append(descriptor)
        else:
            self._unwatched |= bit

    def found_nothing(self, bit: int) -> None:
        """A read found nothing."""
        self.bits &= ~bit | self._unwatched

    def close(self) -> None:
        """Forget the descriptors, which are about to be closed: that takes them out of the poll. Safe to call twice."""
        for descriptor in self._descriptors:
            self._watch.forget(descriptor)
        self._descriptors.clear()


class Watch:
    """One poll for many programs. It takes a descriptor while it has any to watch."""

    def __init__(self) -> None:
        self._watched: dict[int, tuple[Ready, int]] = {}
        self._poll: select.epoll | None = None

    def add(self, descriptor: int, ready: Ready, bit: int) -> bool:
        """Set this bit whenever a descriptor has something new; False where the system cannot tell."""
        if descriptor < 0 or not hasattr(select, "epoll"):
            return False
        try:
            if self._poll is None:
                self._poll = select.epoll()
            self._poll.register(descriptor, select.EPOLLIN | select.EPOLLET)
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

    def look(self) -> None:
        """Set the bits of all that has something new."""
        if self._poll is not None:
            for descriptor, _ in self._poll.poll(0, _AT_ONCE):
                if descriptor in self._watched:  # else it was inherited, by accident, by somebody who keeps it open
                    ready, bit = self._watched[descriptor]
                    ready.bits |= bit
