"""A probe sends bytes as they are cut, and knows what came back, when, and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from unittest.mock import patch

from audiosocket_cli.call.wire import Link
from audiosocket_cli.check.probe import Patience, Probe
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.model import How, Side
from support.peers import reset

FRAME = encode(Frame(Kind.SLIN, bytes(range(160)) * 2))


def in_loop(test: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    @functools.wraps(test)
    def whole() -> None:
        asyncio.run(test())

    return whole


@contextlib.asynccontextmanager
async def connected(**options: object) -> AsyncIterator[tuple[Probe, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        ours.setblocking(False)
        peer, _ = listener.accept()
    peer.settimeout(30)
    probe = Probe(Link(ours, "server", None), **options)  # type: ignore[arg-type]
    try:
        yield probe, peer
    finally:
        probe.close()
        peer.close()


@in_loop
async def test_pieces_arrive_as_they_are_cut() -> None:
    async with connected() as (probe, peer):
        peer.setblocking(False)
        loop = asyncio.get_running_loop()
        reading = loop.create_task(loop.sock_recv(peer, 100))
        sending = loop.create_task(probe.send(FRAME[:3], FRAME[3:], pause_s=0.05))
        assert await reading == FRAME[:3]
        assert await loop.sock_recv(peer, 1000) == FRAME[3:]
        assert await sending
        sent = [event for event in probe.passed.events if event.side is Side.CALLER]
        assert [event.data for event in sent] == [FRAME[:3], FRAME[3:]]
        assert 0.05 <= sent[1].at_s - sent[0].at_s < 10


@in_loop
async def test_frames_are_heard_with_times_however_they_come() -> None:
    async with connected() as (probe, peer):
        peer.sendall(FRAME + FRAME[:1])
        assert await probe.until(lambda: len(probe.frames) == 1, 30)
        await asyncio.sleep(0.02)
        peer.sendall(FRAME[1:] + encode(Frame(Kind.DTMF, b"1")))
        assert await probe.until(lambda: len(probe.frames) == 3, 30)
        assert [frame[1:3] for frame in probe.frames] == [(Kind.SLIN, 320), (Kind.SLIN, 320), (Kind.DTMF, 1)]
        assert probe.frames[1].at_s - probe.frames[0].at_s > 0.02
        assert bytes(probe.audio) == 2 * FRAME[3:]


@in_loop
async def test_digital_silence_is_left_out_of_what_is_heard() -> None:
    async with connected() as (probe, peer):
        for payload in (b"", bytes(320), b"\0\1\0\0\2\0", b"\3\0\0"):
            peer.sendall(encode(Frame(Kind.SLIN, payload)))
        assert await probe.until(lambda: len(probe.frames) == 4, 30)
        assert bytes(probe.audio) == b"\0\1\2\0\3\0\0"
        assert probe.spoke


@in_loop
async def test_the_end_is_known() -> None:
    async with connected() as (probe, peer):
        peer.sendall(b"\0\0\0")
        peer.shutdown(socket.SHUT_WR)
        assert await probe.until_ended(30)
        assert (probe.ended, probe.hung_up) == (How.CLOSED, True)
        assert probe.how_it_ended().startswith("sent a hangup frame and closed the connection after 0.")
    async with connected() as (probe, peer):
        reset(peer)
        assert await probe.until_ended(30)
        assert (probe.ended, probe.hung_up) == (How.RESET, False)
        assert not await probe.send(FRAME)


@in_loop
async def test_a_flood_is_bounded() -> None:
    async with connected(max_bytes=100_000) as (probe, peer):
        peer.setblocking(False)
        stop_s = time.monotonic() + 60
        while not probe.flooded and time.monotonic() < stop_s:
            with contextlib.suppress(BlockingIOError):
                peer.send(FRAME * 100)
            await asyncio.sleep(0)
        assert probe.flooded
        assert len(probe.audio) < 300_000


@in_loop
async def test_a_peer_that_does_not_read_holds_up_nobody() -> None:
    async with connected() as (probe, peer):
        begun_s = time.monotonic()
        with patch("audiosocket_cli.check.probe._STALL_S", 0.2):
            assert not await probe.send(bytes(64 << 20))
        assert time.monotonic() - begun_s < 30
        assert probe.stalled
        assert peer.fileno() >= 0


@in_loop
async def test_a_frame_in_parts_is_found_only_where_the_rest_takes_too_long() -> None:
    async with connected(patience=Patience()) as (probe, peer):
        peer.sendall(FRAME)
        await probe.until(lambda: len(probe.frames) == 1, 30)
        assert probe.cuts == []
        peer.sendall(FRAME[:3])
        assert await probe.until(lambda: len(probe.cuts) == 1, 30)
        assert probe.cuts[0].arrived_bytes == 3
        peer.sendall(FRAME[3:])
        assert await probe.until(lambda: len(probe.frames) == 2, 30)


@in_loop
async def test_a_header_in_parts_counts_only_for_older_releases() -> None:
    for patience, cuts in ((Patience(), 0), (Patience(header_s=0.0), 1)):
        async with connected(patience=patience) as (probe, peer):
            peer.sendall(FRAME[:1])
            await asyncio.sleep(0.05)
            peer.sendall(FRAME[1:])
            assert await probe.until(lambda probe=probe: len(probe.frames) == 1, 30)  # type: ignore[misc]
            assert len(probe.cuts) == cuts


@in_loop
async def test_frames_are_spoken_when_they_are_due() -> None:
    async with connected() as (probe, _):
        begun_s = time.monotonic()
        await probe.speak([FRAME] * 6)
        await probe.speak([FRAME] * 5)
        assert 0.2 <= time.monotonic() - begun_s < 10


@in_loop
async def test_what_came_before_a_reset_that_sending_finds_is_taken() -> None:
    async with connected() as (probe, peer):
        peer.sendall(FRAME + FRAME[:100])
        reset(peer)
        while await probe.send(FRAME):  # on the spot: the loop has no turn in which to read
            pass
        assert (probe.ended, len(probe.frames), probe.unfinished) == (How.RESET, 1, FRAME[:100])


@in_loop
async def test_leaving_resets_nothing() -> None:
    async with connected() as (probe, peer):
        peer.sendall(FRAME)
        await asyncio.sleep(0.05)
        leaving = asyncio.create_task(probe.leave())
        assert await asyncio.to_thread(peer.recv, 10) == b""
        peer.close()
        await leaving
        assert probe.ended is How.CLOSED
