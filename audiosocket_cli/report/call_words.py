"""Times, lengths and sides as the page of a call says them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

NOT_MEASURED: Final = "not measured"
DASH: Final = "\N{EN DASH}"

SIDES: Final = {"caller": "Caller", "server": "Server", "mixed": "Both sides"}

KINDS: Final = {"late": "late frames", "hangup": "end"}
"""Names of kinds of marks; others have their own name."""


def clock(seconds: float) -> str:
    """Return a place in a call: 1:02.3, and 1:01:02.3 from an hour on."""
    tenths = round(max(seconds, 0.0) * 10)
    whole, tenth = divmod(tenths, 10)
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    start = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{start}:{second:02}.{tenth}"


def length(seconds: float) -> str:
    """Return how long something took: 640 ms, 1.24 s, 31.5 s, 5 min 4 s."""
    if seconds < 0.9995:
        return f"{round(seconds * 1000)} ms"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def milliseconds(value: float | None) -> str:
    """Return a length that is given in milliseconds; None is what was not measured."""
    return NOT_MEASURED if value is None else length(value / 1000)


def level(dbfs: float | None) -> str:
    """Return a level with a true minus sign; None is what was not measured."""
    return NOT_MEASURED if dbfs is None else f"{dbfs:.0f} dBFS".replace("-", "\N{MINUS SIGN}")


def day_and_time(text: str) -> str:
    """Return a time in ISO 8601 as people read it; any other text stays as it is."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    zone = f" {at.strftime('%Z')}" if at.tzinfo else ""
    return f"{at.day} {at.strftime('%B %Y, %H:%M:%S')}{zone}"
