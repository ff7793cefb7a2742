"""The steady middle of a run: what a server needs while all calls are up and none has ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.heard import Heard
from bench.kernel import Usage, busy_s, memory_kib
from bench.servers import Bench, Calls, calling, heard_by, running

SATURATED = 0.93
"""Of a core: beyond, figures are those of a queue and not of the calls."""


@dataclass(frozen=True)
class Load:
    """What a server did with some calls for a while."""

    calls: int
    seconds: float
    cpu_s: list[float]
    """Of each process, the busiest first."""
    rss_kib: int
    pss_kib: int
    heard: Heard
    others_share: float = 0.0
    """What others had of the server's core, where it has but one."""

    @property
    def cpu_ms_per_call_s(self) -> float:
        return sum(self.cpu_s) * 1000 / self.seconds / self.calls

    @property
    def lost(self) -> int:
        return self.heard.lost

    @property
    def fits(self) -> bool:
        """Whether neither the server nor the callers were short of CPU."""
        return fits(self.cpu_s[0] / self.seconds, self.heard)


def fits(core_share: float, heard: Heard) -> bool:
    """Whether a server that takes this share of its core, and its callers, keep up."""
    return core_share < SATURATED and not (heard.are_late or heard.lost or heard.is_bunched)


def measure(bench: Bench, command: Sequence[str], count: int, cores: set[int] | None = None) -> Load:
    """Run a server with calls, and look at its steady middle."""
    calls = Calls(count, bench.settle_s + bench.seconds + 0.2, bench.settle_s)
    bench.wait_until_quiet()
    with (
        running(command, cores or {bench.server_core}) as (pid, port),
        calling(bench, port, calls) as callers,
    ):
        time.sleep(bench.settle_s)
        before, busy_before_s = Usage.of(pid), busy_s(bench.server_core)
        time.sleep(bench.seconds)
        after, busy_after_s = Usage.of(pid), busy_s(bench.server_core)
        rss_kib, pss_kib = memory_kib(pid, "Rss"), memory_kib(pid, "Pss")
        heard = heard_by(callers, calls)
    seconds, cpu_s = after.at_s - before.at_s, after.since(before)
    others_share = 0.0 if cores else (busy_after_s - busy_before_s - sum(cpu_s)) / seconds
    return Load(count, seconds, cpu_s, rss_kib, pss_kib, heard, others_share)
