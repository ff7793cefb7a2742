"""What faults there are, and how they are written: `to-server latency 200ms jitter 50ms share 10%`.

A direction (or both), a fault with its value, and more words with their values, in any order; `latency=200ms` is the
same. The words are those of tc-netem and toxiproxy, where these have one.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from audiosocket_cli.codec import kind_named
from audiosocket_cli.errors import UsageError
from audiosocket_cli.model import Side
from audiosocket_cli.quantities import parse_duration, parse_size

_MAX_COUNT: Final = 1_000_000_000


class Direction(StrEnum):
    """The direction in which data passes."""

    TO_SERVER = "to-server"
    TO_ASTERISK = "to-asterisk"
    BOTH = "both"

    @property
    def sides(self) -> tuple[Side, ...]:
        """The sides whose bytes go in this direction."""
        return {"to-server": (Side.CALLER,), "to-asterisk": (Side.SERVER,)}.get(self.value, (Side.CALLER, Side.SERVER))

    @classmethod
    def of(cls, side: Side) -> Direction:
        """Return the direction of what a side sends."""
        return cls.TO_SERVER if side is Side.CALLER else cls.TO_ASTERISK


class FaultName(StrEnum):
    """The faults."""

    LATENCY = "latency"
    BANDWIDTH = "bandwidth"
    SLICE = "slice"
    COALESCE = "coalesce"
    STALL = "stall"
    RESET = "reset"
    CLOSE = "close"
    DROP = "drop"
    CORRUPT = "corrupt"
    KIND = "kind"


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One fault, as the user wrote it. Which fields are used depends on the fault."""

    direction: Direction
    name: FaultName
    what: str
    """The fault and its values as they were written, without its direction and share."""
    share: float = 1.0
    """The share of calls that get it, 0 to 1."""
    time_s: float = 0.0
    """The latency; the time between two slices or two coalesced writes; how long a stall lasts, possibly infinite."""
    jitter_s: float = 0.0
    """By how much the latency may be longer or shorter."""
    size: int = 0
    """Bytes a second of the bandwidth; bytes of a slice."""
    after_s: float = 0.0
    """When it happens, counted from when both connections are established."""
    after_frame: int = 0
    """Or after which frame of its direction, counted from 1; 0 for none."""
    frame: int = 0
    """Which frame of its direction it changes, counted from 1; 0 for none."""
    every: int = 0
    """Or every N-th frame: the 10th, 20th …; 0 for none."""
    kind: int = 0
    """The kind that a frame gets."""

    def __str__(self) -> str:
        return f"{self.direction} {self.what}{'' if self.share == 1 else f' share {self.share * 100:g}%'}"

    def hits(self, number: int) -> bool:
        """Whether it changes the frame with this number."""
        return number == self.frame or (self.every > 0 and number % self.every == 0)


def parse_fault(text: str) -> FaultSpec:
    """Read a fault. Raises `UsageError`, which names the wrong word and what may stand there."""
    words = deque(text.replace("=", " ").split())
    direction = _DIRECTIONS.get(words[0]) if words else None
    if direction is not None:
        words.popleft()
    written = list(words)
    name = words.popleft() if words else ""
    form = _FORMS.get(name)
    if form is None:
        ways = "" if direction else f", after {', '.join(_DIRECTIONS)} or nothing"
        raise UsageError(f"{name!r:.60} is not a fault: write {', '.join(_FORMS)}{ways}")
    fields = dict(form.fields)
    if form.value is not None:
        fields |= form.value(words, form.usage)
    given = set[str]()
    while words:
        word = words.popleft()
        take = form.words.get(word, _share if word == "share" else None)
        if take is None:
            raise UsageError(f"{word!r:.60} does not belong to {name}: write {form.usage} [share N%]")
        if word in given:
            raise UsageError(f"{word} appears twice in {text!r:.60}: write {form.usage} [share N%]")
        given.add(word)
        fields |= take(words, form.usage)
    if form.needs and not given & form.needs:
        raise UsageError(f"{name} needs the number of a frame: write {form.usage}")
    if "share" in given:
        at = written.index("share")
        del written[at : at + 2]
    return FaultSpec(direction or Direction.BOTH, FaultName(name), " ".join(written), **fields)


_Take = Callable[[deque[str], str], dict[str, Any]]
"""Takes the value of a word from the words that follow; the usage is for the error message."""


@dataclass(frozen=True, slots=True)
class _Form:
    """How a fault is written."""

    usage: str
    value: _Take | None = None
    words: Mapping[str, _Take] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()
    """Words of which one is required."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Defaults."""


def _next(words: deque[str], usage: str) -> str:
    if not words:
        raise UsageError(f"a value is missing at the end: write {usage}")
    return words.popleft()


def _time(name: str, *, zero: bool = False) -> _Take:
    return lambda words, usage: {name: parse_duration(_next(words, usage), zero=zero)}


def _count(name: str) -> _Take:
    return lambda words, usage: {name: _count_in(_next(words, usage))}


def _count_in(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0
    if not 1 <= number <= _MAX_COUNT:
        raise UsageError(f"{text!r:.60} is not a count: write a whole number from 1 to {_MAX_COUNT}")
    return number


def _rate(words: deque[str], usage: str) -> dict[str, Any]:
    text = _next(words, usage)
    plain = text.removesuffix("/s")
    bits = _BITS.fullmatch(plain)
    if bits:
        return {"size": max(1, round(float(bits[1]) * 125 * 1000 ** "km".index(bits[2])))}
    if plain.isascii() and plain.isdecimal():
        return {"size": _count_in(plain)}
    try:
        return {"size": parse_size(plain)}
    except UsageError:
        raise UsageError(f"{text!r:.60} is not a bandwidth: write bytes a second, as 8000 or 8K, or 64kbit") from None


def _after(words: deque[str], usage: str) -> dict[str, Any]:
    if words and words[0] == "frame":
        words.popleft()
        return {"after_frame": _count_in(_next(words, usage))}
    return {"after_s": parse_duration(_next(words, usage), zero=True)}


def _kind(words: deque[str], usage: str) -> dict[str, Any]:
    try:
        return {"kind": kind_named(_next(words, usage))}
    except ValueError as error:
        raise UsageError(str(error)) from None


def _share(words: deque[str], usage: str) -> dict[str, Any]:
    text = _next(words, f"{usage} share N%")
    number = _PERCENT.fullmatch(text)
    if number is None or float(number[1]) > 100:
        raise UsageError(f"{text!r:.60} is not a share of the calls: write 10%, 100% at most")
    return {"share": float(number[1]) / 100}


_BITS: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]*)?)([km])bit")
_PERCENT: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]*)?)%?")

_DIRECTIONS: Final[dict[str, Direction]] = {each.value: each for each in Direction}

_WHICH: Final[dict[str, _Take]] = {"frame": _count("frame"), "every": _count("every")}

_FORMS: Final[dict[str, _Form]] = {
    "latency": _Form("latency TIME [jitter TIME]", _time("time_s"), {"jitter": _time("jitter_s", zero=True)}),
    "bandwidth": _Form("bandwidth BYTES-A-SECOND", _rate),
    "slice": _Form("slice BYTES [every TIME]", _count("size"), {"every": _time("time_s", zero=True)}),
    "coalesce": _Form("coalesce TIME", _time("time_s")),
    "stall": _Form(
        "stall [after TIME or after frame N] [for TIME]", None, {"for": _time("time_s"), "after": _after},
        fields={"time_s": math.inf},
    ),
    "reset": _Form("reset [after TIME or after frame N]", None, {"after": _after}),
    "close": _Form("close [after TIME or after frame N]", None, {"after": _after}),
    "drop": _Form("drop frame N or drop every N", None, _WHICH, frozenset(_WHICH)),
    "corrupt": _Form("corrupt frame N or corrupt every N", None, _WHICH, frozenset(_WHICH)),
    "kind": _Form("kind KIND frame N or kind KIND every N", _kind, _WHICH, frozenset(_WHICH)),
}  # fmt: skip
