"""The life of a spool in a process: what delivers from it, each on a thread, and a watch for processes that died.

One process at a time delivers: uploads and events each have a lock file, and who does not have it tries again.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from audiosocket_cli.outbox.lock_file import LockFile, is_locked
from audiosocket_cli.outbox.reconcile import Found, find
from audiosocket_cli.outbox.spool import Spool
from audiosocket_cli.outbox.waiting import SpoolFigures

_LOOK_S: Final = 1.0
"""How often a process looks whether another has died, and whether it may deliver."""

_IDLE_LOOK_S: Final = 0.05

_TRY_AGAIN_S: Final = 60.0
"""After an error of our own."""

_LAST_S: Final = 6.0
"""How long a thread that is told to end is waited for."""

_PRUNE_S: Final = 600.0
_KEPT_S: Final = 3600.0
"""How long calls that are settled are kept: a process that dies has put all that ended so long ago."""


class Carrier(Protocol):
    """Delivers what waits in a spool."""

    def work(self, stop: threading.Event) -> None:
        """Deliver until told to stop."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What can be delivered, and how."""

    name: str
    """Of its lock file."""
    begin: Callable[[], Carrier]
    """Makes what delivers, once this process may."""
    take_back: Callable[[], None]
    """Has all that was handed out handed out again."""
    left: Callable[[SpoolFigures], int]
    """How much of it waits."""


class Left(NamedTuple):
    """What is left at the end."""

    figures: SpoolFigures
    is_elsewhere: bool
    """Whether another process delivers it."""


class Courier:
    """Delivers, from its making until `end`."""

    def __init__(
        self,
        spool: Spool,
        deliveries: Sequence[Delivery],
        tell: Callable[[str], object],
        *,
        on_found: Callable[[Found], object] = lambda found: None,
    ) -> None:
        """`on_found` gets what processes that died have left, and puts it into the spool; `tell` gets lines about
        errors of our own."""
        self.figures = spool.figures()
        """As they were a second ago at most."""
        self._spool = spool
        self._tell = tell
        self._on_found = on_found
        self._deliveries = deliveries
        self._locks = {each.name: LockFile(spool.folder / f"{each.name}.lock") for each in deliveries}
        self._mending = LockFile(spool.folder / "mending.lock")
        self._stop = threading.Event()
        self._next_prune_s = time.monotonic() + _PRUNE_S
        self._watch = threading.Thread(target=self._look_after, name="spool watch", daemon=True)
        self._threads = [
            threading.Thread(target=self._deliver, args=(each,), name=each.name, daemon=True) for each in deliveries
        ]
        for thread in (self._watch, *self._threads):
            thread.start()

    def end(self, wait_s: float) -> Left:
        """Deliver what is left for so long, and end. An interruption (`KeyboardInterrupt`, `SystemExit`) ends it now,
        and passes."""
        try:
            with contextlib.suppress(OSError):
                self._spool.sync()
                self._mend()
                self._spool.sync()
            self._wait_until_all_is_delivered(time.monotonic() + wait_s)
        finally:
            self._stop.set()
            for thread in (self._watch, *self._threads):
                thread.join(_LAST_S)
            with contextlib.suppress(OSError):
                self._spool.sync()
            self.figures = self._spool.figures()
        return Left(self.figures, self._is_elsewhere())

    def _wait_until_all_is_delivered(self, until_s: float) -> None:
        while time.monotonic() < until_s and not self._is_elsewhere():
            figures = self._spool.figures()
            if not any(each.left(figures) for each in self._deliveries):
                return
            time.sleep(_IDLE_LOOK_S)

    def _is_elsewhere(self) -> bool:
        """Whether other processes deliver all that is left to deliver."""
        figures = self._spool.figures()
        left = [each for each in self._deliveries if each.left(figures)]
        return bool(left) and all(self._has_another(each) for each in left)

    def _has_another(self, delivery: Delivery) -> bool:
        lock = self._locks[delivery.name]
        return not lock.is_held and is_locked(lock.path)

    def _deliver(self, delivery: Delivery) -> None:
        lock = self._locks[delivery.name]
        while not self._stop.is_set():
            try:
                if lock.try_take():
                    delivery.begin().work(self._stop)
                    continue
            except Exception as error:
                self._tell(f"internal error while {delivery.name}, tried again in {_TRY_AGAIN_S:.0f} s: {error!r}")
                self._stop.wait(_TRY_AGAIN_S)
                delivery.take_back()
            self._stop.wait(_LOOK_S)
        lock.release()

    def _look_after(self) -> None:
        """See to what is left by processes that die, and forget what is settled."""
        while not self._stop.is_set():
            try:
                self._mend()
                if time.monotonic() >= self._next_prune_s:
                    self._next_prune_s = time.monotonic() + _PRUNE_S
                    self._spool.prune(time.time() - _KEPT_S)
                self.figures = self._spool.figures()
            except OSError:
                pass  # the spool has told of it
            except Exception as error:
                self._tell(f"internal error while looking after the spool: {error!r}")
                self._stop.wait(_TRY_AGAIN_S)
            self._stop.wait(_LOOK_S)

    def _mend(self) -> None:
        """Put what processes that died have left. Raises `OSError` when that cannot be written now."""
        if not self._spool.runs.dead() or not self._mending.try_take():
            return
        try:
            dead = self._spool.runs.dead()
            for found in find(self._spool, dead):
                self._on_found(found)
            self._spool.sync()
            for run in dead:
                self._spool.runs.bury(run.id)
        finally:
            self._mending.release()
