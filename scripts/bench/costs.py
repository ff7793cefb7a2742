"""What a second of a call costs, what its begin and end cost, and how late an echo comes back."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.building import HERE
from bench.lengths import Command, Lengths, in_turn
from bench.servers import COMPILED, SERVE, Bench
from bench.table import Figure, Row, against, doubt_about

ECHO_LIMITS = {"random": 1.25, "clumps": 1.5, "even": 1.4}
RECORD_LIMITS = {"random": 0.8, "clumps": None, "even": 0.6}
INSTANTS = {"random": "random instants", "clumps": "37 clumps", "even": "even"}
"""When callers speak, in words."""

EXEC_CALLS, EXEC_STARTS_A_SECOND = 100, 100
P50_MS, P99_BEYOND_MS, SET_UP_MS = 2.0, 3.0, 0.2
BOT_COST, BOT_P99_BEYOND_MS = 1.5, 25.0


def echo_case(bench: Bench) -> list[Row]:
    costs, latencies, set_ups = [], [], []
    for spread in bench.spreads:
        is_real = spread == "random"
        others = bench.others if is_real else {}
        commands: dict[str, Command] = {name: (lambda command=command: command) for name, command in others.items()}  # type: ignore[misc]
        commands |= {"C": lambda: bench.loop("echo"), **bench.ours("--echo")}
        found = in_turn(bench, commands, bench.calls, spread)
        what = f"echo, {INSTANTS[spread]}"
        costs += ours_against(what, found, ECHO_LIMITS[spread])
        costs += [against(f"echo by {name}", found["C"], found[name], None) for name in others]
        latencies += latency_rows(what, found["C"], found["ours"])
        if COMPILED in found:
            latencies += latency_rows(f"{what}, compiled", found["C"], found[COMPILED])
        if is_real:
            set_ups.append(set_up_row("echo", found["C"], found["ours"], SET_UP_MS))
    return costs + latencies + set_ups


def ours_against(what: str, found: dict[str, list[Lengths]], limit: float | None) -> list[Row]:
    """Compare ours with the loop, and the compiled one with it, if that was measured."""
    rows = [against(what, found["C"], found["ours"], limit)]
    if COMPILED in found:
        rows.append(against(f"{what}, compiled", found["C"], found[COMPILED], limit))
    return rows


def latency_rows(what: str, reference: Sequence[Lengths], ours: Sequence[Lengths]) -> list[Row]:
    """Judge the time from when a frame was due at the caller until it came back."""
    (their_p50, our_p50), (their_p99, our_p99) = (
        [Figure([each.heard.latency_ms(quantile) for each in found], " ms") for found in (reference, ours)]
        for quantile in ("p50", "p99")
    )
    beyond_ms, doubt = our_p99.median - their_p99.median, doubt_about(reference, ours)
    return [
        Row(f"{what}: due to back, p50, ms", their_p50, our_p50, our_p50.median, P50_MS, doubt=doubt),
        Row(f"{what}: due to back, p99, ms beyond C", their_p99, our_p99, beyond_ms, P99_BEYOND_MS, doubt=doubt),
    ]


def set_up_row(what: str, reference: Sequence[Lengths], ours: Sequence[Lengths], limit: float | None) -> Row:
    theirs, mine = (Figure([each.set_up_ms for each in found], " ms", 3) for found in (reference, ours))
    doubt = doubt_about(reference, ours)
    return Row(f"{what}: CPU of a call's begin and end, ms", theirs, mine, mine.median, limit, doubt=doubt)


def record_case(bench: Bench) -> list[Row]:
    rows, set_ups = [], []
    for spread in bench.spreads:
        commands: dict[str, Command] = {
            "C": lambda: bench.loop("drain"),
            **bench.ours("--record", "{recordings}"),
        }
        found = in_turn(bench, commands, bench.calls, spread)
        rows += ours_against(f"record, {INSTANTS[spread]}", found, RECORD_LIMITS[spread])
        if spread == "random":
            set_ups.append(set_up_row("record", found["C"], found["ours"], None))
    return rows + set_ups


def play_case(bench: Bench) -> list[Row]:
    prompt = bench.folder / "prompt.wav"
    make_prompt(prompt)
    commands: dict[str, Command] = {
        "C": lambda: bench.loop("play"),
        **bench.ours("--play", str(prompt), "--loop"),
    }
    found = in_turn(bench, commands, bench.calls, "even")
    judged = ("C", "ours")
    theirs, ours = (Figure([each.heard.gap_p99_ms for each in found[name]], " ms") for name in judged)
    their_drift, our_drift = (
        Figure([abs(each.heard.drift_percent) for each in found[name]], " %", 4) for name in judged
    )
    beyond_ms, doubt = ours.median - theirs.median, doubt_about(found["C"], found["ours"])
    return [
        *ours_against("play", found, 1.4),
        Row("play: |gap - 20 ms| p99, ms beyond C", theirs, ours, beyond_ms, 2.0, doubt=doubt),
        Row("play: drift, %", their_drift, our_drift, our_drift.median, 0.01, doubt=doubt),
    ]


def make_prompt(path: Path) -> None:
    """Write three seconds of soft noise."""
    samples = np.random.default_rng(1).normal(0, 2000, 24000).clip(-32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())


def exec_case(bench: Bench) -> list[Row]:
    commands: dict[str, Command] = {
        "C": lambda: bench.loop("exec", "cat"),
        **bench.ours("--exec", "cat"),
        "ours, 16 kHz": lambda: [*SERVE, "--exec-rate", "16000", "--exec", "cat"],
    }
    found = in_turn(bench, commands, min(bench.calls, EXEC_CALLS), "random", EXEC_STARTS_A_SECOND)
    return [
        *ours_against("exec cat", found, 1.4),
        against("exec cat, --exec-rate 16000", found["C"], found["ours, 16 kHz"], 2.2),
    ]


def bot_case(bench: Bench) -> list[Row]:
    """Measure an echo in Python that runs in the server, against the server's own."""
    bot = f"{HERE / 'peer' / 'echo_bot.py'}:echo"
    found = in_turn(bench, {**bench.ours("--echo"), "bot": bench.ours("--bot", bot)["ours"]}, bench.calls, "random")
    echo, ours = found["ours"], found["bot"]
    before, after = (Figure([each.heard.latency_ms("p99") for each in lengths], " ms") for lengths in (echo, ours))
    beyond_ms, doubt = after.median - before.median, doubt_about(echo, ours)
    what = "echo by a bot in Python, against echo"
    return [
        against(what, echo, ours, BOT_COST),
        Row(f"{what}: due to back, p99, ms beyond", before, after, beyond_ms, BOT_P99_BEYOND_MS, doubt=doubt),
    ]


def capture_case(bench: Bench) -> list[Row]:
    commands: dict[str, Command] = {
        "echo": lambda: [*SERVE, "--echo"],
        "captured": lambda: [*SERVE, "--echo", "--capture", str(bench.recordings() / "all.pcapng")],
    }
    found = in_turn(bench, commands, bench.calls, "random")
    bench.recordings()
    return [against("echo with --capture, against echo", found["echo"], found["captured"], 1.25)]
