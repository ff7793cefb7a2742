"""Calls of a real server, watched and listened to: what is heard is what was said, and no call notices."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.sources.basic import Echo, Silence, Source
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.listen import ListeningSockets, bind
from audiosocket_cli.server import listening as listening_file
from audiosocket_cli.server import watching as watching_file
from audiosocket_cli.server.call_list import CallList
from audiosocket_cli.server.listening import Listening
from audiosocket_cli.server.options import RelayOptions, ServeOptions
from audiosocket_cli.server.readiness import Readiness
from audiosocket_cli.server.service import Service
from audiosocket_cli.server.watching import CannotListenError, Watching
from audiosocket_cli.server.workers import Workers
from support.watched import Caller, Watched, found, is_heard, noise, run, stereo, watched

NEAR_S = 1.0
"""A call's end is noticed by two at times that differ by less, also where a machine stands still just then."""


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost to a listener whom a busy machine holds up: that it may be is shown below."""
    monkeypatch.setattr(listening_file, "MAX_SOUND_S", 60.0)


hears_all = pytest.mark.usefixtures("patient")


async def all_of(listening: Listening) -> np.ndarray:
    got = b""
    async for samples in listening:
        got += samples
    return stereo(got)


async def speak_on(caller: Caller) -> None:
    while True:
        await caller.speak(noise(0.2))


async def levels_of(server: Watched, uuid: object) -> tuple[int | None, int | None]:
    call = await server.call(uuid)  # type: ignore[arg-type]
    both: tuple[int | None, int | None] = await found(
        lambda: (now := server.watching.levels().get(call.id)) not in (None, (None, None)) and now
    )
    return both


@hears_all
@pytest.mark.parametrize("source", [Echo(), Silence(), Silence(sparse=True)], ids=["echo", "silence", "in bulk"])
def test_a_listener_hears_what_was_said_until_the_call_ends(source: Source) -> None:
    async def work() -> None:
        said = noise(2.0)
        async with watched(lambda: source) as server, Caller(server.port) as caller:
            call = await server.call(caller.uuid)
            await caller.speak(noise(0.4, seed=9))  # so that it is read in bulk where it may be
            listening = await server.watching.listen(call, "192.0.2.7")
            assert listening.rate_hz == 8000
            hearing = asyncio.create_task(all_of(listening))
            await caller.speak(said)
            if isinstance(source, Echo):
                await found(lambda: len(caller.heard) > (3200 + len(said)) * 2)
            caller.hang_up()
            heard = await hearing
            assert listening.reason == "the call has ended"
            listening.close()
            assert is_heard(said, heard[:, 0])
            if isinstance(source, Echo):
                assert is_heard(said[:-1600], heard[:, 1])
            else:
                assert not heard[:, 1].any()
            await found(lambda: len(server.named("listened")) == 2)
            told = server.named("listened")
            assert [one["by"] for one in told] == ["192.0.2.7", "192.0.2.7"]
            assert told[0]["to_s"] is None
            assert told[0]["from_s"] > 0.3  # once the first was said
            assert len(heard) / 8000 == pytest.approx(told[1]["to_s"] - told[0]["from_s"], abs=NEAR_S)
            assert told[1]["missed_s"] == 0

    run(work)


@hears_all
def test_a_proxys_call_is_listened_to_with_both_of_its_sides() -> None:
    async def work() -> None:
        said = noise(1.5)
        async with watched(Echo) as far:
            relay = RelayOptions([Address("127.0.0.1", far.port)])
            async with watched(relay=relay) as server, Caller(server.port) as caller:
                listening = await server.watching.listen(await server.call(caller.uuid), "me")
                hearing = asyncio.create_task(all_of(listening))
                await caller.speak(said)
                await found(lambda: len(caller.heard) >= len(said) * 2)
                caller.hang_up()
                heard = await hearing
                listening.close()
                for column in (0, 1):
                    assert is_heard(said[:8000], heard[:, column])

    run(work)


def test_levels_are_measured_while_somebody_looks_and_only_then() -> None:
    async def work() -> None:
        async with watched(Echo) as server, Caller(server.port) as caller, Caller(server.port) as silent:
            await caller.speak(noise(0.2))
            (live,) = [one for one in server.server.live if one.session.call and one.session.call.uuid == caller.uuid]
            assert live.session._queue._peeks == ()  # type: ignore[attr-defined]
            server.watching.begin()
            speaking = asyncio.create_task(speak_on(caller))
            loud, quiet = await server.call(caller.uuid), await server.call(silent.uuid)
            await found(lambda: -30 < (server.watching.levels().get(loud.id, (None, None))[0] or 0) < -10)
            await found(lambda: server.watching.levels().get(quiet.id) == (None, -96))  # an echo says silence
            speaking.cancel()
            server.watching.end()
            await found(lambda: live.session._queue._peeks == ())  # type: ignore[attr-defined]
            assert server.watching.levels() == {}

    run(work)


def test_calls_that_begin_and_end_while_somebody_looks_come_and_go() -> None:
    async def work() -> None:
        async with watched(Echo) as server:
            server.watching.begin()
            async with Caller(server.port) as caller:
                await caller.speak(noise(0.6))
                await levels_of(server, caller.uuid)
                caller.hang_up()
                await found(lambda: not server.server.live)
            await found(lambda: server.watching.levels() == {})
            server.watching.end()

    run(work)


@hears_all
def test_two_listen_to_one_call_and_one_leaves() -> None:
    async def work() -> None:
        said = noise(1.5)
        heard_of: list[tuple[str, list[str]]] = []
        async with watched(Echo) as server, Caller(server.port) as caller:
            server.watching.on_listeners = lambda name, by: heard_of.append((name, by))
            call = await server.call(caller.uuid)
            first = await server.watching.listen(call, "a")
            second = await server.watching.listen(call, "b")
            hearing = [asyncio.create_task(all_of(one)) for one in (first, second)]
            await caller.speak(noise(0.3, seed=4))
            first.close()
            await caller.speak(said)
            caller.hang_up()
            heard = await hearing[1]
            second.close()
            assert is_heard(said, heard[:, 0])
            hearing[0].cancel()
            assert [by for _, by in heard_of] == [["a"], ["a", "b"], ["b"], []]
            await found(lambda: len(server.named("listened")) == 4)

    run(work)


def test_a_slow_reader_loses_the_oldest_and_is_told_how_much() -> None:
    async def work() -> None:
        said = noise(3.0)
        async with watched(Echo) as server, Caller(server.port) as caller:
            listening = await server.watching.listen(await server.call(caller.uuid), "slow")
            await caller.speak(said)
            caller.hang_up()
            await found(lambda: listening.reason)
            heard = await all_of(listening)
            listening.close()
            assert len(heard) <= 8000
            assert listening.dropped_s >= 1.9
            await found(lambda: len(server.named("listened")) == 2)
            told = server.named("listened")[1]
            listened_s = told["to_s"] - told["from_s"]
            assert listening.dropped_s + len(heard) / 8000 == pytest.approx(listened_s, abs=NEAR_S)
            assert told["missed_s"] == pytest.approx(listening.dropped_s, abs=0.001)

    run(work)


def test_a_second_is_kept_for_a_slow_reader_however_it_came() -> None:
    async def work() -> None:
        samples = np.arange(2 * 20_000, dtype="<i2").tobytes()
        for pieces in ([samples], [samples[:4], samples[4:]], [samples[:79_996], samples[79_996:]]):
            listening = Listening((0, 1), "slow", lambda: None)
            listening.begin(8000, 0.0)
            for piece in pieces:
                listening.put(piece)
            listening.end("the call has ended")
            assert b"".join([got async for got in listening]) == samples[-32_000:]
            assert listening.dropped == 12_000

    run(work)


@hears_all
def test_a_call_is_listened_to_at_its_own_rate() -> None:
    async def work() -> None:
        said = noise(1.0, 16000)
        async with watched(Echo) as server, Caller(server.port, rate_hz=16000) as caller:
            await caller.speak(noise(0.1, 16000))
            listening = await server.watching.listen(await server.call(caller.uuid), "me")
            assert listening.rate_hz == 16000
            hearing = asyncio.create_task(all_of(listening))
            await caller.speak(said)
            caller.hang_up()
            assert is_heard(said[1600:], (await hearing)[:, 0])
            listening.close()

    run(work)


def test_a_call_that_says_nothing_is_silence_at_8_khz() -> None:
    async def work() -> None:
        async with watched(lambda: Silence(sparse=True)) as server, Caller(server.port) as caller:
            listening = await server.watching.listen(await server.call(caller.uuid), "me")
            assert listening.rate_hz == 8000
            first = await anext(aiter(listening))
            assert not np.any(stereo(first))
            listening.close()

    run(work)


def test_who_cannot_listen_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with watched(Echo) as server, Caller(server.port) as caller:
            call = await server.call(caller.uuid)
            monkeypatch.setattr(watching_file, "MAX_LISTENERS", 1)
            only = await server.watching.listen(call, "a")
            with pytest.raises(CannotListenError, match="there are 1 listeners already") as too_many:
                await server.watching.listen(call, "b")
            assert too_many.value.status == HTTPStatus.SERVICE_UNAVAILABLE
            only.close()
            only.close()
            caller.hang_up()
            ended = await found(lambda: (now := server.watching.calls.find(str(caller.uuid))).has_ended and now)
            with pytest.raises(CannotListenError, match="has ended") as gone:
                await server.watching.listen(ended, "a")
            assert gone.value.status == HTTPStatus.GONE
            with pytest.raises(CannotListenError, match="has ended"):  # known too late
                await server.watching.listen(call, "a")

    run(work)


def test_a_process_that_does_not_respond_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        monkeypatch.setattr(watching_file, "_START_TIMEOUT_S", 0.05)
        async with watched(Echo) as server, Caller(server.port) as caller:
            call = await server.call(caller.uuid)
            server.watching.attach_watch(lambda process, what: None)
            with pytest.raises(CannotListenError, match="does not respond"):
                await server.watching.listen(call, "a")

    run(work)


@pytest.mark.parametrize(
    "news",
    [
        {"levels": [[1, "loud", None]]},
        {"levels": [[1, 2]]},
        {"levels": [3]},
        {"call": 1, "samples": "not base64!"},
        {"call": 1, "sound": {"rate_hz": "8000"}},
        {"what": 1},
    ],
)
def test_nonsense_is_refused(news: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Watching(CallList()).take(0, news)


# With workers.


@contextlib.asynccontextmanager
async def workers(folder: Path) -> AsyncIterator[Watched]:
    """Two workers that answer calls, as the command has them, with a parent that watches."""
    address = Address("127.0.0.1", 0)
    watching = Watching(CallList())
    sockets = ListeningSockets(bind(address))
    port = sockets.addresses[0].port
    service = Service(sockets, Readiness(), None, calls=watching.calls, watching=watching)
    options = ServeOptions(address, CallOptions())
    command = [sys.executable, "-m", "audiosocket_cli", "serve", "--echo"]

    class Log:
        lines: list[str]

        def __init__(self) -> None:
            self.lines = []

        def report(self, event: object) -> None:
            pass

        def relay(self, line: str) -> None:
            self.lines.append(line)

        complain = relay

    log = Log()
    parent = Workers(options, 2, lambda channel: [*command, "--worker", str(channel)], log, service)
    running = asyncio.create_task(parent.run())
    try:
        await found(lambda: str(service.readiness.state) == "ready" or running.done())
        server = Watched(port, watching, parent)  # type: ignore[arg-type]
        server.events = log.lines  # type: ignore[assignment]
        yield server
    finally:
        parent._end("stop")
        await running


@hears_all
def test_calls_of_workers_are_watched_and_listened_to(tmp_path: Path) -> None:
    async def work() -> None:
        said = noise(1.5)
        async with workers(tmp_path) as server:
            server.watching.begin()
            async with contextlib.AsyncExitStack() as stack:
                callers, calls = [], []
                while len(calls) < 4 or len({call.key[0] for call in calls}) < 2:  # until both have calls
                    callers.append(await stack.enter_async_context(Caller(server.port)))
                    calls.append(await server.call(callers[-1].uuid))
                callers, calls = callers[-4:], calls[-4:]
                listening = [await server.watching.listen(call, "198.51.100.3") for call in calls]
                hearing = [asyncio.create_task(all_of(one)) for one in listening]
                await asyncio.gather(*(caller.speak(said) for caller in callers))
                for caller in callers:
                    await levels_of(server, caller.uuid)
                    caller.hang_up()
                for heard in await asyncio.gather(*hearing):
                    assert is_heard(said, heard[:, 0])
                    assert is_heard(said[:8000], heard[:, 1])
                for one in listening:
                    one.close()
            for what in ("is", "was"):
                line = f"{what} listened to by 198.51.100.3 from"
                await found(lambda line=line: "\n".join(map(str, server.events)).count(line) == 4)

    run(work)


def test_a_worker_that_dies_ends_what_is_heard_of_it_and_its_successor_is_watched(tmp_path: Path) -> None:
    async def work() -> None:
        async with workers(tmp_path) as server:
            server.watching.begin()
            async with Caller(server.port) as caller:
                call = await server.call(caller.uuid)
                listening = await server.watching.listen(call, "me")
                os.kill(call.key[0], signal.SIGKILL)
                await asyncio.wait_for(all_of(listening), 30)
                assert listening.reason == "its process died"
                listening.close()
            for _ in range(4):
                async with Caller(server.port, uuid=uuid4()) as caller:
                    speaking = asyncio.create_task(caller.speak(noise(1.0)))
                    await levels_of(server, caller.uuid)
                    await speaking

    run(work)
