"""What the callers of `loops callers` saw."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

LATE_MS = 25.0
BUNCHED_MS = 5.0
GAP_MS = 40.0
"""A frame that comes so much later than 20 ms after the last is heard as a gap."""


@dataclass(frozen=True)
class Heard:
    """The callers' line of JSON."""

    facts: dict[str, Any]

    @property
    def call_seconds(self) -> float:
        """How long all calls talked, in all."""
        return 0.02 * float(self.facts["frames_sent"] + self.facts["skipped_frames"])

    @property
    def gap_p99_ms(self) -> float:
        return float(self.facts["gap_error_ms"]["p99"])

    @property
    def drift_percent(self) -> float:
        drift = self.facts["drift_percent"]
        return float(drift["mean"]) if drift else math.inf

    def latency_ms(self, quantile: str) -> float:
        """Return the time from when a frame was due until it came back: p50, p99 or max."""
        latency = self.facts["latency_ms"]
        return float(latency[quantile]) if latency else math.inf

    @property
    def lost(self) -> int:
        """Calls that did not last."""
        return int(self.facts["resets"] + self.facts["closed_early"])

    @property
    def are_late(self) -> bool:
        """Whether the callers themselves were short of CPU."""
        return bool(self.facts["own_lateness_ms"]["p99"] > LATE_MS or self.facts["skipped_frames"])

    @property
    def is_bunched(self) -> bool:
        """Whether frames came back in bunches, or not all: a server that is behind, for want of CPU, works cheaper.

        One that only records says silence now and then.
        """
        is_late = self._received < 0.99 * self._due or self.facts["gap_error_ms"]["p50"] >= BUNCHED_MS
        return bool(self._received > self._due / 2 and is_late)

    @property
    def is_in_time(self) -> bool:
        """Whether all that callers said was echoed, with no more gaps than one frame in a hundred."""
        late = self.facts["gap_error_ms"]["p99"] >= GAP_MS
        return not (late or self._received < 0.99 * self._due or self.facts["skipped_frames"] or self.lost)

    @property
    def _due(self) -> int:
        return int(self.facts["measured"]["frames_due"])

    @property
    def _received(self) -> int:
        return int(self.facts["measured"]["frames_received"])
