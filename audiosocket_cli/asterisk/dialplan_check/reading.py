"""Reads a dialplan in whichever form it is given: extensions.conf, AEL, or what Asterisk shows of the one it runs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Final

from audiosocket_cli.asterisk.dialplan_check.ael import read_ael
from audiosocket_cli.asterisk.dialplan_check.dialplan import MAX_LINES, Dialplan, Form, SourceLine, source_lines
from audiosocket_cli.asterisk.dialplan_check.extensions_conf import read_extensions_conf
from audiosocket_cli.asterisk.dialplan_check.external_media import read_requests
from audiosocket_cli.asterisk.dialplan_check.shown import CONTEXT, read_shown

_LOOKED_AT: Final = 500
"""Lines from which the form is told."""

_AEL: Final = re.compile(
    r"\s*(?:(?:abstract|extend)\s+)?(?:context\s+\S+|macro\s+[^\s(]+\s*\(.*\)|globals)\s*\{.*|[^;]*=>\s*\{\s*(?://.*)?"
)

_READERS: Final = {Form.EXTENSIONS: read_extensions_conf, Form.AEL: read_ael, Form.SHOWN: read_shown}


def read_dialplan(lines: Iterable[str], name: str) -> Dialplan:
    """Return what stands in the lines of a file: `name` is what it is called in places, such as extensions.conf.

    Nothing in them is an error: what Asterisk ignores is in `ignored`, what is not a dialplan gives no steps.
    """
    return read_source(source_lines(lines, name), name)


def read_source(lines: Iterable[SourceLine], name: str) -> Dialplan:
    """Do so for lines that may come from several files."""
    plan = Dialplan(name)
    rest = read_requests(_bounded(lines, plan), plan.requests)
    first = list(itertools.islice(rest, _LOOKED_AT))
    _READERS[_form_of(first)](itertools.chain(first, rest), plan)
    return plan


def _form_of(lines: list[SourceLine]) -> Form:
    if any(CONTEXT.fullmatch(line.text) for line in lines):
        return Form.SHOWN
    return Form.AEL if any(_AEL.fullmatch(line.text) for line in lines) else Form.EXTENSIONS


def _bounded(lines: Iterable[SourceLine], plan: Dialplan) -> Iterator[SourceLine]:
    for number, line in enumerate(lines):
        if number == MAX_LINES:
            plan.unread.append((line.place, f"it has more than {MAX_LINES:,} lines"))
            return
        yield line
