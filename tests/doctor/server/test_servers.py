"""What Asterisk meets at the servers that a dialplan names."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from audiosocket_cli.doctor.pbx.place import place_of
from audiosocket_cli.doctor.pbx.process_view import ESTABLISHED, LISTEN, Connection, ProcessView, Snapshot
from audiosocket_cli.doctor.server.server_probe import CLOSED, OPEN, REFUSED, SILENT, SPOKE, UNREACHABLE, Attempt, Probe
from audiosocket_cli.doctor.server.servers import judge_probe, look_at_servers
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.net.address import Address

HERE = place_of("asterisk", None)
BOT = Address("bot", 9092)


@pytest.mark.parametrize(
    ("attempts", "finding_id", "status"),
    [
        ([("10.0.0.9", OPEN)], "server-refuses", Status.OK),
        ([("10.0.0.9", SPOKE)], "server-refuses", Status.OK),
        ([("::1", REFUSED), ("127.0.0.1", OPEN)], "server-refuses", Status.OK),
        ([("10.0.0.9", REFUSED)], "server-refuses", Status.FAULT),
        ([("10.0.0.9", SILENT)], "server-black-hole", Status.FAULT),
        ([("10.0.0.8", SILENT), ("10.0.0.9", REFUSED)], "server-black-hole", Status.FAULT),
        ([("10.0.0.8", SILENT), ("10.0.0.9", OPEN)], "server-black-hole", Status.WARNING),
        ([("2001:db8::9", SILENT), ("10.0.0.9", OPEN)], "server-wrong-family", Status.WARNING),
        ([("2001:db8::9", UNREACHABLE), ("10.0.0.9", OPEN)], "server-wrong-family", Status.FAULT),
        ([("2001:db8::9", UNREACHABLE)], "server-wrong-family", Status.FAULT),
        ([("10.0.0.9", UNREACHABLE)], "server-unreachable", Status.FAULT),
        ([("10.0.0.9", CLOSED)], "server-accepts-and-closes", Status.FAULT),
        ([("::1", REFUSED), ("127.0.0.1", CLOSED)], "server-accepts-and-closes", Status.FAULT),
    ],
)
def test_what_its_addresses_gave_is_one_finding(
    attempts: list[tuple[str, str]], finding_id: str, status: Status
) -> None:
    found = judge_probe(BOT, Probe("", [Attempt(*attempt) for attempt in attempts]))
    assert (found.id, found.status, found.where) == (finding_id, status, "bot:9092")
    assert [line.split(": ")[0] for line in found.evidence] == [host for host, _ in attempts]


def test_the_address_that_answers_is_named() -> None:
    found = judge_probe(BOT, Probe("", [Attempt("2001:db8::9", UNREACHABLE), Attempt("10.0.0.9", OPEN)]))
    assert found.cure == "write the address that answers: 10.0.0.9:9092"
    late = judge_probe(BOT, Probe("", [Attempt("10.0.0.8", SILENT), Attempt("::9", OPEN)]))
    assert ("begins 2 s late" in late.what, "[::9]:9092" in late.cure) == (True, True)


@pytest.mark.parametrize(
    ("name", "finding_id"),
    [("unknown", "server-name-unknown"), ("silent", "name-server-silent"), ("refused", "name-server-silent")],
)
def test_a_name_without_an_address(name: str, finding_id: str) -> None:
    found = judge_probe(BOT, Probe(name))
    assert (found.id, found.status) == (finding_id, Status.FAULT)


@pytest.mark.parametrize(
    ("tried", "listens", "finding_id", "line"),
    [
        ("::1", "127.0.0.1", "server-wrong-family", "127.0.0.1:9092"),
        ("127.0.0.1", "::1", "server-wrong-family", "[::1]:9092"),
        ("::1", "0.0.0.0", "server-wrong-family", "127.0.0.1:9092"),
        ("127.0.0.1", "10.0.0.5", "server-refuses", "10.0.0.5:9092"),
        ("10.0.0.5", "127.0.0.1", "server-refuses", "127.0.0.1:9092"),
    ],
)
def test_where_a_server_listens_in_truth_is_named(tried: str, listens: str, finding_id: str, line: str) -> None:
    found = judge_probe(Address(tried, 9092), Probe("", [Attempt(tried, REFUSED)]), [listens])
    assert (found.id, found.status, found.lines) == (finding_id, Status.FAULT, (line,))
    assert found.evidence[-1].startswith("listens: ")


def look(*named: str, view: ProcessView | None = None) -> list[Diagnosis]:
    return asyncio.run(look_at_servers(HERE, view, named))


def test_real_servers_are_tried_side_by_side() -> None:
    with socket.create_server(("127.0.0.1", 0)) as waits, socket.create_server(("127.0.0.1", 0)) as closes:
        closer = threading.Thread(target=lambda: closes.accept()[0].close())
        closer.start()
        ports = [each.getsockname()[1] for each in (waits, closes)]
        found = look(*(f"127.0.0.1:{port}" for port in ports), "no port", "${BOT}", f"127.0.0.1:{ports[0]}")
        closer.join()
    assert [(each.id, each.status) for each in found] == [
        ("server-refuses", Status.OK),
        ("server-accepts-and-closes", Status.FAULT),
    ]


def test_what_is_no_audiosocket_server_is_named() -> None:
    def greet() -> None:
        connection, _ = listening.accept()
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        connection.recv(1)
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        greeter = threading.Thread(target=greet)
        greeter.start()
        (found,) = look(f"127.0.0.1:{listening.getsockname()[1]}")
        greeter.join()
    assert (found.id, found.status, "it is an SSH server" in found.what) == ("not-audiosocket", Status.FAULT, True)


@pytest.mark.skipif(os.getuid() != 0, reason="takes a network of its own, which root may make")
def test_in_a_network_of_its_own_it_is_tried_from_there(tmp_path: Path) -> None:
    """An Asterisk whose files are here, and whose network is not: a server of this machine is not to be reached."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        subprocess.Popen(["unshare", "-n", "sh", "-c", "echo ready; exec sleep 60"], stdout=subprocess.PIPE) as apart,
    ):
        assert apart.stdout is not None
        apart.stdout.readline()
        empty = Snapshot((), frozenset(), {})
        server = f"127.0.0.1:{listening.getsockname()[1]}"
        try:
            (found,) = look(server, view=ProcessView(apart.pid, empty, empty))
            (here,) = look(server, view=ProcessView(os.getpid(), empty, empty))
        finally:
            apart.kill()
    assert (found.id, found.status) == ("server-unreachable", Status.FAULT)  # no route: its loopback is down
    assert here.status is Status.OK


def test_a_server_of_the_other_family_is_found_by_what_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        mine = Connection(1, ("127.0.0.1", port), ("0.0.0.0", 0), LISTEN, 0, 0)
        other = Connection(2, ("10.0.0.9", port), ("10.0.0.8", 1), ESTABLISHED, 0, 0)
        snapshot = Snapshot((mine, other), frozenset(), {})
        (found,) = look(f"[::1]:{port}", view=ProcessView(os.getpid(), snapshot, snapshot))
    assert (found.id, found.lines) == ("server-wrong-family", (f"127.0.0.1:{port}",))


def test_where_nothing_can_be_run_it_is_not_looked_at(tmp_path: Path) -> None:
    (found,) = asyncio.run(look_at_servers(place_of("my-wrapper", None), None, ["bot:9092"]))
    assert (found.status, found.where) == (Status.UNKNOWN, "bot:9092")


def test_of_many_the_first_are_tried() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        port = listening.getsockname()[1]
        found = look(*(f"127.0.0.{number}:{port}" for number in range(1, 21)))
    assert len(found) == 17
    assert (found[-1].status, found[-1].what) == (Status.UNKNOWN, "4 more servers of the dialplan")
