"""`doctor --call EXTEN@CONTEXT`: a call into an extension of the user's dialplan, in which we are the caller.

`channel originate Local/EXTEN@CONTEXT/n application AudioSocket UUID,…` runs that extension on one end of a Local
channel, and connects the other end to a server of ours: what it hears is what a caller would hear.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from audiosocket_cli.analysis.returned_sound import (
    PROBE_S,
    HeardSound,
    Returned,
    find_again,
    heard_sound,
    probe_sound,
)
from audiosocket_cli.codec import Kind, rate_of
from audiosocket_cli.doctor.calls.call_leg import CallLeg
from audiosocket_cli.doctor.calls.call_plan import Aim, PlacedCall
from audiosocket_cli.doctor.calls.call_server import CallAddress, OwnCalls, call_address, server_of
from audiosocket_cli.doctor.calls.call_verdicts import missing_module
from audiosocket_cli.doctor.look import Look
from audiosocket_cli.doctor.pbx.asterisk_cli import AsteriskCli, NoAnswerError, channels_of
from audiosocket_cli.doctor.pbx.control_socket import why_no_answer
from audiosocket_cli.doctor.pbx.place import Place
from audiosocket_cli.errors import UsageError
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.in_thread import in_thread
from audiosocket_cli.model import Side
from audiosocket_cli.net.address import Address

ANSWER_S: Final = 15.0
"""How long the extension may take to answer."""

_LISTEN_S: Final = 3.0
"""How long we listen before we speak, and after it: a greeting, and an answer."""

_LOOK_S: Final = 0.5
"""How often we look whether it is answered, or gone."""

_GAP_S: Final = 0.2
"""A time without a frame that a caller hears as a gap."""

_END_S: Final = 2.0
"""How long it may take to end the call when we are stopped ourselves."""

_FORM: Final = re.compile(r"[\w.*#+-]{1,80}@[\w.-]{1,80}", re.ASCII)


def look_at_extension(place: Place, extension: str, address: str | None) -> Look:
    """Return the look that calls an extension, as EXTEN@CONTEXT. Raises `UsageError`."""
    if not _FORM.fullmatch(extension):
        raise UsageError(
            f"--call {extension!r:.80}: write an extension of your dialplan as EXTEN@CONTEXT, or leave it out"
        )
    where = call_address(address)
    return Look(f"a call to {extension}", lambda: call_extension(AsteriskCli(place), extension, where))


async def call_extension(asterisk: AsteriskCli, extension: str, where: CallAddress) -> list[Diagnosis]:
    """Call an extension, and say what a caller hears. Raises `NetworkError` when our server cannot listen."""
    try:
        await asterisk.release()
        if "Application 'AudioSocket'" not in await asterisk.ask("core show application AudioSocket"):
            what = "no call can be placed: app_audiosocket.so is not loaded"
            evidence = "core show application AudioSocket: there is none"
            return [missing_module("app_audiosocket", what, evidence, asterisk.place.hint)]
        plan = await asterisk.ask(f"dialplan show {extension}")
    except NoAnswerError as error:
        return [why_no_answer(asterisk.place, error)]
    if "There is no existence of" in plan:
        return [_no_extension(extension, plan, asterisk)]
    return await _call(asterisk, extension, where)


async def _call(asterisk: AsteriskCli, extension: str, where: CallAddress) -> list[Diagnosis]:
    calls = OwnCalls(asterisk)
    leg = CallLeg(Kind.SLIN, seed=1, lead_s=_LISTEN_S, tail_s=_LISTEN_S)
    before = await _locals(asterisk, extension)
    begun_s = time.monotonic()
    try:
        async with server_of(where, calls) as port:
            dial = Address(where.dial.host, where.dial.port or port)
            command = f"channel originate Local/{extension}/n application AudioSocket {leg.uuid},{dial}"
            await calls.place([PlacedCall(Aim.BOTH, (leg,), command)])
            while leg.opened_s is None and time.monotonic() < begun_s + ANSWER_S:
                await asyncio.sleep(_LOOK_S)
                if not await _locals(asterisk, extension) - before:
                    break
            waited_s = time.monotonic() - begun_s
            if leg.opened_s is not None:
                await calls.wait()
    finally:
        with contextlib.suppress(NoAnswerError, TimeoutError):
            async with asyncio.timeout(_END_S):
                for name in await _locals(asterisk, extension) - before:
                    await asterisk.ask_again(f"channel request hangup {name}")
    call = _Call(extension, command, calls.complaints.get(command, ""), leg, begun_s, waited_s)
    return await in_thread(lambda: list(_judge(call)))


async def _locals(asterisk: AsteriskCli, extension: str) -> set[str]:
    """Return the Local channels of an extension that a command of the CLI has placed, and is not done with."""
    try:
        found = channels_of(await asterisk.ask_again("core show channels concise"))
    except NoAnswerError:
        return set()
    ours = ("AppDial2", "AudioSocket")
    return {
        one.name
        for one in found
        if one.name.startswith(f"Local/{extension}-") and one.name.endswith(";1") and one.application in ours
    }


@dataclass(frozen=True, slots=True)
class _Call:
    """The call, and what came of it."""

    extension: str
    command: str
    complaint: str
    """What the CLI answered, if anything."""
    leg: CallLeg
    begun_s: float
    """When it was placed, on the monotonic clock."""
    waited_s: float
    """How long an answer was waited for."""


def _judge(call: _Call) -> Iterator[Diagnosis]:
    leg = call.leg
    if leg.opened_s is None:
        yield _unanswered(call)
        return
    waited_s = leg.opened_s - call.begun_s
    yield Diagnosis("call-never-arrives", Status.OK, f"answered after {waited_s:.1f} s")
    heard = heard_sound(leg.heard.stream(leg.kind))
    is_early = leg.ending is not None and leg.ending.by is Side.CALLER
    if is_early:
        yield _early(call, heard)
    if heard is None or heard.loud_from_s is None:
        yield _silent(call, heard)
    else:
        yield from _sound(call, heard, heard.loud_from_s - leg.opened_s)
    if not is_early and leg.is_over:
        yield Diagnosis("channels-stuck", Status.OK, f"the call ended when we hung up, after {leg.duration_s:.1f} s")


def _unanswered(call: _Call) -> Diagnosis:
    evidence = f"{call.command}: {call.complaint or 'Asterisk took this command'}"
    if call.waited_s < ANSWER_S:
        what = "the extension ended the call without an answer, or Asterisk did not reach our server"
        cure = "let the extension begin with Answer(), and "
    else:
        what, cure = f"no answer within {ANSWER_S:g} s", "let the extension answer sooner, and "
    cure += "see Asterisk's log, which `audiosocket doctor --log FILE` reads"
    return Diagnosis("call-never-arrives", Status.FAULT, what, (evidence,), cure)


def _sound(call: _Call, heard: HeardSound, after_s: float) -> Iterator[Diagnosis]:
    """Say what was heard of the extension, and whether it is what we said."""
    duration_s = call.leg.duration_s
    what = (
        f"sound is heard from {after_s:.1f} s on, at {heard.level_dbfs:.0f} dBFS; {heard.audio_s:.1f} s of audio in "
        f"{duration_s:.1f} s, the longest gap {heard.longest_gap_s * 1000:.0f} ms"
    )
    held_up_s = call.leg.held_up_s
    if heard.longest_gap_s > _GAP_S + held_up_s:
        evidence = (f"our own server was held up for {held_up_s * 1000:.0f} ms at most",)
        cure = "send silence while there is nothing to say: a frame every 20 ms; and see whether a machine is too busy"
        yield Diagnosis("sound-lost", Status.WARNING, what, evidence, cure)
    else:
        yield Diagnosis("sound-lost", Status.OK, what)
    returned = _echo_of(call.leg)
    if returned.is_heard:
        part = PROBE_S - returned.missing_s
        delay = f"{returned.delay_s * 1000:.0f} ms"
        what = f"what we said comes back, {part:.1f} of {PROBE_S:g} s of it after {delay}: the extension echoes"
        yield Diagnosis("long-delay", Status.OK, what)


def _echo_of(leg: CallLeg) -> Returned:
    assert leg.seed is not None
    sound = probe_sound(leg.seed, rate_of(leg.kind))
    return find_again(sound, leg.said.stream(leg.kind), leg.heard.stream(leg.kind))


def _silent(call: _Call, heard: HeardSound | None) -> Diagnosis:
    if heard is None:
        what = f"no audio was heard in {call.leg.duration_s:.1f} s"
    else:
        what = f"nothing but silence was heard in {call.leg.duration_s:.1f} s, {heard.audio_s:.1f} s of it as frames"
    cure = "see whether the server speaks at all: `audiosocket doctor TARGET` calls it without an Asterisk"
    return Diagnosis("server-silent", Status.WARNING, what, (), cure)


def _early(call: _Call, heard: HeardSound | None) -> Diagnosis:
    what = f"the extension, or its server, ended the call after {call.leg.duration_s:.1f} s"
    evidence = f"audio heard until then: {0.0 if heard is None else heard.audio_s:.1f} s"
    cure = "see Asterisk's log for why, unless your dialplan, or your server, hangs up so soon"
    return Diagnosis("call-ends-early", Status.WARNING, what, (evidence,), cure)


def _no_extension(extension: str, answer: str, asterisk: AsteriskCli) -> Diagnosis:
    _, _, context = extension.partition("@")
    return Diagnosis(
        "extension-missing", Status.FAULT, f"the dialplan has no {extension}", (answer.strip().splitlines()[0],),
        "name an extension and its context as the dialplan has them",
        (asterisk.place.hint(f"dialplan show {context}"),),
    )  # fmt: skip
