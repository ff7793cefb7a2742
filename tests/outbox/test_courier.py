"""The life of a spool in a process: one delivers, another takes over, and what is left at the end is told."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audiosocket_cli.outbox.courier import Courier, Delivery
from audiosocket_cli.outbox.reconcile import Found
from audiosocket_cli.outbox.spool import Spool
from support.running import wait_until

MAX_WAIT_S = 60


class Carrier:
    """Delivers events, unless something is wrong."""

    def __init__(self, spool: Spool, problem: str | None = None) -> None:
        self.problem = problem
        self.events: list[str] = []
        self.begun = threading.Event()
        self._spool = spool

    def work(self, stop: threading.Event) -> None:
        self.begun.set()
        while not stop.wait(0.01):
            if self.problem is None:
                events = self._spool.due_events(10)
                self.events += [event.event for event in events]
                self._spool.finish_events([event.id for event in events])


def courier_of(spool: Spool, carrier: Carrier, lines: list[str], **more: object) -> Courier:
    delivery = Delivery(
        "sending", lambda: carrier, spool.take_back_events, lambda figures: figures.waiting_events, "event"
    )
    return Courier(spool, [delivery], lines.append, **more)  # type: ignore[arg-type]


def test_all_is_delivered_before_the_end(tmp_path: Path) -> None:
    spool, lines = Spool(tmp_path), []
    carrier = Carrier(spool)
    courier = courier_of(spool, carrier, lines)
    spool.put_event("call", "u", {})
    spool.put_event("ended", "u", {})
    left = courier.end(MAX_WAIT_S)
    assert carrier.events == ["call", "ended"]
    assert (left.figures.waiting_events, left.figures.sent, left.is_elsewhere) == (0, 2, False)
    assert lines == []
    spool.close()


def test_what_cannot_be_delivered_in_time_is_left(tmp_path: Path) -> None:
    spool, lines = Spool(tmp_path), []
    states: list[tuple[str, str | None]] = []
    carrier = Carrier(spool, "the bus is away")
    courier = courier_of(spool, carrier, lines, on_state=lambda *state: states.append(state))
    spool.put_event("call", "u", {})
    wait_until(lambda: bool(states))
    left = courier.end(1.2)
    assert left.figures.waiting_events == 1
    assert states == [("sending", "the bus is away")]
    assert lines == ["sending 1 event, for 1.2 s at most; a second signal ends it and keeps the rest"]
    spool.close()


def test_a_patient_end_waits_as_long_as_something_goes_on(tmp_path: Path) -> None:
    spool, lines = Spool(tmp_path), []
    carrier = Carrier(spool)
    slow = threading.Event()

    def work(stop: threading.Event) -> None:
        while not stop.is_set():
            for event in spool.due_events(1):
                slow.wait(0.3)
                spool.finish_events([event.id])
            stop.wait(0.01)

    carrier.work = work  # type: ignore[method-assign]
    courier = courier_of(spool, carrier, lines)
    for _ in range(6):
        spool.put_event("call", "u", {})
    assert courier.end(1.5, patient=True).figures.waiting_events == 0
    spool.close()


HOLD = """
import sys, time
from pathlib import Path
from audiosocket_cli.outbox.courier import Courier, Delivery
from audiosocket_cli.outbox.spool import Spool

class Idle:
    problem = None
    def work(self, stop):
        print("delivering", flush=True)
        stop.wait()

spool = Spool(Path(sys.argv[1]), about={"upload": "s3://b"})
spool.put_event("call", "u", {"event": "call"})
spool.sync()
courier = Courier(spool, [Delivery("sending", Idle, spool.take_back_events, lambda figures: 0, 'event')], print)
sys.stdin.read()
"""


@contextmanager
def holding(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that delivers."""
    command = [sys.executable, "-c", HOLD, folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "delivering\n"
        yield holder


def test_another_takes_over_from_one_that_died_and_finds_what_it_left(tmp_path: Path) -> None:
    with holding(tmp_path) as holder:
        spool, lines = Spool(tmp_path), []
        found: list[Found] = []

        def take(one: Found) -> None:
            found.append(one)
            spool.put_cut(None, one.lives, {"event": "cut"})

        carrier = Carrier(spool)
        courier = courier_of(spool, carrier, lines, on_found=take)
        assert not carrier.begun.wait(1.5)
        holder.kill()
        holder.wait()
    assert carrier.begun.wait(MAX_WAIT_S)
    wait_until(lambda: carrier.events == ["call", "cut"])
    wait_until(lambda: spool.processes.dead() == [])
    courier.end(MAX_WAIT_S)
    assert [live.uuid for one in found for live in one.lives] == ["u"]
    spool.close()


def test_the_end_does_not_wait_for_what_another_process_delivers(tmp_path: Path) -> None:
    with holding(tmp_path) as holder:
        spool = Spool(tmp_path)
        left = courier_of(spool, Carrier(spool), []).end(MAX_WAIT_S)
        assert left.is_elsewhere
        assert left.figures.waiting_events == 1
        spool.close()
        holder.kill()


def test_an_error_of_our_own_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiosocket_cli.outbox.courier._TRY_AGAIN_S", 0.01)
    spool, lines = Spool(tmp_path), []
    carrier = Carrier(spool)
    work, failures = carrier.work, iter([RuntimeError("odd")])

    def fails_once(stop: threading.Event) -> None:
        spool.due_events(10)
        for error in failures:
            raise error
        work(stop)

    spool.put_event("call", "u", {})
    spool.sync()
    carrier.work = fails_once  # type: ignore[method-assign]
    courier = courier_of(spool, carrier, lines)
    wait_until(lambda: bool(lines))
    carrier.work = work  # type: ignore[method-assign]
    courier.end(MAX_WAIT_S)
    assert carrier.events == ["call"]
    assert lines[0] == "internal error while sending: RuntimeError('odd') (trying again in 0 s)"
    spool.close()


def test_a_lock_that_cannot_be_taken_is_told_and_is_no_fault_of_ours(tmp_path: Path) -> None:
    spool, lines = Spool(tmp_path), []
    (tmp_path / "sending.lock").mkdir()  # as one that another user has made
    courier = courier_of(spool, Carrier(spool), lines)
    wait_until(lambda: bool(lines))
    courier.end(0.0)
    spool.close()
    assert lines == [f"cannot begin sending: is a directory: {tmp_path / 'sending.lock'} (trying again in 60 s)"]
