"""Variables of the environment that begin as ours do: which of them nobody will read, and which was meant."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

PREFIX: Final = "AUDIOSOCKET_"

TOLD_TO_PROGRAMS: Final = {
    f"{PREFIX}{name}"
    for name in (
        "UUID", "PEER", "RATE", "KIND", "EVENTS_FD", "DURATION_S", "ENDED_BY", "ENDED_HOW", "ENDED_REASON", "DIGITS",
        "RECORDING", "JSON", "RESULT",
    )
}  # fmt: skip
"""Variables that --exec, --authorize and --on-call-end programs get, and so may pass on when they run this command."""

_VARIABLE_OF_A_CALL: Final = f"{PREFIX}VAR_"
"""How the names begin that these programs get for the variables of a call."""

API_TOKEN: Final = f"{PREFIX}SERVE_API_TOKEN"
"""The token of `serve --api`. No option has it: the process list would show it."""

WEB_TOKEN: Final = f"{PREFIX}WEB_TOKEN"
"""The same of `serve --web` and `proxy --web`."""

EVENTS_SECRET: Final = f"{PREFIX}EVENTS_SECRET"
"""The secret of `--events`."""

_OF_OTHERS: Final = re.compile(
    r"AUDIOSOCKET_(?:\w+_)?(?:SERVICE|SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT|PORT_[0-9]+_(?:TCP|UDP)(?:_\w+)?|ENV_\w+|NAME)"
)
"""What Kubernetes and Docker set for a service that is called audiosocket, and Asterisk for a channel."""

_RUN_PROGRAMS: Final = ("--exec", "--authorize", "--on-call-end")


def warnings(
    environment: Iterable[str], known: Sequence[str], commands: Iterable[str], words: Collection[str]
) -> Iterator[str]:
    """Yield a line for each variable that looks like one of ours, which are the `known` (those of the
    command at hand first), and is not.

    `commands` are the names of ours, and `words` the command line: a variable that is not near to any of ours may be
    for a program that is run.
    """
    begins = tuple(f"{PREFIX}{name}_".replace("-", "_").upper() for name in commands)
    runs_programs = any(word.startswith(_RUN_PROGRAMS) for word in words)
    for name in sorted(environment):
        if not name.upper().startswith(PREFIX) or name in known or name in TOLD_TO_PROGRAMS:
            continue
        if name in (API_TOKEN, WEB_TOKEN, EVENTS_SECRET) or name.startswith(_VARIABLE_OF_A_CALL):
            continue
        if _OF_OTHERS.fullmatch(name):
            continue
        near = _nearest(name, known)
        if near:
            yield f"{name} sets no option: did you mean {near}?"
        elif name.startswith(begins) or not runs_programs:
            yield f"{name} sets no option: name it AUDIOSOCKET_COMMAND_OPTION, as AUDIOSOCKET_SERVE_RECORD"


def _nearest(name: str, known: Sequence[str]) -> str | None:
    """Return the known variable that was probably meant: one that is written alike, or with its command left out."""
    upper = name.upper()
    if upper in known:
        return upper
    tail = upper.removeprefix(PREFIX)
    without_command = [each for each in known if each.endswith(f"_{tail}") and each.count("_") == tail.count("_") + 2]
    import difflib  # rarely wanted, and 5 ms

    return next(iter(without_command or difflib.get_close_matches(upper, known, 1, 0.87)), None)
