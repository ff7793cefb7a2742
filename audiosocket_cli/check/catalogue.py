"""All cases, in the order of reports, and which of them are wanted."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Final

from audiosocket_cli.check.cases.bargein import BARGEIN_CASES
from audiosocket_cli.check.cases.end import END_CASES
from audiosocket_cli.check.cases.frame import FRAME_CASES
from audiosocket_cli.check.cases.hostile import HOSTILE_CASES
from audiosocket_cli.check.cases.idle import IDLE_CASES
from audiosocket_cli.check.cases.kind import KIND_CASES
from audiosocket_cli.check.cases.load import LOAD_CASES
from audiosocket_cli.check.cases.pace import PACE_CASES
from audiosocket_cli.check.cases.sends import SENDS_CASES
from audiosocket_cli.check.cases.start import START_CASES
from audiosocket_cli.check.cases.turn import TURN_CASES
from audiosocket_cli.check.cases.uuid import UUID_CASES
from audiosocket_cli.check.model import Case, Level
from audiosocket_cli.errors import NothingError, UsageError

CASES: Final[tuple[Case, ...]] = (
    *FRAME_CASES, *UUID_CASES, *KIND_CASES, *START_CASES, *IDLE_CASES, *PACE_CASES, *SENDS_CASES, *END_CASES,
    *LOAD_CASES, *HOSTILE_CASES, *TURN_CASES, *BARGEIN_CASES,
)  # fmt: skip

_LEVELS: Final = list(Level)


def choose(only: Sequence[str], skip: Sequence[str], level: Level) -> list[Case]:
    """Return the cases of ids or their prefixes, without others, of a level or a higher one.

    Raises `UsageError` for an id that there is not, `NothingError` when nothing is left.
    """
    wanted, unwanted = _ids(only), _ids(skip)
    highest = _LEVELS[: _LEVELS.index(level) + 1]
    chosen = [
        case for case in CASES
        if (not only or case.id in wanted) and case.id not in unwanted and case.level in highest
    ]  # fmt: skip
    if not chosen:
        raise NothingError("no case is left to run: look at --only, --skip and --level (check --list lists all)")
    return chosen


def _ids(names: Sequence[str]) -> set[str]:
    """Return the ids that ids, groups ("frame", "frame/") and other prefixes stand for."""
    found: set[str] = set()
    for name in names:
        ids = {case.id for case in CASES if case.id == name or case.id.startswith(name.rstrip("/") + "/")}
        ids = ids or {case.id for case in CASES if "/" in name and case.id.startswith(name)}
        if not ids:
            raise UsageError(f"there is no case {name!r:.60}: {_hint(name)}")
        found |= ids
    return found


def _hint(name: str) -> str:
    known = [*dict.fromkeys(case.group for case in CASES), *(case.id for case in CASES)]
    near = difflib.get_close_matches(name.lower(), known, 1, 0.5)
    near = near or [each for each in known if name.strip("/") and name.lower() in each][:1]
    return f"did you mean {near[0]}?" if near else "audiosocket check --list lists them"
