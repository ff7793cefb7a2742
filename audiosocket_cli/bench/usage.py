"""What a process on this machine uses: CPU time and memory, from /proc or, where there is none, from ps."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from audiosocket_cli.errors import UsageError


@dataclass(frozen=True, slots=True)
class Usage:
    """A process's CPU time as a share of the wall time (100: one core), and the most memory it was seen with."""

    cpu_percent: float
    rss_mib: float

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"cpu_percent": round(self.cpu_percent, 1), "rss_mib": round(self.rss_mib, 1)}


class Sample(NamedTuple):
    """What a process has used until a moment of the monotonic clock: CPU seconds, and MiB of memory then."""

    at_s: float
    cpu_s: float
    rss_mib: float


class UsageWatch:
    """Looks at a process now and then; threads count, its children do not."""

    def __init__(self, pid: int) -> None:
        """Raises `UsageError` when there is no such process."""
        self._pid = pid
        self._first: tuple[float, float] | None = None
        self._last = (0.0, 0.0)
        self._rss_mib = 0.0
        try:
            _look(pid)
        except (OSError, ValueError, IndexError):
            raise UsageError(f"cannot watch --pid {pid}: there is no such process on this machine") from None

    def look(self) -> Sample | None:
        """Take a sample, and return it; None of a process that has ended."""
        try:
            cpu_s, rss_mib = _look(self._pid)
        except (OSError, ValueError, IndexError):
            return None
        self._last = (time.monotonic(), cpu_s)
        self._first = self._first or self._last
        self._rss_mib = max(self._rss_mib, rss_mib)
        return Sample(*self._last, rss_mib)

    @property
    def usage(self) -> Usage | None:
        """What was used between the first look and the last."""
        if self._first is None:
            return None
        wall_s = self._last[0] - self._first[0]
        return Usage(100 * (self._last[1] - self._first[1]) / wall_s if wall_s else 0.0, self._rss_mib)


def _look(pid: int) -> tuple[float, float]:
    """Return CPU seconds so far and MiB of memory now."""
    folder = Path("/proc") / str(pid)
    if Path("/proc/self/stat").exists():
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        ticks, pages = int(fields[11]) + int(fields[12]), int(fields[21])
        return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
    shown = subprocess.run(["ps", "-o", "time=,rss=", "-p", str(pid)], capture_output=True, text=True, check=False)
    cpu, rss = shown.stdout.split()
    seconds = 0.0
    for part in cpu.replace("-", ":").split(":"):
        seconds = seconds * 60 + float(part)
    return seconds, int(rss) / 1024
