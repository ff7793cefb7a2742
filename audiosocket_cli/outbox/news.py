"""News of what this process has put on the disk: who delivers is woken, and seldom has to look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

What = Literal["calls", "events"]

_LOOK_S: Final = 0.25
_LOOK_ALONE_S: Final = 1.0
"""For what was postponed and is due again, too."""


class News:
    """Who is woken for what. `put` and `tell` are called on one thread, all else from any."""

    def __init__(self, is_alone: Callable[[], bool] = lambda: True) -> None:
        """`is_alone` says whether no other process puts: of those there is no news."""
        self._is_alone = is_alone
        self._put: set[What] = set()
        self._wakers: dict[What, Callable[[], object]] = {}

    def listen(self, what: What, wake: Callable[[], object]) -> None:
        """Have `wake` called, in place of what was named for it before, when such is on the disk; it must not wait."""
        self._wakers[what] = wake

    @property
    def look_s(self) -> float:
        """How long who listens may wait before it looks itself."""
        return _LOOK_ALONE_S if self._is_alone() else _LOOK_S

    def put(self, what: What) -> None:
        """Such is about to be on the disk."""
        self._put.add(what)

    def tell(self) -> None:
        """What was put is on the disk."""
        for what in self._put:
            if what in self._wakers:
                self._wakers[what]()
        self._put.clear()

    def wake_all(self) -> None:
        """Wake all, whatever is on the disk: they are to see whether they should end."""
        for wake in list(self._wakers.values()):
            wake()
