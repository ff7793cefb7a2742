"""The script that measures what reading captures costs does so; its limits are not held here, on a busy machine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from support.running import need

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench-captures"


def test_both_ratios_are_measured_and_judged() -> None:
    need("tshark")
    done = subprocess.run(
        [sys.executable, SCRIPT, "--mib", "8", "--frames", "2000", "--runs", "1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    raw, pcapng = done.stdout.splitlines()
    against_sha1sum = re.search(r"ratio (\d+\.\d+) \(at most 0\.50\), (\d+) MB", raw)
    against_tshark = re.search(r"ratio (-?\d+\.\d+) \(at least 5\)", pcapng)
    assert against_sha1sum is not None
    assert against_tshark is not None
    held = float(against_sha1sum[1]) <= 0.5 and int(against_sha1sum[2]) <= 200 and float(against_tshark[1]) >= 5
    if abs(float(against_tshark[1]) - 5) > 0.1 and abs(float(against_sha1sum[1]) - 0.5) > 0.01:  # shown rounded
        assert done.returncode == (0 if held else 1)
