"""The outcome of a load under the names that thresholds, JSON, CSV and comparisons use; and as a file, to and fro."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.bench.figures import ERRORS, METRICS, Figures
from audiosocket_cli.bench.plan import Plan, Progress
from audiosocket_cli.bench.series import Series
from audiosocket_cli.codec import kind_name
from audiosocket_cli.disk import small_bytes
from audiosocket_cli.errors import FileError
from audiosocket_cli.text import printable

SCHEMA: Final = "audiosocket.bench/1"

STATISTICS: Final = ("p50", "p95", "p99", "max", "mean")

COUNTS: Final = (
    "placed", "connected", *ERRORS, "ended_by_server", "hangups_unanswered", "left_out", "not_placed",
    "frames_sent", "frames_unsent", "frames_heard", "marks_sent", "marks_heard", "turns_unanswered",
    "barge_ins_ignored", "gaps_40", "gaps_60", "gaps_100", "bursts",
)  # fmt: skip

RATES: Final = ("errors", "error_rate", "audio_rate", "calls_at_once", "cpu_percent", "rss_mib")

NAMES: Final = (*(f"{name}_{statistic}" for name in METRICS for statistic in STATISTICS), *COUNTS, *RATES)
"""All names of values; those of times are in ms, error_rate is a share of 1."""

_MAX_BYTES: Final = 256 << 20
_MAX_STALL_S: Final = 0.5
_MAX_UNSENT: Final = 0.01


@dataclass(frozen=True, slots=True)
class BenchResult:
    """What came of a load."""

    settings: dict[str, Any]
    started_at: str
    elapsed_s: float
    figures: Figures
    calls_at_once: int
    usage: dict[str, Any] | None
    invalid: list[str]
    """Why the figures say nothing about the server, because the generator did not keep up; nothing if they do."""
    signal: int | None = None
    gone_s: float | None = None
    """When the server was gone: from then on no call could be connected."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    series: Series | None = None
    """How it went over time; None of a result that was kept without."""
    thresholds: tuple[str, ...] = ()
    """What was asked of it, as it was written on the command line."""

    @property
    def failures(self) -> list[str]:
        """What makes it a bad result whatever was asked for: the server was gone before the end."""
        if self.gone_s is None:
            return []
        reason = next((reason for reason in self.figures.reasons if reason.startswith("cannot ")), "no call connected")
        return [f"the server was gone after {self.gone_s:.0f} s: {reason}"]

    @property
    def errors(self) -> int:
        """Calls that failed, by whatever class."""
        return sum(self.figures.counts[name] for name in ERRORS)

    def values(self) -> dict[str, float | None]:
        """Return all values by name; None for what there was none of."""
        found: dict[str, float | None] = {}
        for name, times in self.figures.times.items():
            found |= {f"{name}_p{percent}": times.percentile_ms(percent) for percent in (50, 95, 99)}
            found |= {f"{name}_max": times.max_ms if times.count else None, f"{name}_mean": times.mean_ms}
        found |= {name: self.figures.counts[name] for name in COUNTS}
        placed, call_s = self.figures.counts["placed"], self.figures.call_s
        return found | {
            "errors": self.errors,
            "error_rate": self.errors / placed if placed else None,
            "audio_rate": self.figures.heard_audio_s / call_s if call_s else None,
            "calls_at_once": self.calls_at_once,
            "cpu_percent": self.usage["cpu_percent"] if self.usage else None,
            "rss_mib": self.usage["rss_mib"] if self.usage else None,
        }

    def as_json(self) -> dict[str, Any]:
        """Return the result, without the rows and the raw distributions."""
        return {
            "schema": SCHEMA,
            "settings": self.settings,
            "started_at": self.started_at,
            "elapsed_s": round(self.elapsed_s, 3),
            "valid": not self.invalid,
            "invalid": self.invalid,
            "signal": self.signal,
            "gone_s": None if self.gone_s is None else round(self.gone_s, 1),
            "counts": {name: times.count for name, times in self.figures.times.items()},
            "values": {name: None if value is None else round(value, 3) for name, value in self.values().items()},
            "reasons": dict(self.figures.reasons),
            "findings": dict(self.figures.findings),
            "finding_ids": dict(self.figures.finding_ids),
        }

    def as_file(self) -> dict[str, Any]:
        """Return all of it as JSON values, from which `result_from_json` makes it again.

        Times are not rounded here, so that all that is made of a kept result is what was made of it at once.
        """
        return self.as_json() | {
            "elapsed_s": self.elapsed_s,
            "gone_s": self.gone_s,
            "calls_at_once": self.calls_at_once,
            "usage": self.usage,
            "thresholds": list(self.thresholds),
            "series": None if self.series is None else self.series.as_json(),
            "figures": self.figures.as_json(),
            "calls": self.rows,
        }

    def save(self, path: Path) -> None:
        """Write all of it to a file. Raises `OSError`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(printable(json.dumps(self.as_file(), ensure_ascii=False)) + "\n", encoding="utf-8")


def result_of(
    plan: Plan, progress: Progress, *, started_at: str, max_lateness_ms: float, thresholds: Sequence[str] = ()
) -> BenchResult:
    """Return the outcome of a load, and whether its generator kept up."""
    return BenchResult(
        settings=settings_of(plan, max_lateness_ms),
        started_at=started_at,
        elapsed_s=progress.elapsed_s,
        figures=progress.figures,
        calls_at_once=progress.peak_calls,
        usage=None if progress.usage is None else progress.usage.as_json(),
        invalid=_faults_of_ours(progress, max_lateness_ms),
        signal=progress.signal,
        gone_s=progress.gone_s,
        rows=progress.rows,
        series=progress.series,
        thresholds=tuple(thresholds),
    )


def settings_of(plan: Plan, max_lateness_ms: float) -> dict[str, Any]:
    """Return what a load was meant to be, as JSON values."""
    load = plan.load
    return {
        "target": str(plan.target),
        "calls": None if load.rate is not None or load.stages else load.calls,
        "rate": load.rate,
        "max_calls": load.max_calls,
        "stages": [{"calls": stage.calls, "duration_s": stage.duration_s} for stage in load.stages],
        "ramp_s": load.ramp_s,
        "duration_s": load.total_s,
        "call_duration_s": load.call_duration_s,
        "kind": kind_name(plan.kind),
        "frame_ms": plan.frame_ms,
        "audio": None if plan.audio is None else str(plan.audio),
        "processes": plan.process_count,
        "seed": plan.seed,
        "max_lateness_ms": max_lateness_ms,
    }


def _faults_of_ours(progress: Progress, max_lateness_ms: float) -> list[str]:
    figures = progress.figures
    faults = list(progress.lost)
    late_ms = figures.times["lateness"].percentile_ms(99)
    if late_ms is not None and late_ms > max_lateness_ms:
        faults.append(f"1 % of the frames were sent {late_ms:.1f} ms or more after they were due, over the limit of "
                      f"{max_lateness_ms:g} ms")  # fmt: skip
    if figures.counts["not_placed"]:
        faults.append(f"{figures.counts['not_placed']} calls could not be placed: {next(iter(figures.reasons))}")
    sent, unsent = figures.counts["frames_sent"], figures.counts["frames_unsent"]
    if unsent > _MAX_UNSENT * (sent + unsent):
        faults.append(f"{unsent} of {sent + unsent} frames were not sent by the end of their calls")
    if not figures.counts["placed"] and not faults:
        faults.append("no call was placed")
    if figures.worst_stall_s > _MAX_STALL_S:
        faults.append(f"a process that placed calls did not run for {figures.worst_stall_s:.2f} s")
    return faults


def read_result(path: Path) -> BenchResult:
    """Read a file that `save` wrote. Raises `FileError`."""
    try:
        content = json.loads(small_bytes(path, _MAX_BYTES, "what bench --output wrote"))
    except (ValueError, RecursionError):
        raise FileError(f"cannot read {path}: it is not JSON; name a file that bench --output wrote") from None
    return result_from_json(content, path)


def result_from_json(content: Any, path: Path | str) -> BenchResult:
    """Restore a result from the JSON of a file of this name. Raises `FileError`."""
    schema = content.get("schema") if isinstance(content, Mapping) else None
    if schema != SCHEMA:
        raise FileError(
            f"cannot read {path}: its schema is {schema!r}, not {SCHEMA}; name a file that bench --output wrote"
        )
    try:
        return _restored(content)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        what = "it was printed by --json, and only --output writes all" if "figures" not in content else str(error)
        raise FileError(f"cannot read {path}: it is not complete: {what}") from None


def _restored(content: Mapping[str, Any]) -> BenchResult:
    series = content.get("series")
    return BenchResult(
        settings=dict(content["settings"]),
        started_at=str(content["started_at"]),
        elapsed_s=float(content["elapsed_s"]),
        figures=Figures.from_json(content["figures"]),
        calls_at_once=int(content["calls_at_once"]),
        usage=content["usage"],
        invalid=list(content["invalid"]),
        signal=content["signal"],
        gone_s=content.get("gone_s"),
        rows=list(content["calls"]),
        series=None if series is None else Series.from_json(series),
        thresholds=tuple(map(str, content.get("thresholds", ()))),
    )
