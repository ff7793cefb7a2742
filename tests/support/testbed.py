"""The real Asterisk of scripts/asterisk-testbed, as tests use it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from support.running import missing

TESTBED = Path(__file__).parents[2] / "scripts" / "asterisk-testbed"


def testbed(*args: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the script to its end."""
    return subprocess.run([sys.executable, TESTBED, *args], capture_output=True, text=True, timeout=150, check=False)


testbed.__test__ = False  # type: ignore[attr-defined]


@contextlib.contextmanager
def running_asterisk() -> Iterator[None]:
    """Have an Asterisk run; one that was running before stays."""
    was_running = testbed("status").returncode == 0
    started = testbed("start")
    if started.returncode:
        missing(f"no Asterisk to test with ({started.stderr.strip()})")
    yield
    if not was_running:
        assert testbed("stop").returncode == 0
