"""Locust with our callers: a master with real workers on loopback, judged by the tables that Locust itself writes."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import Serving, missing

Serve = Callable[..., Serving]
Tables = dict[str, dict[str, str]]

LOCUSTFILE = Path(__file__).parent.parent / "scripts" / "locustfile.py"

CALLERS = """
from audiosocket_cli.bench.locust import AudioSocketUser

class Caller(AudioSocketUser):
    call_duration_s = 2
    max_lateness_ms = 1000  # of a busy machine
"""


@pytest.fixture(autouse=True)
def locust_is_there() -> None:
    """In a process of its own only: who imports Locust has patched sockets and threads."""
    if find_spec("locust") is None:
        missing("locust is not installed")


def start(*args: str | Path, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "locust", *map(str, args)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd,
        env={name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")},
    )  # fmt: skip


def locust(file: Path, target: str, *args: str, workers: int = 0) -> tuple[int, str, Tables]:
    """Run it with so many workers; returns its exit code, what it said, and its table, by name."""
    distributed: list[list[str]] = []
    if workers:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        args += ("--master", "--master-bind-port", port, "--expect-workers", str(workers))
        distributed = [["--worker", "--master-host", "127.0.0.1", "--master-port", port]] * workers
    table = file.parent / "table"
    running = [start("-f", file, "--host", target, "--headless", "--csv", table, *args, cwd=file.parent)]
    try:
        running += [start("-f", file, *each, cwd=file.parent) for each in distributed]
        said = [process.communicate(timeout=60)[0] for process in running]
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.communicate()
    with Path(f"{table}_stats.csv").open(newline="") as content:
        rows = {row["Name"]: row for row in csv.DictReader(content)}
    assert [process.returncode for process in running[1:]] in ([0] * workers, [1] * workers), said
    return running[0].returncode, "\n".join(said), rows


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "locustfile.py"
    path.write_text(CALLERS)
    return path


def requests(rows: Tables, name: str) -> int:
    assert rows[name]["Type"] == "audiosocket"
    assert int(rows[name]["Failure Count"]) == 0
    return int(rows[name]["Request Count"])


def test_a_master_and_two_workers_load_a_server(serve: Serve, file: Path) -> None:
    serving = serve("--echo", "--json")
    code, said, rows = locust(file, serving.target, "-u", "6", "-r", "6", "-t", "6s", workers=2)
    assert code == 0, said
    assert said.count('"Caller": 3') >= 2  # each worker has half of them
    calls = requests(rows, "call")
    assert 12 <= calls <= 24
    for name in ("connect", "first byte", "hangup", "our lateness"):
        assert requests(rows, name) == calls
    assert 6 <= requests(rows, "first speech") <= calls
    assert 6 * calls <= requests(rows, "echo") <= 11 * calls  # five marks a second
    assert float(rows["echo"]["95%"]) < 1000
    assert 1900 < float(rows["call"]["Max Response Time"]) < 3500
    assert float(rows["call"]["Average Content Size"]) > 10_000
    assert "turn" not in rows
    _, lines, _ = serving.end()
    assert sum('"event": "ended"' in line for line in lines) == calls
    assert not any('"ended_how": "reset"' in line for line in lines)


def test_a_refused_call_is_a_failure_and_so_is_the_run(file: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{nobody.getsockname()[1]}"
        code, said, rows = locust(file, target, "-u", "2", "-r", "2", "-t", "3s", workers=2)
    assert code == 1, said
    assert int(rows["connect"]["Failure Count"]) == int(rows["connect"]["Request Count"]) >= 2
    assert "call" not in rows
    failures = (file.parent / "table_failures.csv").read_text()
    assert f"cannot connect to {target}: connection refused" in failures


BAD_SERVERS = {
    "": "server closed without a hangup, before the call was over",
    "connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))": "server reset the connection",
    "connection.sendall(b'\\x42\\x00\\x00'); time.sleep(0.5)": "Asterisk ends the call here",
}


@pytest.mark.parametrize("does", BAD_SERVERS, ids=["closes", "resets", "breaks the protocol"])
def test_what_a_server_does_to_its_calls_is_in_the_table_of_failures(does: str, file: Path) -> None:
    server = f"""
import socket, struct, time
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
while True:
    connection, _ = listening.accept()
    connection.recv(19, socket.MSG_WAITALL)
    {does or "pass"}
    connection.shutdown(socket.SHUT_WR) if {not does} else None
    time.sleep(0.1)
    connection.close()
"""
    with subprocess.Popen([sys.executable, "-c", server], stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        port = serving.stdout.readline().strip()
        code, said, rows = locust(file, f"127.0.0.1:{port}", "-u", "1", "-r", "1", "-t", "3s")
        serving.kill()
    assert code == 1, said
    assert int(rows["call"]["Failure Count"]) >= 1
    assert BAD_SERVERS[does] in (file.parent / "table_failures.csv").read_text()


def test_a_machine_that_does_not_keep_up_is_told_as_that(serve: Serve, file: Path) -> None:
    file.write_text(CALLERS.replace("1000", "0.000001"))
    code, said, rows = locust(file, serve("--echo").target, "-u", "1", "-r", "1", "-t", "3s")
    assert code == 1
    assert int(rows["call"]["Failure Count"]) == 0
    assert int(rows["our lateness"]["Failure Count"]) >= 1
    assert "ms late: use more workers" in said


def test_the_example_runs(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "locustfile.py"
    file.write_text(LOCUSTFILE.read_text())
    _, said, rows = locust(file, serve("--echo").target, "-u", "1", "-r", "1", "-t", "4s")
    assert requests(rows, "call") == 1, said
