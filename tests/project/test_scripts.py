"""The scripts that set up and run the tests: what they do when a part fails, and for whom they ignore signals."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.running import missing

SCRIPTS = Path(__file__).parents[2] / "scripts"

PARTS = ["ruff check", "ruff format", "mypy", "mypy scripts/fuzz", "tests", "pages in a browser",
         "calls from a real Asterisk"]  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose tools note how they are called, and fail where the file `fails` says so."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(SCRIPTS / "test", tmp_path / "scripts" / "test")
    tools = {
        "scripts/setup": "exit 0",
        "bin/id": "echo 1000",  # not root: nothing is installed
        ".venv/bin/python": 'echo "$*" >> called; [ "$1" != -c ] || cat failures; ! grep -qxF -- "$*" fails',
    }
    for name, script in tools.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    (tmp_path / "fails").touch()
    (tmp_path / "failures").write_text("21")  # as many tests failed, if any did
    return tmp_path


def run_script(checkout: Path, *args: str) -> subprocess.CompletedProcess[str]:
    path = f"{checkout / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        [checkout / "scripts" / "test", *args],
        env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_all_parts_run_and_all_is_well(checkout: Path) -> None:
    done = run_script(checkout, "-k", "a name")
    assert done.returncode == 0
    told = [line.removeprefix("test: ") for line in done.stderr.splitlines()]
    assert [part for part in told if part in PARTS] == PARTS
    assert (checkout / "called").read_text().splitlines()[-3:] == [
        "-m pytest -n 5 --dist worksteal -m not asterisk and not browser -k a name",
        "-m pytest -n 2 --dist worksteal -m browser -k a name", "-m pytest -m asterisk -k a name",
    ]  # fmt: skip


def test_a_part_that_fails_is_named_at_the_end_and_keeps_no_other_from_its_turn(checkout: Path) -> None:
    (checkout / "fails").write_text("-m mypy\n-m pytest -n 5 --dist worksteal -m not asterisk and not browser\n")
    done = run_script(checkout)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-3:] == ["test: failed:", "  mypy", "  tests"]
    assert "once more" not in done.stderr


@pytest.mark.parametrize("fails_again", [False, True], ids=["passes", "fails again"])
def test_few_tests_that_failed_run_once_more_alone(checkout: Path, fails_again: bool) -> None:
    again = "-m pytest --last-failed -n 0 -v"
    (checkout / "failures").write_text("20")
    (checkout / "fails").write_text(
        "-m pytest -n 5 --dist worksteal -m not asterisk and not browser\n" + fails_again * again
    )
    done = run_script(checkout)
    assert done.returncode == fails_again
    assert "test: 20 failed; once more, one after the other" in done.stderr.splitlines()
    assert (checkout / "called").read_text().splitlines().count(again) == 1
    assert (checkout / "called").read_text().splitlines()[-1] == "-m pytest -m asterisk"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT], ids=["nohup", "background job"])
def test_what_tests_start_is_told_by_signals_that_the_tests_themselves_ignore(number: int, tmp_path: Path) -> None:
    support = Path(__file__).parents[1] / "support"
    (tmp_path / "conftest.py").write_text(
        (support / "ignored_signals.py").read_text() + "\n\nignore_for_ourselves_only()\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import os, signal, subprocess, sys\n"
        "def test_it():\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        f"    done = subprocess.run(['sh', '-c', 'kill -{int(number)} $$'])\n"
        f"    assert done.returncode == -{int(number)}\n"
    )
    done = subprocess.run(
        ["sh", "-c", f"trap '' {int(number)}; exec {sys.executable} -m pytest -q -n 1 -p no:cacheprovider test_it.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["bench/chart", "bench/run", "man", "outbox-faults", "repeat-tests", "soak"])
def test_a_script_needs_no_python_of_its_own(name: str) -> None:
    """Started by the system's Python, which has none of our packages, it goes on in .venv."""
    if not (SCRIPTS.parent / ".venv" / "bin" / "python").exists():
        missing("there is no .venv")
    outside = {**os.environ, "PYTHONNOUSERSITE": "1", "PATH": "/usr/local/bin:/usr/bin:/bin"}
    words = ["python3", SCRIPTS / name, "--help"]
    done = subprocess.run(words, env=outside, capture_output=True, text=True, timeout=60, check=False)
    assert "Error" not in done.stderr
    assert "scripts/" in done.stdout + done.stderr
