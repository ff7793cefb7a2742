"""A server for the seconds of a test call, and the calls that an Asterisk is told to place at it."""

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
from audiosocket_cli.doctor.calls.call_leg import CallLeg, LegSource, leg_taps
from audiosocket_cli.doctor.calls.call_plan import PlacedCall
from audiosocket_cli.doctor.pbx.asterisk_cli import AsteriskCli, NoAnswerError, channels_of
from audiosocket_cli.errors import UsageError
from audiosocket_cli.net.address import Address, parse_address
from audiosocket_cli.net.listen import ListeningSockets, bind
from audiosocket_cli.server.options import ServeOptions
from audiosocket_cli.server.server import Server, running

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
class OwnCalls:
    """The calls, and what came of placing them."""

    asterisk: AsteriskCli
    legs: dict[UUID, CallLeg] = field(default_factory=dict)
    complaints: dict[str, str] = field(default_factory=dict)
    """What the CLI answered, or why it did not, by the command."""

    def leg_of(self, uuid: UUID) -> CallLeg | None:
        """Return the leg of a UUID; None for a stranger's."""
        return self.legs.get(uuid)

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

    async def reaches_us(self, call: PlacedCall, within_s: float = ARRIVE_S) -> bool:
        """Place a first call, and wait until its connection is there. Returns whether it is."""
        await self.place([call])
        leg = call.legs[0]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0 if self.complaints else within_s):
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


@contextlib.asynccontextmanager
async def server_of(where: CallAddress, calls: OwnCalls) -> AsyncIterator[int]:
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
    async with running(server, "server of the test calls"):
        yield sockets.addresses[0].port
