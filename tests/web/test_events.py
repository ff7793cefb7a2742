"""Server-sent events: what is told, to whom, and how much of it to a reader that is slow."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import Iterator

import pytest

from audiosocket_cli.server.call_list import CallList
from audiosocket_cli.server.watching import Watching
from audiosocket_cli.web.events import Events
from audiosocket_cli.web.live_calls import LiveCalls
from support.peers import FRAME, opening, read_to_end
from support.web import Stream, Web, calling, running


@pytest.fixture(scope="module", params=["1", "2"], ids=["one process", "workers"])
def web(request: pytest.FixtureRequest) -> Iterator[Web]:
    with running("--echo", "--workers", request.param) as started:
        yield started


def next_call(stream: Stream, call: str, state: str) -> dict[str, object]:
    while True:
        told: dict[str, object] = stream.next("call")[1]
        if (told["uuid"], told["state"]) == (call, state):
            return told


def test_a_reader_is_told_of_a_call_from_its_begin_to_its_end(web: Web) -> None:
    with Stream(web) as stream:
        assert stream.status == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["x-accel-buffering"] == "no"  # or nginx holds the events back
        assert stream.headers["cache-control"] == "no-store"
        assert stream.next()[0] == "about"
        assert stream.next()[0] == "calls"
        with calling(web, 5, "12") as peer:
            began = next_call(stream, opening(5)[0], "live")
            digits = [stream.next("digit")[1] for _ in range(2 - len(str(began["digits"])))]
            told = str(began["digits"]) + "".join(one["digit"] for one in digits)
            assert told == "12"
            while True:
                peer.sendall(FRAME * 10)
                levels = stream.next("levels")[1]["levels"].get(began["id"])
                if levels and None not in levels:
                    break
            assert all(-60 < level <= 0 for level in levels)
            peer.shutdown(socket.SHUT_WR)
            read_to_end(peer)
        ended = next_call(stream, opening(5)[0], "ended")
        assert (ended["ended_by"], ended["ended_how"]) == ("caller", "closed")


def test_who_comes_later_begins_with_all_calls(web: Web) -> None:
    example = uuid.UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
    with Stream(web) as first, calling(web, uuid_of=example):
        next_call(first, str(example), "live")
        with Stream(web) as later:
            calls = later.next("calls")[1]
            found = [call for call in calls["calls"] if call["uuid"] == str(example)]
            assert [one["finding_id"] for one in found[0]["findings"]] == ["uuid-example"]
            assert calls["count"] == len(calls["calls"])


def test_levels_are_measured_only_while_somebody_looks(web: Web) -> None:
    with calling(web, 6) as peer:
        peer.sendall(FRAME * 10)
        call = web.until("/api/calls", lambda told: told["count"] == 1)["calls"][0]
        assert call["levels_dbfs"] == [None, None]


def test_too_many_readers_are_refused_and_one_more_may_come_when_one_has_gone(web: Web) -> None:
    streams = [Stream(web) for _ in range(64)]
    try:
        assert {stream.status for stream in streams} == {200}
        for stream in streams:
            stream.next("calls")
        with Stream(web) as refused:
            assert refused.status == 503
        assert web.ask("/api/calls").status == 200
    finally:
        for stream in streams:
            stream.peer.close()
            stream.__exit__()
    while True:
        with Stream(web) as again:
            if again.status == 200:
                break


def test_how_many_calls_there_are_is_told_when_one_begins_and_ends(web: Web) -> None:
    web.until("/api/calls", lambda told: told["count"] == 0)
    with Stream(web) as stream:
        with calling(web, 8) as peer:
            assert stream.next("count")[1] == {"count": 1}
            peer.sendall(b"\0\0\0")
            read_to_end(peer)
        assert stream.next("count")[1] == {"count": 0}


def test_readers_that_come_and_go_do_not_begin_and_end_the_look_at_calls_each_time() -> None:
    orders: list[bool] = []

    class Counted(Watching):
        def begin(self) -> None:
            orders.append(True)

        def end(self) -> None:
            orders.append(False)

    async def coming_and_going() -> None:
        watching = Counted(CallList())
        live = LiveCalls(watching)
        events = Events(watching, live, dict, linger_s=0.3)
        for _ in range(1000):
            reader = events.enter()
            events.leave(reader)
        assert orders == [True]
        async with asyncio.timeout(60):
            while orders != [True, False]:
                await asyncio.sleep(0.01)
        events.leave(events.enter())
        assert orders == [True, False, True]

    asyncio.run(coming_and_going())
