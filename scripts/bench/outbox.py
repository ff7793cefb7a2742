"""What it costs to have recordings and events reach others: `--upload --events` against `--record` alone, and how long
calls beside it wait."""

from __future__ import annotations

import base64
import contextlib
import shutil
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.building import HERE
from bench.heard import Heard
from bench.kernel import Usage, busy_s, wait_until_idle
from bench.lengths import WARM_UP_CALLS, WARM_UP_S, Span, heard_of, spent
from bench.loads import fits
from bench.servers import SERVE, Bench, BenchError, Calls, calling, heard_by, running
from bench.table import Figure, Row, against, doubt_about

MAX_CALLS, MAX_NEIGHBOURS, CHURN_CALLS, CHURN_S = 200, 100, 25, 1.0
COST, NEIGHBOURS_P99_MS = 1.15, 3.0
JUDGED_FROM_S = 60.0
"""Calls that are shorter are for information: a call's end is a greater share of them."""

ARRIVES_WITHIN_S = 60.0
BUCKET, KEY, SECRET = "recordings", "bench", "bench-secret"
EVENTS_SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()
EVENTS_A_CALL = 2
"""Its begin and its end."""


@dataclass(frozen=True)
class Spent(Span):
    """What calls cost, with all that their end brings."""

    @property
    def cpu_ms_per_call_s(self) -> float:
        return self.cpu_s * 1000 / self.heard.call_seconds

    @property
    def lost(self) -> int:
        return self.heard.lost

    @property
    def fits(self) -> bool:
        return fits(0.0, self.heard)


@dataclass(frozen=True)
class Others:
    """A store and a receiver of events, on the callers' core."""

    objects: Path
    store_port: int
    events_port: int

    def options(self) -> list[str]:
        """What the server is told of them."""
        events = f"http://127.0.0.1:{self.events_port}/events"
        return ["--upload", f"s3://{BUCKET}/calls", "--upload-then", "remove", "--events", events]

    def environment(self) -> list[str]:
        """The same as words of `env`."""
        return ["env", f"AWS_ENDPOINT_URL=http://127.0.0.1:{self.store_port}", f"AWS_ACCESS_KEY_ID={KEY}",
                f"AWS_SECRET_ACCESS_KEY={SECRET}", "AWS_REGION=us-east-1", "AWS_ALLOW_HTTP=true",
                f"AUDIOSOCKET_EVENTS_SECRET={EVENTS_SECRET}"]  # fmt: skip

    def events(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.events_port}/", timeout=30) as answer:
            return int(answer.read())

    def calls(self) -> int:
        """How many calls are in the store with all their files: the JSON comes last."""
        return sum(1 for _ in self.objects.rglob("*.json"))

    def forget(self) -> None:
        """Remove all objects, which take memory."""
        for path in (self.objects / BUCKET).iterdir():
            shutil.rmtree(path)

    def wait_for(self, calls: int, events: int) -> None:
        """Wait until so many calls and events have arrived. Raises `BenchError`."""
        give_up_s = time.monotonic() + ARRIVES_WITHIN_S
        while self.calls() < calls or self.events() < events:
            if time.monotonic() > give_up_s:
                raise BenchError(f"{self.calls()} of {calls} calls and {self.events()} of {events} events arrived")
            time.sleep(0.2)


@contextlib.contextmanager
def others_running(bench: Bench) -> Iterator[Others]:
    """Run a store and a receiver."""
    objects = bench.folder / "objects"
    (objects / BUCKET).mkdir(parents=True)
    rclone = Path(sys.executable).parent / "rclone"
    if not rclone.exists():
        raise BenchError("rclone is not installed: run scripts/setup test")
    store = [str(rclone), "serve", "s3", "--config", str(bench.folder / "rclone.conf"), "--addr", "127.0.0.1:{port}",
             "--auth-key", f"{KEY},{SECRET}", str(objects)]  # fmt: skip
    receiver = [sys.executable, str(HERE / "peer" / "webhook_receiver.py"), "0"]
    core = {bench.callers_core}
    with running(store, core) as (_, store_port), running(receiver, core) as (_, events_port):
        yield Others(objects, store_port, events_port)
    shutil.rmtree(objects)


def outbox_case(bench: Bench) -> list[Row]:
    rows = []
    with others_running(bench) as others:
        for seconds in bench.outbox_s:
            rows.append(cost_row(bench, others, seconds))
        rows.append(neighbours_row(bench, others))
    return rows


def commands(bench: Bench, others: Others, *options: str) -> tuple[list[str], list[str]]:
    """Return a server that only records, and one that passes on, too; the folder is new."""
    record = [*SERVE, *options, "--record", str(bench.recordings())]
    return record, [*others.environment(), *record, *others.options()]


def cost_row(bench: Bench, others: Others, seconds: float) -> Row:
    """Measure both in turn, with calls of one length."""
    count = min(bench.calls, MAX_CALLS)
    alone: list[Spent] = []
    passing: list[Spent] = []
    for run in range(bench.runs):
        calls = Calls(count, seconds, min(bench.settle_s, seconds / 2), "random", run + 1)
        record, _ = commands(bench, others)
        alone.append(spend(bench, record, calls, None))
        _, upload = commands(bench, others)
        passing.append(spend(bench, upload, calls, others))
        others.forget()
    limit = COST if seconds >= JUDGED_FROM_S else None
    return against(f"record with --upload --events, calls of {seconds:g} s, against record", alone, passing, limit)


def spend(bench: Bench, command: list[str], calls: Calls, others: Others | None) -> Spent:
    """Place calls, and count CPU until all of them has arrived where it has to."""
    bench.wait_until_quiet()
    with running(command, {bench.server_core}) as (pid, port):
        place(bench, port, Calls(min(WARM_UP_CALLS, calls.count), WARM_UP_S, 0), others)
        wait_until_idle(pid)
        span = spent(bench, pid, lambda: place(bench, port, calls, others))
    return Spent(span.cpu_s, span.heard, span.others_share)


def place(bench: Bench, port: int, calls: Calls, others: Others | None) -> Heard:
    there = (others.calls(), others.events()) if others else (0, 0)
    heard = heard_of(bench, port, calls)
    if others is not None:
        others.wait_for(there[0] + calls.count, there[1] + EVENTS_A_CALL * calls.count)
    return heard


def neighbours_row(bench: Bench, others: Others) -> Row:
    """Measure how late an echo comes back while other calls begin, end, and are passed on."""
    alone: list[Spent] = []
    beside: list[Spent] = []
    count = min(bench.calls, MAX_NEIGHBOURS)
    for run in range(bench.runs):
        calls = Calls(count, 2 * bench.settle_s + bench.seconds, bench.settle_s, "random", run + 1)
        record, _ = commands(bench, others, "--echo")
        alone.append(hear(bench, record, calls))
        _, upload = commands(bench, others, "--echo")
        beside.append(hear(bench, upload, calls))
        others.forget()
    before, after = (Figure([each.heard.latency_ms("p99") for each in runs], " ms") for runs in (alone, beside))
    return Row(
        "echo with --record, beside calls that end: due to back, p99, ms beyond without --upload --events",
        before, after, after.median - before.median, NEIGHBOURS_P99_MS, doubt=doubt_about(alone, beside),
    )  # fmt: skip


def hear(bench: Bench, command: list[str], calls: Calls) -> Spent:
    """Hear what callers hear while others come and go all the time."""
    bench.wait_until_quiet()
    is_over = threading.Event()
    with running(command, {bench.server_core}) as (pid, port):
        before, busy_before_s = Usage.of(pid), busy_s(bench.server_core)
        with calling(bench, port, calls) as callers:
            churn = threading.Thread(target=come_and_go, args=(bench, port, is_over))
            churn.start()
            try:
                heard = heard_by(callers, calls)
            finally:
                is_over.set()
                churn.join()
        after = Usage.of(pid)
        cpu_s = after.total_s - before.total_s
        others_s = busy_s(bench.server_core) - busy_before_s - cpu_s
    return Spent(cpu_s, heard, others_s / (after.at_s - before.at_s))


def come_and_go(bench: Bench, port: int, is_over: threading.Event) -> None:
    """Place short calls, again and again."""
    while not is_over.is_set():
        calls = Calls(CHURN_CALLS, min(CHURN_S, bench.seconds / 4), 0, starts_a_second=CHURN_CALLS)
        with contextlib.suppress(BenchError):
            heard_of(bench, port, calls)
