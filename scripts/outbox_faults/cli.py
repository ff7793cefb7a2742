"""Whether recordings and events reach a store and a receiver, once and whole, whatever fails on the way.

    scripts/outbox-faults                          2,000 calls and ten kills, with rclone as the store
    scripts/outbox-faults --store moto             with moto, which honours conditions; it is never killed
    scripts/outbox-faults --bus nats               with events to NATS JetStream, whose server is stopped and killed
    scripts/outbox-faults --then remove            with --upload-then remove
    scripts/outbox-faults --calls 60 --kills 2 --seconds 1,2 --phase 1

`serve --record --capture --upload --events` answers calls of a few seconds. What a caller says is noise that its UUID
determines; some press keys, and a few have the UUID of a call that has ended. Meanwhile the store is in turn up, away
(nobody listens), stopped (its process answers nobody), killed and started again, slow, answers 503 and 500, loses
connections within a request, after it has stored an object and before its answer, and within its answer; the receiver
of events likewise. The server is killed with SIGKILL, and started again with the same folders. At last all faults end,
the server is told to end and sends what waits; `audiosocket upload` then has to find nothing left.

Then every object is fetched. Checked is: each call that had ended is there once, with its recording, capture and JSON
under one name, each sample as said, each key as pressed; a call that a kill has cut is there up to --grace before the
kill, or named in the server's log as lost; nothing is there that no call explains; what is on the disk is what is in
the store, or with --then remove, nothing is on the disk any more; each call has the events `call` and then `ended` or
`cut` once, in order, and an event that came again has the same id and content. Exits with 1 when anything does not
hold.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from outbox_faults.judge import Grace
from outbox_faults.run import Options, Outcome, run
from outbox_faults.server import ServerError
from outbox_faults.stores import StoreProcessError

MAX_SHOWN = 30


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--calls", type=int, default=2000, help="calls in all (default: %(default)s)")
    add("--at-once", type=int, default=40, help="calls at once (default: %(default)s)")
    add("--seconds", type=span, default=(2.0, 5.0), metavar="S,S", help="how long calls last (default: 2,5)")
    add("--kills", type=int, default=10, help="how often the server is killed (default: %(default)s)")
    add("--store", choices=("rclone", "moto"), default="rclone", help="what stores (default: %(default)s)")
    add("--bus", choices=("webhook", "nats"), default="webhook", help="what gets events (default: %(default)s)")
    add("--then", choices=("keep", "remove"), default="keep", help="what becomes of local files (default: keep)")
    add("--seed", type=int, default=1, help="another one makes other calls and faults (default: %(default)s)")
    add("--phase", type=float, default=5.0, metavar="SECONDS", help="how long a fault lasts (default: %(default)s)")
    add(
        "--grace",
        type=float,
        default=1.5,
        metavar="SECONDS",
        help="what of a recording a kill may cost (default: %(default)s)",
    )
    add(
        "--end",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help="how long a call's end may take (default: %(default)s)",
    )
    add("--drain", type=float, default=180.0, metavar="SECONDS", help="how long the end may take")
    add("--serve", nargs=argparse.REMAINDER, default=[], help="what follows are further options of the server")
    add("--folder", type=Path, help="keep everything in this folder, which is new")
    return parser.parse_args()


def span(text: str) -> tuple[float, float]:
    short, long = sorted(map(float, text.split(",")))
    if short <= 0:
        raise ValueError(text)
    return short, long


def print_outcome(outcome: Outcome) -> None:
    """Print a table of what happened, and of what came of it."""
    verdict = outcome.verdict
    rows: list[tuple[str, object]] = [
        ("calls placed", outcome.placed),
        ("SIGKILLs of the server", outcome.kills),
        ("calls took", f"{outcome.calls_s:.0f} s"),
        ("callers were late for", f"{outcome.slips} turns"),
        ("the end took", f"{outcome.drained_s:.1f} s"),
        *((f"store: {name}", f"{count} times") for name, count in sorted(outcome.phases.items())),
        *((f"requests of the store: {name}", count) for name, count in sorted(outcome.requests.items())),
        *((f"bus: {name}", count) for name, count in sorted(outcome.bus.items())),
        ("objects", outcome.objects),
        *sorted(verdict.counts.items()),
        ("WRONG", len(verdict.faults)),
    ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name.ljust(width)}  {value}")
    for fault in verdict.faults[:MAX_SHOWN]:
        print(f"WRONG: {fault}")
    if len(verdict.faults) > MAX_SHOWN:
        print(f"WRONG: and {len(verdict.faults) - MAX_SHOWN} more")


def main() -> int:
    given = parse_options()
    options = Options(
        given.calls, given.at_once, given.seconds, given.kills, given.store, given.bus, given.then, given.seed,
        given.phase, Grace(given.grace, given.end), given.drain, given.serve,
    )  # fmt: skip
    folder = given.folder or Path(tempfile.mkdtemp(prefix="outbox-faults-"))
    try:
        folder.mkdir(parents=True, exist_ok=given.folder is None)
        outcome = run(options, folder)
    except (ServerError, StoreProcessError, FileExistsError) as error:
        print(f"outbox-faults: {error} (see {folder})", file=sys.stderr)
        return 1
    print_outcome(outcome)
    if outcome.verdict.faults:
        print(f"outbox-faults: all of it is in {folder}", file=sys.stderr)
        return 1
    if given.folder is None:
        shutil.rmtree(folder)
    return 0
