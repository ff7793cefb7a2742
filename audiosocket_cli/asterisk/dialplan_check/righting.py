"""The lines to write in place of wrong ones: whole, and ready to paste."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from audiosocket_cli.asterisk.dialplan_check import addresses, codecs, surroundings, uuids
from audiosocket_cli.asterisk.dialplan_check.complaint import Facts
from audiosocket_cli.asterisk.dialplan_check.uses import Destinations, Use, destinations_of


def righted_lines(use: Use, facts: Facts, *, before: Sequence[str] = ()) -> Iterator[str]:
    """Yield the line of a use with all put right that is wrong in it, and after applications that have to be run
    before it."""
    step, lead = use.step, use.step.lead
    for application in before:
        yield facts.line(step, application)
        lead = " same => n," if lead else ""
    text = _wrapped(use, facts)
    yield f"{lead}{text}" if lead else facts.line(step, text)


def righted_fork(use: Use, facts: Facts) -> Iterator[str]:
    """Yield a line with a Dial() for each destination of one that has several."""
    uses = iter(facts.uses_at(use.step))  # of as many destinations as are looked at
    for destination in (destinations_of(use.step) or Destinations([], "", "")).all:
        other = next(uses, None) if destination.lower().startswith("audiosocket") else None
        yield facts.line(use.step, _dial(_destination(other, facts) if other else destination, use, facts))


def _wrapped(use: Use, facts: Facts) -> str:
    """Return what a step is to run: what is inside `ExecIf()` and `Exec()` is put right there."""
    if use.wrapper in {"execif", "exec"} and use.written in use.step.data:
        right = _destination(use, facts) if use.is_channel else _application(use, facts)
        return f"{use.step.application}({use.step.data.replace(use.written, right)})"
    text = _dial(_destination(use, facts), use, facts) if use.is_channel else _application(use, facts)
    is_tried = use.wrapper == "tryexec" or next(surroundings.no_tryexec(use, facts), None) is not None
    return f"TryExec({text})" if is_tried else text


def _application(use: Use, facts: Facts) -> str:
    call, server = _arguments(use, facts)
    return f"AudioSocket({call},{server})"


def _destination(use: Use, facts: Facts) -> str:
    call, server = _arguments(use, facts)
    return f"AudioSocket/{server}/{call}/c({codecs.righted(use, facts)})"


def _dial(destination: str, use: Use, facts: Facts) -> str:
    """Return a Dial() with the timeout and the options of a use's."""
    dialled = destinations_of(use.step) or Destinations([], "", "")
    timeout, options = dialled.timeout.strip(), dialled.options
    if next(surroundings.options_misplaced(use, facts), None):
        timeout, options = "", timeout + options
    if addresses.is_address(timeout):
        timeout = ""
    if next(surroundings.not_run(use, facts), None):
        options += "g"
    after = f",{timeout},{options}" if options else f",{timeout}" if timeout else ""
    return f"Dial({destination}{after})"


def _arguments(use: Use, facts: Facts) -> tuple[str, str]:
    """Return a UUID and an address to write, also where they are in each other's place."""
    if next(uuids.swapped(use, facts), None) is None:
        return uuids.righted(use, facts), addresses.righted(use, facts)
    call, server = (use.server or "").strip(), (use.call or "").strip()
    if call.isdecimal():  # AudioSocket(127.0.0.1,9092)
        server = f"{server}:{call}" if int(call) < 65536 and ":" not in server else server
    swapped = replace(use, call=call, server=server)
    is_right = next(uuids.malformed(swapped, facts), None) is None and "${EXTEN" not in call
    return call if is_right else facts.new_uuid, addresses.righted(swapped, facts)
