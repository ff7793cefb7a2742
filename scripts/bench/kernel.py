"""CPU time and memory of a server's processes, as the kernel counts them."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_IDLE_S, _IDLE_SHARE = 0.25, 0.01
"""A server that needs less than this share of a core for so long is idle."""

QUIET_S, QUIET_SHARE = 0.5, 0.06
"""The same of a machine, whose times are counted in hundredths of a second."""


def processes_of(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                children.setdefault(_stat_fields(int(entry))[1], []).append(int(entry))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def _stat_fields(pid: int) -> list[int]:
    """Return the numbers of /proc/PID/stat after state and name, with a 0 in the place of the state."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [0, *map(int, fields[1:])]


def cpu_ns(pid: int) -> int:
    """Return the CPU time of a process, with that of threads that have ended.

    The number of a process's clock is that of clock_getcpuclockid(3), which Python does not have.
    """
    return time.clock_gettime_ns(~pid << 3 | 2)


def reaped_ns(pid: int) -> int:
    """Return the CPU time of children that have ended and been waited for, and of theirs; to 20 ms."""
    return sum(_stat_fields(pid)[13:15]) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def busy_s(core: int) -> float:
    """Return how long a core has worked so far, for whomever; to 10 ms."""
    times = re.search(rf"^cpu{core} (.*)", Path("/proc/stat").read_text(), re.MULTILINE)
    assert times is not None
    user, nice, system, _idle, _iowait, *others = map(int, times[1].split()[:8])
    return (user + nice + system + sum(others)) / os.sysconf("SC_CLK_TCK")


def wait_until_quiet(cores: Sequence[int], timeout_s: float) -> bool:
    """Wait until these cores do nothing, for so long at most. Returns whether they do nothing."""
    give_up_s = time.monotonic() + timeout_s
    while True:
        before = sum(map(busy_s, cores))
        time.sleep(QUIET_S)
        if sum(map(busy_s, cores)) - before <= QUIET_SHARE * QUIET_S * len(cores):
            return True
        if time.monotonic() > give_up_s:
            return False


def memory_kib(pid: int, name: str) -> int:
    """Return the memory of a process and all that descend from it: Rss or Pss."""
    total = 0
    for process in processes_of(pid):
        with contextlib.suppress(OSError):
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
            total += int(re.findall(rf"^{name}: +(\d+)", rollup, re.MULTILINE)[0])
    return total


@dataclass(frozen=True)
class Usage:
    """CPU time of a server's processes so far."""

    at_s: float
    cpu_ns: dict[int, int]
    reaped_ns: int
    """Of children that have ended."""

    @classmethod
    def of(cls, pid: int) -> Usage:
        living: dict[int, int] = {}
        reaped = 0
        for process in processes_of(pid):
            with contextlib.suppress(OSError):  # one that has just ended
                living[process] = cpu_ns(process)
                reaped += reaped_ns(process)
        return cls(time.monotonic(), living, reaped)

    @property
    def total_s(self) -> float:
        """CPU seconds of all, also of those that have ended."""
        return (sum(self.cpu_ns.values()) + self.reaped_ns) / 1e9

    def since(self, before: Usage) -> list[float]:
        """Return the CPU seconds of each process in between, the busiest first."""
        return [(self.cpu_ns[pid] - before.cpu_ns.get(pid, 0)) / 1e9 for pid in self.busiest_since(before)]

    def busiest_since(self, before: Usage) -> list[int]:
        """Return the processes, the busiest first."""
        return sorted(self.cpu_ns, key=lambda pid: before.cpu_ns.get(pid, 0) - self.cpu_ns[pid])


def wait_until_idle(pid: int, timeout_s: float = 15.0) -> Usage:
    """Wait until a server has nothing left to do, and return its usage then. Raises `TimeoutError`."""
    give_up_s = time.monotonic() + timeout_s
    before = Usage.of(pid)
    while time.monotonic() < give_up_s:
        time.sleep(_IDLE_S)
        after = Usage.of(pid)
        if after.total_s - before.total_s < _IDLE_SHARE * (after.at_s - before.at_s):
            return after
        before = after
    raise TimeoutError(f"the server was still busy {timeout_s:g} s after the last call")
