"""Many calls against few: does each cost as much?"""

from __future__ import annotations

from collections.abc import Callable

from bench.loads import Load, measure
from bench.servers import SERVE, Bench, BenchError
from bench.table import Row, cost, doubt_about

LIMIT = 1.1


def growth_case(bench: Bench) -> list[Row]:
    return [
        _growth(bench, "record", lambda: [*SERVE, "--record", str(bench.recordings())]),
        _growth(bench, "echo", lambda: [*SERVE, "--echo"]),
    ]


def _growth(bench: Bench, what: str, command: Callable[[], list[str]]) -> Row:
    sizes = list(bench.growth_calls)
    loads: dict[int, list[Load]] = {size: [] for size in sizes}
    for _ in range(bench.runs):
        for size in list(sizes):
            load = measure(bench, command(), size)
            if not load.fits:  # once may be somebody else's fault
                load = measure(bench, command(), size)
            if load.fits or size == sizes[0]:
                loads[size].append(load)
            else:
                sizes = [other for other in sizes if other < size]
                break
    few, many = sizes[0], sizes[-1]
    if many == few:
        raise BenchError(f"{bench.growth_calls[1]} calls of {what} do not fit on a core, and {few} prove nothing alone")
    costs = ", ".join(f"{size}: {cost(loads[size]).median:.3f}" for size in sizes)
    note = f"CPU at {costs} ms"
    if many < bench.growth_calls[-1]:
        note += f"; more than {many} calls do not fit on a core"
    few_cost, many_cost = cost(loads[few]), cost(loads[many])
    ratio = many_cost.median / few_cost.median
    doubt = doubt_about(loads[few], loads[many])
    return Row(f"growth: {what}, {many} calls against {few}", few_cost, many_cost, ratio, LIMIT, note=note, doubt=doubt)
