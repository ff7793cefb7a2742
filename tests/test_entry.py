"""Where the command begins and ends."""

from __future__ import annotations

import subprocess
import sys

from audiosocket_cli.entry import main

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
