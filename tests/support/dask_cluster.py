"""A Dask cluster of real processes: a scheduler, and workers that their nannies start again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.running import MAX_WAIT_S, children_of

DASK = str(Path(sys.executable).with_name("dask"))
TESTS = Path(__file__).parents[1]


@dataclass
class DaskCluster:
    """A cluster that is there."""

    url: str
    nannies: list[subprocess.Popen[bytes]]

    def worker_of(self, number: int) -> int:
        """Return the process of a worker, once its nanny has one."""
        limit_s = time.monotonic() + MAX_WAIT_S
        while time.monotonic() < limit_s:
            for pid in children_of(self.nannies[number].pid):
                if b"spawn_main" in _words_of(pid):
                    return pid
            time.sleep(0.05)
        raise AssertionError("there is no worker")


def _words_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@contextmanager
def dask_cluster(folder: Path, workers: int, **settings: str) -> Iterator[DaskCluster]:
    """Run a cluster on free ports; `settings` are those of Dask's environment."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "OPENBLAS_NUM_THREADS": "1", **settings}
    with ExitStack() as stack:
        log = folder / "scheduler.log"
        words = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        stack.enter_context(_running(words, log, environment))
        url = _wait_for(log, r"Scheduler at:\s+(tcp://\S+)")
        nannies, logs = [], []
        for number in range(workers):
            logs.append(folder / f"worker-{number}.log")
            words = ["worker", url, "--nthreads", "1", "--nworkers", "1", "--no-dashboard", "--host", "127.0.0.1",
                     "--memory-limit", "0", "--local-directory", str(folder)]  # fmt: skip
            nannies.append(stack.enter_context(_running(words, logs[-1], environment)))
        for each in logs:
            _wait_for(each, r"(Registered to):")
        yield DaskCluster(url, nannies)


@contextmanager
def _running(words: list[str], log: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file:
        process = subprocess.Popen([DASK, *words], stdout=file, stderr=file, env=environment)
    try:
        yield process
    finally:
        process.terminate()  # a nanny ends its worker
        try:
            process.wait(MAX_WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(log: Path, pattern: str) -> str:
    limit_s = time.monotonic() + MAX_WAIT_S
    while time.monotonic() < limit_s:
        if found := re.search(pattern, log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"no {pattern}: {log.read_text(errors='replace')}")
