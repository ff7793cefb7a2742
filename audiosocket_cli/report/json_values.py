"""Values of JSON that anybody may have written: bounded text, finite numbers, and what is something else left out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from audiosocket_cli.text import printable, shortened

MAX_TEXT: Final = 500
"""Characters of a text that a page shows; a longer one ends with an ellipsis."""

MAX_NUMBER: Final = 1e9
"""Larger numbers are not measured of a call."""


def text_of(value: object, most: int = MAX_TEXT) -> str:
    """Return a text as it can be shown; empty for what is not text."""
    if not isinstance(value, str):
        return ""
    return shortened(printable(value[: most + 1].encode(errors="replace").decode()), most)


def number_of(value: object, least: float = 0.0, most: float = MAX_NUMBER) -> float | None:
    """Return a number in a range as a float; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        return None  # NaN is in no range
    return float(value) if math.isfinite(value) else None


def count_of(value: object) -> int | None:
    """Return a whole number from 0 up; None for all else."""
    number = number_of(value)
    return None if number is None else int(number)


def mapping_of(value: object) -> Mapping[str, Any]:
    """Return an object; an empty one for all else."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """Return a list; an empty one for all else."""
    return value if isinstance(value, list) else []
