"""Calls measured by a Dask cluster of real processes: the same rows as here, whatever dies in between."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from audiosocket_cli.calls_analysis import cluster
from audiosocket_cli.calls_analysis.analyzing import analyze
from audiosocket_cli.calls_analysis.call_files import CallFiles
from audiosocket_cli.calls_analysis.cluster import measure_on
from audiosocket_cli.calls_analysis.here import Done, measure_here
from audiosocket_cli.errors import NetworkError, UsageError
from support.analyzed import DEADLY, attempt_or_die, calls_in, make_calls, rows_in
from support.dask_cluster import DaskCluster, dask_cluster

# Else a recording has to kill four workers before Dask gives it up.
ONE_DEATH = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}


def test_a_cluster_gives_the_rows_of_one_process_though_workers_die(tmp_path: Path) -> None:
    folder = tmp_path / "calls"
    names = make_calls(folder, 60)
    here = analyze([str(folder)], tmp_path / "here", lambda calls: measure_here(calls, 1))
    assert (here.measured, here.problems, here.later, here.killed) == (60, 0, 0, 0)
    (folder / f"{DEADLY}.wav").write_bytes((folder / f"{names[0]}.wav").read_bytes())
    told: list[str] = []
    with dask_cluster(tmp_path, 2, **ONE_DEATH) as there:
        found = analyze([str(folder)], tmp_path / "there", lambda calls: killing(there, calls, told))
    assert (found.measured, found.problems, found.later, found.killed) == (60, 0, 0, 1)
    assert "deadly: measuring it failed: " in found.told[0]
    rows = rows_in(tmp_path / "there")
    assert [row for row in rows if DEADLY not in row] == rows_in(tmp_path / "here")
    assert len(rows) == 61


def killing(there: DaskCluster, calls: Iterable[CallFiles], told: list[str]) -> Iterator[Done]:
    """Measure calls, and kill a worker once some are done."""
    for count, done in enumerate(measure_on(there.url, calls, told.append, attempt_or_die)):
        if count == 5:
            os.kill(there.worker_of(0), signal.SIGKILL)
        yield done


def test_a_worker_of_another_version_is_named_and_so_is_a_cluster_without_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_calls(tmp_path / "calls", 1)
    calls = calls_in(tmp_path / "calls", tmp_path / "ledger")
    old = tmp_path / "old" / "audiosocket_cli"
    old.mkdir(parents=True)
    (old / "__init__.py").write_text('__version__ = "0.0.9"')
    told: list[str] = []
    monkeypatch.setattr(cluster, "_WORKERS_S", 2.0)
    with dask_cluster(tmp_path, 1, PYTHONPATH=str(old.parent)) as there:
        with pytest.raises(
            NetworkError, match=r"the Dask worker tcp://\S+ has no audiosocket-cli, or an old one .*: install "
        ):
            next(measure_on(there.url, calls, told.append))
        there.nannies[0].terminate()
        there.nannies[0].wait()
        with pytest.raises(NetworkError, match=r"has had no worker for 2 s: start some with dask worker tcp://"):
            next(measure_on(there.url, calls, told.append))
        with pytest.raises(NetworkError, match=r"the Dask scheduler tcp://\S+ went away.*: what was measured is kept"):
            next(measure_on(there.url, calls, lambda line: there.scheduler.kill()))
    assert told == [f"{there.url} has no worker at the moment: waiting for one"]


@pytest.mark.parametrize("url", ["nonsense", "foo://127.0.0.1:8786"])
def test_what_is_not_an_address_is_one_line(url: str) -> None:
    with pytest.raises(UsageError, match=r"is not the address of a Dask scheduler .*: write tcp://HOST:8786") as error:
        next(measure_on(url, [], print))
    assert len(str(error.value).splitlines()) == 1


def test_a_scheduler_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_S", 0.2)
    with pytest.raises(NetworkError, match=r"cannot reach the Dask scheduler tcp://127.0.0.1:1: .*running there\?"):
        next(measure_on("tcp://127.0.0.1:1", [], print))


def test_a_port_of_something_else_is_one_line_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the system accepts, and nobody says a word
        url = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(
            NetworkError, match=rf"cannot reach the Dask scheduler {url}: nothing that a scheduler says"
        ):
            next(measure_on(url, [], print))


def test_tls_without_certificates_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"cannot use tls://.*: Dask takes certificates from its settings"):
        next(measure_on("tls://127.0.0.1:9", [], print))
