"""The life of a spool in a process: what delivers from it, each on a thread, and a watch for processes that died.

One process at a time delivers: uploads and events each have a lock file, and who does not have it tries again.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from audiosocket_cli.outbox.lock_file import LockFile, is_locked
from audiosocket_cli.outbox.reconcile import Found, find
from audiosocket_cli.outbox.spool import Spool
from audiosocket_cli.outbox.waiting import SpoolFigures
from audiosocket_cli.text import counted_with_commas

_LOOK_S: Final = 1.0
"""How often a process looks whether another has died, and whether it may deliver."""

_IDLE_LOOK_S: Final = 0.05

_TOLD_AFTER_S: Final = 1.0
"""How long the end may take before it is told what it waits for."""

_TRY_AGAIN_S: Final = 60.0
"""After an error of our own."""

_LAST_S: Final = 6.0
"""How long a thread that is told to end is waited for."""

_PRUNE_S: Final = 600.0
_KEPT_S: Final = 3600.0
"""How long calls that are settled are kept: a process that dies has put all that ended so long ago."""


class Carrier(Protocol):
    """Delivers what waits in a spool."""

    @property
    def problem(self) -> str | None:
        """Why nothing can be delivered now, in one line; None while all is well."""

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
    noun: str
    """What one of it is: "call"."""


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
        on_state: Callable[[str, str | None], object] = lambda name, problem: None,
    ) -> None:
        """`on_found` gets what processes that died have left, and puts it into the spool; `on_state` a delivery's name,
        and why nothing can be delivered, or None once it can be again. `tell` gets lines about errors of our own."""
        self.figures = spool.figures()
        """As they were a second ago at most."""
        self._spool = spool
        self._tell = tell
        self._on_found = on_found
        self._on_state = on_state
        self._carriers: dict[str, Carrier] = {}
        """Those that deliver, by the delivery's name."""
        self._problems: dict[str, str | None] = {}
        self._deliveries = deliveries
        self._locks = {each.name: LockFile(spool.folder / f"{each.name}.lock") for each in deliveries}
        self._recovering = LockFile(spool.folder / "recovering.lock")
        self._recovering_here = threading.Lock()
        self._stop = threading.Event()
        self._next_prune_s = time.monotonic() + _PRUNE_S
        self._watch = threading.Thread(target=self._look_after, name="spool watch", daemon=True)
        self._threads = [
            threading.Thread(target=self._deliver, args=(each,), name=each.name, daemon=True) for each in deliveries
        ]
        for thread in (self._watch, *self._threads):
            thread.start()

    def end(self, wait_s: float, *, patient: bool = False) -> Left:
        """Deliver what is left for so long, or, if `patient`, until that long after something was delivered last; then
        end. An interruption (`KeyboardInterrupt`, `SystemExit`) ends it now, and passes."""
        try:
            with contextlib.suppress(OSError):
                self._spool.sync()
                self._recover()
                self._spool.sync()
            self._wait_until_all_is_delivered(wait_s, patient=patient)
        finally:
            self._stop.set()
            self._spool.news.wake_all()
            for thread in (self._watch, *self._threads):
                thread.join(_LAST_S)
            with contextlib.suppress(OSError):
                self._spool.sync()
            self.figures = self._spool.figures()
        return Left(self.figures, self._is_elsewhere())

    def _wait_until_all_is_delivered(self, wait_s: float, *, patient: bool) -> None:
        begun_s = last_s = time.monotonic()
        least, is_told = math.inf, False
        while not self._is_elsewhere():
            figures = self._spool.figures()
            left = sum(each.left(figures) for each in self._deliveries)
            now_s = time.monotonic()
            if patient and (left < least or self._is_at_work()):
                last_s = now_s
            least = min(least, left)
            if not left or now_s - last_s >= wait_s:
                return
            if not is_told and not patient and now_s - begun_s >= _TOLD_AFTER_S:
                is_told = True
                counts = ((each.left(figures), each.noun) for each in self._deliveries)
                rest = " and ".join(counted_with_commas(count, noun) for count, noun in counts if count)
                self._tell(f"sending {rest}, for {wait_s:g} s at most; a second signal ends it and keeps the rest")
            time.sleep(_IDLE_LOOK_S)

    def _is_at_work(self) -> bool:
        """Whether something large may be on its way: calls are, and nothing is wrong."""
        carriers = self._carriers.values()
        return bool(carriers) and not any(each.problem for each in carriers) and self._spool.calls_out > 0

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
                    carrier = self._carriers[delivery.name] = delivery.begin()
                    carrier.work(self._stop)
                    continue
            except Exception as error:
                fault = f"internal error while {delivery.name}: {error!r}"
                if isinstance(error, OSError):  # the lock's file is of somebody else, or the disk is full
                    what = f": {error.filename}" if error.filename else ""
                    fault = f"cannot begin {delivery.name}: {(error.strerror or str(error)).lower()}{what}"
                self._tell(f"{fault} (trying again in {_TRY_AGAIN_S:.0f} s)")
                self._stop.wait(_TRY_AGAIN_S)
                delivery.take_back()
            self._stop.wait(_LOOK_S)
        lock.release()

    def _look_after(self) -> None:
        """See to what is left by processes that die, and forget what is settled."""
        while not self._stop.is_set():
            try:
                self._spool.processes.follow_clock()
                self._recover()
                if time.monotonic() >= self._next_prune_s:
                    self._next_prune_s = time.monotonic() + _PRUNE_S
                    self._spool.prune(time.time() - _KEPT_S)
                self.figures = self._spool.figures()
                self._look_at_states()
            except OSError:
                pass  # the spool has told of it
            except Exception as error:
                self._tell(f"internal error while looking after the spool: {error!r}")
                self._stop.wait(_TRY_AGAIN_S)
            self._stop.wait(_LOOK_S)

    def _look_at_states(self) -> None:
        for name, carrier in list(self._carriers.items()):
            problem = carrier.problem
            if (problem is None) != (self._problems.get(name) is None):
                self._on_state(name, problem)
            self._problems[name] = problem

    def _recover(self) -> None:
        """Put what processes that died have left. Raises `OSError` when that cannot be written now."""
        with self._recovering_here:
            if self._spool.processes.dead() and self._recovering.try_take():
                self._recover_alone()

    def _recover_alone(self) -> None:
        try:
            dead = self._spool.processes.dead()
            for found in find(self._spool, dead):
                self._on_found(found)
            self._spool.sync()
            for process in dead:
                self._spool.processes.forget(process.id)
        finally:
            self._recovering.release()
