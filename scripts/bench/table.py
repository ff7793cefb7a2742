"""Figures, rows with their limits, and the table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

DISTURBED = 0.15
"""A server is measured too dear where others have more of its core: caches are cold, and it waits for its turn."""


@dataclass
class Figure:
    """A figure's median, and its least and most in all runs."""

    values: list[float]
    unit: str = ""
    digits: int = 2

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        values = (self.median, min(self.values), max(self.values))
        median, least, most = (f"{value:.{self.digits}f}" for value in values)
        return f"{median}{self.unit}" + (f" ({least}..{most})" if len(self.values) > 1 else "")


@dataclass
class Row:
    """A line of the table: a figure against another's, and its limit."""

    what: str
    reference: Figure | None
    ours: Figure
    judged: float
    """The ratio, or what else the limit is for."""
    limit: float | None
    is_least: bool = False
    note: str = ""
    doubt: str = ""
    """Why the figures prove nothing, if they do not."""

    @property
    def held(self) -> bool:
        if self.limit is None:
            return True
        return self.judged >= self.limit if self.is_least else self.judged <= self.limit

    def cells(self) -> list[str]:
        limit = "" if self.limit is None else f"at {'least' if self.is_least else 'most'} {self.limit:g}"
        said = "; ".join(filter(None, (self.doubt, self.note)))
        verdict = "" if self.limit is None else "held" if self.held else "NOT HELD"
        return [self.what, str(self.reference or ""), str(self.ours), f"{self.judged:.3g}", limit, verdict, said]

    def as_dict(self) -> dict[str, Any]:
        return {
            "case": self.what,
            "reference": self.reference.values if self.reference else None,
            "ours": self.ours.values,
            "unit": self.ours.unit.strip(),
            "judged": self.judged,
            "limit": self.limit,
            "is_least": self.is_least,
            "held": self.held,
            "note": self.note,
            "doubt": self.doubt,
        }


class Measured(Protocol):
    """What was measured with calls."""

    @property
    def cpu_ms_per_call_s(self) -> float: ...

    @property
    def fits(self) -> bool: ...

    @property
    def others_share(self) -> float: ...

    @property
    def lost(self) -> int: ...


def cost(measured: Iterable[Measured]) -> Figure:
    return Figure([each.cpu_ms_per_call_s for each in measured], " ms", 3)


def against(what: str, reference: Sequence[Measured], ours: Sequence[Measured], limit: float | None) -> Row:
    """Compare the CPU of two servers."""
    ratio = cost(ours).median / cost(reference).median
    doubt = doubt_about(reference, ours)
    return Row(f"{what}: CPU a call-second", cost(reference), cost(ours), ratio, limit, doubt=doubt)


def doubt_about(reference: Sequence[Measured], ours: Sequence[Measured]) -> str:
    """Say what makes the figures of either doubtful, if anything does."""
    both = (("reference:", trouble(reference)), ("ours:", trouble(ours)))
    return "; ".join(f"{name} {said}" for name, said in both if said)


def trouble(measured: Sequence[Measured]) -> str:
    """Say what makes figures doubtful, if anything does."""
    runs, lost = len(measured), sum(each.lost for each in measured)
    if lost:
        return f"{lost} calls were lost"
    full = sum(not each.fits for each in measured)
    disturbed = [each.others_share for each in measured if each.others_share > DISTURBED]
    if 2 * (full + len(disturbed)) < runs:
        return ""  # the median is a figure of the other runs, or between two of them
    said = [f"behind, so cheaper than it is, in {full} of {runs} runs"] * bool(full)
    if disturbed:
        said.append(f"others had up to {max(disturbed):.0%} of its core in {len(disturbed)} of {runs} runs")
    return ", ".join(said)


def print_table(rows: Sequence[Row]) -> None:
    table = [["case", "reference", "ours", "figure", "limit", "", ""], *(row.cells() for row in rows)]
    widths = [max(len(cells[column]) for cells in table) for column in range(len(table[0]))]
    for cells in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
