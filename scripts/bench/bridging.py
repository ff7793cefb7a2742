"""What a bridge to a WebSocket bot costs, and the delay that it adds: ours against the shortest on its library."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bench.costs import ours_against
from bench.lengths import Command, in_turn
from bench.servers import SERVE, Bench, running
from bench.table import Figure, Row, doubt_about

MAX_CALLS, STARTS_A_SECOND = 100, 100
COST, ADDED_P99_MS = 1.3, 25.0

_BOTS = Path(__file__).parent / "bots"


def bridge_case(bench: Bench) -> list[Row]:
    """Measure bridges, each on the server's core, to an echo bot, which shares the callers' core."""
    with running([sys.executable, str(_BOTS / "echo.py")], {bench.callers_core}) as (_, port):
        url = f"ws://127.0.0.1:{port}/"
        root = os.fspath(Path(__file__).parents[2])
        commands: dict[str, Command] = {
            "C": lambda: ["env", f"PYTHONPATH={root}", sys.executable, str(_BOTS / "relay.py"), url],
            **bench.ours("--bridge", url, "--bridge-protocol", "twilio"),
            "echo": lambda: [*SERVE, "--echo"],
            "raw": lambda: [*SERVE, "--bridge", url, "--bridge-protocol", "raw"],
        }
        found = in_turn(bench, commands, min(bench.calls, MAX_CALLS), "random", STARTS_A_SECOND)
    before, after = (
        Figure([each.heard.latency_ms("p99") for each in found[name]], " ms", 3) for name in ("echo", "raw")
    )
    doubt = doubt_about(found["echo"], found["raw"])
    added_ms = after.median - before.median
    return [
        *ours_against("bridge", found, COST),
        Row("bridge: due to back, p99, ms beyond --echo", before, after, added_ms, ADDED_P99_MS, doubt=doubt),
    ]
