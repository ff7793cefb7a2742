"""One WebSocket, with real servers at its other end: handshake, messages, pings, slow readers, and each kind of end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri
from websockets.utils import accept_key

from audiosocket_cli.websocket.connecting import tls_context
from audiosocket_cli.websocket.handshake import Opening
from audiosocket_cli.websocket.link import Closed, Link, connect
from audiosocket_cli.websocket.messages import Message
from audiosocket_cli.websocket.outbox import Outbox
from audiosocket_cli.websocket.url import parse_url
from support.websocket_bots import Diary, Handler, certificate, websocket_bot


def outbox_of(*messages: Message) -> Outbox:
    outbox = Outbox(max_audio_s=1e6)
    for message in messages:
        if message.audio_s:
            outbox.add_audio(message)
        else:
            outbox.add_event(message.data)
    return outbox


async def until(condition: Callable[[], object], within_s: float = 60.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)


async def received(link: Link, count: int) -> list[Message]:
    messages: list[Message] = []
    async with asyncio.timeout(10):
        while len(messages) < count and link.closed is None:
            messages += link.receive()
            await asyncio.sleep(0.002)
    return messages


async def ended(link: Link) -> Closed:
    async with asyncio.timeout(10):
        while link.closed is None:
            link.receive()
            await asyncio.sleep(0.002)
    return link.closed


def with_bot(
    handler: Handler, talk: Callable[[Link], Awaitable[Any]], *, opening: Opening | None = None, **options: Any
) -> Any:
    """Connect to a bot, and talk to it."""

    async def main() -> Any:
        async with websocket_bot(handler, **options) as url:
            link = await connect(parse_url(url), opening or Opening())
            try:
                return await talk(link)
            finally:
                link.shut()

    return asyncio.run(main())  # fmt: skip


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_messages_there_and_back_are_the_same(tmp_path: Path, secure: bool) -> None:
    said = [Message(b"{}"), Message(b"", False, 0.02), *(Message(bytes([n]) * 40_000, False, 0.02) for n in range(30))]
    opening, options = Opening(), dict[str, Any]()
    if secure:
        file, options["ssl"] = certificate(tmp_path)
        opening = Opening(tls=tls_context(file))

    async def talk(link: Link) -> list[Message]:
        outbox, heard = outbox_of(*said), list[Message]()
        async with asyncio.timeout(10):
            while len(heard) < len(said):
                link.flush()
                link.send(outbox)
                heard += link.receive()
                await asyncio.sleep(0.001)
        return heard

    heard = with_bot(echo, talk, opening=opening, **options)
    assert [message[:2] for message in heard] == [message[:2] for message in said]


def test_the_handshake_asks_for_what_it_is_told_to() -> None:
    diary = Diary()

    async def talk(link: Link) -> None:
        link.close()
        await ended(link)

    opening = Opening([("X-Tenant", "7"), ("X-Tenant", "8"), ("Authorization", "Bearer x")], "media")
    with_bot(diary, talk, opening=opening, subprotocols=["media"])
    assert diary.headers["Authorization"] == "Bearer x"
    assert diary.headers["X-Tenant"] in ("7", "8")
    assert diary.headers["Sec-WebSocket-Protocol"] == "media"
    assert diary.headers["User-Agent"].startswith("audiosocket-cli")
    assert "Sec-WebSocket-Extensions" not in diary.headers  # compression costs more than it saves
    assert diary.closed == (1000, "")


def test_a_bot_may_choose_no_subprotocol() -> None:
    async def talk(link: Link) -> Closed | None:
        return link.closed

    assert with_bot(echo, talk, opening=Opening(subprotocol="media")) is None


def test_what_came_with_the_handshake_is_received() -> None:
    async def early(connection: ServerConnection) -> None:
        await connection.send("first")
        await connection.wait_closed()

    assert with_bot(early, lambda link: received(link, 1)) == [Message(b"first", True)]


@pytest.mark.parametrize("cut", range(0, 30, 3))
def test_frames_may_be_cut_anywhere_also_where_the_handshake_ends(cut: int) -> None:
    frames = b"\x81\x05first\x82\x7e\x00\x80" + bytes(128) + b"\x89\x00\x01\x01a\x80\x01b\x81\x00"

    async def main() -> list[Message]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.closing(writer):
                asked = (await reader.readuntil(b"\r\n\r\n")).decode()
                key = next(line[19:] for line in asked.split("\r\n") if line.startswith("Sec-WebSocket-Key: "))
                answer = "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                answer += f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
                whole = answer.encode() + frames
                for piece in (whole[: len(answer) + cut], *(bytes([byte]) for byte in whole[len(answer) + cut :])):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                await reader.read()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            link = await connect(parse_url(f"ws://127.0.0.1:{port}/"), Opening())
            messages = await received(link, 4)
            link.shut()
            await asyncio.sleep(0.01)
            return messages

    assert asyncio.run(main()) == [
        Message(b"first"), Message(bytes(128), False), Message(b"ab", True), Message(b"", True)
    ]  # fmt: skip


frame = st.builds(
    lambda first, mask, payload: bytes((first, mask | len(payload))) + payload,
    st.sampled_from([0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x88, 0x89, 0x8A, 0x83, 0xC1]),
    st.sampled_from([0, 0, 0, 0, 0, 0, 0, 0x80]),
    st.binary(max_size=5) | st.binary(min_size=100, max_size=125),
)
longer = st.binary(min_size=126, max_size=300).map(lambda data: b"\x82\x7e" + len(data).to_bytes(2, "big") + data)


@given(st.lists(frame | longer | st.binary(max_size=4), max_size=8).map(b"".join), st.integers(1, 400))
@settings(max_examples=300)
def test_any_bytes_in_any_pieces_are_the_messages_that_the_library_finds(data: bytes, size: int) -> None:
    """Ours takes most frames past the library."""
    theirs, ours = socket.socketpair()
    ours.setblocking(False)
    link, heard = Link(ours, ClientProtocol(parse_uri("ws://x/"), state=State.OPEN, max_size=200), 200), []
    for start in range(0, len(data), size):
        if link.closed is None:  # or nobody would read it
            theirs.sendall(data[start : start + size])
            heard += link.receive()
    theirs.shutdown(socket.SHUT_WR)
    while link.closed is None:
        heard += link.receive()
    link.shut()
    theirs.close()
    alone, found, parts = ClientProtocol(parse_uri("ws://x/"), state=State.OPEN, max_size=200), [], list[bytes]()
    is_text = False
    alone.receive_data(data)
    for event in alone.events_received():
        assert isinstance(event, Frame)
        if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            is_text = event.opcode is Opcode.TEXT if event.opcode is not Opcode.CONT else is_text
            parts.append(bytes(event.data))
            if event.fin:
                found.append(Message(b"".join(parts), is_text))
                parts.clear()
    assert heard == found
    assert link.closed is not None
    if alone.close_sent is not None:
        assert link.closed.code == (alone.close_rcvd or alone.close_sent).code


def test_a_message_in_parts_is_one_message() -> None:
    async def parts(connection: ServerConnection) -> None:
        await connection.send([b"a", b"b", b"c"])
        await connection.send(["d", "e"])
        await connection.wait_closed()

    assert with_bot(parts, lambda link: received(link, 2)) == [Message(b"abc", False), Message(b"de", True)]


@pytest.mark.parametrize(
    ("code", "reason", "closed"),
    [
        (1000, "", Closed(1000, "", None)),
        (1001, "restart", Closed(1001, "restart", None)),
        (1011, "oh", Closed(1011, "oh", "has closed the connection with code 1011 (oh)")),
        (4000, "", Closed(4000, "", "has closed the connection with code 4000")),
        (4001, "\x1b[31m", Closed(4001, "\\u001b[31m", "has closed the connection with code 4001 (\\u001b[31m)")),
    ],
    ids=["done", "away", "fault", "its own", "control characters"],
)
def test_a_close_is_told_with_its_code_and_reason(code: int, reason: str, closed: Closed) -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.close(code, reason)

    assert with_bot(close, ended) == closed


def test_a_close_is_answered_and_what_came_before_is_received() -> None:
    codes = []

    async def close(connection: ServerConnection) -> None:
        await connection.send("last")
        await connection.close()
        codes.append(connection.protocol.close_rcvd)

    async def talk(link: Link) -> list[Message]:
        messages = await received(link, 1)
        await ended(link)
        link.shut()
        await until(lambda: codes)
        return messages

    assert with_bot(close, talk) == [Message(b"last", True)]
    assert codes[0] is not None


@pytest.mark.parametrize("how", ["end", "reset"])
def test_a_bot_that_dies_is_gone(how: str) -> None:
    async def die(connection: ServerConnection) -> None:
        if how == "reset":
            connection.transport.abort()
        else:
            connection.transport.close()

    closed = with_bot(die, ended)
    assert closed.code == 1006
    assert closed.problem is not None
    assert closed.problem.startswith("is gone: ")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x83\x00", "has broken the WebSocket protocol: "),
        (b"\x82\x81abcd", "has broken the WebSocket protocol: incorrect masking"),
        (b"\x80\x01x", "has broken the WebSocket protocol: "),
        (b"\x82\x7f\x00\x00\x00\x00\x00\x20\x00\x00", "has sent a message of more than 65531 bytes"),
        (b"\x88\x01x", "has broken the WebSocket protocol: "),
        (b"\x88\x02\x03\xe7", "has broken the WebSocket protocol: "),
    ],
    ids=["unknown opcode", "masked", "continuation of nothing", "too long", "half a code", "code 999"],
)
def test_a_bot_that_breaks_the_protocol_is_told_in_one_line(data: bytes, says: str) -> None:
    async def speak(connection: ServerConnection) -> None:
        connection.transport.write(data)
        await connection.wait_closed()

    closed = with_bot(speak, ended, opening=Opening(max_bytes=65_531))
    assert closed.problem is not None
    assert closed.problem.startswith(says)
    assert "\n" not in closed.problem


def test_pings_are_answered_and_ours_are_counted_as_life() -> None:
    async def ping(connection: ServerConnection) -> None:
        await (await connection.ping())
        await connection.wait_closed()

    async def talk(link: Link) -> None:
        assert link.ping()
        assert not link.ping()  # nothing came meanwhile
        for _ in range(2):
            await until(lambda: (link.receive(), link.ping())[1])

    with_bot(ping, talk)


def test_a_bot_that_does_not_read_blocks_nobody_and_gets_whole_messages_later() -> None:
    """What is kept for it is bounded: a send buffer, part of a message, and the outbox."""
    reads = asyncio.Event()
    diary = Diary()

    async def late(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await reads.wait()
        connection.transport.resume_reading()
        await diary(connection)

    async def talk(link: Link) -> tuple[int, float]:
        outbox, sent = Outbox(max_audio_s=1.0), 0
        begun_s = time.monotonic()
        while not outbox.dropped_s:
            sent += 1
            outbox.add_audio(Message(b"%06d" % sent + bytes(20_000), False, 0.02))
            link.send(outbox)
        assert link.is_blocked
        assert time.monotonic() - begun_s < 30
        outbox.add_event(b"digit")
        reads.set()
        async with asyncio.timeout(10):
            while outbox or link.is_blocked:
                link.flush()
                link.send(outbox)
                await asyncio.sleep(0.001)
        link.close()
        await ended(link)
        return sent, outbox.dropped_s

    sent, dropped_s = with_bot(late, talk, max_size=None)
    numbers = [int(message[:6]) for message in diary.messages if isinstance(message, bytes)]
    assert diary.messages[-1] == "digit"
    assert len(numbers) == sent - round(dropped_s / 0.02)
    assert numbers == sorted(numbers)


def test_after_its_end_nothing_is_sent_or_received() -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.close()

    async def talk(link: Link) -> None:
        await ended(link)
        link.send(outbox_of(Message(b"late")))
        link.close()
        assert link.receive() == []
        link.shut()
        link.shut()

    with_bot(close, talk)


def test_a_turn_reads_a_bounded_amount_of_a_flood() -> None:
    async def flood(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await connection.send(bytes(1000))

    async def talk(link: Link) -> list[int]:
        await asyncio.sleep(0.2)
        return [sum(len(message.data) for message in link.receive()) for _ in range(5)]

    first, *others = with_bot(flood, talk)
    assert first <= 2 * 70_000  # and what had come with the handshake
    assert max(others) <= 70_000


def paired(max_bytes: int = 1 << 20) -> tuple[Link, socket.socket]:
    """Return a link, and the other end of its connection."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    return Link(ours, ClientProtocol(parse_uri("ws://x/"), state=State.OPEN, max_size=max_bytes), max_bytes), theirs


@pytest.mark.parametrize("frame", [b"\x81\x02{}", b"\x81\x00", b"\x89\x00"], ids=["text", "empty", "ping"])
def test_a_turn_takes_a_bounded_number_of_frames_and_none_is_lost(frame: bytes) -> None:
    link, theirs = paired()
    theirs.sendall(frame * 3000 + b"\x81\x04last")
    turns = [link.receive()]
    while not link.is_drained:
        turns.append(link.receive())
    link.shut()
    theirs.close()
    heard = sum(turns, list[Message]())
    assert heard[-1] == Message(b"last")
    assert len(heard) == (1 if frame[0] == 0x89 else 3001)
    assert len(turns) >= 12
    assert max(map(len, turns)) <= 250


def test_what_waits_for_a_bot_that_pings_and_never_reads_is_bounded() -> None:
    link, theirs = paired()
    theirs.setblocking(True)
    most, begun_s = 0, time.monotonic()
    while link.closed is None and time.monotonic() - begun_s < 60:
        theirs.sendall((b"\x89\x7d" + bytes(125)) * 200)
        link.receive()
        most = max(most, len(link._rest))
    link.shut()
    theirs.close()
    assert link.closed == Closed(1006, "", "does not read what it is sent")
    assert most < 400_000


def test_empty_parts_of_a_message_take_no_memory_and_hide_no_fault() -> None:
    link, theirs = paired()
    theirs.sendall(b"\x01\x00" + b"\x00\x00" * 1000)
    heard = [message for _ in range(6) for message in link.receive()]
    assert heard == []
    assert len(link._parts) == 1
    theirs.sendall(b"\x80\x01a" + b"\x01\x00" + b"\x81\x01b")
    assert link.receive() == [Message(b"a")]
    assert link.closed is not None
    assert link.closed.code == 1002
    link.shut()
    theirs.close()


def test_a_socket_that_is_shut_reads_no_more() -> None:
    async def talk(link: Link) -> None:
        descriptor = link.fileno()
        link.shut()
        with pytest.raises(OSError, match="descriptor"):
            socket.socket(fileno=descriptor).getpeername()

    with_bot(echo, talk)
