"""What a real Asterisk logs of calls to servers that do something wrong, and what doctor says of that."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from audiosocket_cli.doctor.log.log import look_at_logs
from audiosocket_cli.finding import Diagnosis
from support.odd_servers import Behaviour, closes_unread, dies_in_frame, healthy, odd_server, splits, then
from support.peers import free_port
from support.testbed import running_asterisk, testbed

pytestmark = pytest.mark.asterisk

SERVERS: dict[str, Behaviour] = {
    "normal-end": healthy,
    "server-splits-frames": splits,
    "server-sends-unknown-kind": then(b"\x03\0\x015"),
    "server-sends-empty-audio": then(b"\x10\0\0"),
    "server-dies-in-frame": dies_in_frame,
    "server-closes-unread": closes_unread,
}
"""Servers by what the log says of them."""

FAR = "tone 440 2"


@pytest.fixture(scope="module")
def log() -> Iterator[Path]:
    """The file that a running Asterisk logs to."""
    with running_asterisk():
        yield Path(testbed("status").stdout.rpartition(", log ")[2].strip())


@pytest.fixture(scope="module")
def found(log: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Diagnosis]:
    """What doctor says of the log of calls to each server, by the application and by the driver, all at once."""
    before = log.stat().st_size
    with contextlib.ExitStack() as stack:
        ports = {name: stack.enter_context(odd_server(behaviour)) for name, behaviour in SERVERS.items()}
        calls = [
            ("--server", f"127.0.0.1:{port}", "--far", FAR, "--interface", interface)
            for port in [*ports.values(), free_port()]
            for interface in ("app", "channel")
        ]
        calls.append(("--server", f"127.0.0.1:{ports['normal-end']}", "--no-answer"))
        with ThreadPoolExecutor(len(calls)) as pool:
            list(pool.map(lambda words: testbed("call", *words, "--timeout", "20"), calls))
    part = tmp_path_factory.mktemp("log") / "messages"
    part.write_bytes(log.read_bytes()[before:])
    return look_at_logs([str(part)])


@pytest.mark.parametrize(
    ("finding", "calls"),
    [(name, 1 if name == "normal-end" else 2) for name in SERVERS] + [("server-refuses", 2), ("no-answer", 1)],
)
def test_the_log_of_a_real_asterisk_names_what_ended_each_call(
    found: list[Diagnosis], finding: str, calls: int
) -> None:
    # The driver writes nothing when a call ends in order, and the application does.
    of_it = [each for each in found if each.id == finding]
    assert len(of_it) == 1, found
    assert f": {calls} call" in of_it[0].what


def test_nothing_else_is_found_and_each_line_is_known(found: list[Diagnosis]) -> None:
    assert {each.id for each in found} == {*SERVERS, "server-refuses", "no-answer", "log-too-quiet"}


def test_each_server_is_named(found: list[Diagnosis]) -> None:
    assert all(each.where.startswith("127.0.0.1:") for each in found if each.id not in ("no-answer", "log-too-quiet"))
