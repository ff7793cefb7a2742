"""The same calls of two lengths: the slope between them is a second's cost, the intercept that of begin and end.

CPU is counted from before the first call until all have ended and the server is idle again, so nothing escapes: neither
what a server puts off, nor what it does in other threads, nor its programs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.heard import Heard
from bench.kernel import Usage, busy_s, wait_until_idle
from bench.loads import fits
from bench.servers import STARTS_A_SECOND, Bench, BenchError, Calls, calling, heard_by, running

WARM_UP_CALLS, WARM_UP_S = 5, 0.4
"""What the first calls need, as for modules that are loaded late, is not a call's cost."""

Command = Callable[[], list[str]]


@dataclass(frozen=True)
class Span:
    """Calls of one length."""

    cpu_s: float
    heard: Heard
    others_share: float
    """What others had of the server's core."""


@dataclass(frozen=True)
class Lengths:
    """Calls of two lengths."""

    calls: int
    short: Span
    long: Span

    @property
    def cpu_ms_per_call_s(self) -> float:
        more_s = self.long.heard.call_seconds - self.short.heard.call_seconds
        return (self.long.cpu_s - self.short.cpu_s) / more_s * 1000

    @property
    def set_up_ms(self) -> float:
        """CPU of a call's begin and end."""
        steady_ms = self.cpu_ms_per_call_s * self.short.heard.call_seconds
        return (self.short.cpu_s * 1000 - steady_ms) / self.calls

    @property
    def others_share(self) -> float:
        return max(self.short.others_share, self.long.others_share)

    @property
    def heard(self) -> Heard:
        return self.long.heard

    @property
    def lost(self) -> int:
        return self.heard.lost

    @property
    def fits(self) -> bool:
        """Whether neither the server nor the callers were short of CPU."""
        return fits(self.cpu_ms_per_call_s * self.calls / 1000, self.heard)


def measure_lengths(bench: Bench, command: Sequence[str], calls: Calls) -> Lengths:
    """Run a server with calls of both lengths, after a few that warm it up."""
    bench.wait_until_quiet()
    with running(command, {bench.server_core}) as (pid, port):
        place(bench, pid, port, Calls(min(WARM_UP_CALLS, calls.count), WARM_UP_S, 0))
        short, long = (
            place(bench, pid, port, Calls(calls.count, seconds, min(bench.settle_s, seconds / 2), calls.spread,
                                          calls.seed, calls.starts_a_second))
            for seconds in bench.lengths_s
        )  # fmt: skip
    return Lengths(calls.count, short, long)


def place(bench: Bench, pid: int, port: int, calls: Calls) -> Span:
    """Place calls, and count CPU until they have ended and the server is at rest."""
    return spent(bench, pid, lambda: heard_of(bench, port, calls))


def heard_of(bench: Bench, port: int, calls: Calls) -> Heard:
    """Place calls, and return what their callers heard."""
    with calling(bench, port, calls) as callers:
        return heard_by(callers, calls)


def spent(bench: Bench, pid: int, placed: Callable[[], Heard]) -> Span:
    """Have calls placed, and count CPU until the server is at rest. Raises `BenchError` where it never is."""
    before, busy_before_s = Usage.of(pid), busy_s(bench.server_core)
    heard = placed()
    try:
        after = wait_until_idle(pid)
    except TimeoutError as error:
        raise BenchError(str(error)) from error
    cpu_s = after.total_s - before.total_s
    others_s = busy_s(bench.server_core) - busy_before_s - cpu_s
    return Span(cpu_s, heard, others_s / (after.at_s - before.at_s))


def in_turn(
    bench: Bench, commands: Mapping[str, Command], count: int, spread: str, starts_a_second: float = STARTS_A_SECOND
) -> dict[str, list[Lengths]]:
    """Measure servers in turn, as often as there are runs; callers speak at the same instants to all in a turn."""
    found: dict[str, list[Lengths]] = {name: [] for name in commands}
    for run in range(bench.runs):
        calls = Calls(count, 0, 0, spread, run + 1, starts_a_second)
        for name, command in commands.items():
            found[name].append(measure_lengths(bench, command(), calls))
    return found
