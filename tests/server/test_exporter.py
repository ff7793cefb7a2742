"""`serve --metrics`: what Prometheus is told while calls last and after, by one process and by several."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from audiosocket_cli.codec import digit_frame, encode
from support.peers import FRAME, connected, free_port, opening
from support.running import COMMAND, Serve, Serving, missing, run, wait_until


class Watched:
    """A server, and what it tells Prometheus."""

    def __init__(self, serving: Serving, port: int) -> None:
        self.serving = serving
        self.url = f"http://127.0.0.1:{port}/metrics"

    def text(self, accept: str = "text/plain") -> str:
        request = urllib.request.Request(self.url, headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return str(answer.read().decode())

    def values(self) -> dict[str, float]:
        """What it tells now, by name and the values of its labels."""
        values = {}
        for family in text_string_to_metric_families(self.text()):
            for sample in family.samples:
                labels = [sample.labels[name] for name in sorted(sample.labels)]
                values[" ".join([sample.name.removeprefix("audiosocket_"), *labels])] = sample.value
        return values

    def wait_for(self, **wanted: float) -> dict[str, float]:
        """Wait until values are as wanted (blanks of their names written as __), and return all."""
        values: dict[str, float] = {}
        expected = {name.replace("__", " "): value for name, value in wanted.items()}
        until_s = time.monotonic() + 60
        while time.monotonic() < until_s:
            values = self.values()
            if {name: values.get(name) for name in expected} == expected:
                return values
            time.sleep(0.1)
        raise AssertionError(f"{expected} never came: {values}")


@pytest.fixture
def watch(serve: Serve) -> Callable[..., Watched]:
    def start(*args: str | Path) -> Watched:
        port = free_port()
        return Watched(serve("--metrics", f"127.0.0.1:{port}", *args), port)

    return start


def read_to_end(peer: socket.socket) -> None:
    peer.shutdown(socket.SHUT_WR)
    with suppress(ConnectionResetError):
        while peer.recv(65536):
            pass


def test_a_call_is_told_while_it_lasts_and_stays_counted(watch: Callable[..., Watched], tmp_path: Path) -> None:
    (tmp_path / "known.txt").write_text(f"{uuid.UUID(int=1)}\n")
    watched = watch("--uuid-timeout", "0.5", "--allow-uuid", tmp_path / "known.txt", "--exec", "cat")
    with connected(watched.serving, opening(1)[1], FRAME * 50, encode(digit_frame("7"))) as peer:
        values = watched.wait_for(calls_live=1, frames_total__slin__caller=50, children=1)
        assert not any(name.startswith("calls_total") for name in values)
        with connected(watched.serving, opening(2)[1]) as unknown, connected(watched.serving):
            values = watched.wait_for(refused_total=1, failed_connections_total=1)
            read_to_end(unknown)
        assert values["calls_live"] == 1
        wait_until(lambda: watched.values().get("frames_total slin server", 0) > 10)
        read_to_end(peer)
    values = watched.wait_for(calls_live=0, calls_total__caller__closed=1, children=0)
    assert values["frames_total slin caller"] == 50
    assert values["payload_bytes_total slin caller"] == 16000
    assert values["frames_total dtmf caller"] == 1
    assert values["payload_bytes_total dtmf caller"] == 1
    assert values["frames_total slin server"] > 10
    assert values["payload_bytes_total slin server"] == 320 * values["frames_total slin server"]
    assert (values["refused_total"], values["failed_connections_total"]) == (1, 1)
    assert (values["workers"], values["worker_restarts_total"], values["calls_lost_total"]) == (1, 0, 0)
    assert values["snapshot_age_seconds"] < 30
    assert watched.serving.end()[0] == 130


def test_gaps_and_what_fails_is_counted(watch: Callable[..., Watched], tmp_path: Path) -> None:
    folder = tmp_path / "calls"
    folder.mkdir()
    watched = watch("--record", folder / "{uuid}.wav", "--on-call-end", "false")
    with connected(watched.serving, opening(1)[1], FRAME * 5) as peer:
        time.sleep(0.5)
        folder.joinpath(f"{uuid.UUID(int=1)}.json").mkdir()  # the call's JSON cannot be written
        peer.sendall(FRAME * 5)
        read_to_end(peer)
    values = watched.wait_for(hooks_failed_total=1, recordings_failed_total=1, gaps_total=1)
    assert 0.2 < values["gap_seconds_total"] < 10  # of a busy machine: the pause was half a second or longer
    assert values["captures_failed_total"] == 0


def test_its_text_is_what_prometheus_reads(watch: Callable[..., Watched]) -> None:
    watched = watch()
    with connected(watched.serving, opening(1)[1], FRAME) as peer:
        watched.wait_for(frames_total__slin__caller=1)
        read_to_end(peer)
    watched.wait_for(calls_total__caller__closed=1)
    families = list(openmetrics.text_string_to_metric_families(watched.text("application/openmetrics-text")))
    assert len(families) == 30
    for family in families:
        assert re.fullmatch(r"audiosocket_[a-z_]+", family.name)
        assert family.documentation.endswith(".")
        assert family.samples
        assert {sample.name for sample in family.samples} == {family.name + "_total" * (family.type == "counter")}


def children_of(process: int) -> list[int]:
    if not Path("/proc/self/task").exists():
        missing("workers are found in /proc")
    return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_workers_are_one_and_a_dead_ones_counts_stay(watch: Callable[..., Watched]) -> None:
    watched = watch("--workers", "2")
    watched.wait_for(workers=2)
    for number in range(8):
        with connected(watched.serving, opening(number)[1], FRAME * 10) as peer:
            watched.serving.wait_for("call")
            read_to_end(peer)
    watched.wait_for(calls_total__caller__closed=8, frames_total__slin__caller=80, calls_live=0)
    with connected(watched.serving, opening(9)[1], FRAME * 10):
        watched.wait_for(frames_total__slin__caller=90, calls_live=1)
        for worker in children_of(watched.serving.process.pid):
            os.kill(worker, signal.SIGKILL)
        values = watched.wait_for(workers=2, worker_restarts_total=2, calls_live=0)
    assert (values["frames_total slin caller"], values["calls_total caller closed"]) == (90, 8)
    assert values["calls_lost_total"] == 1
    with connected(watched.serving, opening(10)[1], FRAME * 10) as peer:
        read_to_end(peer)
    watched.wait_for(calls_total__caller__closed=9, frames_total__slin__caller=100)
    assert watched.serving.end()[0] == 130


def test_port_0_is_any_port_and_the_line_tells_which(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "serve", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.fullmatch(r"metrics on (http://127\.0\.0\.1:\d+/metrics)\n", line)
        assert found, line
        with urllib.request.urlopen(found[1], timeout=30) as answer:
            assert b"audiosocket_calls_live 0.0\n" in answer.read()
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


@pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["alone", "workers"])
def test_a_port_in_use_is_one_line(more: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        done = run("serve", "--listen", "127.0.0.1:0", "--metrics", address, *more)
    assert done.returncode == 3
    assert done.stderr == (
        f"audiosocket: error: cannot listen on {address}: the port is in use; "
        "stop the other program or choose another port with --metrics\n"
    )


def test_without_a_port_it_is_no_address() -> None:
    done = run("serve", "--metrics", "localhost")
    assert done.returncode == 2
    assert "'localhost' is not an address" in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_the_library_the_cure_is_told(tmp_path: Path) -> None:
    (tmp_path / "prometheus_client.py").write_text("raise ImportError('not here')\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    done = run("serve", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", PYTHONPATH=path)
    line = f"{sys.executable} -m pip install prometheus-client"  # the name of the extra's package is not on PyPI
    assert (done.returncode, done.stderr) == (2, f"audiosocket: error: --metrics needs prometheus-client: {line}\n")
