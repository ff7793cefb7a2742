"""The server's own process: its start, its log, its death, its end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from audiosocket_cli.check.subject import Log, Subject, free_port
from audiosocket_cli.errors import NetworkError, UsageError
from audiosocket_cli.net.address import Address
from support.running import is_running

SERVER = [sys.executable, str(Path(__file__).parents[1] / "support" / "faulty.py"), "{port}"]


@pytest.fixture(autouse=True)
def _support_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))


def with_subject(command: list[str], test: Callable[[Subject], Awaitable[None]], within_s: float = 20) -> None:
    async def whole() -> None:
        subject = Subject(command, Address("127.0.0.1", free_port()), within_s)
        try:
            await test(subject)
        finally:
            await subject.end()
            await subject.end()

    asyncio.run(whole())


def test_a_server_is_started_and_ended_with_all_that_it_started() -> None:
    pids: list[int] = []

    async def test(subject: Subject) -> None:
        await subject.start()
        assert subject.how_it_died() is None
        pids.extend(subject.pids())
        assert len(pids) == 2

    shell = ["sh", "-c", f"sleep 300 & exec {' '.join(SERVER)}"]
    with_subject(shell, test)
    assert not any(map(is_running, pids))


def test_a_server_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiosocket_cli.check.subject._TERM_S", 0.3)
    pids: list[int] = []

    async def test(subject: Subject) -> None:
        await subject.start()
        pids.append(subject.pid)

    with_subject(["sh", "-c", f"trap '' TERM; {' '.join(SERVER)}"], test)
    assert not is_running(pids[0])


def test_what_it_writes_is_kept_by_time() -> None:
    async def test(subject: Subject) -> None:
        await subject.start()
        while len(subject.log.since(0.0)) < 2:
            await asyncio.sleep(0.01)
        assert subject.log.since(0.0) == ["hello", "listening"]
        assert subject.log.since(time.monotonic()) == []

    with_subject(["sh", "-c", f"echo hello; exec {' '.join(SERVER)}"], test)


def test_a_log_is_bounded() -> None:
    log = Log()
    log.take(b"x" * 10_000_000)
    for number in range(10_000):
        log.take(b"line %d\nand " % number)
    lines = log.since(0.0)
    assert len(lines) == 20
    assert lines[-2:] == ["and line 9999", "and"]
    assert max(map(len, lines)) <= 500


def test_a_line_that_is_not_whole_is_in_the_log() -> None:
    log = Log()
    log.take(b"one\ntwo is lo")
    assert log.since(0.0) == ["one", "two is lo"]
    log.take(b"nger\n")
    assert log.since(0.0) == ["one", "two is longer"]
    log.take(b"an old prompt> ")
    assert log.since(time.monotonic() + 1) == []


def test_a_death_is_told() -> None:
    async def test(subject: Subject) -> None:
        await subject.start()
        stop_s = time.monotonic() + 60
        while subject.how_it_died() is None and time.monotonic() < stop_s:
            await asyncio.sleep(0.05)
        assert subject.how_it_died() == "the server exited with code 7"
        await subject.start()
        assert subject.starts == 2

    with_subject(["sh", "-c", f"{' '.join(SERVER)} & sleep 1; kill $!; exit 7"], test)


LATE = """
import socket, sys, time
time.sleep(0.3)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
listener.settimeout(0.7)
try:
    listener.accept()
    print("called", flush=True)
except TimeoutError:
    print("left alone", flush=True)
time.sleep(60)
"""


def test_a_server_that_begins_to_listen_is_left_alone() -> None:
    async def test(subject: Subject) -> None:
        begun_s = time.monotonic()
        await subject.start()
        while not subject.log.since(begun_s):
            await asyncio.sleep(0.05)
        assert subject.log.since(begun_s) == ["left alone"]

    with_subject([sys.executable, "-c", LATE, "{port}"], test)


@pytest.mark.parametrize(
    ("command", "error", "text"),
    [
        (["sh", "-c", "echo no such model >&2; exit 3"], NetworkError,
         r"the server exited with code 3 before it listened on 127.0.0.1:\d+; its last words: no such model"),
        (["sleep", "60"], NetworkError, r"did not listen on 127.0.0.1:\d+ within 0.5 s: raise --start-within"),
        (["/no/such/server"], UsageError, r"cannot start '/no/such/server': no such file"),
        (["a\0b"], UsageError, "cannot start"),
    ],
    ids=["dies", "never listens", "is not there", "NUL"],
)  # fmt: skip
def test_what_does_not_start_is_an_error(command: list[str], error: type[Exception], text: str) -> None:
    async def test(subject: Subject) -> None:
        with pytest.raises(error, match=text):
            await subject.start()

    with_subject(command, test, within_s=0.5 if "0.5 s" in text else 60)


def test_somebody_elses_server_is_not_taken_for_it() -> None:
    async def test(first: Subject) -> None:
        await first.start()
        second = Subject(SERVER, first._target, 5)
        with pytest.raises(NetworkError, match=r"something listens on .* already"):
            await second.start()
        assert second.pid == 0

    with_subject(SERVER, test)


def test_of_many_who_need_it_one_starts_it_again() -> None:
    deaths: list[str] = []

    async def test(subject: Subject) -> None:
        async with subject.running():
            assert subject.starts == 1
            os.kill(subject.pid, signal.SIGKILL)
            while subject.how_it_died() is None:
                await asyncio.sleep(0.01)
            await asyncio.gather(*(subject.revive(deaths.append) for _ in range(3)))
            assert (subject.starts, subject.how_it_died()) == (2, None)
        assert subject.pid == 0

    with_subject(SERVER, test)
    assert deaths == ["the server was killed by SIGKILL"]
