"""The server of test calls: where it listens, whom it answers, and how calls are placed at it."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from audiosocket_cli.codec import Frame, Kind, encode, uuid_frame
from audiosocket_cli.doctor.calls.call_leg import CallLeg
from audiosocket_cli.doctor.calls.call_plan import Aim, PlacedCall
from audiosocket_cli.doctor.calls.call_server import CallAddress, OwnCalls, call_address, server_of
from audiosocket_cli.doctor.pbx.asterisk_cli import AsteriskCli
from audiosocket_cli.doctor.pbx.place import place_of
from audiosocket_cli.errors import NetworkError, UsageError
from audiosocket_cli.model import How, Side
from audiosocket_cli.net.address import Address

HERE = Address("127.0.0.1", 0)


def test_without_an_address_it_listens_on_this_machine_alone() -> None:
    assert call_address(None) == CallAddress(HERE, HERE)
    assert call_address("127.0.0.2:4000") == CallAddress(Address("127.0.0.2", 4000), Address("127.0.0.2", 4000))
    assert call_address("[::1]").listen == Address("::1", 0)
    assert call_address("localhost").listen == Address("localhost", 0)


def test_for_an_address_that_others_reach_it_listens_on_all_interfaces() -> None:
    assert call_address("192.0.2.7") == CallAddress(Address("", 0), Address("192.0.2.7", 0))
    assert call_address("pbx-host:4000") == CallAddress(Address("", 4000), Address("pbx-host", 4000))


@pytest.mark.parametrize("text", [":4000", "a/b", "a b:80", "a,b:80", "a:99999", "", "ws://a/b"])
def test_what_asterisk_cannot_dial_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        call_address(text)


def own_calls(command: str = "/nonexistent/asterisk") -> OwnCalls:
    return OwnCalls(AsteriskCli(place_of(command, None)))


async def call(port: int, hello: bytes) -> bytes:
    """Call as Asterisk would, say nothing more, and return all that is heard until the hangup."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(hello)
    heard = await asyncio.wait_for(reader.read(-1), 30)
    writer.close()
    return heard


def test_a_call_of_ours_is_answered_and_a_stranger_is_hung_up_on() -> None:
    async def both() -> tuple[bytes, bytes, CallLeg]:
        calls, leg = own_calls(), CallLeg(Kind.SLIN, stay_s=0.2)
        calls.legs[leg.uuid] = leg
        async with server_of(CallAddress(HERE, HERE), calls) as port:
            ours, stranger = await asyncio.gather(
                call(port, encode(uuid_frame(leg.uuid))), call(port, encode(uuid_frame(uuid4())))
            )
            await calls.wait()
        return ours, stranger, leg

    ours, stranger, leg = asyncio.run(both())
    hangup = encode(Frame(Kind.HANGUP))
    assert ours == encode(Frame(Kind.SLIN, bytes(320))) * 10 + hangup
    assert stranger == hangup
    assert leg.ending is not None
    assert (leg.ending.by, leg.ending.how) == (Side.SERVER, How.HANGUP)


def test_calls_that_go_on_at_the_end_are_hung_up() -> None:
    async def leave() -> tuple[bytes, CallLeg]:
        calls, leg = own_calls(), CallLeg(Kind.SLIN)
        calls.legs[leg.uuid] = leg
        async with server_of(CallAddress(HERE, HERE), calls) as port:
            calling = asyncio.create_task(call(port, encode(uuid_frame(leg.uuid))))
            while leg.opened_s is None:
                await asyncio.sleep(0.01)
        return await calling, leg

    heard, leg = asyncio.run(leave())
    assert heard.endswith(encode(Frame(Kind.HANGUP)))
    assert leg.is_over


def test_a_port_in_use_is_an_error_that_names_the_option() -> None:
    async def twice() -> None:
        async with server_of(CallAddress(HERE, HERE), own_calls()) as port:
            taken = Address("127.0.0.1", port)
            with pytest.raises(NetworkError, match=r"in use; .* choose another port with --call-address"):
                async with server_of(CallAddress(taken, taken), own_calls()):
                    pass

    asyncio.run(twice())


def test_an_asterisk_that_cannot_be_asked_is_not_waited_for() -> None:
    async def place() -> tuple[bool, dict[str, str]]:
        calls = own_calls()
        reached = await calls.reaches_us(PlacedCall(Aim.ECHO, (CallLeg(Kind.SLIN),), "channel originate x"), 60)
        return reached, calls.complaints

    reached, complaints = asyncio.run(asyncio.wait_for(place(), 30))
    assert not reached
    assert complaints == {"channel originate x": "there is no program '/nonexistent/asterisk' here"}
