"""What calls, bots and captures cost, as ratios from one run: `audiosocket` against the shortest loops in C that do as
much.

    scripts/bench/run                          all cases: 500 calls of 2 and 8 s, medians of 5 runs
    scripts/bench/run echo record              these cases only
    scripts/bench/run echo --spread random     with callers at random instants only
    scripts/bench/run echo --compiled          ours as scripts/setup compiled installs it, too
    scripts/bench/run echo --peer              a server of another make beside it, from npm
    scripts/bench/run echo --server 'my-server --port {port}'
    scripts/bench/run memory --flat 600        memory over ten minutes, too
    scripts/bench/run --json > result.json     for scripts/bench/chart
    scripts/bench/run --calls 100 --lengths 1,2 --seconds 2 --runs 1 --mb 50

The server has one core and the callers (loops/, built at each start) have another. Servers take turns. Exits with 1
when a limit is not held.

CPU a call-second is the slope between calls of two lengths, in one server that has had a few calls before: CPU is
counted from before the first call until all have ended and the server is idle again. What is left, the intercept, is
that of a call's begin and end. Counted are the server's process with all its threads, its workers, and the programs
that it started. growth, memory and workers look at the steady middle of a run instead: all calls are up, none has
ended.

Callers speak at random instants, in clumps (all callers of a clump at once, as those of one bridge), or evenly spread
over the 20 ms, which suits a server that works in batches, and which no real callers do. Due to back is the time from
the instant at which a caller's frame was due until it came back: frames carry numbers.

A server that falls behind, because it is saturated or because its core is busy with something else, handles frames in
bunches, which is cheaper; one whose core others use, too, is dearer. The table says so, and such figures prove nothing:
--quiet 60 waits, before each, up to a minute for a machine that does nothing else. What it all ran on is said: a Python
that was built without optimizations, as pyenv does unless told otherwise, makes ours a tenth dearer than Debian's.

    echo      `serve --echo` against an echo loop: at most 1.25 times its CPU at random instants, 1.5 in clumps, 1.4
              evenly. Due to back: at most 2 ms for half of the frames (p50), and 3 ms more than the loop's for all but
              a hundredth (p99). A call's begin and end: at most 0.2 ms of CPU
    record    `serve --record` against a loop that reads and throws away: at most 0.8 times its CPU at random instants,
              0.6 evenly (where that loop is dearest)
    play      `serve --play FILE --loop` against a loop that sends a frame each 20 ms: at most 1.4 times; frames leave
              at most 2 ms less evenly (p99 of |gap - 20 ms|, as a caller sees it), and drift less than 0.01 %
    exec      `serve --exec cat`, 100 calls, against a loop that starts cat for each call too and moves samples through
              its pipes: at most 1.4 times, and 2.2 times with --exec-rate 16000 (the loop converts nothing). The CPU
              of the programs is counted in both
    bot       `serve --bot` with an async function that says what it hears, against `serve --echo`: at most 1.5 times
              its CPU; frames come back at most 25 ms later (p99)
    capture   `serve --echo --capture FILE` against `serve --echo`: at most 1.25 times
    proxy     `proxy` against a loop that relays both ways, 250 calls to an echo: at most 1.5 times its CPU, and 2.2
              times with --record. To the way of a frame there and back it adds at most 0.3 ms for half of the frames,
              3 ms for all but a hundredth. Beside it socat and HAProxy, where they are installed
    bridge    `serve --bridge` to a bot of Twilio's kind that echoes, 100 calls, against the shortest relay in asyncio
              on the same library (peer/websocket_relay.py): at most 1.3 times its CPU. Due to back: at most 25 ms more
              than `serve --echo` for all but a hundredth of the frames (p99)
    outbox    `serve --record` with --upload (to rclone) and --events (webhooks) against `serve --record`, 200 calls of
              60 s: at most 1.15 times its CPU, with all that a call's end brings, in all threads; of 10 s, for
              information. Frames that are echoed beside calls that end and are passed on come back at most 3 ms later
              (p99)
    growth    CPU a call of many calls against 100, recorded and echoed: at most 10 % more. Sizes that saturate the
              server's core or the callers' are left out, and the largest that fits is named
    memory    resident memory a recorded call, beyond the first hundred: at most 12 KiB. --flat SECONDS: 100 recorded
              calls grow by at most 2 % after the first quarter
    workers   `serve --workers 2` against one. Cost: the same calls are echoed for at most 10 % more CPU in all. Share:
              the less busy worker does at least 40 % of it. Carried: two workers echo at least 1.8 times as many calls
              without gaps (99 % of frames come, and p99 of |gap - 20 ms| is below 40 ms; a number of calls is too many
              when it fails twice, as other load of the machine fails it once). On two cores the callers would
              need what the second worker ought to have, so each worker is made slow instead: it runs for 3 of each
              10 ms, in turns of its own. That shows that calls are spread and that no worker waits for another; not
              what memory and caches that real cores share would take
    walk      `dump --stats` of a raw capture (1 GB of noise of the speech band, in memory) against a loop that walks
              the headers and sums the energy of each frame: at most 2.5 times its time, and 200 MB of memory
    json      `dump --json` of a pcapng of 50,000 frames: at most 6 us a frame, beyond its start (tshark -T json with
              our dissector beside it, where it is installed)
    calls     `calls` over the JSON of 100,000 calls: asked within 1 s, also after 100 more have ended; the index made
              anew in at most 30 s; at most 300 MB of memory
    start     `audiosocket --version` against python -c 'import click': at most 1.3 times its time
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.bridges import bridge_case
from bench.building import PEER, build_compiled, build_loops, install_peer
from bench.costs import bot_case, capture_case, echo_case, exec_case, play_case, record_case
from bench.files import json_case, walk_case
from bench.growth import growth_case
from bench.indexing import index_case
from bench.machine import describe, in_words
from bench.memory import memory_case
from bench.outbox import outbox_case
from bench.relays import proxy_case
from bench.servers import GROWTH_CALLS, MEMORY_CALLS, OUTBOX_S, SPREADS, Bench, BenchError
from bench.starting import start_case
from bench.table import Row, print_table
from bench.workers import workers_case

CASES: dict[str, Callable[[Bench], list[Row]]] = {
    "echo": echo_case,
    "record": record_case,
    "play": play_case,
    "exec": exec_case,
    "bot": bot_case,
    "capture": capture_case,
    "proxy": proxy_case,
    "bridge": bridge_case,
    "outbox": outbox_case,
    "growth": growth_case,
    "memory": memory_case,
    "workers": workers_case,
    "walk": walk_case,
    "json": json_case,
    "calls": index_case,
    "start": start_case,
}


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("cases", nargs="*", metavar="CASE", help=f"what to measure: {', '.join(CASES)} (default: all)")
    add("--calls", type=int, default=500, help="calls at once (default: %(default)s)")
    add("--spread", action="append", choices=SPREADS, help="callers of echo and record: these only (default: all)")
    add("--lengths", type=lengths, default=(2.0, 8.0), metavar="S,S", help="seconds of short and long calls")
    add("--seconds", type=float, default=10.0, help="length of each steady middle (default: %(default)s)")
    add("--settle", type=float, default=1.0, metavar="SECONDS", help="from the last call's begin to it")
    add("--runs", type=int, default=5, help="runs of each server or program (default: %(default)s)")
    add("--growth-calls", type=sizes, default=GROWTH_CALLS, metavar="N,N…", help="sizes of growth")
    add("--memory-calls", type=sizes, default=MEMORY_CALLS, metavar="N,N", help="sizes of memory")
    add("--outbox-seconds", type=spans, default=OUTBOX_S, metavar="S,S…", help="lengths of outbox's calls (60,10)")
    add("--flat", type=float, default=0.0, metavar="SECONDS", help="watch memory for so long, too")
    add("--mb", type=int, default=1000, metavar="MB", help="size of walk's capture (default: %(default)s)")
    add("--frames", type=int, default=50_000, metavar="N", help="frames of json's capture (default: %(default)s)")
    add("--indexed", type=int, default=100_000, metavar="N", help="calls of calls (default: %(default)s)")
    add("--quiet", type=float, default=0.0, metavar="SECONDS", help="wait so long for a quiet machine, each time")
    add("--folder", type=Path, help="where recordings and captures go for a while (default: memory, /dev/shm)")
    add("--loops", type=Path, metavar="FILE", help="the loops, built before (default: build them)")
    add("--server", action="append", default=[], metavar="COMMAND", help="an echo server, with {port}")
    add("--compiled", action="store_true", help="measure ours compiled, too (scripts/setup compiled)")
    add("--peer", action="store_true", help=f"measure npm's {PEER} as an echo server, too")
    add("--json", action="store_true", help="print all figures as one JSON object")
    options = parser.parse_args()
    unknown = set(options.cases) - set(CASES)
    if unknown:
        parser.error(f"no such case: {', '.join(sorted(unknown))} (there are {', '.join(CASES)})")
    if len(options.memory_calls) != 2:
        parser.error("--memory-calls takes two sizes")
    if any("{port}" not in command for command in options.server):
        parser.error("--server needs {port} in its command")
    return options


def sizes(text: str) -> list[int]:
    return sorted(map(int, text.split(",")))


def spans(text: str) -> list[float]:
    return [float(each) for each in text.split(",")]


def lengths(text: str) -> tuple[float, float]:
    short, long = sorted(map(float, text.split(",")))
    if not 0 < short < long:
        raise ValueError(text)
    return short, long


def make_bench(options: argparse.Namespace, folder: Path, recordings: Path) -> Bench:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BenchError("two cores are needed: one for the server, one for the callers")
    others = {shlex.split(command)[0]: shlex.split(command) for command in options.server}
    if options.peer:
        others[PEER] = install_peer(folder)
    return Bench(
        options.loops or build_loops(folder),
        recordings,
        options.calls,
        options.seconds,
        options.runs,
        server_core=cores[0],
        callers_core=cores[1],
        settle_s=options.settle,
        spreads=options.spread or SPREADS,
        lengths_s=options.lengths,
        growth_calls=options.growth_calls,
        memory_calls=options.memory_calls,
        flat_s=options.flat,
        outbox_s=options.outbox_seconds,
        megabytes=options.mb,
        frames=options.frames,
        indexed=options.indexed,
        quiet_s=options.quiet,
        others=others,
        compiled=build_compiled(folder) if options.compiled else None,
    )


def run_cases(bench: Bench, names: list[str]) -> tuple[list[Row], bool]:
    """Measure what was asked for; return the rows, and whether all cases could be measured."""
    rows: list[Row] = []
    complete = True
    for name in names:
        print(f"run: measuring {name}", file=sys.stderr)
        try:
            rows += CASES[name](bench)
        except BenchError as error:
            print(f"run: {name} cannot be measured: {error}", file=sys.stderr)
            complete = False
    return rows, complete


def as_json(options: argparse.Namespace, machine: dict[str, Any], rows: list[Row]) -> str:
    how = {"calls": options.calls, "lengths_s": options.lengths, "seconds": options.seconds, "runs": options.runs}
    return json.dumps({"machine": machine, **how, "rows": [row.as_dict() for row in rows]})


def main() -> int:
    options = parse_options()
    machine = describe()
    print("run: on", in_words(machine), file=sys.stderr)
    in_memory = Path("/dev/shm")
    where = options.folder or (in_memory if in_memory.is_dir() else None)
    try:
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(dir=where) as recordings:
            bench = make_bench(options, Path(folder), Path(recordings))
            rows, complete = run_cases(bench, options.cases or list(CASES))
    except BenchError as error:
        print(f"run: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(as_json(options, machine, rows))
    else:
        print_table(rows)
    return 0 if complete and all(row.held for row in rows) else 1
