"""What changed in Asterisk's AudioSocket, and since which release of each branch. The one table of it.

Source: every release tag from 18.0.0 to 23.4.1, and of certified 18.9, 20.7 and 22.8. `scripts/releases` reads them
again and shows whether a source tree confirms each row. What goes wrong for the lack of a row is in `release_faults`.
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
    """What releases do that others do not; `CHANGES` says since when."""

    BUILT = auto()
    """AudioSocket's modules are built unless somebody deselects them."""
    EXTERNAL_MEDIA = auto()
    """ARI's externalMedia takes encapsulation=audiosocket."""
    EXTERNAL_MEDIA_CHECKED = auto()
    """externalMedia without `data` (the UUID) is refused; before, Asterisk crashes."""
    EXTERNAL_MEDIA_BODY = auto()
    """externalMedia takes its parameters in the request's body too, and tells the UUID to the ARI application."""
    TRY_EXEC = auto()
    """The dialplan has TryExec()."""
    IDLE_CPU = auto()
    """The application waits for input; before, it looks for input without a pause."""
    UUID_FUNCTION = auto()
    """The dialplan has ${UUID()}."""
    STRICT = auto()
    """A frame that is neither audio nor a hangup, or audio of length 0, ends the call; and so does EOF."""
    SILENCE_LIMIT = auto()
    """2000 ms in which neither side sends end the application's call."""
    GOES_ON = auto()
    """The dialplan goes on after the application when the server hung up or closed; before, the call ends."""
    DIGITS = auto()
    """Digits are sent, with kind 03."""
    SPLIT_PAYLOAD = auto()
    """A payload may come in parts, less than 5 ms apart; before, all of it has to be there with its header."""
    NODELAY = auto()
    """Asterisk sets TCP_NODELAY."""
    WEBSOCKET = auto()
    """The channel driver WebSocket (chan_websocket) is there."""
    RATES = auto()
    """Kinds 11 to 18 are sent and taken."""
    HEADER_WAIT = auto()
    """A header that is not there yet is waited for, without an end; before, the call ends."""
    DEVICE_STATE = auto()
    """The channel driver's calls leave no device state in memory."""
    SPLIT_HEADER = auto()
    """A header may come in parts."""
    COMFORT_NOISE = auto()
    """The channel driver leaves out comfort noise."""


@dataclass(frozen=True, slots=True)
class Change:
    """Since when, and how that is known."""

    what: str
    """What there is since then, as the documentation says it."""
    first: dict[int, int]
    """The first release of each branch: {20: 14} is 20.14. A branch that is not named never had it."""
    commit: str
    """The commit on Asterisk's master."""
    where: str
    """The file, and in brackets the function."""
    in_certified: bool = True
    """Whether certified releases have it as the release has that they were made from."""


_ALWAYS: Final = {18: 0, 19: 0, 20: 0, 21: 0, 22: 0, 23: 0}
_WITH_20_12: Final = {20: 12, 21: 7, 22: 2, 23: 0}
_WITH_20_14: Final = {20: 14, 21: 9, 22: 4, 23: 0}
_WITH_20_15: Final = {20: 15, 21: 10, 22: 5, 23: 0}
_FIRST_COMMIT: Final = "163efbd724"

CHANGES: Final[dict[Behaviour, Change]] = {
    Behaviour.BUILT: Change(
        "AudioSocket is built unless it is deselected in `make menuselect`",
        _ALWAYS,
        _FIRST_COMMIT,
        "res/res_audiosocket.c (MODULEINFO)",
        in_certified=False,
    ),
    Behaviour.EXTERNAL_MEDIA: Change(
        "ARI externalMedia with `encapsulation=audiosocket`",
        _ALWAYS,
        _FIRST_COMMIT,
        "res/ari/resource_channels.c (ast_ari_channels_external_media)",
    ),
    Behaviour.EXTERNAL_MEDIA_CHECKED: Change(
        "externalMedia without `data` is refused",
        _ALWAYS | {18: 6},
        "99d44f0c5a",
        "res/ari/resource_channels.c (external_media_audiosocket_tcp)",
    ),
    Behaviour.EXTERNAL_MEDIA_BODY: Change(
        "externalMedia takes a JSON body; the UUID is the argument of `StasisStart`",
        _ALWAYS | {18: 7},
        "a1fa8df0ae",
        "res/ari/resource_channels.c (external_media_audiosocket_tcp)",
    ),
    Behaviour.TRY_EXEC: Change("`TryExec()`", _ALWAYS, "before 18.0", "apps/app_exec.c (tryexec_exec)"),
    Behaviour.IDLE_CPU: Change(
        "`AudioSocket()` waits for input in place of looking for it all the time",
        {18: 20, 20: 5, 21: 0, 22: 0, 23: 0},
        "f4aaa4b9fb",
        "apps/app_audiosocket.c (audiosocket_run)",
    ),
    Behaviour.UUID_FUNCTION: Change("`${UUID()}`", _WITH_20_12, "8ec097a281", "funcs/func_uuid.c (load_module)"),
    Behaviour.STRICT: Change(
        "frames other than audio and hangup, and empty ones, end the call; so does EOF",
        _WITH_20_14,
        "4e546c35c7",
        "res/res_audiosocket.c (ast_audiosocket_receive_frame_with_hangup)",
    ),
    Behaviour.SILENCE_LIMIT: Change(
        "`AudioSocket()` ends after 2 s in which neither side sends",
        _WITH_20_14,
        "4e546c35c7",
        "apps/app_audiosocket.c (audiosocket_run)",
    ),
    Behaviour.GOES_ON: Change(
        "the dialplan goes on after `AudioSocket()` when the server hung up",
        _WITH_20_14,
        "4e546c35c7",
        "apps/app_audiosocket.c (audiosocket_run)",
    ),
    Behaviour.DIGITS: Change(
        "digits, with kind `03`", _WITH_20_14, "a5bc39fa32", "res/res_audiosocket.c (ast_audiosocket_send_frame)"
    ),
    Behaviour.SPLIT_PAYLOAD: Change(
        "a payload may arrive in parts, less than 5 ms apart",
        _WITH_20_15,
        "3924a828ff",
        "res/res_audiosocket.c (ast_audiosocket_receive_frame_with_hangup)",
    ),
    Behaviour.NODELAY: Change(
        "TCP_NODELAY", _WITH_20_15, "c4db87ae53", "res/res_audiosocket.c (ast_audiosocket_connect)"
    ),
    Behaviour.WEBSOCKET: Change(
        "the channel driver WebSocket, `chan_websocket`",
        {20: 16, 21: 11, 22: 6, 23: 0},
        "5963e624e2",
        "channels/chan_websocket.c (load_module)",
    ),
    Behaviour.RATES: Change(
        "rates other than 8 kHz, each with its own kind (`11` to `18`)",
        {20: 17, 21: 12, 22: 7, 23: 1},
        "ff0523a3d0",
        "res/res_audiosocket.c (ast_audiosocket_send_frame)",
    ),
    Behaviour.HEADER_WAIT: Change(
        "a header that is not there yet is waited for; before, the call ends",
        {20: 17, 22: 7, 23: 1},
        "27fb039839",
        "res/res_audiosocket.c (ast_audiosocket_receive_frame_with_hangup)",
    ),
    Behaviour.DEVICE_STATE: Change(
        "calls of the channel driver leave nothing in memory",
        {20: 18, 22: 8, 23: 2},
        "81f73cb4d8",
        "channels/chan_audiosocket.c (audiosocket_request)",
    ),
    Behaviour.SPLIT_HEADER: Change(
        "a header may arrive in two pieces, as a network may split it",
        {20: 19, 22: 9, 23: 3},
        "4ba7014f89",
        "res/res_audiosocket.c (ast_audiosocket_receive_frame_with_hangup)",
    ),
    Behaviour.COMFORT_NOISE: Change(
        "comfort noise from the phone does not end a call of the channel driver",
        {20: 20, 22: 10, 23: 4},
        "97798a0554",
        "res/res_audiosocket.c (ast_audiosocket_send_frame)",
    ),
}
"""Each row of the table. Certified releases have what their release has: no tag of one holds an AudioSocket commit of
its own, apart from the one that leaves the modules out of the build."""


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
        change = CHANGES[behaviour]
        if self.certified and not change.in_certified:
            return False
        if self.major > NEWEST.major:
            return True
        first = change.first.get(self.major)
        return first is not None and self.minor >= first


NEWEST: Final = Release(23, 4)
"""The newest release that this table was made from."""

CERTIFIED: Final = (Release(18, 9, certified=True), Release(20, 7, certified=True), Release(22, 8, certified=True))
"""The certified branches with AudioSocket in them."""


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
    """Return the first releases that behave so, in words: "20.14, 21.9, 22.4, 23.0".

    After a branch that always did, later ones are not named: they always did, too.
    """
    named = []
    for major, minor in CHANGES[behaviour].first.items():
        named.append(f"{major}.{minor}")
        if not minor:
            break
    return ", ".join(named)


def certified_with(behaviour: Behaviour) -> str:
    """Return the certified branches that behave so, in words: "20.7, 22.8", "all" or "none"."""
    having = [f"{release.major}.{release.minor}" for release in CERTIFIED if release.has(behaviour)]
    return "all" if len(having) == len(CERTIFIED) else ", ".join(having) or "none"
