"""News of calls and events that this process has put on the disk: their deliverers wake, and seldom have to look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

What = Literal["calls", "events"]

_LOOK_S: Final = 0.25
_LOOK_ALONE_S: Final = 1.0
"""In seconds. A delivery that was postponed may also be late by so much."""


class News:
    """Wakes deliverers. `put` and `tell` are called on one thread, all else on any."""

    def __init__(self, is_alone: Callable[[], bool] = lambda: True) -> None:
        """`is_alone` says that no other process uses the spool: there is no news of what others put."""
        self._is_alone = is_alone
        self._put: set[What] = set()
        self._wakers: dict[What, Callable[[], object]] = {}

    def listen(self, what: What, wake: Callable[[], object]) -> None:
        """Call `wake` whenever new calls or events are on the disk, and no longer what was given before; it must not
        wait."""
        self._wakers[what] = wake

    @property
    def look_s(self) -> float:
        """Seconds that a deliverer may wait before it looks itself."""
        return _LOOK_ALONE_S if self._is_alone() else _LOOK_S

    def put(self, what: What) -> None:
        """Calls or events are part of the commit that is under way."""
        self._put.add(what)

    def tell(self) -> None:
        """That commit is on the disk."""
        for what in self._put:
            if what in self._wakers:
                self._wakers[what]()
        self._put.clear()

    def wake_all(self) -> None:
        """Wake all deliverers, so that they see whether they should end."""
        for wake in list(self._wakers.values()):
            wake()
