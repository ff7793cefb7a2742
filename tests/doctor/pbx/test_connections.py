"""Connections that stand half closed, and queues that grow, are told from those of calls that are well."""

from __future__ import annotations

import os

import pytest

from audiosocket_cli.asterisk.releases import Release
from audiosocket_cli.doctor.pbx.connections import judge_connections, judge_time
from audiosocket_cli.doctor.pbx.place import place_of
from audiosocket_cli.doctor.pbx.process_view import CLOSE_WAIT, ESTABLISHED, LISTEN, Connection, ProcessView, Snapshot
from audiosocket_cli.finding import Diagnosis, Status

PLACE = place_of("asterisk", None)
SERVER = ("127.0.0.1", 9092)
OURS = ("127.0.0.1", 40000)


def call(state: str = ESTABLISHED, *, unsent: int = 0, unread: int = 0, remote: tuple[str, int] = SERVER) -> Connection:
    return Connection(1, OURS, remote, state, unsent, unread)


def server_end(unread: int) -> Connection:
    return Connection(2, SERVER, OURS, ESTABLISHED, 0, unread)


def view(first: list[Connection], second: list[Connection], own: frozenset[int] = frozenset({1})) -> ProcessView:
    looks = [Snapshot(tuple(sockets), own, {}) for sockets in (first, second)]
    return ProcessView(7, *looks)


def judge(first: list[Connection], second: list[Connection], server: str = "127.0.0.1:9092") -> Diagnosis:
    (found,) = judge_connections(view(first, second), [server], PLACE)
    return found


def test_what_the_server_closed_and_asterisk_did_not_is_a_fault() -> None:
    found = judge([call(CLOSE_WAIT)], [call(CLOSE_WAIT)])
    assert (found.id, found.status) == ("close-wait", Status.FAULT)
    assert found.evidence == ("127.0.0.1:40000 to 127.0.0.1:9092: CLOSE-WAIT, for a second and more",)


@pytest.mark.parametrize(
    ("first", "second", "finding_id"),
    [
        ([call(unsent=20_000)], [call(unsent=36_000)], "server-stalls"),
        ([call(), server_end(100_000)], [call(unsent=323), server_end(116_000)], "server-stalls"),
        ([call(unread=20_000)], [call(unread=36_000)], "queue-unread"),
    ],
    ids=["far-server", "server-on-this-machine", "asterisk-does-not-read"],
)
def test_a_queue_that_grows_is_a_fault(first: list[Connection], second: list[Connection], finding_id: str) -> None:
    found = judge(first, second)
    assert (found.id, found.status) == (finding_id, Status.FAULT)
    assert ",000, a second later " in found.evidence[0]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([call()], [call(CLOSE_WAIT)]),
        ([call(CLOSE_WAIT)], []),
        ([call(unsent=320)], [call(unsent=3_200)]),
        ([call(unsent=40_000)], [call(unsent=20_000)]),
        ([call(unsent=40_000)], [call(unsent=40_000)]),
        ([], [call(CLOSE_WAIT, unsent=50_000)]),
        ([call(CLOSE_WAIT, remote=("127.0.0.1", 5432))], [call(CLOSE_WAIT, remote=("127.0.0.1", 5432))]),
        ([call(CLOSE_WAIT, remote=("10.0.0.9", 9092))], [call(CLOSE_WAIT, remote=("10.0.0.9", 9092))]),
    ],
    ids=["closes-now", "closed", "a-little", "drains", "stands", "new", "a-database", "another-machine"],
)
def test_calls_that_are_well_are_not(first: list[Connection], second: list[Connection]) -> None:
    assert judge(first, second).status is Status.OK


def test_a_name_is_met_by_its_port() -> None:
    stuck = [call(CLOSE_WAIT, remote=("10.0.0.9", 9092))]
    assert judge(stuck, stuck, "bot:9092").status is Status.FAULT


def test_connections_to_asterisk_itself_are_not_to_a_server() -> None:
    """Two of them, from another Asterisk at that address and port: ours is the one that listens."""
    incoming = Connection(1, ("127.0.0.1", 8088), SERVER, CLOSE_WAIT, 0, 0)
    listening = Connection(3, ("0.0.0.0", 8088), ("0.0.0.0", 0), LISTEN, 0, 0)
    found = judge_connections(
        view([incoming, listening], [incoming, listening], frozenset({1, 3})), ["127.0.0.1:9092"], PLACE
    )
    assert [each.status for each in found] == [Status.OK]


def test_other_users_sockets_are_not_looked_at() -> None:
    stuck = [call(CLOSE_WAIT)]
    (found,) = judge_connections(view(stuck, stuck, frozenset()), ["127.0.0.1:9092"], PLACE)
    assert (found.status, "run it as root" in found.evidence[0]) == (Status.UNKNOWN, True)


def test_addresses_that_are_none_are_left_out() -> None:
    assert judge([call()], [call()], "${BOT}:x").what.startswith("no connection to a server")


@pytest.mark.parametrize(
    ("release", "status"), [(Release(18, 10), Status.FAULT), (Release(22, 10), Status.WARNING), (None, Status.WARNING)]
)
def test_a_thread_that_never_rests_is_told(release: Release | None, status: Status) -> None:
    second = os.sysconf("SC_CLK_TCK")
    looks = [Snapshot((), frozenset(), {1: ticks}) for ticks in (5, 5 + second)]
    (found,) = judge_time(ProcessView(7, *looks), release, PLACE)
    assert (found.id, found.status, found.evidence) == (
        "busy-loop", status, ("process 7: 100% of one processor in a second",)
    )  # fmt: skip
    assert judge_time(ProcessView(7, looks[0], looks[0]), release, PLACE) == []
