"""A live call, its capture and its recording tell the same of who spoke when."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiosocket_cli.analysis.stretches import stretches_of
from audiosocket_cli.analysis.turns import turns_of
from support.running import Serve, Serving, run

FRAME_S = 0.02
TURNS = [
    ("caller", "turn"),
    ("server", "turn"),
    ("caller", "interruption"),
    ("server", "turn"),
    ("caller", "backchannel"),
]


def spoken(path: Path, end_s: float, *spans: tuple[float, float], rate_hz: int = 8000) -> Path:
    """Noise in syllables where somebody speaks, noise of a line, the same in all files, where nobody does."""
    generator = np.random.default_rng(7)
    sound = generator.standard_normal(round(end_s * rate_hz)) * 0.002
    for start_s, stop_s in spans:
        first, last = round(start_s * rate_hz), round(stop_s * rate_hz)
        syllables = np.where(np.arange(last - first) * 8 // rate_hz % 2, 0.3, 1.0)
        sound[first:last] += generator.standard_normal(last - first) * syllables * 0.1
    soundfile.write(path, np.clip(sound, -1, 1), rate_hz, "PCM_16")
    return path


def of_recording(path: Path) -> dict[str, Any]:
    samples, rate_hz = soundfile.read(path, dtype="int16")
    return turns_of(*(stretches_of(samples[:, side], rate_hz) for side in (0, 1))).as_dict() or {}


def a_call(serving: Serving, caller: Path) -> tuple[dict[str, Any], bool]:
    """Make a call, and return the event of its end, and whether nothing disturbed it: again, if something did."""
    for _ in range(6):
        played = run("play", caller, serving.target)
        assert played.returncode == 0, played.stderr
        ended = json.loads(serving.wait_for('"event": "ended"'))
        call = ended["call"]
        if not (call["caller"]["gap_count"] or call["server"]["slips"] or call["server"]["late_frames"]):
            return ended, True
    return ended, False


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_a_call_its_capture_and_its_recording_have_the_same_turns(serve: Serve, tmp_path: Path, rate_hz: int) -> None:
    caller = spoken(tmp_path / "caller.wav", 6.0, (0.3, 1.1), (2.3, 3.1), (4.9, 5.2), rate_hz=rate_hz)
    server = spoken(tmp_path / "server.wav", 6.0, (1.7, 2.7), (3.7, 5.6), rate_hz=rate_hz)
    serving = serve("--play", server, "--record", "calls", "--layout", "stereo", "--capture", "calls", "--json")
    ended, is_undisturbed = a_call(serving, caller)
    live = ended["call"]["turns"]
    told = run("dump", tmp_path / "calls" / ended["call"]["capture"]["file"], "--stats", "--json")
    for other in (json.loads(told.stdout)["turns"], of_recording(tmp_path / ended["files"][0])):
        if not live or not other:  # more than a second came at once: then nothing is said of turns
            assert not is_undisturbed
            continue
        for side in ("caller", "server"):
            assert other["talk_s"][side] == pytest.approx(live["talk_s"][side], abs=0.06 if is_undisturbed else 0.5)
        if is_undisturbed:
            assert [(turn["side"], turn["kind"]) for turn in live["list"]] == TURNS
            assert_same(live, other)


def assert_same(live: dict[str, Any], other: dict[str, Any]) -> None:
    assert [(turn["side"], turn["kind"]) for turn in other["list"]] == TURNS
    for mine, theirs in zip(live["list"], other["list"], strict=True):
        for key, unit_s, ends in (("start_s", 1.0, 1), ("end_s", 1.0, 1), ("after_ms", 0.001, 2)):
            if mine[key] is not None:  # each end may be seen a frame later; and a pause is between two
                assert abs(mine[key] - theirs[key]) * unit_s <= ends * FRAME_S + 0.0011, (key, live, other)
    for key in ("interruptions", "backchannels", "dead_air"):
        assert other[key] == live[key]
    assert other["latency_ms"]["max"] == pytest.approx(live["latency_ms"]["max"], abs=2 * FRAME_S * 1000 + 1)
    assert other["overlap_s"] == pytest.approx(live["overlap_s"], abs=4 * FRAME_S + 0.01)  # two, of two ends each
