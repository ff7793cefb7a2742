"""What changed in Asterisk's AudioSocket, and since which release of each branch. The one table of it.

Source: `res/res_audiosocket.c`, `apps/app_audiosocket.c` and `channels/chan_audiosocket.c` of every release tag from
18.0.0 to 23.4.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from audiosocket_cli.errors import UsageError

_OLDEST: Final = 18
"""The branch with which AudioSocket came."""

_FORM: Final = re.compile(
    r"(?P<prefix>certified[-/ ])?(?P<major>\d{1,3})(?:\.(?P<minor>\d{1,3}))?(?:\.\d{1,3})*(?P<suffix>-cert\d*)?"
)


class Behaviour(Enum):
    """What newer releases do differently."""

    STRICT = auto()
    """A frame that is neither audio nor a hangup, or audio of length 0, ends the call; 2000 ms in which neither side
    sends end the application's; and digits are sent."""
    SPLIT_PAYLOAD = auto()
    """A payload may come in parts, less than 5 ms apart; before, all of it has to be there with its header."""
    RATES = auto()
    """Kinds 11 to 18 are sent and taken."""
    SPLIT_HEADER = auto()
    """A header may come in parts."""


_FIRST: Final[dict[Behaviour, dict[int, int]]] = {
    Behaviour.STRICT: {20: 14, 21: 9, 22: 4, 23: 0},
    Behaviour.SPLIT_PAYLOAD: {20: 15, 21: 10, 22: 5, 23: 0},
    Behaviour.RATES: {20: 17, 21: 12, 22: 7, 23: 1},
    Behaviour.SPLIT_HEADER: {20: 19, 22: 9, 23: 3},
}
"""The first release of each branch: 20.14 and so on. A branch that is not named never had it."""

_FIRST_CERTIFIED: Final[dict[Behaviour, tuple[int, int]]] = {
    Behaviour.STRICT: (22, 8),
    Behaviour.SPLIT_PAYLOAD: (22, 8),
    Behaviour.RATES: (22, 8),
}
"""The first certified release. One that is not named has not come yet."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release of Asterisk by its branch and number: 20.12, or certified 22.8."""

    major: int
    minor: int
    certified: bool = False

    def __str__(self) -> str:
        return f"{'certified ' if self.certified else ''}{self.major}.{self.minor}"

    def has(self, behaviour: Behaviour) -> bool:
        """Whether this release behaves so; branches to come do as the newest does."""
        if self.certified:
            return (self.major, self.minor) >= _FIRST_CERTIFIED.get(behaviour, (_NEVER, 0))
        if self.major > NEWEST.major:
            return True
        return self.minor >= _FIRST[behaviour].get(self.major, _NEVER)


_NEVER: Final = 1_000_000

NEWEST: Final = Release(23, 4)
"""The newest release that this table was made from."""


def parse_release(text: str) -> Release:
    """Read 20.12, 22.10.1, certified-22.8 or 22.8-cert1. Raises `UsageError`."""
    match = _FORM.fullmatch(text.strip())
    if match is None or match["minor"] is None:
        raise UsageError(f"{text!r:.60} is not a release of Asterisk: write 20.12, 22.10.1 or certified-22.8")
    major, minor = int(match["major"]), int(match["minor"])
    if major < _OLDEST:
        raise UsageError(f"Asterisk {text:.60} has no AudioSocket: it came with {_OLDEST}.0")
    return Release(major, minor, certified=bool(match["prefix"] or match["suffix"]))


def since(behaviour: Behaviour) -> str:
    """Return the first releases that behave so, in words: "20.14, 21.9, 22.4, 23.0"."""
    return ", ".join(f"{major}.{minor}" for major, minor in _FIRST[behaviour].items())
