"""Lengths of time and sizes as people write them: 30, 500ms, 1h30m, 2G. One way for options, scripts and thresholds."""

from __future__ import annotations

import math
import re
from typing import Final

from audiosocket_cli.errors import UsageError

MAX_DURATION_S: Final = 366 * 86400.0
"""A year. Longer than any call, and short enough for every timer and counter of samples to hold it."""
MAX_SIZE_BYTES: Final = 10**18

_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER: Final = r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+"
_PLAIN: Final = re.compile(rf"\+?(?:{_NUMBER})(?:[eE][+-]?[0-9]+)?")
_PARTS: Final = re.compile(rf"(?:(?:{_NUMBER})(?:ms|s|m|h|d))+")
_PART: Final = re.compile(rf"({_NUMBER})(ms|s|m|h|d)")
_SIZE: Final = re.compile(rf"({_NUMBER})([kKMGT])(i?)B?")

_HOW_LONG: Final = "write seconds, as 30 or 1.5, or with a unit, as 500ms, 30s, 5m, 1h, 1h30m"


def parse_duration(text: str, *, unit: str = "s", zero: bool = False) -> float:
    """Read 30, 500ms, 30s, 5m, 1.5h or 1h30m, in seconds. A number alone counts in `unit`; units may not repeat and
    run from the longest to the shortest. Raises `UsageError` for all else, for nothing (unless `zero`) and for more
    than a year."""
    shown = f"{text!r:.60}"
    text = text.strip()
    if _PLAIN.fullmatch(text):
        seconds = float(text) * _UNITS_S[unit]
    elif _PARTS.fullmatch(text):
        parts = _PART.findall(text)
        lengths = [_UNITS_S[each] for _, each in parts]
        if lengths != sorted(set(lengths), reverse=True):
            raise UsageError(f"{shown} is not a length of time: name each unit once, the longest first, as 1h30m")
        seconds = math.fsum(float(number) * length for (number, _), length in zip(parts, lengths, strict=True))
    else:
        raise UsageError(f"{shown} is not a length of time: {_HOW_LONG}")
    return bounded_duration(seconds, shown, zero=zero)


def bounded_duration(seconds: float, shown: str, *, zero: bool = False) -> float:
    """Return `seconds` when it is a length of time that can be waited for. Raises `UsageError` that names `shown`."""
    if math.isnan(seconds) or seconds < 0:
        raise UsageError(f"{shown} is not a length of time: {_HOW_LONG}")
    if seconds > MAX_DURATION_S:
        raise UsageError(f"{shown} is longer than a year: {_HOW_LONG}")
    if not seconds and not zero:
        raise UsageError(f"{shown} is not more than 0: write a time as 500ms, 30s or 5m")
    return seconds


def parse_size(text: str) -> int:
    """Read 500M, 2G, 1.5T or 512MiB, in bytes. Raises `UsageError`."""
    match = _SIZE.fullmatch(text.strip())
    size = float(match[1]) * (1024 if match[3] else 1000) ** ("KMGT".index(match[2].upper()) + 1) if match else 0.0
    if not 1 <= size <= MAX_SIZE_BYTES:
        raise UsageError(f"{text!r:.60} is not a size: write it with its unit, as 500M, 2G or 1.5T")
    return int(size)
