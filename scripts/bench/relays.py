"""What passing calls on costs, and the delay that it adds: ours against the loop in C, beside socat and HAProxy."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.costs import ours_against
from bench.lengths import Command, Lengths, in_turn
from bench.servers import COMPILED, Bench, running
from bench.table import Figure, Row, against, doubt_about

MAX_CALLS = 250
COST, RECORDED_COST = 1.5, 2.2
ADDED_P50_MS, ADDED_P99_MS = 0.3, 3.0

PROXY = [sys.executable, "-P", "-m", "audiosocket_cli", "proxy", "--listen", "127.0.0.1:0"]


def proxy_case(bench: Bench) -> list[Row]:
    """Measure proxies, each on the server's core, in front of the echo in C, which shares the callers' core."""
    with running(bench.loop("echo"), {bench.callers_core}) as (_, port):
        target = f"127.0.0.1:{port}"
        commands: dict[str, Command] = {
            "direct": lambda: bench.loop("echo"),
            "C": lambda: bench.loop("relay", str(port)),
            "ours": lambda: [*PROXY, target],
            "recorded": lambda: [*PROXY, target, "--record", str(bench.recordings())],
        }
        if bench.compiled is not None:
            commands[COMPILED] = lambda: ["env", f"PYTHONPATH={bench.compiled}", *PROXY, target]
        if shutil.which("socat"):
            commands["socat"] = lambda: [
                "socat", "TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,backlog=1024,nodelay", f"TCP:{target},nodelay"
            ]  # fmt: skip
        if shutil.which("haproxy"):
            config = write_haproxy(bench.folder / "haproxy.cfg", target)
            commands["HAProxy"] = lambda: ["env", "PORT={port}", "haproxy", "-db", "-f", str(config)]
        found = in_turn(bench, commands, min(bench.calls, MAX_CALLS), "random")
    reference, others = found["C"], [name for name in ("socat", "HAProxy") if name in found]
    return [
        *ours_against("proxy", found, COST),
        against("proxy --record", reference, found["recorded"], RECORDED_COST),
        *(against(f"proxy by {name}", reference, found[name], None) for name in others),
        *(row for name in ("C", "ours", *others) for row in added(name, found["direct"], found[name])),
    ]


def added(name: str, direct: Sequence[Lengths], through: Sequence[Lengths]) -> list[Row]:
    """Judge the delay that a proxy adds to a frame's way there and back."""
    rows = []
    is_ours = name == "ours"
    for quantile, limit in (("p50", ADDED_P50_MS), ("p99", ADDED_P99_MS)):
        before, after = (
            Figure([each.heard.latency_ms(quantile) for each in found], " ms", 3) for found in (direct, through)
        )
        what = "proxy" if is_ours else f"proxy by {name}"
        share = {"p50": "half of the frames", "p99": "99 % of the frames"}[quantile]
        rows.append(
            Row(
                f"{what}: delay added there and back, {share}, ms", before, after, after.median - before.median,
                limit if is_ours else None, doubt=doubt_about(direct, through),
            )
        )  # fmt: skip
    return rows


def write_haproxy(path: Path, target: str) -> Path:
    path.write_text(
        "global\n    nbthread 1\n    maxconn 4000\n"
        "defaults\n    mode tcp\n    timeout connect 2s\n    timeout client 1h\n    timeout server 1h\n"
        f"listen calls\n    bind 127.0.0.1:${{PORT}}\n    server echo {target}\n"
    )
    return path
