"""The JSON of many calls, as `serve --record` leaves it: for tests, and by hand for figures of speed:

python tests/support/many_calls.py FOLDER 100000
"""

from __future__ import annotations

import random
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from audiosocket_cli.text import json_lines

START = datetime(2026, 9, 1, tzinfo=UTC)
FINDINGS = (
    "the caller's audio is µ-law but labelled slin [caller-ulaw]",
    "audio came up to 0.9 s late, in a burst [audio-late]",
    "the server sent no audio [server-silent]",
    "the caller could not be heard [caller-silent]",
)


def without_progress(said: str) -> str:
    """Leave out the lines in which `calls` says how far it is: on a busy machine anything may take long enough."""
    return re.sub(r"(?m)^(listing|reading the JSON of calls in) .* so far\n", "", said)


def call_of(number: int, started_at: datetime, seed: int = 0) -> dict[str, Any]:
    """Return the JSON of a made-up call: the same for the same number and seed."""
    drawn = random.Random(f"{seed} {number}")
    duration_s = round(drawn.expovariate(1 / 120) + 1, 3)
    uuid = str(UUID(int=drawn.getrandbits(128), version=4))
    findings = [each for each in FINDINGS if drawn.random() < 0.03]
    gaps = [
        {"at_s": round(drawn.uniform(0, duration_s), 3), "length_s": 0.2} for _ in range(drawn.choice([0, 0, 1, 5]))
    ]
    heard = {"frames": {"slin": {"frames": int(duration_s * 50), "bytes": int(duration_s * 16000)}},
             "audio_s": duration_s, "level_dbfs": round(drawn.uniform(-45, -12), 1), "peak_dbfs": -3.2,
             "first_audio_s": 0.0, "first_speech_s": 0.8, "odd_bytes": 0}  # fmt: skip
    return {
        "schema": "audiosocket.call/1",
        "uuid": uuid,
        "peer": f"192.0.2.{number % 7 + 1}:{10000 + number % 50000}",
        "started_at": started_at.isoformat(timespec="milliseconds"),
        "ended_at": (started_at + timedelta(seconds=duration_s)).isoformat(timespec="milliseconds"),
        "duration_s": duration_s,
        "ended_by": drawn.choice(["caller", "server"]),
        "ended_how": drawn.choice(["hangup", "closed"]),
        "ended_reason": "hung up",
        "dtmf": [{"at_s": round(drawn.uniform(0, duration_s), 3), "digit": digit} for digit in f"{number % 10000:04}"]
        if number % 3 == 0 else [],
        "result": drawn.choice(["sale", "transfer", "no answer"]),
        "caller": {**heard, "gaps": gaps, "gap_count": len(gaps), "gaps_s": round(0.2 * len(gaps), 3),
                   "jitter_ms": 1.3, "worst_ahead_ms": 20},
        "server": {**heard, "late_frames": drawn.choice([0, 0, 0, 2]), "worst_lateness_ms": 0.3, "slips": 0,
                   "slipped_ms": 0.0, "held_frames": 0, "worst_backlog_ms": 20, "undelivered_ms": 0},
        "recording": {"files": [f"{uuid}.wav"], "layout": "stereo", "rate_hz": 8000, "duration_s": duration_s,
                      "error": None},
        "findings": findings,
        "finding_ids": [each.rpartition("[")[2].removesuffix("]") for each in findings],
        "turns": turns_of(drawn, duration_s),
    }  # fmt: skip


def turns_of(drawn: random.Random, duration_s: float) -> dict[str, Any]:
    """Return turns of a made-up call: caller and server by turns, every few seconds."""
    listed, after_ms, at_s = [], [], 1.0
    while at_s + 4 < duration_s and len(listed) < 40:
        after_ms.append(round(drawn.lognormvariate(-0.4, 0.5) * 1000))
        listed += [
            {"side": "caller", "start_s": round(at_s, 3), "end_s": round(at_s + 2, 3), "kind": "turn", "after_ms": 500},
            {"side": "server", "start_s": round(at_s + 2 + after_ms[-1] / 1000, 3), "end_s": round(at_s + 6, 3),
             "kind": "turn", "after_ms": after_ms[-1]},
        ]  # fmt: skip
        at_s += 8
    ordered = sorted(after_ms)
    return {
        "latency_ms": {"count": len(ordered), "p50": ordered[len(ordered) // 2], "p95": ordered[-1], "max": ordered[-1]}
        if ordered else None,
        "interruptions": {"caller": drawn.choice([0, 0, 1]), "server": 0},
        "backchannels": {"caller": 0, "server": 0},
        "talk_s": {"caller": round(duration_s * 0.4, 1), "server": round(duration_s * 0.3, 1)},
        "overlap_s": 0.0,
        "dead_air": {"count": 0, "total_s": 0.0, "longest_s": 0.0},
        "list": listed,
        "left_out": 0,
    }  # fmt: skip


def make_calls(folder: Path, count: int, *, first: int = 0, every_s: float = 60.0) -> list[dict[str, Any]]:
    """Write the JSON of calls, one a minute, each into a folder of its date; return the first thousand of them."""
    made = []
    for number in range(first, first + count):
        call = call_of(number, START + timedelta(seconds=number * every_s))
        place = folder / call["started_at"][:10]
        if number == first or not place.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        (place / f"{call['uuid']}.json").write_text("".join(f"{line}\n" for line in json_lines(call)))
        if len(made) < 1000:
            made.append(call)
    return made


if __name__ == "__main__":
    make_calls(Path(sys.argv[1]), int(sys.argv[2]), first=int(sys.argv[3]) if sys.argv[3:] else 0)
