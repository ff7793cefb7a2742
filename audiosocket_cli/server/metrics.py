"""What a server counts for monitoring: snapshots of plain numbers, of one process or of several.

Nothing is counted while frames pass: a snapshot adds up what live calls measure anyway and the totals of calls that
ended. Counts never decrease.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypedDict

from audiosocket_cli.call.wire import queues
from audiosocket_cli.codec import kind_name
from audiosocket_cli.model import Side

if TYPE_CHECKING:
    from audiosocket_cli.call.live_call import LiveCall
    from audiosocket_cli.server.options import ServeSummary

SNAPSHOT_S: Final = 1.0
"""Seconds between snapshots."""

_AT_ONCE: Final = 50
"""How many calls are read in one go, half a millisecond; then frames of other calls have their turn."""


class Snapshot(TypedDict):
    """Numbers by name, as JSON values. Further words of a name are its label values."""

    counts: dict[str, int]
    """Counters. Times are in whole milliseconds, so sums do not depend on their order."""
    levels: dict[str, int]
    """Gauges that add up across processes."""
    peaks: dict[str, int]
    """Gauges of which the largest across processes counts."""


class Totals:
    """What is left of the calls that ended."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, live: LiveCall) -> None:
        """Take over what an ended call has measured."""
        _count(self.counts, live)
        call = live.session.call
        if call is not None and call.ending is not None:
            self.counts[f"calls {call.ending.by} {call.ending.how}"] += 1
        if live.mirrored is not None:
            self.counts[f"mirrored_{live.mirrored}"] += 1


class Counted(Protocol):
    """A server, as far as it is counted."""

    @property
    def summary(self) -> ServeSummary:
        """What came of it so far."""

    @property
    def totals(self) -> Totals:
        """What is left of the calls that ended."""

    @property
    def live(self) -> Iterable[LiveCall]:
        """The calls that go on."""

    @property
    def concluding(self) -> Iterable[LiveCall]:
        """Those that have ended, and are not in `totals` yet."""


async def snapshot(server: Counted) -> Snapshot:
    """Return a server's numbers now, or as good as now: other calls go on meanwhile."""
    # All that may move from one place to the other is looked at before anybody else has a turn.
    summary, counts, lives = server.summary, server.totals.counts.copy(), [*server.live, *server.concluding]
    counts["refused"] = summary.refused
    counts["failed_connections"] = summary.failed
    counts["checks"] = summary.checks
    counts["hooks_failed"] = summary.failed_hooks
    counts["calls_lost"] = summary.faults
    calls = children = 0
    received, unsent = [0], [0]
    for number, live in enumerate(lives, 1):
        _count(counts, live)
        calls += live.session.begun and not live.session.ended
        children += live.bot.processes if live.bot is not None else 0
        received_bytes, unsent_bytes = queues(live.wire.fileno())
        received.append(received_bytes)
        unsent.append(unsent_bytes)
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return {
        "counts": dict(counts),
        "levels": {
            "workers": 1,
            "calls_live": calls,
            "children": children,
            "receive_queue_bytes": sum(received),
            "send_queue_bytes": sum(unsent),
        },
        "peaks": {"receive_queue_max_bytes": max(received), "send_queue_max_bytes": max(unsent)},
    }


async def publish_snapshots(
    server: Counted, publish: Callable[[Snapshot], object], complain: Callable[[str], object]
) -> None:
    """Take snapshots until cancelled."""
    while True:
        try:
            publish(await snapshot(server))
        except Exception as error:  # no call is to suffer from being counted
            complain(f"internal error in the metrics, which stand still now: {error!r}")
            return
        await asyncio.sleep(SNAPSHOT_S)


def _count(counts: Counter[str], live: LiveCall) -> None:
    for side, stats in live.stats.sides.items():
        for kind, (frames, size) in stats.by_kind.items():
            frames_name, bytes_name = _names(kind, side)
            counts[frames_name] += frames
            counts[bytes_name] += size
    timeline, call = live.stats.timeline, live.session.call
    if timeline.gap_count:
        counts["gaps"] += timeline.gap_count
        counts["gap_ms"] += round(timeline.gaps_s * 1000)
    if call is not None:
        pacer = call.pacer
        if pacer.late:
            counts["late_frames"] += pacer.late
            counts["slips"] += pacer.slips
        if pacer.held:
            counts["held_frames"] += pacer.held
    if live.stalls:
        counts["stalls"] += live.stalls
    if live.bot is not None and live.bot.blocks:
        counts["bot_blocks"] += live.bot.blocks
        counts["bot_block_ms"] += round(live.bot.blocked_s * 1000)
    if live.recording_error is not None:
        counts["recordings_failed"] += 1
    if live.capture_error is not None:
        counts["captures_failed"] += 1


@functools.cache
def _names(kind: int, side: Side) -> tuple[str, str]:
    return f"frames {kind_name(kind)} {side}", f"payload_bytes {kind_name(kind)} {side}"


def merged(snapshots: Iterable[Snapshot]) -> Snapshot:
    """Return the numbers of several processes as if they were one."""
    result: Snapshot = {"counts": {}, "levels": {}, "peaks": {}}
    for one in snapshots:
        for name, value in one["counts"].items():
            result["counts"][name] = result["counts"].get(name, 0) + value
        for name, value in one["levels"].items():
            result["levels"][name] = result["levels"].get(name, 0) + value
        for name, value in one["peaks"].items():
            result["peaks"][name] = max(result["peaks"].get(name, 0), value)
    return result


class WorkersMetrics:
    """The newest snapshot of each worker, and what those that are no more had counted."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._newest: dict[int, tuple[float, Snapshot]] = {}

    def take(self, number: int, told: dict[str, Any]) -> None:
        """Take a worker's snapshot. Raises `ValueError` when it is not one."""
        for name in Snapshot.__annotations__:
            numbers = told.get(name)
            if not isinstance(numbers, dict) or not all(isinstance(value, int) for value in numbers.values()):
                raise ValueError(f"metrics without {name}")
        kept: Snapshot = {"counts": told["counts"], "levels": told["levels"], "peaks": told["peaks"]}
        self._newest[number] = (time.monotonic(), kept)

    def forget(self, number: int) -> None:
        """A worker has ended: what it counted stays."""
        if number in self._newest:
            self.counts.update(self._newest.pop(number)[1]["counts"])

    def merged(self) -> tuple[Snapshot, float]:
        """Return the numbers of all, and when the oldest of them was told."""
        past: Snapshot = {"counts": self.counts, "levels": {}, "peaks": {}}
        newest = self._newest.values()
        return merged([past, *(one for _, one in newest)]), min((at_s for at_s, _ in newest), default=time.monotonic())
