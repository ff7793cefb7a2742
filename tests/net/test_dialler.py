"""One way to connect calls, whatever the target speaks."""

from __future__ import annotations

import asyncio
import socket
from uuid import uuid4

import pytest

from audiosocket_cli.codec import FrameDecoder, encode, uuid_frame
from audiosocket_cli.errors import NetworkError
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.dialler import Dialler
from audiosocket_cli.net.target import Target, WebSocketTarget
from audiosocket_cli.websocket.url import parse_url
from support.bot_calls import Seen, answering_bot, listen
from support.peers import free_port


def test_an_audiosocket_server_is_connected_directly() -> None:
    async def main() -> None:
        dialler = Dialler(Address("127.0.0.1", port))
        link = await dialler.dial()
        with link.socket:
            assert (link.peer, link.through) == (f"127.0.0.1:{port}", None)
            assert link.theirs == link.socket.getpeername()
        await dialler.finish()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        asyncio.run(main())


def test_a_answering_bot_is_connected_through_a_gateway() -> None:
    seen = Seen()

    async def main() -> None:
        dialler = Dialler(WebSocketTarget(parse_url(url), protocol="chan-websocket"))
        link = await dialler.dial()
        loop = asyncio.get_running_loop()
        with link.socket:
            assert link.through is not None
            await loop.sock_sendall(link.socket, encode(uuid_frame(uuid4())))
            frames = FrameDecoder().feed(await asyncio.wait_for(loop.sock_recv(link.socket, 65536), 30))
            assert frames[0].payload == bytes(320)
            while not seen.starts:
                await asyncio.sleep(0.01)
        await dialler.finish()
        assert await link.through.finish() == []

    with answering_bot(listen, "chan-websocket", seen) as url:
        asyncio.run(main())
    assert [start["format"] for start in seen.starts] == ["slin"]


@pytest.mark.parametrize("is_websocket", [False, True])
def test_nobody_there_is_the_same_error(is_websocket: bool) -> None:
    port = free_port()
    target: Target = Address("127.0.0.1", port)
    if is_websocket:
        target = WebSocketTarget(parse_url(f"ws://127.0.0.1:{port}/"), protocol="twilio")
    with pytest.raises(NetworkError, match=r"cannot connect to .*: connection refused") as failed:
        asyncio.run(Dialler(target).dial())
    assert isinstance(failed.value.__cause__, ConnectionRefusedError)
