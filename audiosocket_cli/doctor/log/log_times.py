"""Times of a log in the forms in which they are written, as seconds that can be compared with each other."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_EPOCH: Final = re.compile(rb"\b(\d{9,10}(?:\.\d{1,9})?)\b")
_ISO: Final = re.compile(rb"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)([.,]\d{1,9})?")
_MONTHS: Final = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_SYSLOG: Final = re.compile(
    rb"\b(" + b"|".join(_MONTHS) + rb")\s+(\d{1,2}) (?:(\d{4}) )?(\d\d):(\d\d):(\d\d)([.,]\d{1,9})?"
)
_CLOCK: Final = re.compile(rb"\b(\d\d):(\d\d):(\d\d)([.,]\d{1,9})?")

_SOME_YEAR: Final = 2000
"""For times without a year: a leap year."""


def shown_time(raw: bytes) -> str:
    """Return a time as it was written, without brackets and what else stands before a message."""
    text = raw.strip().strip(b"[]").strip()
    for form in (_ISO, _SYSLOG):
        match = form.search(raw)
        if match:
            return match[0].decode()
    if _EPOCH.fullmatch(text):
        at = datetime.fromtimestamp(float(text), UTC)
        return f"{at:%Y-%m-%d %H:%M:%S} UTC"
    return text[:40].decode(errors="replace")


def seconds_of(raw: bytes) -> float | None:
    """Return a time in seconds since some beginning, which is the same for all times of one form; None for none."""
    match = _ISO.search(raw)
    if match:
        year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
        return _seconds((year, month, day, hour, minute, second), match[7])
    match = _SYSLOG.search(raw)
    if match:
        month, year = _MONTHS.index(match[1]) + 1, int(match[3] or _SOME_YEAR)
        return _seconds((year, month, int(match[2]), int(match[4]), int(match[5]), int(match[6])), match[7])
    match = _EPOCH.search(raw)
    if match:
        return float(match[1])
    match = _CLOCK.search(raw)
    if match:
        hour, minute, second = (int(part) for part in match.groups()[:3])
        return hour * 3600 + minute * 60 + second + _fraction(match[4])
    return None


def _seconds(parts: tuple[int, int, int, int, int, int], fraction: bytes | None) -> float | None:
    try:
        return datetime(*parts, tzinfo=UTC).timestamp() + _fraction(fraction)
    except ValueError:  # the 31st of February
        return None


def _fraction(text: bytes | None) -> float:
    return float(b"0." + text[1:]) if text else 0.0
