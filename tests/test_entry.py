"""Where the command begins and ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from audiosocket_cli.entry import main
from support.peers import connected, opening
from support.running import Serve

# Printed by the last of all that an exit does before Python looks for cycles.
EXIT = f"""
import atexit, gc, sys
atexit.register(lambda: print(gc.get_freeze_count(), len(gc.get_objects())))
sys.argv = ["audiosocket", "--version"]
from {main.__module__} import main
main()
"""


def test_an_exit_looks_for_cycles_in_nothing_that_was_imported() -> None:
    shown = subprocess.run([sys.executable, "-c", EXIT], capture_output=True, text=True, check=True).stdout
    frozen, looked_at = map(int, shown.splitlines()[-1].split())
    assert frozen > 10_000
    assert looked_at < 100


def threads_of(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="BLAS has no threads on one core")
def test_numpy_starts_threads_only_for_who_asks(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    by_itself = threads_of(serve().process.pid)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    assert threads_of(serve().process.pid) == by_itself + 1


def test_a_program_keeps_its_own_number_of_threads(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    serving = serve("--exec", "sh -c 'env > its-environment'", "--calls", "1")
    with connected(serving, opening()[1]):
        assert serving.end(0)[0] == 0
    assert "OPENBLAS" not in (tmp_path / "its-environment").read_text()
