"""Which fault there is when: a thread that changes the modes of the store and of the bus, by a seed."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence

from outbox_faults.buses import Bus
from outbox_faults.faulty import FaultyProxy
from outbox_faults.stores import StoreProcess

STORE_PHASES = ("up", "refused", "frozen", "killed", "slow", "503", "500", "cut", "answer lost", "answer cut", "mixed")


class Phases:
    """Phases that follow each other in an order by a seed; each comes once before any comes again."""

    def __init__(self, names: Sequence[str], rng: random.Random) -> None:
        self._names, self._random = names, rng
        self._left: list[str] = []

    def next(self) -> str:
        if not self._left:
            self._left = [*self._names]
            self._random.shuffle(self._left)
        return self._left.pop()


class Weather:
    """Changes what fails, every few seconds, until all is well for good."""

    def __init__(self, store: StoreProcess, store_proxy: FaultyProxy, bus: Bus, seed: int) -> None:
        self.phases: Counter[str] = Counter()
        self.failure: str | None = None
        """Why it changes no more, if it failed."""
        self._store, self._store_proxy, self._bus = store, store_proxy, bus
        self._random = random.Random(seed)
        self._stop = threading.Event()
        names = [name for name in STORE_PHASES if name != "killed" or not store.forgets]
        self._store_phases = Phases(names, self._random)
        self._bus_phases = Phases(bus.phases, self._random)
        self._thread: threading.Thread | None = None

    def begin(self, phase_s: float) -> None:
        """Change from now on; each phase lasts about so long."""
        self._thread = threading.Thread(target=self._run, args=(phase_s,), daemon=True)
        self._thread.start()

    def clear(self) -> None:
        """Have no faults from now on."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._store_proxy.mode = "up"
        self._bus.enter("up")

    def _run(self, phase_s: float) -> None:
        try:
            while not self._stop.is_set():
                self._pass_phase(phase_s * self._random.uniform(0.5, 1.5))
        except Exception as error:  # the run goes on, and fails at its end
            self.failure = f"the faults ended: {type(error).__name__}: {error}"

    def _pass_phase(self, seconds: float) -> None:
        phase = self._store_phases.next()
        self.phases[phase] += 1
        self._bus.enter(self._bus_phases.next())
        self._store_proxy.mode = phase if phase not in ("frozen", "killed") else "up"
        undo: Callable[[], None] | None = None
        if phase == "frozen":
            self._store.freeze()
            undo = self._store.thaw
        elif phase == "killed":
            self._store.kill()
            undo = self._store.start_again
        try:
            self._stop.wait(seconds)
        finally:
            if undo is not None:
                undo()
