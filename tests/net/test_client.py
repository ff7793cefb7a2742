"""Placing several calls: a signal ends all of them, also one that is still dialled, and those that wait their turn."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import Any
from uuid import UUID, uuid4

import pytest

from audiosocket_cli.call.live_call import CallOptions, LiveCall
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.client import PlacedCall, place_all, place_in_turn
from audiosocket_cli.net.dialler import Dialler
from audiosocket_cli.net.listen import bind


def test_a_call_that_is_dialled_when_a_signal_comes_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with bind(Address("127.0.0.1", 0))[0] as listener:
        target = Address("127.0.0.1", listener.getsockname()[1])

        async def main() -> list[Any]:
            loop, stopped, looked_up = asyncio.get_running_loop(), asyncio.Event(), 0
            real = Dialler.dial

            async def slow_for_the_second(dialler: Dialler, uuid: UUID) -> Any:
                nonlocal looked_up
                looked_up += 1
                if looked_up == 2:
                    await stopped.wait()
                return await real(dialler, uuid)

            def stop_with_the_first(live: LiveCall) -> None:
                if not stopped.is_set():
                    os.kill(os.getpid(), signal.SIGTERM)
                    loop.call_later(0.2, stopped.set)

            monkeypatch.setattr(Dialler, "dial", slow_for_the_second)
            async with asyncio.timeout(20):
                return await place_all(target, [uuid4(), uuid4()], CallOptions(), watch=stop_with_the_first)

        assert [placed.signal for placed in asyncio.run(main())] == [signal.SIGTERM] * 2


def test_calls_that_wait_their_turn_are_left_out_after_a_signal() -> None:
    with bind(Address("127.0.0.1", 0))[0] as listener:
        target = Address("127.0.0.1", listener.getsockname()[1])

        async def main() -> Any:
            with contextlib.ExitStack() as peers:

                async def stop_with_the_second() -> None:
                    loop = asyncio.get_running_loop()
                    for _ in range(2):
                        peer, _ = await loop.sock_accept(listener)
                        peers.enter_context(peer)
                        peer.setblocking(False)
                        assert await loop.sock_recv(peer, 1)
                    os.kill(os.getpid(), signal.SIGTERM)

                stopping = asyncio.create_task(stop_with_the_second())
                async with asyncio.timeout(20):
                    done = await place_in_turn(target, [(uuid4(), CallOptions()) for _ in range(3)], 2)
                await stopping
                return done

        done = asyncio.run(main())
    assert done.signal == signal.SIGTERM
    assert [type(placed) for placed in done.calls] == [PlacedCall, PlacedCall, type(None)]
