"""What is on the wire, seen by tshark: each frame in one segment, on its deadline."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from support.running import Serving, missing, need, run


@pytest.mark.parametrize("side", ["server", "caller"])
def test_each_frame_is_one_segment_on_its_deadline(
    serve: Callable[..., Serving], tone_file: Path, tmp_path: Path, side: str
) -> None:
    tshark = need("tshark")
    if os.geteuid():
        missing("capturing needs root")
    serving = serve("--tone", "440")
    direction = "src" if side == "server" else "dst"
    capture = subprocess.Popen(
        [
            tshark, "-l", "-i", "lo", "-f", f"tcp {direction} port {serving.port}", "-a", "duration:4",
            "-T", "fields", "-e", "frame.time_epoch", "-e", "tcp.len", "-e", "tcp.payload",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert capture.stderr is not None
    while "Capturing on" not in capture.stderr.readline():
        pass
    assert run("play", tone_file, serving.target, "--wait", "0.5").returncode == 0
    rows = [line.split("\t") for line in capture.communicate(timeout=30)[0].splitlines()]
    segments = [(float(at_s), payload) for at_s, length, payload in rows if int(length)]
    audio = [(at_s, payload) for at_s, payload in segments if payload.startswith("100140")]
    others = [payload for _, payload in segments if not payload.startswith("100140")]
    assert len(audio) >= 95
    assert {len(payload) // 2 for _, payload in audio} == {323}
    assert len(others) <= 1  # the caller's UUID
    times = [at_s for at_s, _ in audio]
    assert times[-1] - times[0] == pytest.approx((len(times) - 1) * 0.02, abs=0.02)
    steps = sorted(after - before for before, after in pairwise(times))
    assert steps[len(steps) // 2] == pytest.approx(0.02, abs=0.002)
