"""Events from a real spool to real receivers: each call's in order, each at least once, whoever is away or fails."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from audiosocket_cli.outbox import back_off, event_sender
from audiosocket_cli.outbox.bus import Bus
from audiosocket_cli.outbox.event_sender import EventSender
from audiosocket_cli.outbox.event_target import parse_target
from audiosocket_cli.outbox.spool import Spool
from audiosocket_cli.outbox.webhook import Webhook
from audiosocket_cli.outbox.webhook_secret import parse_secrets
from support.nats_bus import nats_server
from support.peers import free_port
from support.running import wait_until
from support.webhook_receiver import ACCEPTED, SECRET, Receiver, Reply, receiving

NAMES = ("call", "digit", "digit", "ended")


def uuid_of(number: int) -> str:
    return str(UUID(int=number))


class Sending:
    """A spool with a sender that works."""

    def __init__(self, folder: Path, bus: Bus, on_dropped: Callable[[int], object]) -> None:
        self.lines: list[str] = []
        self.spool = Spool(folder, tell=self.lines.append)
        self.sender = EventSender(self.spool, bus, self.lines.append, on_dropped=on_dropped)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.sender.work, args=(self.stop,))

    def put(self, calls: int, *, first: int = 1) -> None:
        """Put the events of calls, mixed as calls are."""
        waiting = {number: list(enumerate(NAMES)) for number in range(first, first + calls)}
        while waiting:
            number = random.choice(list(waiting))
            at, name = waiting[number].pop(0)
            self.spool.put_event(name, uuid_of(number), {"event": name, "uuid": uuid_of(number), "number": at})
            if not waiting[number]:
                del waiting[number]

    def wait_until(self, condition: Callable[[], object]) -> None:
        wait_until(condition, self.lines)

    def drain(self) -> None:
        """Wait until nothing waits."""
        self.spool.sync()
        self.wait_until(lambda: not self.spool.figures().waiting_events)


@contextmanager
def sending(folder: Path, bus: Bus, *, on_dropped: Callable[[int], object] = lambda count: None) -> Iterator[Sending]:
    sending = Sending(folder, bus, on_dropped)
    sending.thread.start()
    try:
        yield sending
    finally:
        sending.stop.set()
        sending.thread.join(60)
        bus.close()
        sending.spool.close()


def webhook(receiver: Receiver, parallel: int = 4) -> Webhook:
    return Webhook(receiver.url, parse_secrets(SECRET, "FILE"), parallel=parallel)


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(back_off, "MAX_WAIT_S", 0.1)
    monkeypatch.setattr(event_sender, "_TOLD_FROM_S", 0.0)


def assert_in_order(received: list[dict[str, Any]], calls: int) -> None:
    """Check that each call's events came in order; one that was repeated counts where it came first."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for event in received:
        if event["number"] not in numbers[event["uuid"]]:
            numbers[event["uuid"]].append(event["number"])
    assert len(numbers) == calls
    assert all(seen == list(range(len(NAMES))) for seen in numbers.values())


def test_each_event_is_posted_once_in_the_order_of_its_call(tmp_path: Path) -> None:
    with receiving(Receiver()) as receiver, sending(tmp_path, webhook(receiver)) as sent:
        sent.put(100)
        sent.drain()
        assert len(receiver.events) == 400
        assert_in_order(receiver.events, 100)
        assert [event["id"] for event in receiver.events] == receiver.ids
        assert len(set(receiver.ids)) == 400
        assert sent.lines == []
        assert sent.spool.figures().sent == 400


def test_each_event_is_published_once_in_the_order_of_its_call(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        server.add_stream("CALLS", ["calls.>"])
        with sending(tmp_path / "spool", parse_target(f"{server.url}/calls").open()) as sent:
            sent.put(100)
            sent.drain()
        messages = server.messages("CALLS")
        assert len(messages) == 400
        assert_in_order([event for _, event, _ in messages], 100)
        assert all(subject == f"calls.{event['event']}" for subject, event, _ in messages)
        assert all(event["id"] == event_id for _, event, event_id in messages)


def test_events_of_no_call_do_not_wait_for_each_other(tmp_path: Path) -> None:
    release = threading.Event()
    receiver = Receiver(lambda event: ACCEPTED if event["number"] or release.wait(60) else None)
    with receiving(receiver), sending(tmp_path, webhook(receiver)) as sent:
        for number in range(3):
            sent.spool.put_event("refused", None, {"event": "refused", "number": number})
        receiver.wait_for(lambda: len(receiver.events) == 3)
        release.set()
        sent.drain()


def test_an_event_of_no_call_is_sent_again_too(tmp_path: Path) -> None:
    replies = [500, 500]
    receiver = Receiver(lambda event: (replies.pop() if replies else 204, {}, b""))
    with receiving(receiver), sending(tmp_path, webhook(receiver)) as sent:
        sent.spool.put_event("refused", None, {"event": "refused"})
        sent.drain()
        assert len(receiver.events) == 3


def test_a_receiver_that_is_away_at_the_start_gets_all_once_it_is_there(tmp_path: Path) -> None:
    with receiving(Receiver(), port=free_port()) as receiver:
        bus = webhook(receiver)
        port = receiver.url.port
    with sending(tmp_path, bus) as sent:
        sent.put(20)
        sent.wait_until(lambda: sent.lines)
        assert sent.sender.problem == f"http://127.0.0.1:{port}: connection refused"
        assert port is not None
        with receiving(receiver, port=port):
            sent.drain()
            assert sent.sender.problem is None
        assert_in_order(receiver.events, 20)
        assert sent.lines[0] == f"events wait: http://127.0.0.1:{port}: connection refused"
        assert sent.lines[-1].startswith(f"events go out again: http://127.0.0.1:{port} was away for ")
        assert len(sent.lines) == 2, "however often it was tried"


def test_a_server_that_is_killed_in_the_middle_has_each_event_once(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        server.add_stream("CALLS", ["calls.>"])
        with sending(tmp_path / "spool", parse_target(f"{server.url}/calls").open()) as sent:
            for number in range(4):
                sent.put(50, first=1 + 50 * number)
                sent.wait_until(lambda number=number: sent.spool.figures().sent > 200 * number + 20)
                server.stop(signal.SIGKILL)
                server.start()
            sent.drain()
        messages = server.messages("CALLS")
        assert_in_order([event for _, event, _ in messages], 200)
        assert len(messages) == 800


def test_a_stream_that_is_deleted_meanwhile_is_told_with_its_cure_and_nothing_is_lost(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        server.add_stream("CALLS", ["calls.>"])
        with sending(tmp_path / "spool", parse_target(f"{server.url}/calls").open()) as sent:
            sent.put(10)
            sent.drain()
            server.delete_stream("CALLS")
            sent.put(10, first=11)
            sent.wait_until(lambda: sent.lines)
            server.add_stream("CALLS", ["calls.>"])
            sent.drain()
        assert_in_order([event for _, event, _ in server.messages("CALLS")], 10)
        assert sent.lines[0].endswith('nats stream add CALLS --subjects "calls.>" --defaults')
        assert len(sent.lines) == 2


def test_a_call_whose_event_fails_holds_up_no_other_and_stays_in_order(tmp_path: Path) -> None:
    broken = {uuid_of(3): 3, uuid_of(5): 2}

    def reply(event: dict[str, Any]) -> Reply:
        if event["number"] == 1 and broken.get(event["uuid"]):
            broken[event["uuid"]] -= 1
            return 500, {}, b"no such table"
        return ACCEPTED

    with receiving(Receiver(reply)) as receiver, sending(tmp_path, webhook(receiver)) as sent:
        sent.put(20)
        sent.drain()
        assert_in_order(receiver.events, 20)
        assert len(receiver.events) == 85
        assert len(set(receiver.ids)) == 80, "sent again under the same id"
        url = receiver.url
        assert sent.lines == [
            f"an event waits: http://127.0.0.1:{url.port}: HTTP 500 Internal Server Error: no such table"
        ]


def test_one_event_that_never_arrives_holds_up_its_own_call_only(tmp_path: Path) -> None:
    def reply(event: dict[str, Any]) -> Reply:
        return (500, {}, b"") if (event["uuid"], event["number"]) == (uuid_of(7), 1) else ACCEPTED

    with receiving(Receiver(reply)) as receiver, sending(tmp_path, webhook(receiver)) as sent:
        sent.put(50)
        sent.spool.sync()
        sent.wait_until(lambda: sent.spool.figures().waiting_events == 3)
        others = [event for event in receiver.events if event["uuid"] != uuid_of(7)]
        assert_in_order(others, 49)
        assert {event["number"] for event in receiver.events if event["uuid"] == uuid_of(7)} == {0, 1}


def test_a_receiver_that_fails_for_all_is_tried_with_one_event_at_a_time(tmp_path: Path) -> None:
    works = threading.Event()
    receiver = Receiver(lambda event: ACCEPTED if works.is_set() else (500, {}, b""))
    with receiving(receiver), sending(tmp_path, webhook(receiver)) as sent:
        sent.put(50)
        sent.wait_until(lambda: sent.sender.problem and sent.sender._lanes.busy <= 1)  # the first have failed
        receiver.wait_for(lambda: receiver.at_once == 0)
        tried = len(receiver.events)
        receiver.most_at_once = 0
        receiver.wait_for(lambda: len(receiver.events) > tried + 3)
        assert receiver.most_at_once == 1
        works.set()
        sent.drain()
        assert_in_order(receiver.events, 50)
        waits = f"http://127.0.0.1:{receiver.url.port}: HTTP 500 Internal Server Error"
        assert sent.lines[:2] == [f"an event waits: {waits}", f"events wait: {waits}"]
        assert len(sent.lines) == 3


@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_that_asks_to_be_left_alone_is(status: int, tmp_path: Path) -> None:
    asked = 1.0
    times: list[float] = []

    def reply(event: dict[str, Any]) -> Reply:
        times.append(time.monotonic())
        return (status, {"retry-after": f"{asked:.0f}"}, b"") if len(times) == 1 else ACCEPTED

    with receiving(Receiver(reply)) as receiver, sending(tmp_path, webhook(receiver, parallel=1)) as sent:
        sent.put(5)
        sent.drain()
        assert times[1] - times[0] >= asked
        assert_in_order(receiver.events, 5)


@pytest.mark.parametrize("status", [302, 401, 404, 410])
def test_a_url_that_is_wrong_loses_nothing_and_is_told(status: int, tmp_path: Path) -> None:
    replies = [status, status]
    with receiving(Receiver(lambda event: (replies.pop() if replies else 204, {}, b""))) as receiver:
        with sending(tmp_path, webhook(receiver)) as sent:
            sent.put(5)
            sent.drain()
        assert_in_order(receiver.events, 5)
        assert f"HTTP {status}" in sent.lines[0]


def test_a_short_pause_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_sender, "_TOLD_FROM_S", 600.0)
    replies = [429, 429, 503]
    with receiving(Receiver(lambda event: (replies.pop() if replies else 204, {}, b""))) as receiver:
        with sending(tmp_path, webhook(receiver)) as sent:
            sent.put(5)
            sent.drain()
        assert_in_order(receiver.events, 5)
        assert sent.lines == []


def test_an_event_that_is_refused_is_dropped_counted_and_told(tmp_path: Path) -> None:
    receiver = Receiver(lambda event: (422, {}, b"unknown digit") if event["number"] in (1, 2) else ACCEPTED)
    with receiving(receiver), sending(tmp_path, webhook(receiver)) as sent:
        sent.put(3)
        sent.drain()
        assert len(receiver.events) == 12, "the others go on"
        figures = sent.spool.figures()
        assert (figures.sent, figures.dropped) == (6, 6)
        assert len(sent.lines) == 1
        assert "an event (digit of 00000000-0000-0000-0000-00000000000" in sent.lines[0]
        assert sent.lines[0].endswith("HTTP 422 Unprocessable Entity: unknown digit")


def test_a_large_event_is_shortened_and_says_so(tmp_path: Path) -> None:
    digits = [{"digit": "5", "at_s": number / 10} for number in range(30_000)]
    with receiving(Receiver()) as receiver, sending(tmp_path, webhook(receiver)) as sent:
        sent.spool.put_event("ended", uuid_of(1), {"event": "ended", "call": {"dtmf": digits}})
        sent.spool.put_event("odd", uuid_of(1), {"event": "odd", "text": "x" * 600_000})
        sent.spool.put_event("call", uuid_of(1), {"event": "call"})
        sent.drain()
        event, last = receiver.events
        assert len(event["call"]["dtmf"]) + event["left_out"]["call.dtmf"] == 30_000
        assert len(json.dumps(event)) <= 512 << 10
        assert event["id"] == receiver.ids[0]
        assert last["event"] == "call"
        assert sent.spool.figures().dropped == 1
        assert sent.lines[0].endswith("it is larger than 524,288 bytes, however short its lists are")


def test_a_small_server_gets_shorter_events(tmp_path: Path) -> None:
    (tmp_path / "small.conf").write_text("max_payload: 8192")
    with nats_server(tmp_path, "-c", str(tmp_path / "small.conf")) as server:
        server.add_stream("CALLS", ["calls.>"])
        with sending(tmp_path / "spool", parse_target(f"{server.url}/calls").open()) as sent:
            digits = [{"digit": "5", "at_s": number / 10} for number in range(1000)]
            sent.spool.put_event("ended", uuid_of(1), {"event": "ended", "call": {"dtmf": digits}})
            sent.drain()
        [(_, event, _)] = server.messages("CALLS")
        assert len(event["call"]["dtmf"]) + event["left_out"]["call.dtmf"] == 1000
        assert event["call"]["dtmf"]


KILLED = """
import sys, threading
from pathlib import Path
from audiosocket_cli.outbox.event_target import parse_target
from audiosocket_cli.outbox.event_sender import EventSender
from audiosocket_cli.outbox.spool import Spool
spool = Spool(Path(sys.argv[1]))
bus = parse_target(sys.argv[2]).open()
EventSender(spool, bus, print).work(threading.Event())
"""


def test_one_that_is_killed_before_it_notes_an_arrival_sends_again_under_the_same_id(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.put_event("ended", uuid_of(1), {"event": "ended", "number": 0})
    spool.sync()
    spool.close()
    with receiving(Receiver()) as receiver:
        url = receiver.url.geturl()
        words = [sys.executable, "-c", KILLED, str(tmp_path), url]
        process = subprocess.Popen(words, env={**os.environ, "AUDIOSOCKET_EVENTS_SECRET": SECRET})

        def kill(event: dict[str, Any]) -> Reply:
            process.kill()
            process.wait()
            return ACCEPTED

        receiver.reply = kill
        receiver.wait_for(lambda: process.poll() is not None)
        receiver.reply = lambda event: ACCEPTED
        with sending(tmp_path, webhook(receiver)) as sent:
            sent.drain()
        assert len(receiver.events) == 2
        assert len(set(receiver.ids)) == 1


def test_the_end_does_not_wait_for_answers_and_what_is_on_its_way_stays(tmp_path: Path) -> None:
    hold = threading.Event()
    receiver = Receiver(lambda event: ACCEPTED if hold.wait(60) else None)
    with receiving(receiver):
        with sending(tmp_path, webhook(receiver)) as sent:
            sent.put(1)
            receiver.wait_for(lambda: receiver.at_once)
        spool = Spool(tmp_path)
        assert spool.figures().waiting_events == 4
        spool.close()
        hold.set()


def test_memory_is_bounded_whatever_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_sender, "MAX_HELD", 100)
    hold = threading.Event()
    receiver = Receiver(lambda event: ACCEPTED if hold.wait(60) else None)
    with receiving(receiver), sending(tmp_path, webhook(receiver)) as sent:
        sent.put(200)
        receiver.wait_for(lambda: receiver.at_once == 4)
        assert sent.sender._lanes.held <= 150
        hold.set()
        sent.drain()
        assert_in_order(receiver.events, 200)
