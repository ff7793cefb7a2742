"""Judging a result: thresholds that it has to keep, and an older result that it must not be worse than."""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from audiosocket_cli.bench.result import NAMES, RATES, STATISTICS, BenchResult
from audiosocket_cli.errors import UsageError
from audiosocket_cli.quantities import parse_duration

_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_THRESHOLD: Final = re.compile(r"([A-Za-z]\w*)\s*(<=|>=|<|>)\s*([0-9.].*)")
_NUMBER: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?)\s*(%?)")
_SPACED_UNIT: Final = re.compile(r"(?<=[0-9.])\s+(?=[a-z])")

COMPARED: Final = (
    *(
        f"{name}_{statistic}"
        for name in ("connect", "first_byte", "first_speech", "turn", "echo", "jitter", "barge_in", "hangup")
        for statistic in ("p50", "p95")
    ),
    "error_rate", "audio_rate", "cpu_percent", "rss_mib",
)  # fmt: skip
"""What is compared: not the rarest values, which differ from run to run."""

_FLOOR_MS: Final = 1.0
"""Times that differ by less are the same: a machine's timers are no better."""
_FLOOR: Final = 0.001

_MORE_IS_BETTER: Final = {"audio_rate"}


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a value has to be: `turn_p95<800ms`."""

    name: str
    sign: str
    bound: float
    """In the value's own unit: ms for times, a share of 1 for a rate of errors."""
    text: str

    def failure(self, values: dict[str, float | None]) -> str | None:
        """Return how values fail it, or None. A missing value fails, too: nothing was shown."""
        value = values[self.name]
        if value is None:
            return f"{self.text}: there is no {self.name}: nothing to measure happened"
        if _OPERATORS[self.sign](value, self.bound):
            return None
        return f"{self.text}: it is {shown(self.name, value)}"


def parse_threshold(text: str) -> Threshold:
    """Read `turn_p95<800ms`, `errors<=0`, `error_rate<1%`. Raises `UsageError`, for unknown names with near ones."""
    match = _THRESHOLD.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"{text!r:.80} is not a threshold: write NAME<VALUE, as in turn_p95<800ms, errors<=0, error_rate<1%"
        )
    name, sign, value = match.groups()
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=4, cutoff=0.5)
        hint = f"do you mean {', '.join(near)}?" if near else "choose from turn_p95, echo_p50, errors, gaps_60 and more"
        raise UsageError(f"{name!r:.40} in {text!r:.80} is not a value of a result: {hint}")
    return Threshold(name, sign, _time_ms(value, text) if is_time(name) else _number(name, value, text), text.strip())


def _time_ms(value: str, text: str) -> float:
    if value.endswith("%"):
        raise UsageError(f"{text!r:.80} has % for a time: write ms or s")
    try:
        return round(parse_duration(_SPACED_UNIT.sub("", value), unit="ms", zero=True) * 1000, 6)
    except UsageError:
        raise UsageError(
            f"{text!r:.80} has no length of time: write one as 800ms, 1.5s or 1m30s; a number alone is ms"
        ) from None


def _number(name: str, value: str, text: str) -> float:
    match = _NUMBER.fullmatch(value)
    if match is None:
        unit = value.lstrip("0123456789. ")
        raise UsageError(f"{text!r:.80} has {unit!r:.20} after a number that is not a time: leave it out")
    bound = float(match[1])
    if not match[2] or name == "cpu_percent":
        return bound
    if name not in ("error_rate", "audio_rate"):
        raise UsageError(f"{text!r:.80} has % for a number: leave it out")
    return bound / 100


def is_time(name: str) -> bool:
    """Whether a value is a time in ms."""
    return name not in RATES and name.rpartition("_")[2] in STATISTICS


def shown(name: str, value: float | None) -> str:
    """Return a value with its unit, for people."""
    if value is None:
        return "-"
    if is_time(name):
        return f"{value:.2f} ms" if value < 10 else f"{value:.1f} ms"
    if name == "error_rate":
        return f"{value:.2%}"
    if name == "rss_mib":
        return f"{value:.1f} MiB"
    return f"{value:.1f} %" if name == "cpu_percent" else f"{value:g}" if float(value).is_integer() else f"{value:.3f}"


@dataclass(frozen=True, slots=True)
class Change:
    """A value then and now; `worse` is by which share it is worse than it was, below 0 better, None: cannot be said."""

    name: str
    before: float | None
    now: float | None
    worse: float | None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"name": self.name, "before": self.before, "now": self.now, "worse": self.worse}


def changes(old: BenchResult, new: BenchResult) -> list[Change]:
    """Return what differs between two results, and what does not, of all that both could have."""
    before, now = old.values(), new.values()
    return [_change(name, before[name], now[name]) for name in COMPARED if (before[name], now[name]) != (None, None)]


def _change(name: str, before: float | None, now: float | None) -> Change:
    if before is None or now is None:
        # What cannot be seen any more has got worse, if it is what a server does.
        return Change(name, before, now, 1.0 if now is None and is_time(name) else None)
    loss = before - now if name in _MORE_IS_BETTER else now - before
    if abs(loss) <= (_FLOOR_MS if is_time(name) else _FLOOR):
        return Change(name, before, now, 0.0)
    return Change(name, before, now, loss / before if before else 1.0 if loss > 0 else 0.0)


def regressions(found: list[Change], most: float) -> list[Change]:
    """Return what got worse by more than a share."""
    return [change for change in found if change.worse is not None and change.worse > most]
