"""What is wrong with what a use gives for a UUID: `uuid_parse` takes 36 characters with dashes, and nothing else."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from audiosocket_cli.asterisk.dialplan_check.addresses import is_address
from audiosocket_cli.asterisk.dialplan_check.arguments import Variable, variables_in
from audiosocket_cli.asterisk.dialplan_check.complaint import Complaint, Facts
from audiosocket_cli.asterisk.dialplan_check.uses import Use
from audiosocket_cli.asterisk.facts import EXAMPLE_UUID
from audiosocket_cli.asterisk.releases import Behaviour, since
from audiosocket_cli.finding import Status

_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

_OTHERWISE: Final = {
    "UNIQUEID": "the channel's number, such as 1717430000.12",
    "LINKEDID": "a channel's number, such as 1717430000.12",
    "CALLERID": "the caller's number",
    "CHANNEL": "the channel's name",
    "EPOCH": "seconds",
    "RAND": "a number",
}
"""Variables and functions that hold no UUID."""

_NO_UUID_OF: Final = re.compile(r"CHANNEL\((?:uniqueid|linkedid|name)\)", re.IGNORECASE)

_LINE_END: Final = re.compile(
    r"SHELL\((?!.*(?:\||\btr\b|printf|-n\b|head|cut|sed)).*uuid.*\)|FILE\([^,]*uuid(?:,0,1,l\w*)?\)"
)
"""What ends with a line break: seen with both functions on 22.10. `${FILE(…,0,36)}` does not."""

_MAX_COMMAND: Final = 300
"""Characters of a command that is looked at."""

_FUNCTION: Final = re.compile(r"\$\{UUID\(")

_AROUND: Final = re.compile(r"[0-9A-Fa-f-]*")
"""What may stand around variables that make a UUID together."""


def swapped(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find UUID and address in each other's place: the application wants the UUID first, the driver the address."""
    call, server = facts.call(use), facts.server(use)
    if use.is_misformed or call is None or server is None or not is_address(call.strip()):
        return
    first, second = ("the address", "the UUID") if use.is_channel else ("the UUID", "the address")
    yield Complaint(
        Status.FAULT,
        f"UUID and address are in each other's place: {call.strip()} is not a UUID",
        f"write {first} first, then {second}",
    )


def malformed(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find what Asterisk does not take for a UUID."""
    call = facts.call(use)
    if use.is_misformed or next(swapped(use, facts), None):
        return
    if call is None or not call:
        yield Complaint(Status.FAULT, "has no UUID: Asterisk refuses the call", _cure(facts))
        return
    what = _fault_of(call)
    if what:
        shown = f"{call!r:.60}" + (f" ({use.call})" if call != use.call else "")
        yield Complaint(Status.FAULT, f"{shown} is not a UUID: {what}", _cure(facts))
    elif call == "${EXTEN}":
        yield from _wrong_number(use, facts)


def _wrong_number(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find what is dialled into a pattern and is not a UUID; a Local channel often carries one there."""
    for step, number in facts.dialled_into(use):
        what = _fault_of(number) if number else None
        if what:
            yield Complaint(
                Status.FAULT,
                f"{number!r:.60} (${{EXTEN}}) is not a UUID: {what}",
                "dial a UUID there, or write a new one for each call",
                evidence=(step.text,),
            )
            return
    if re.fullmatch(r"_[^.!]{0,34}", use.step.extension):
        yield Complaint(
            Status.FAULT, "${EXTEN} is not a UUID: it is the number that was dialled, which is too short", _cure(facts)
        )


def _cure(facts: Facts) -> str:
    return f"write {facts.new_uuid}, a new one for each call"


def no_function(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find a function that the release does not have."""
    release, call = facts.release, facts.call(use)
    if release and call and not release.has(Behaviour.UUID_FUNCTION) and _FUNCTION.search(call):
        yield Complaint(
            Status.FAULT,
            f"Asterisk {release} has no function UUID(): the UUID is empty, and the call is refused",
            f"{_cure(facts)}, or update: {since(Behaviour.UUID_FUNCTION)} or later",
        )


def _fault_of(call: str) -> str | None:
    """Say why Asterisk does not take this for a UUID; None where it may."""
    variables = list(variables_in(call))
    if not variables and "$" not in call:
        return None if _UUID.fullmatch(call) else _why_not(call)
    if call != call.strip():
        return "it has a space before or after it"
    if call.startswith("$["):
        return "an expression is calculated, and is a number; in AEL write Set(x=${UUID()}) in place of x=${UUID()}"
    around = "".join(
        call[after.end : before.start] for after, before in itertools.pairwise(_with_ends(variables, call))
    )
    if not _AROUND.fullmatch(around):
        return f"{around.strip()!r:.40} cannot be part of one"
    if len(variables) == 1 and call == f"${{{variables[0].inner}}}":
        return _fault_of_variable(variables[0])
    return None


def _with_ends(variables: list[Variable], call: str) -> list[Variable]:
    return [Variable(0, 0, ""), *variables, Variable(len(call), len(call), "")]


def _why_not(call: str) -> str:
    if re.fullmatch(r"\$?UUID\(\)", call, re.IGNORECASE):
        return "a function needs ${…} around it"
    if _UUID.fullmatch(call.strip()):
        return "it has a space before or after it"
    if re.fullmatch(r"[0-9A-Fa-f]{32}", call):
        return "its dashes are missing"
    if re.fullmatch(r"\{.*\}", call) and _UUID.fullmatch(call[1:-1]):
        return "it has braces around it"
    return "it needs 8-4-4-4-12 hexadecimal digits"


def _fault_of_variable(variable: Variable) -> str | None:
    if variable.name in _OTHERWISE and (variable.name != "CHANNEL" or _NO_UUID_OF.match(variable.inner)):
        return f"it is {_OTHERWISE[variable.name]}"
    if len(variable.inner) <= _MAX_COMMAND and _LINE_END.fullmatch(variable.inner):
        return f"what {variable.name}() returns ends with a line break"
    if variable.is_function and variable.name.lower() == "uuid" and variable.name != "UUID":
        return "the function is UUID(), in capitals"
    return None


def unset(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find a variable that nothing here sets: `${UUID}` is often written for `${UUID()}`."""
    call = facts.call(use)
    variables = list(variables_in(call or ""))
    if call is None or len(variables) != 1 or call != f"${{{variables[0].inner}}}" or not variables[0].is_plain:
        return
    name = variables[0].inner.lstrip("_")
    if name in _OTHERWISE or name == "EXTEN" or re.fullmatch(r"ARG\d+", name):
        return
    if facts.values.never_set(use.step, name):
        yield Complaint(
            Status.WARNING,
            f"nothing in this dialplan sets ${{{name}}}: where it is empty, Asterisk refuses the call",
            f"write {facts.new_uuid}" if name == "UUID" else "set it before, unless what places the call does so",
            before=() if name == "UUID" else (f"Set({name}={facts.new_uuid})",),
        )


def example(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find the protocol page's UUID."""
    if _is_uuid(facts.call(use)) and UUID(facts.call(use)) == EXAMPLE_UUID:
        yield Complaint(
            Status.WARNING,
            "the UUID is the protocol page's example: all calls have it, and others' calls, too",
            _cure(facts),
        )


def fixed(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find a UUID that all calls of a line have."""
    dialled = facts.dialled_into(use) if facts.call(use) == "${EXTEN}" else ()
    if dialled and all(_is_uuid(number) for _, number in dialled):
        yield Complaint(
            Status.WARNING,
            f"all calls that come here from {dialled[0][0].place} have the same UUID: a server cannot tell them apart",
            f"dial {facts.new_uuid} there",
            evidence=(dialled[0][0].text,),
        )
    if _is_uuid(facts.call(use)) and UUID(facts.call(use)) != EXAMPLE_UUID:
        yield Complaint(Status.WARNING, "all calls have the same UUID: a server cannot tell them apart", _cure(facts))


def righted(use: Use, facts: Facts) -> str:
    """Return a UUID to write: the one that is there where it will do."""
    looks = (malformed, swapped, example, fixed, no_function)
    if use.is_misformed or use.call is None or any(next(look(use, facts), None) for look in looks):
        return facts.new_uuid
    return facts.new_uuid if use.call == "${UUID}" and next(unset(use, facts), None) else use.call


def _is_uuid(call: str | None) -> bool:
    return call is not None and _UUID.fullmatch(call) is not None
