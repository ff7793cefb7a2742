"""What finding calls costs: an index made of all their JSON, asked, and asked after more calls have ended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.programs import Ran, run_in_turn, run_program
from bench.servers import Bench
from bench.table import Figure, Row

CALLS = [sys.executable, "-P", "-m", "audiosocket_cli", "calls"]
MAKER = Path(__file__).parents[2] / "tests" / "support" / "many_calls.py"
MORE = 100


def index_case(bench: Bench) -> list[Row]:
    folder = bench.folder / "calls"
    make(folder, bench.indexed, 0)
    rebuilding, asking = run_in_turn(
        bench, [[*CALLS, folder, "--rebuild", "--limit", "1"], [*CALLS, folder, "--digits", "0042"]], bench.runs
    )
    after_more = []
    for number in range(bench.runs):
        make(folder, MORE, bench.indexed + number * MORE)
        after_more.append(run_program(bench, [*CALLS, folder, "--digits", "0042"]))
    peaks_kib = [max(ran.peak_kib for ran in turn) for turn in zip(rebuilding, asking, after_more, strict=True)]
    peak_mb = Figure([kib * 1024 / 1e6 for kib in peaks_kib], " MB", 0)
    return [
        row(bench, "asked, s", asking, 1),
        row(bench, f"asked after {MORE} more, s", after_more, 1),
        row(bench, "index made anew, s", rebuilding, 30),
        Row(f"calls, {bench.indexed} of them: memory, MB", None, peak_mb, peak_mb.median, 300),
    ]


def row(bench: Bench, what: str, runs: list[Ran], most_s: float) -> Row:
    figure = Figure([ran.seconds for ran in runs], " s", 2)
    return Row(f"calls, {bench.indexed} of them: {what}", None, figure, figure.median, most_s)


def make(folder: Path, count: int, first: int) -> None:
    """Write the JSON of calls into folders of their days."""
    subprocess.run([sys.executable, MAKER, folder, str(count), str(first)], check=True)
