"""Colours that say what a line means: green for an end in order, red for what failed, magenta for what to look at.

A line is the same text with and without them: they are found in its words. There are none without a terminal, on one
that cannot draw, and with NO_COLOR in the environment. Yellow is left out: nobody can read it on white.
"""

from __future__ import annotations

import os
import re
from typing import Final, NamedTuple, TextIO

from audiosocket_cli.ui.levels import level_style

_ROW: Final = r"(?:[0-9a-f]{8}\S* )?(?:@\d+ +)?(?:\d+:)?\d\d:\d\d\.\d+ +"
"""How a row of a capture begins."""


class Span(NamedTuple):
    """A part of a line that has a style, in rich's words."""

    start: int
    end: int
    style: str


_GOOD, _BAD, _LOOK = "green", "bold red", "magenta"

_SGR: Final = {_GOOD: "32", _BAD: "1;31", _LOOK: "35", "red": "31"}

_LEVEL: Final = re.compile(rf"{_ROW}([█-▏]+) .* (-?\d+) dBFS")
"""A row with a bar, whose colour is that of its level."""

_LOG: Final = r"(?:\d\d:\d\d:\d\d )"
_CALL: Final = r"[0-9a-f]{8}(?:#\d+)? "

_RULES: Final = tuple(
    (re.compile(pattern), style)
    for pattern, style in (
        # The log, and what came of a placed call, which says the same without clock and call.
        (rf"(?:{_LOG}{_CALL})?(ended by \w+ \((?:hangup|closed)\b.*)", _GOOD),
        (rf"(?:{_LOG}{_CALL})?(ended by \w+ \((?:reset|fault)\b.*)", _BAD),
        (rf"(?:{_LOG}{_CALL})?(findings?:) ", _LOOK),
        (rf"(?:{_LOG}(?:{_CALL})?)?((?:recording|on-call-end|capture(?: of \S+)?) failed:)", _BAD),
        (rf"{_LOG}(refused|no call from|and \d+ more connections? from) ", _LOOK),
        (rf"{_ROW}(finding:) ", _LOOK),
        (rf"{_ROW}((?:gap|burst|lost) .*)", _LOOK),
        (r" {2}(finding:) ", _LOOK),
        (r"(damaged at byte|.*: damaged at byte) ", _BAD),
        (r"answered \d+ calls?.*? (\d+ (?:connection|recording|capture|--on-call-end command)s? failed)", _BAD),
        (r"(\d+ errors?) in \d+ calls?", _BAD),
        (r"(passed:|no errors in \d+|\d+ calls at once held)", _GOOD),
        (r"(finding) in \d+ of", _LOOK),
        (r".* (REGRESSION)", _BAD),
        (r" {2}(fault) {3}", _BAD),
        (r" {2}(warning) ", _LOOK),
        (r" {2}(ok) {6}", _GOOD),
        (r"(cannot write|audiosocket: error:|failed:|INVALID:?)", _BAD),
    )
)


def has_colours(stream: TextIO) -> bool:
    """Whether lines for a stream have colours."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb" and stream.isatty()


def span_of(line: str) -> Span | None:
    """Return the part of a line that has a style, if one has."""
    for pattern, style in _RULES:
        found = pattern.match(line)
        if found:
            return Span(*found.span(1), style)
    found = _LEVEL.match(line)
    return Span(*found.span(1), level_style(float(found[2])) or _GOOD) if found else None


def coloured(line: str) -> str:
    """Return a line for a terminal, with its colours."""
    span = span_of(line)
    if span is None:
        return line
    start, end, style = span
    return f"{line[:start]}\x1b[{_SGR[style]}m{line[start:end]}\x1b[0m{line[end:]}"
