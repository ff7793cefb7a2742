"""Where a dialplan hands a call to AudioSocket: the application, and the channel driver in what dials."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from audiosocket_cli.asterisk.dialplan_check.arguments import separated, split_at
from audiosocket_cli.asterisk.dialplan_check.dialplan import Dialplan, Step
from audiosocket_cli.asterisk.dialplan_check.extensions_conf import split_call

_DIALLERS: Final = {"dial", "page", "originate", "retrydial", "queue", "followme", "bridgeadd"}

_TECHNOLOGY: Final = re.compile(r"audiosocket\s*/", re.IGNORECASE)

_MENTION: Final = re.compile(r"(?<![A-Za-z0-9_.@-])audiosocket\s*[(/]", re.IGNORECASE)

_MAX_DESTINATIONS: Final = 20
"""Destinations of one Dial() that are looked at: all of them are the same fault."""

_WRAPPERS: Final = {"tryexec", "exec"}


class Call(NamedTuple):
    """An application that a step runs, itself or through another: `TryExec(AudioSocket(…))`."""

    name: str
    """In lower case."""
    application: str
    data: str
    wrapper: str = ""
    """tryexec, exec or execif: what runs it."""


@dataclass(frozen=True, slots=True)
class Use:
    """One call of AudioSocket."""

    step: Step
    is_channel: bool
    """Whether it is the channel driver, or the application."""
    call: str | None
    """What it gives for a UUID, as written; None where it gives none."""
    server: str | None
    """What it gives for an address, as written; None where it gives none."""
    options: str | None = None
    """What stands after the UUID: the driver's options, or arguments that the application does not have."""
    wrapper: str = ""
    written: str = ""
    """Application or destination, as written."""
    is_misformed: bool = False
    """Whether it is written as the other one is."""


def uses_in(plan: Dialplan) -> list[Use]:
    """Return the uses of a dialplan in the order of its lines."""
    return [use for step in plan.steps if _may_use(step) for use in uses_of(step)]


def _may_use(step: Step) -> bool:
    return "audiosocket" in step.name or "audiosocket" in step.data.lower()


def uses_of(step: Step) -> Iterator[Use]:
    """Yield those of one step."""
    for call in calls_of(step):
        if call.name == "audiosocket":
            yield _application(step, call)
        elif _TECHNOLOGY.match(call.application):
            whole = call.application + (f"({call.data})" if call.data else "")
            yield _channel(step, whole, call.wrapper, is_misformed=True)
        elif call.name in _DIALLERS:
            yield from _dialled(step, call)


def calls_of(step: Step) -> Iterator[Call]:
    """Yield the applications that a step runs."""
    if step.name in _WRAPPERS:
        application, data = split_call(step.data)
        yield Call(application.lower(), application, data, step.name)
    elif step.name == "execif":
        for branch in branches_of(step.data):
            application, data = split_call(branch)
            yield Call(application.lower(), application, data, step.name)
    else:
        yield Call(step.name, step.application, step.data)


def branches_of(data: str) -> list[str]:
    """Return what `condition?one:other` chooses between (`execif_exec`, app_exec.c)."""
    _condition, *rest = split_at(data, "?")
    return [each.strip() for each in separated("?".join(rest), ":")] if rest else []


def _application(step: Step, call: Call) -> Use:
    given = separated(call.data)
    service = given[1] if len(given) > 1 else None
    as_written = split_at(call.data, ",")
    if len(given) == len(as_written) == 2:
        service = as_written[1]  # quotes of the last argument stay (`__ast_app_separate_args`, app.c)
    return Use(
        step,
        is_channel=False,
        call=given[0] if given else None,
        server=service,
        options=",".join(given[2:]) if len(given) > 2 else None,
        wrapper=call.wrapper,
        written=f"{call.application}({call.data})",
    )


def _dialled(step: Step, call: Call) -> Iterator[Use]:
    """Yield the destinations that are AudioSocket's: `Dial()` splits them at each `&` (`dial_exec_full`)."""
    given = separated(call.data)
    for destination in split_at(given[0], "&")[:_MAX_DESTINATIONS] if given else []:
        destination = destination.strip()
        if _TECHNOLOGY.match(destination):
            yield _channel(step, destination, call.wrapper)
        elif destination.lower() == "audiosocket":
            yield Use(step, True, None, None, None, call.wrapper, destination, is_misformed=True)
        elif _MENTION.match(destination):
            _, data = split_call(destination)
            inner = [*separated(data), None, None]
            yield Use(step, True, inner[0], inner[1], None, call.wrapper, destination, is_misformed=True)


def _channel(step: Step, destination: str, wrapper: str, *, is_misformed: bool = False) -> Use:
    """Read technology/address/UUID/options (`audiosocket_request`)."""
    parts: list[str | None] = list(separated(destination, "/")[1:])
    server, call, options = [*parts[:3], None, None, None][:3]
    if options is not None:
        options = "/".join(str(part) for part in parts[2:])
    return Use(step, True, call, server, options, wrapper, destination, is_misformed)


class Destinations(NamedTuple):
    """The arguments of a Dial()."""

    all: list[str]
    timeout: str
    options: str


@functools.lru_cache(maxsize=64)  # each rule asks for it
def destinations_of(step: Step) -> Destinations | None:
    """Return what a step dials, when it dials AudioSocket with Dial()."""
    for call in calls_of(step):
        if call.name == "dial":
            given = [*separated(call.data), "", "", ""]
            all_of_them = [each.strip() for each in split_at(given[0], "&")[:_MAX_DESTINATIONS]]
            return Destinations(all_of_them, given[1], given[2])
    return None
