"""Lines that could come in floods, told with a bound: the first, and then how many more there were."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from audiosocket_cli.text import counted

_EACH_S: Final = 30.0
"""How often a flood of one kind is told."""


class LineLimiter:
    """Tells a line of each kind (`call`, `event`), and counts others that come soon after. From any thread."""

    def __init__(self, tell: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        self._next_s: dict[str, float] = {}
        self._untold: Counter[str] = Counter()

    def tell(self, kind: str, line: str) -> None:
        """Tell a line, unless one of its kind was told in the last half minute: then it is counted."""
        with self._lock:
            now_s = self._clock()
            if now_s < self._next_s.get(kind, 0.0):
                self._untold[kind] += 1
                return
            self._next_s[kind] = now_s + _EACH_S
            more = self._untold.pop(kind, 0)
        self._tell(f"{line} (and {more} more before)" if more else line)

    def close(self) -> None:
        """Tell how many were not told."""
        with self._lock:
            untold, self._untold = self._untold, Counter()
        for kind, more in untold.items():
            self._tell(f"and {counted(more, f'more {kind}')} likewise")
