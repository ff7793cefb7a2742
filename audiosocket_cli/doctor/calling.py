"""`doctor --call`: real calls, placed by Asterisk at a server of ours, and what was heard both ways.

Nothing is written to Asterisk's configuration, and nothing of its dialplan is used: see `call_plan`. One call shows
whether Asterisk reaches us at all: refused connections were seen to end other calls of an Asterisk early, so there must
not be many. Then all others go on at once, for some three seconds. Whatever happens, none is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.doctor.asterisk_cli import AsteriskCli, NoAnswerError, channels_of
from audiosocket_cli.doctor.call_leg import CallLeg, LegSource, leg_taps
from audiosocket_cli.doctor.call_plan import Aim, PlacedCall, plan_calls
from audiosocket_cli.doctor.call_verdicts import Seen, missing_module, verdicts
from audiosocket_cli.doctor.control_socket import why_no_answer
from audiosocket_cli.doctor.look import Look
from audiosocket_cli.doctor.place import Place
from audiosocket_cli.errors import UsageError
from audiosocket_cli.finding import Diagnosis
from audiosocket_cli.net.address import Address, parse_address
from audiosocket_cli.net.listen import ListeningSockets, bind
from audiosocket_cli.server.options import ServeOptions
from audiosocket_cli.server.server import Server

ARRIVE_S: Final = 5.0
"""How long Asterisk may take to connect. It tries each address for 2 s (`MAX_CONNECT_TIMEOUT_MSEC`)."""

_CALLS_S: Final = 9.0
"""How long all calls may last, from the last one placed on."""

_LEAVE_S: Final = 2.0
"""How long channels may take to go, once we have hung up."""

_LOOK_S: Final = 0.05
_AT_ONCE: Final = 4
"""How many commands are given at once: each may be a process in a container, or a login."""

_MAX_CALLS: Final = 64


class CallAddress(NamedTuple):
    """Where the server of the test calls listens, and what Asterisk dials to reach it."""

    listen: Address
    dial: Address
    """Its port is 0 where it is the one that is listened on."""


def call_address(text: str | None) -> CallAddress:
    """Read the HOST[:PORT] that Asterisk is to dial; None: this machine, on a free port. Raises `UsageError`.

    A host that is not this machine's loopback is listened to on all interfaces.
    """
    if text is None:
        return CallAddress(Address("127.0.0.1", 0), Address("127.0.0.1", 0))
    address = parse_address(text, default_port=0)
    if not address.host:
        raise UsageError(
            f"--call-address {text!r:.80} has no host: write the one that Asterisk reaches this machine by"
        )
    if not re.fullmatch(r"[0-9A-Za-z.:_-]+", address.host):
        raise UsageError(f"--call-address {text!r:.80}: {address.host!r:.80} is not a host name or an address")
    return CallAddress(Address(address.host if _is_loopback(address.host) else "", address.port), address)


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


@dataclass(slots=True)
class _TestCalls:
    """The calls, and what came of placing them."""

    asterisk: AsteriskCli
    legs: dict[UUID, CallLeg] = field(default_factory=dict)
    strangers: int = 0
    complaints: dict[str, str] = field(default_factory=dict)
    """What the CLI answered, or why it did not, by the command."""

    def leg_of(self, uuid: UUID) -> CallLeg | None:
        """Return the leg of a UUID; None for a stranger's."""
        leg = self.legs.get(uuid)
        self.strangers += leg is None
        return leg

    async def place(self, calls: Sequence[PlacedCall]) -> None:
        """Have Asterisk place calls."""
        self.legs.update({leg.uuid: leg for call in calls for leg in call.legs})
        gate = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(self._place(call, gate) for call in calls))

    async def _place(self, call: PlacedCall, gate: asyncio.Semaphore) -> None:
        async with gate:
            try:
                answer = await self.asterisk.ask_again(call.command)
            except NoAnswerError as error:
                answer = str(error)
        if answer.strip():
            self.complaints[call.command] = answer.strip()

    async def reaches_us(self, call: PlacedCall) -> bool:
        """Place a first call, and wait until its connection is there. Returns whether it is."""
        await self.place([call])
        leg = call.legs[0]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0 if self.complaints else ARRIVE_S):
                while leg.opened_s is None:
                    await asyncio.sleep(_LOOK_S)
        return leg.opened_s is not None

    async def wait(self) -> None:
        """Wait until all have ended, but not long for what has not come."""
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        while not all(leg.is_over for leg in self.legs.values()) and loop.time() < begun_s + _CALLS_S:
            have_come = [leg for leg in self.legs.values() if leg.opened_s is not None]
            if loop.time() > begun_s + ARRIVE_S and all(leg.is_over for leg in have_come):
                return
            await asyncio.sleep(_LOOK_S)

    async def channels(self) -> list[str]:
        """Return the channels of these calls that Asterisk still has."""
        uuids = [str(uuid) for uuid in self.legs]
        found = channels_of(await self.asterisk.ask_again("core show channels concise"))
        return [one.name for one in found if any(uuid in one.name or uuid in one.data for uuid in uuids)]

    async def hang_up(self) -> list[str]:
        """End the channels that do not end by themselves now that we have hung up. Returns those. Raises
        `NoAnswerError`."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + _LEAVE_S
        left = await self.channels()
        while left and loop.time() < until_s:
            await asyncio.sleep(4 * _LOOK_S)
            left = await self.channels()
        for name in left[:_MAX_CALLS]:
            await self.asterisk.ask_again(f"channel request hangup {name}")
        return left


def look_at_test_calls(place: Place, address: str | None) -> Look:
    """Return the look that places test calls; `address` is that of `call_address`. Raises `UsageError`."""
    where = call_address(address)
    return Look(f"test calls through Asterisk ({place} -rx …)", lambda: place_test_call(AsteriskCli(place), where))


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
        return [missing_module("chan_audiosocket", what, seen, asterisk.place.hint)]
    lacking = _lacking(asterisk, applications)
    if len(lacking) == len(Aim):
        return lacking
    calls = _TestCalls(asterisk)
    async with _server(where, calls) as port:
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
    return [*lacking, *await asyncio.to_thread(verdicts, came)]


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


@contextlib.asynccontextmanager
async def _server(where: CallAddress, calls: _TestCalls) -> AsyncIterator[int]:
    """Answer the calls until the end of the block, and hang up then. Yields the port. Raises `NetworkError`."""
    sockets = ListeningSockets(bind(where.listen, option="--call-address"))
    options = ServeOptions(
        where.listen,
        CallOptions(
            make_source=LegSource,
            make_taps=lambda source: leg_taps(source, calls.leg_of),
            is_watched=False,
        ),
        max_calls=_MAX_CALLS,
        owns_process=False,
    )
    server = Server(options, lambda event: None, lambda line: None, listening=sockets)
    running = asyncio.create_task(server.run(), name="server of the test calls")
    try:
        yield sockets.addresses[0].port
    finally:
        server.stop()
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:  # once more: now
            server.abort()
            await running
            raise
