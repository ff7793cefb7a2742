"""Calls through a real HAProxy while its servers drain, are killed and start again: what drains loses none."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from support.running import need

SCRIPT = Path(__file__).parents[2] / "scripts" / "fleet"


def test_a_few_calls_survive_all_that_is_done_to_the_servers(tmp_path: Path) -> None:
    need("haproxy")
    done = subprocess.run(
        [sys.executable, SCRIPT, "--calls", "16", "--longest", "2", "--slow", "5", "--keep", tmp_path / "kept"],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert "what drained lost no call, what was killed its own, and all of them were told" in done.stdout, (
        done.stdout + done.stderr
    )
    assert done.returncode == 0
    counts = re.findall(r"^(\w.*?) +(\d+) +(\d+) +(\d+) +(\d+) +\d+ +\d+\.\d\d s$", done.stdout, re.MULTILINE)
    lost = {name: int(cut) + int(refused) for name, _, _, cut, refused in counts}
    killed = "bot1 is killed (SIGKILL), starts again"
    assert len(lost) == 5
    assert lost.pop(killed) >= 4  # a quarter of all calls was there
    assert set(lost.values()) == {0}
    assert "calls, ended after " in done.stderr
    logs = [(tmp_path / "kept" / name / "log").read_text() for name in ("bot1", "bot2")]
    assert all("draining in 4 s: calls are still accepted" in log for log in logs)


def test_what_has_no_room_for_its_files_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--keep", tmp_path], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("fleet: [Errno 17] File exists: ")
