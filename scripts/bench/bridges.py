"""What a bridge to a WebSocket bot costs, and the delay that it adds: ours against the shortest relay on the same
library."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bench.building import HERE
from bench.costs import ours_against
from bench.lengths import Command, Lengths, in_turn
from bench.servers import Bench, running
from bench.table import Figure, Row, doubt_about

MAX_CALLS = 100
COST, ADDED_P99_MS = 1.3, 25.0


def bridge_case(bench: Bench) -> list[Row]:
    """Measure both on the server's core, in front of a bot that echoes, which shares the callers' core."""
    peer = HERE / "peer"
    with running([sys.executable, str(peer / "websocket_echo.py"), "0"], {bench.callers_core}) as (_, port):
        url = f"ws://127.0.0.1:{port}"
        relay = [sys.executable, str(peer / "websocket_relay.py"), "0", url]
        commands: dict[str, Command] = {
            "echo": bench.ours("--echo")["ours"],
            "C": lambda: relay,  # the reference; there is no such loop in C
            **bench.ours("--bridge", url, "--bridge-protocol", "twilio"),
        }
        found = in_turn(bench, commands, min(bench.calls, MAX_CALLS), "random")
    return [
        *ours_against("bridge to a Twilio bot, against a relay in asyncio", found, COST),
        *(added(name, found["echo"], through) for name, through in found.items() if name != "echo"),
    ]


def added(name: str, direct: Sequence[Lengths], through: Sequence[Lengths]) -> Row:
    """Judge the delay that a bridge adds to an echo."""
    what = {"C": "relay in asyncio", "ours": "bridge"}.get(name, f"bridge, {name}")
    before, after = (Figure([each.heard.latency_ms("p99") for each in found], " ms") for found in (direct, through))
    limit = None if name == "C" else ADDED_P99_MS
    beyond_ms, doubt = after.median - before.median, doubt_about(direct, through)
    return Row(f"{what}: due to back, p99, ms beyond serve --echo", before, after, beyond_ms, limit, doubt=doubt)
