"""`doctor --call`: real calls, placed by Asterisk at a server of ours, and what was heard both ways.

Nothing is written to Asterisk's configuration, and nothing of its dialplan is used: see `call_plan`. One call shows
whether Asterisk reaches us at all: refused connections were seen to end other calls of an Asterisk early, so there must
not be many. Then all others go on at once, for some three seconds. Whatever happens, none is left.
"""

from __future__ import annotations

import re
from dataclasses import replace

from audiosocket_cli.doctor.calls.call_plan import Aim, plan_calls
from audiosocket_cli.doctor.calls.call_server import CallAddress, OwnCalls, call_address, server_of
from audiosocket_cli.doctor.calls.call_verdicts import Seen, missing_module, verdicts
from audiosocket_cli.doctor.look import Look
from audiosocket_cli.doctor.pbx.asterisk_cli import AsteriskCli, NoAnswerError
from audiosocket_cli.doctor.pbx.control_socket import why_no_answer
from audiosocket_cli.doctor.pbx.place import Place
from audiosocket_cli.finding import Diagnosis
from audiosocket_cli.in_thread import in_thread
from audiosocket_cli.net.address import Address


def look_at_test_calls(place: Place, address: str | None) -> Look:
    """Return the look that places test calls; `address` is that of `call_address`. Raises `UsageError`."""
    where = call_address(address)
    return Look("test calls", lambda: place_test_call(AsteriskCli(place), where))


async def place_test_call(asterisk: AsteriskCli, where: CallAddress) -> list[Diagnosis]:
    """Have an Asterisk place test calls at a server of ours, and say how they went.

    Raises `NetworkError` when that server cannot listen, and `UsageError`.
    """
    try:
        release = await asterisk.release()
        applications = _applications(await asterisk.ask("core show applications"))
        drivers = await asterisk.ask("core show channeltypes")
        resample = await asterisk.ask("module show like codec_resample")
    except NoAnswerError as error:
        return [why_no_answer(asterisk.place, error)]
    if re.search(r"^AudioSocket\s", drivers, re.MULTILINE) is None:
        what = "no test call can be placed: chan_audiosocket.so is not loaded"
        seen = "core show channeltypes: no AudioSocket"
        found = missing_module("chan_audiosocket", what, seen, asterisk.place.hint)
        other = "or call an extension that runs AudioSocket(), with --call EXTEN@CONTEXT"
        return [replace(found, cure=f"{found.cure}; {other}")]
    lacking = _lacking(asterisk, applications)
    if len(lacking) == len(Aim):
        return lacking
    calls = OwnCalls(asterisk)
    async with server_of(where, calls) as port:
        dial = Address(where.dial.host, where.dial.port or port)
        plan = plan_calls(dial, release, applications)
        if await calls.reaches_us(plan[0]):
            await calls.place(plan[1:])
            await calls.wait()
        else:
            plan = plan[:1]
    try:
        left: list[str] | None = await calls.hang_up()
    except NoAnswerError:
        left = None
    came = Seen(plan, dial, release, calls.complaints, left, "codec_resample" not in resample, asterisk.place.hint)
    return [*lacking, *await in_thread(lambda: verdicts(came))]


def _applications(answer: str) -> set[str]:
    return {line.split(":")[0].strip() for line in answer.splitlines() if ":" in line}


def _lacking(asterisk: AsteriskCli, applications: set[str]) -> list[Diagnosis]:
    """Say what cannot be tested for want of a module."""
    what = {
        Aim.ECHO: "sound there and back through the channel driver was not tested",
        Aim.BOTH: "the application AudioSocket() was not tested",
        Aim.TONE: "a tone of Asterisk's own was not tested",
        Aim.KEYS: "keys were not tested",
    }
    return [
        missing_module(aim.module, text, f"core show applications: no {aim.value}", asterisk.place.hint)
        for aim, text in what.items()
        if aim.value not in applications
    ]
