"""How long the command takes to start."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.programs import run_in_turn
from bench.servers import Bench
from bench.table import Figure, Row

STARTS_A_RUN = 4


def start_case(bench: Bench) -> list[Row]:
    script = Path(sys.executable).with_name("audiosocket")
    command = [str(script)] if script.exists() else [sys.executable, "-m", "audiosocket_cli"]
    both = [[sys.executable, "-c", "import click"], [*command, "--version"]]
    theirs, ours = (
        Figure([ran.seconds * 1000 for ran in runs], " ms", 0)
        for runs in run_in_turn(bench, both, STARTS_A_RUN * bench.runs)
    )
    return [Row("start: --version, against python -c 'import click'", theirs, ours, ours.median / theirs.median, 1.3)]
