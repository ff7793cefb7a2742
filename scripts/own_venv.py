"""Scripts that need what the tests need go on in .venv, whichever Python they were started with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"


def go_on_in_venv() -> NoReturn:
    """Start this script again with the Python of .venv, which scripts/setup makes if need be."""
    if not PYTHON.exists():
        subprocess.run([ROOT / "scripts" / "setup", "test"], check=True)
    if Path(sys.prefix) == PYTHON.parents[1]:
        sys.exit(f"{Path(sys.argv[0]).name}: .venv lacks a package; run scripts/setup test")
    os.execv(PYTHON, [str(PYTHON), *sys.argv])
