"""What is compared of one capture's answer, and how closely: `NAME.expect.toml` beside it."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.analysis.compare import ASPECTS
from audiosocket_cli.disk import small_text
from audiosocket_cli.errors import FileError, UsageError
from audiosocket_cli.quantities import bounded_duration, parse_duration

SUFFIX: Final = ".expect.toml"

CAPTURES: Final = (".pcapng", ".pcap", ".jsonl")
"""How captures in a folder are named."""

_MAX_BYTES: Final = 1 << 20
_PACKED: Final = (".gz", ".xz", ".bz2", ".zst", ".lz4")


def stem_of(path: Path) -> str | None:
    """Return the name of a capture without its suffix; None for another file."""
    name = path.name
    for suffix in _PACKED:
        name = name.removesuffix(suffix)
    return next((name.removesuffix(suffix) for suffix in CAPTURES if name.endswith(suffix)), None)


def settings_beside(capture: Path) -> dict[str, Any]:
    """Return what the file beside a capture says, as values of the options of these names; nothing where there is none.

    Raises `FileError`.
    """
    path = capture.with_name((stem_of(capture) or capture.stem) + SUFFIX)
    if not os.path.lexists(path):
        return {}
    try:
        content = tomllib.loads(small_text(path, _MAX_BYTES, "settings in TOML"))
    except (ValueError, RecursionError) as error:
        raise FileError(f"cannot read {path}: it is not TOML: {str(error)[:80].lower()}") from None
    for key in content:
        if key not in _READERS:
            raise FileError(f"{path}: there is no key {key!r:.60}: choose from {', '.join(_READERS)}")
    return {key: _read(path, key, value) for key, value in content.items()}


def _read(path: Path, key: str, value: Any) -> Any:
    try:
        return _READERS[key](value)
    except (UsageError, OverflowError) as error:
        raise FileError(f"{path}: {key}: {error}") from None


def _seconds(value: Any, *, zero: bool = False) -> float:
    if isinstance(value, str):
        return parse_duration(value, zero=zero)
    return bounded_duration(_number(value), f"{value!r:.60}", zero=zero)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{value!r:.60} is not a number")
    return float(value)


def _tolerance(value: Any) -> float:
    return _seconds(value)


def _wait(value: Any) -> float:
    return _seconds(value, zero=True)


def _least_correlation(value: Any) -> float:
    number = _number(value)
    if not 0 <= number <= 1:
        raise UsageError(f"{value!r:.60} is not a number from 0 to 1")
    return number


def _compare(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not value or any(each not in ASPECTS for each in value):
        raise UsageError(f"{value!r:.60} is not a list of some of {', '.join(ASPECTS)}")
    return frozenset(value)


def _call(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise UsageError(f"{value!r:.60} is not a UUID or the first digits of one")
    return value


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "tolerance": _tolerance, "least_correlation": _least_correlation, "compare": _compare, "call": _call, "wait": _wait,
}  # fmt: skip
