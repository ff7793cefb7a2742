"""What is wrong around a use: with the form it is written in, the steps before it and after it, and what is dialled
beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from audiosocket_cli.asterisk.dialplan_check.addresses import is_address
from audiosocket_cli.asterisk.dialplan_check.ael_control import BETWEEN
from audiosocket_cli.asterisk.dialplan_check.complaint import Complaint, Facts
from audiosocket_cli.asterisk.dialplan_check.dialplan import Form, Step
from audiosocket_cli.asterisk.dialplan_check.extensions_conf import uncommented
from audiosocket_cli.asterisk.dialplan_check.flow import Answered
from audiosocket_cli.asterisk.dialplan_check.uses import Use, destinations_of
from audiosocket_cli.asterisk.releases import Behaviour, since
from audiosocket_cli.finding import Status

_OF_NO_WEIGHT: Final = frozenset(
    ["hangup", "noop", "verbose", "log", "return", "set", "macroexit", "stopmixmonitor", "wait", "userevent"]
)
"""Applications after a use whose absence nobody hears."""

_LEAVING: Final = frozenset(["hangup", "return", "busy", "congestion", "goto", "macroexit"])

_FORMAT: Final = re.compile(r"\s*CHANNEL\(audio(?:native|read|write)format\)\s*=", re.IGNORECASE)


def mixed_up(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find the application written as the driver, and the other way round."""
    if use.is_misformed and use.is_channel and use.step.name.startswith("audiosocket"):
        yield Complaint(
            Status.FAULT,
            "AudioSocket/… is a destination of Dial(): there is no application of this name",
            "put it into Dial(), or write the application",
        )
    elif use.is_misformed:
        yield Complaint(
            Status.FAULT,
            "Dial() takes AudioSocket/HOST:PORT/UUID: written so it dials nothing",
            "write it with slashes, the address first",
        )
    elif not use.is_channel and use.options is not None:
        yield Complaint(
            Status.FAULT,
            f"AudioSocket() takes a UUID and an address: it takes ,{use.options.strip():.40} for a part of the address",
            "leave it out; only the channel driver has c(…): Dial(AudioSocket/HOST:PORT/UUID/c(slin16))",
        )
    elif use.call is None and (dialled := destinations_of(use.step)) and is_address(dialled.timeout):
        yield Complaint(
            Status.FAULT,
            "Dial() takes AudioSocket/HOST:PORT/UUID: after a comma begins its timeout",
            "write it with slashes, the address first",
        )


def bracket_missing(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find a bracket or brace that is not closed: Asterisk cuts at the last one that is there (`pbx_load_config`)."""
    if facts.plan.form is not Form.EXTENSIONS:
        return
    text, _ = uncommented(use.step.text)
    missing = [close for start, close in ("()", "{}") if text.count(start) > text.count(close)]
    if missing and text.endswith("\\"):
        yield Complaint(
            Status.FAULT,
            "ends with a backslash: Asterisk does not join lines, and ignores the next one",
            "write it on one line",
        )
    elif missing and len(text) < len(use.step.text.strip()):
        yield Complaint(
            Status.FAULT, f"a {missing[0]} is missing: what stands after ; is a comment", "close what the line opens"
        )
    elif missing:
        yield Complaint(Status.FAULT, f"a {missing[0]} is missing", "close what the line opens")


def options_misplaced(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find options where Dial() has its timeout."""
    dialled = destinations_of(use.step) if use.is_channel and not use.is_misformed else None
    timeout = dialled.timeout.strip() if dialled else ""
    if timeout and not re.match(r"[\d^]|.*\$", timeout) and not is_address(timeout):
        yield Complaint(
            Status.WARNING,
            f"{timeout:.40} stands where Dial() has its timeout, and is ignored",
            "write options after a second comma: a timeout stands between",
        )


def never_reached(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find a priority to which none before it leads."""
    step, before = use.step, facts.before(use.step)
    if step.label or not before or before[-1].priority >= step.priority - 1 or before[0].priority != 1:
        return
    yield Complaint(
        Status.WARNING,
        f"priority {step.priority - 1} of this extension is missing: a call ends after priority {before[-1].priority}",
        "number the lines without a gap: n is the next",
    )


def no_answer(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find an application that a call comes to before it is answered: it connects, says no UUID, and fails."""
    answered = None if use.is_channel or facts.is_answered_before(use) else facts.flow.at(use.step)
    before = ("Answer()",)
    if answered is Answered.NOT:
        rings = any(each.name in {"progress", "ringing"} for each in facts.before(use.step))
        yield Complaint(
            Status.FAULT,
            "comes before anything answers the call: AudioSocket() connects, and ends it"
            + (" (Progress() and Ringing() do not answer)" if rings else ""),
            "write Answer() before it",
            before,
        )
    elif answered is Answered.PERHAPS:
        yield Complaint(
            Status.WARNING,
            "may come before the call is answered: AudioSocket() then connects, and ends it",
            "write Answer() before it, which does nothing to a call that is answered",
            before,
        )


def dial_forks(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find several destinations in one Dial(): all are called at once, and AudioSocket answers at once."""
    dialled = destinations_of(use.step) if use.is_channel else None
    if dialled is None or len(dialled.all) < 2 or facts.uses_at(use.step)[0] is not use:
        return
    if "&" in _inside_brackets(use.step.data):
        return
    yield Complaint(
        Status.FAULT,
        "& calls all destinations at once: each server gets a connection, and one of them the call",
        "dial one after the other for fail-over",
    )


def _inside_brackets(data: str) -> str:
    return "".join(re.findall(r"c\([^)]*\)", data))


def no_tryexec(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find a second application for when the first fails: that ends the call before it comes to the second."""
    if use.is_channel or use.wrapper == "tryexec":
        return
    for step in facts.after(use.step):
        if step.name in _LEAVING or step.label:
            return
        others = facts.uses_at(step)
        if others and facts.server(others[0]) != facts.server(use):
            yield Complaint(
                Status.WARNING,
                "a failed connection ends the call here: the server on a later line is not tried",
                "run it by TryExec(), which goes on, and sets TRYSTATUS",
                evidence=(step.text,),
            )
        if step.name not in _OF_NO_WEIGHT:
            return


def not_run(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find steps that are not run when the server hangs up."""
    after = _weighty_after(use.step, facts)
    if after is None:
        return
    if use.is_channel:
        dialled = destinations_of(use.step)
        if dialled and not re.search(r"[gF]", re.sub(r"\([^)]*\)", "", dialled.options)) and "$" not in dialled.options:
            yield Complaint(
                Status.WARNING,
                "when the server hangs up the call ends: the lines after this Dial() run only if it could not connect",
                "give Dial() the option g, where they are for afterwards",
                evidence=(after.text,),
            )
    elif facts.release and not facts.release.has(Behaviour.GOES_ON) and use.wrapper != "tryexec":
        yield Complaint(
            Status.FAULT,
            f"Asterisk {facts.release} never goes on after AudioSocket(): the lines after it do not run",
            f"run it by TryExec(), or update: {since(Behaviour.GOES_ON)} or later",
            evidence=(after.text,),
        )


def _weighty_after(step: Step, facts: Facts) -> Step | None:
    """Return the first step after one that somebody would miss, when it is meant for what comes after the call."""
    for each in facts.after(step):
        if (
            each.label
            or each.data.startswith(BETWEEN)
            or "DIALSTATUS" in each.data
            or "audiosocket" in f"{each.name}{each.data}".lower()
        ):
            return None
        if each.name not in _OF_NO_WEIGHT:
            return each
        if each.name in _LEAVING:
            return None
    return None


def format_in_vain(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find an attempt to choose the application's format."""
    if use.is_channel:
        return
    for step in facts.before(use.step):
        if step.name == "set" and _FORMAT.match(step.data):
            yield Complaint(
                Status.WARNING,
                "AudioSocket() is slin, 8 kHz, whatever is set before it: "
                f"{step.data.partition('=')[0].strip()} can only be read",
                "leave that line out; for another rate use Dial(AudioSocket/HOST:PORT/UUID/c(slin16))",
                evidence=(step.text,),
            )
            return
