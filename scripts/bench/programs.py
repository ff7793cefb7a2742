"""Programs that run to their end: how long they take."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.servers import PRIORITY, Bench, BenchError, pinned

_ENVIRONMENT: Final = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""As programs run where they are installed: with bytecode, which pip writes, and here the run before the first."""


@dataclass(frozen=True)
class Ran:
    """A program's run."""

    seconds: float
    """By the clock on the wall."""
    peak_kib: int
    """Of memory."""


def run_program(bench: Bench, command: Sequence[str | Path]) -> Ran:
    """Run a program to its end, on both cores. Raises `BenchError` when it fails."""
    begun_s = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_ENVIRONMENT,
        preexec_fn=pinned({bench.server_core, bench.callers_core}, PRIORITY),
    )  # fmt: skip
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun_s
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchError(f"{' '.join(map(str, command))} ended with code {process.returncode}")
    return Ran(seconds, usage.ru_maxrss)


def run_in_turn(bench: Bench, commands: Sequence[Sequence[str | Path]], runs: int) -> list[list[Ran]]:
    """Run programs in turn, as often as there are runs, and once before; return the runs of each."""
    for command in commands:
        run_program(bench, command)
    turns = []
    for _ in range(runs):
        bench.wait_until_quiet()
        turns.append([run_program(bench, command) for command in commands])
    return [list(each) for each in zip(*turns, strict=True)]
