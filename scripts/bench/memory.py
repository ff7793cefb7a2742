"""What a recorded call holds in memory."""

from __future__ import annotations

import time

from bench.kernel import memory_kib
from bench.loads import Load, measure
from bench.servers import SERVE, Bench, Calls, calling, running
from bench.table import Figure, Row, doubt_about

LIMIT_KIB = 12
FLAT_CALLS = 100


def memory_case(bench: Bench) -> list[Row]:
    loads: dict[int, list[Load]] = {size: [] for size in bench.memory_calls}
    for _ in range(bench.runs):
        for size in bench.memory_calls:
            loads[size].append(measure(bench, [*SERVE, "--record", str(bench.recordings())], size))
    few, many = bench.memory_calls
    rss_few, rss_many, pss_few, pss_many = (
        Figure([getattr(load, name) / 1024 for load in loads[size]], " MiB", 1)
        for name in ("rss_kib", "pss_kib")
        for size in (few, many)
    )
    each_kib = (rss_many.median - rss_few.median) * 1024 / (many - few)
    pss_each_kib = (pss_many.median - pss_few.median) * 1024 / (many - few)
    note = f"KiB a call; {pss_each_kib:.1f} of PSS"
    what, doubt = f"memory: RSS, {many} recorded calls against {few}", doubt_about(loads[few], loads[many])
    rows = [Row(what, rss_few, rss_many, each_kib, LIMIT_KIB, note=note, doubt=doubt)]
    if bench.flat_s:
        rows.append(flat(bench))
    return rows


def flat(bench: Bench) -> Row:
    """Watch memory over a long run."""
    rss_mib = []
    with (
        running([*SERVE, "--record", str(bench.recordings())], {bench.server_core}) as (pid, port),
        calling(bench, port, Calls(FLAT_CALLS, bench.settle_s + bench.flat_s + 1, bench.settle_s)),
    ):
        time.sleep(bench.settle_s)
        end_s = time.monotonic() + bench.flat_s
        while time.monotonic() < end_s:
            rss_mib.append(memory_kib(pid, "Rss") / 1024)
            time.sleep(min(1.0, bench.flat_s / 20))
    settled, last = rss_mib[len(rss_mib) // 4], rss_mib[-1]
    return Row(
        f"memory: {FLAT_CALLS} recorded calls for {bench.flat_s:g} s, % grown",
        Figure([settled], " MiB", 1), Figure([last], " MiB", 1), (last / settled - 1) * 100, 2.0,
        note=f"RSS at most {max(rss_mib):.1f} MiB",
    )  # fmt: skip
