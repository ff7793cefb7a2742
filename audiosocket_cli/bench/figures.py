"""The figures of a load: times and counts that add up across processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from audiosocket_cli.analysis.histogram import Histogram
from audiosocket_cli.finding import ids_of

METRICS: Final = (
    "connect", "connect_actual", "first_byte", "first_speech", "turn", "turn_actual", "echo", "echo_actual", "jitter",
    "barge_in", "barge_in_actual", "hangup", "lateness",
)  # fmt: skip
"""The distributions of times."""

ERRORS: Final = ("refused", "timeout", "unreachable", "reset", "fault", "silent")
"""The classes of errors, which are counted: three of connecting, three of calls."""


class Figures:
    """All that is counted: distributions by metric, counts by name, faults by reason."""

    def __init__(self) -> None:
        self.times = {name: Histogram() for name in METRICS}
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        """Why calls failed, in words."""
        self.findings: Counter[str] = Counter()
        """What is wrong with the answer in the calls that were looked at, with its cure."""
        self.finding_ids: Counter[str] = Counter()
        """The same by the id of the finding: in how many calls it was found."""
        self.heard_audio_s = 0.0
        self.call_s = 0.0
        """How long all calls were, added up."""
        self.worst_stall_s = 0.0
        """For how long a generator's process was not run at all, or busy with one thing."""

    def merge(self, other: Figures) -> None:
        """Add what another has counted."""
        for name, histogram in other.times.items():
            self.times[name].merge(histogram)
        self.counts += other.counts
        self.reasons += other.reasons
        self.findings += other.findings
        self.finding_ids += other.finding_ids
        self.heard_audio_s += other.heard_audio_s
        self.call_s += other.call_s
        self.worst_stall_s = max(self.worst_stall_s, other.worst_stall_s)

    def find(self, found: Iterable[str]) -> None:
        """Count the findings of one call, lines with their ids."""
        texts = list(found)
        self.findings.update(texts)
        self.finding_ids.update(ids_of(texts))

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values, from which `from_json` makes it again."""
        return {
            "times": {name: histogram.as_json() for name, histogram in self.times.items()},
            "counts": dict(self.counts), "reasons": dict(self.reasons), "findings": dict(self.findings),
            "finding_ids": dict(self.finding_ids),
            "heard_audio_s": self.heard_audio_s, "call_s": self.call_s, "worst_stall_s": self.worst_stall_s,
        }  # fmt: skip

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Figures:
        """Restore it from `as_json`; raises any Python error for other content."""
        made = cls()
        for name in METRICS:
            made.times[name] = Histogram.from_json(content["times"][name])
        made.counts = Counter({str(name): int(count) for name, count in content["counts"].items()})
        made.reasons = Counter({str(name): int(count) for name, count in content["reasons"].items()})
        made.findings = Counter({str(name): int(count) for name, count in content.get("findings", {}).items()})
        made.finding_ids = Counter({str(name): int(count) for name, count in content.get("finding_ids", {}).items()})
        made.heard_audio_s, made.call_s = float(content["heard_audio_s"]), float(content["call_s"])
        made.worst_stall_s = float(content["worst_stall_s"])
        return made
