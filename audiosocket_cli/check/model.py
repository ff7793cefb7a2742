"""A case, what was observed of a server, and the report of a run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from audiosocket_cli.asterisk.releases import Release

if TYPE_CHECKING:
    from pathlib import Path


class Level(StrEnum):
    """How much a requirement matters."""

    MUST = "MUST"  # Asterisk's source ends or corrupts the call, or real callers do this
    SHOULD = "SHOULD"  # sound, latency or other callers suffer
    INFO = "INFO"  # what the server can do


class Verdict(StrEnum):
    """What a case came to."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"  # it does not apply
    UNKNOWN = "unknown"  # it could not be told


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of a server in one attempt, in one sentence."""

    verdict: Verdict
    observed: str
    measured_s: float | None = None
    """What is compared with a threshold of the user, in seconds."""


def passed(observed: str, measured_s: float | None = None) -> Observation:
    """Return that a server does what is required."""
    return Observation(Verdict.PASS, observed, measured_s)


def failed(observed: str, measured_s: float | None = None) -> Observation:
    """Return that it does not."""
    return Observation(Verdict.FAIL, observed, measured_s)


def skipped(reason: str) -> Observation:
    """Return that a case does not apply."""
    return Observation(Verdict.SKIP, reason)


def unknown(reason: str) -> Observation:
    """Return that it could not be told."""
    return Observation(Verdict.UNKNOWN, reason)


@dataclass(frozen=True, slots=True)
class Case:
    """One requirement, and how it is tried."""

    id: str
    """Its group and name: `frame/split-payload`. It never changes."""
    level: Level
    requirement: str
    expected: str
    asterisk: str
    """The function or the fact of Asterisk that it comes from."""
    cure: str
    """What to change in a server that fails, in one sentence."""
    run: Callable[[Any], Awaitable[Observation]]
    """Tries it, given a `trial.Trial`."""
    versions: str = "all"
    """The releases of Asterisk that are concerned."""
    applies: Callable[[Release], str | None] = field(default=lambda release: None)
    """Says why it does not apply to a release of Asterisk, or None."""
    needs: Callable[[Any], str | None] = field(default=lambda setting: None)
    """Says what a `trial.Setting` lacks for it, or why it does not apply there, or None."""
    alone: bool = False
    """Whether no other case may run at the same time: it measures time, or might disturb others."""
    finding: str | None = None
    """The id of the finding that a failure is, where there is one."""
    shown_by_replay: bool = False
    """Whether `audiosocket replay` of a capture does the same again: frames are all that matters, not their cuts."""

    @property
    def group(self) -> str:
        """The prefix of the id: `frame`."""
        return self.id.partition("/")[0]

    def as_json(self) -> dict[str, Any]:
        """Return what it says as JSON values."""
        return {
            "id": self.id, "level": self.level.value, "requirement": self.requirement, "expected": self.expected,
            "asterisk": self.asterisk, "versions": self.versions, "cure": self.cure,
            "finding": self.finding,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a case."""

    observation: Observation
    elapsed_s: float
    evidence: Sequence[str] = ()
    """What was sent and received, a line each, with times since the connection; where it did not pass."""
    log: Sequence[str] = ()
    """What the server's own process wrote meanwhile, where it did not pass."""
    capture: Path | None = None
    """The file that holds the evidence, where one was wanted."""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        measured_s = self.observation.measured_s
        return {
            "verdict": self.observation.verdict.value, "observed": self.observation.observed,
            "measured_s": None if measured_s is None else round(measured_s, 3),
            "elapsed_s": round(self.elapsed_s, 3), "evidence": list(self.evidence), "log": list(self.log),
            "capture": None if self.capture is None else str(self.capture),
        }  # fmt: skip


_WORST_FIRST = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.PASS, Verdict.SKIP)


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A case with all attempts at it, at least one."""

    case: Case
    attempts: Sequence[Attempt]

    @property
    def worst(self) -> Attempt:
        """The attempt that counts: one that failed, else one that could not tell."""
        return min(self.attempts, key=lambda attempt: _WORST_FIRST.index(attempt.observation.verdict))

    @property
    def verdict(self) -> Verdict:
        """The verdict of that attempt."""
        return self.worst.observation.verdict

    @property
    def observed(self) -> str:
        """What was observed in that attempt."""
        return self.worst.observation.observed

    @property
    def measured_s(self) -> list[float]:
        """What was measured in the attempts, the least first."""
        return sorted(each.observation.measured_s for each in self.attempts if each.observation.measured_s is not None)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return self.case.as_json() | {
            "verdict": self.verdict.value,
            "observed": self.observed,
            "shown_by_replay": self.case.shown_by_replay,
            "attempts": [attempt.as_json() for attempt in self.attempts],
        }


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run."""

    target: str
    release: Release
    nature: str
    """What the server does in a plain call, in one sentence."""
    results: Sequence[CaseResult]
    started_at: str
    elapsed_s: float
    strict: bool = False
    """Whether a SHOULD counts as a MUST."""
    known: frozenset[str] | None = None
    """Ids that failed in the baseline, which do not count; None without a baseline."""
    command: Sequence[str] = ()
    """What started the server, if it was started for the check."""
    options: Sequence[str] = ()
    """Words of the command line that repeat cases with the same options."""
    notes: Sequence[str] = ()
    """What happened to the server's process, and other things to know."""
    signal: int | None = None
    """The signal that ended the run before its end."""
    unreachable: bool = False
    """Whether nobody could be connected to any more before the end."""
    name: str | None = None
    """The server's name in reports, if it is not its address."""

    @property
    def title(self) -> str:
        """The server's name in reports."""
        return self.name or self.target

    def with_verdict(self, verdict: Verdict) -> list[CaseResult]:
        """Return the results with a verdict, in order."""
        return [result for result in self.results if result.verdict is verdict]

    @property
    def failures(self) -> list[CaseResult]:
        """All that failed, of every level."""
        return self.with_verdict(Verdict.FAIL)

    def counts(self, result: CaseResult) -> bool:
        """Whether a failure makes the whole negative."""
        is_required = result.case.level is Level.MUST or (self.strict and result.case.level is Level.SHOULD)
        return result.verdict is Verdict.FAIL and is_required and not self.is_known(result)

    def is_known(self, result: CaseResult) -> bool:
        """Whether a failure was one in the baseline already."""
        return result.verdict is Verdict.FAIL and result.case.id in (self.known or ())

    @property
    def counting(self) -> list[CaseResult]:
        """The failures that make the whole negative."""
        return [result for result in self.results if self.counts(result)]

    @property
    def verdict(self) -> Verdict:
        """What the whole comes to: a failure that counts fails it; it is unknown where no case passed or failed."""
        if self.counting:
            return Verdict.FAIL
        return Verdict.PASS if self.failures or self.with_verdict(Verdict.PASS) else Verdict.UNKNOWN

    @property
    def mended(self) -> list[str]:
        """Ids that failed in the baseline, and pass now."""
        return [result.case.id for result in self.with_verdict(Verdict.PASS) if result.case.id in (self.known or ())]
