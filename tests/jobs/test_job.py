"""A job is run at either end, and what came of its calls is one outcome."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from uuid import UUID

import pytest

from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.sources.basic import QuietLine
from audiosocket_cli.errors import ExitCode, NetworkError, UsageError
from audiosocket_cli.jobs.job import Job, refuse_two_ends, run_job
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.model import How
from audiosocket_cli.net.address import Address, parse_address
from audiosocket_cli.net.client import PlacedCall
from support.bots import Closed, Heard, bot

UUIDS = [UUID(int=number) for number in (1, 2)]
NOBODY = Address("127.0.0.1", 9)


@pytest.fixture
def server() -> Iterator[Address]:
    """Hangs up on whoever calls."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"\0\0\0")
                    while connection.recv(4096):
                        pass

        thread = threading.Thread(target=answer)
        thread.start()
        yield Address(*listener.getsockname())
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def job(calls: int, told: list[object], **options: object) -> Job:
    def judge(placed: PlacedCall) -> Outcome:
        told.append(placed.ending.how)
        return Outcome(timed_out=True)

    def sum_up(outcomes: object) -> Outcome:
        told.append(outcomes)
        return Outcome(damaged=True)

    return Job(CallOptions(QuietLine), uuids=UUIDS[:calls], judge_placed=judge, sum_up=sum_up, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("is_logged", [False, True])
def test_each_placed_call_is_judged_and_all_of_them_together(
    server: Address, is_logged: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[object] = []
    outcome = run_job(job(2, told, is_logged=is_logged), target=server, listen=None)
    assert told == [How.HANGUP, How.HANGUP, [Outcome(timed_out=True)] * 2]
    assert outcome == Outcome(damaged=True, timed_out=True)
    assert outcome.exit_code == ExitCode.DAMAGED
    assert ("ended by server" in capsys.readouterr().out) == is_logged


@pytest.mark.parametrize("is_lost", [True, False], ids=["reset", "closed"])
def test_a_connection_that_the_server_loses_fails_whatever_the_call_was_for(
    is_lost: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def leaves(heard: Heard) -> bytes:
        raise Closed

    with bot(leaves, reset=is_lost) as target:
        outcome = run_job(Job(CallOptions(QuietLine), uuids=UUIDS[:1]), target=parse_address(target), listen=None)
    assert outcome == Outcome(failed=is_lost)
    told = "the connection was lost: see audiosocket help finding server-closes-unread"
    assert (told in capsys.readouterr().err) == is_lost


def test_of_several_calls_each_that_reaches_nobody_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[object] = []
    assert run_job(job(2, told), target=NOBODY, listen=None) == Outcome(unreachable=True, damaged=True)
    assert told == [[Outcome(unreachable=True)] * 2]
    assert capsys.readouterr().err.count("cannot connect to 127.0.0.1:9") == 2
    with pytest.raises(NetworkError):
        run_job(job(1, told), target=NOBODY, listen=None)


def test_two_ends_are_refused() -> None:
    refuse_two_ends(None, NOBODY)
    refuse_two_ends(NOBODY, None)
    with pytest.raises(UsageError, match=r"TARGET 127\.0\.0\.1:9 places a call and --listen waits"):
        refuse_two_ends(NOBODY, parse_address(":9092"))
