"""Points in time as people write them: 2h (ago), today, 2026-11-30, 2026-11-30 14:00; and ages of up to a century."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Final

from audiosocket_cli.errors import UsageError
from audiosocket_cli.quantities import parse_duration

_DAYS: Final = re.compile(r"([0-9]{1,5})d")
_MAX_DAYS: Final = 36_525
_UNITS: Final = re.compile(r".*[dhms]", re.DOTALL)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_CLOCK: Final = re.compile(r"\d\d?:\d\d(:\d\d)?")
_DAYS_AGO: Final = {"today": 0, "yesterday": 1}
_HOW: Final = "write how long ago, as 2h or 7d, or when, as today, yesterday, 2026-11-30, 14:00 or '2026-11-30 14:00'"


def parse_moment(text: str, now: datetime, *, end: bool = False) -> str:
    """Return a time as RFC 3339 in UTC with milliseconds. `now` is the local time, with its zone; a time without a zone
    is local, too. With `end`, a day stands for its end. Raises `UsageError`."""
    text = text.strip()
    try:
        if text in _DAYS_AGO or _DATE.fullmatch(text):
            ago = _DAYS_AGO.get(text)
            day = datetime.fromisoformat(text).date() if ago is None else now.date() - timedelta(days=ago)
            moment = datetime.combine(day + timedelta(days=end), time())
        elif _CLOCK.fullmatch(text):
            moment = datetime.combine(now.date(), time.fromisoformat(text if text[2:3] == ":" else f"0{text}"))
        elif "-" in text:
            moment = datetime.fromisoformat(text)
        else:
            moment = now - timedelta(seconds=parse_age_s(text))
        return moment.astimezone(UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, UsageError):
        raise UsageError(f"{text!r:.60} is not a time: {_HOW}") from None


def parse_age_s(text: str) -> float:
    """Read a length of time, which in days alone, as 400d, may be longer than a year. Raises `UsageError`."""
    days = _DAYS.fullmatch(text.strip())
    if days is None or int(days[1]) == 0:
        return parse_duration(text)
    if int(days[1]) > _MAX_DAYS:
        raise UsageError(f"{text!r:.60} is longer than a hundred years")
    return int(days[1]) * 86400.0


def parse_keep_s(text: str) -> float:
    """Read how long calls are kept, which needs a unit: whoever writes 90 means days, and not seconds. Raises
    `UsageError`."""
    try:
        seconds = parse_age_s(text)
    except UsageError:
        raise UsageError(f"{text!r:.60} does not say how long calls are kept: write 90d, 12h or 30m") from None
    if not _UNITS.fullmatch(text.strip()):
        raise UsageError(f"{text!r:.60} does not say how long calls are kept: write {text.strip()}d for days")
    return seconds
