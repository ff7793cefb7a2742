"""What watches servers for half an hour sees what is wrong with them, and nothing where nothing is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import wave
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from support.running import missing

SCRIPT = Path(__file__).parents[2] / "scripts" / "soak"
CALL = UUID(int=1)
FRAMES = 100


@pytest.fixture(scope="module")
def soak() -> ModuleType:
    loader = SourceFileLoader("soak", str(SCRIPT))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    script = sys.modules["soak"] = module_from_spec(spec)
    loader.exec_module(script)
    return script


def test_a_few_seconds_of_it_find_nothing_wrong() -> None:
    if not Path("/proc/self/fd").is_dir():
        missing("this system has no /proc")
    done = subprocess.run(
        [sys.executable, SCRIPT, "--minutes", "0.1", "--calls", "9"],
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert (done.stderr, "WRONG" in done.stdout) == ("", False), done.stdout
    checked = re.search(r"(\d+) recordings and their JSON checked", done.stdout)
    assert checked is not None
    assert int(checked[1]) >= 8
    assert done.returncode == 0


class _Ended:
    """What `soak` needs to know of a call to check its files."""

    def __init__(self, soak: ModuleType, folder: Path, end: str = "close") -> None:
        self.call = soak.Call.__new__(soak.Call)
        self.call.server = soak.Server("record", None, 0, "", Path(), folder)
        self.call.uuid, self.call.end, self.call.key = CALL, end, "5"
        self.call.frames = self.call.said = FRAMES
        self.call.over_s, self.call.faults = time.monotonic(), []
        self.samples = soak.noise(CALL.int, FRAMES)
        self.facts: dict[str, Any] = {
            "recording": {"error": None}, "dtmf": [{"digit": "5"}], "ended_by": "caller", "ended_how": "closed",
        }  # fmt: skip

    def faults(self) -> list[str]:
        path = self.call.recording
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(self.samples.astype("<i2").tobytes())
        path.with_suffix(".json").write_text(json.dumps(self.facts))
        self.call.check_files()
        found: list[str] = self.call.faults
        assert path.exists() == bool(found)
        return found


def test_a_right_recording_is_deleted_and_one_without_a_file_is_missed(soak: ModuleType, tmp_path: Path) -> None:
    ended = _Ended(soak, tmp_path)
    assert ended.faults() == []
    assert ended.call.check_files() is None
    ended.call.over_s -= soak.FILES_WITHIN_S
    ended.call.check_files()
    assert ended.call.faults == [f"there is no {CALL}.json"]


@pytest.mark.parametrize("change", ["altered", "cut", "swapped", "doubled"])
def test_a_recording_with_one_thing_wrong_is_seen(soak: ModuleType, tmp_path: Path, change: str) -> None:
    ended = _Ended(soak, tmp_path)
    match change:
        case "altered":
            ended.samples[777] += 1
        case "cut":
            ended.samples = ended.samples[:-1]
        case "swapped":
            ended.samples = np.concatenate([ended.samples[160:320], ended.samples[:160], ended.samples[320:]])
        case "doubled":
            ended.samples = np.concatenate([ended.samples, ended.samples[-160:]])
    assert ended.faults() == ["channel 1 of the recording is not what was said"]


def test_silence_within_speech_is_measured_and_a_reset_may_take_the_end(soak: ModuleType, tmp_path: Path) -> None:
    ended = _Ended(soak, tmp_path, "reset")
    kept = ended.samples[: 60 * 160]
    ended.samples = np.concatenate([np.zeros(80, np.int16), kept[:1600], np.zeros(800, np.int16), kept[1600:]])
    assert ended.faults() == []
    ended.samples = ended.samples[: 30 * 160]
    assert ended.faults() == ["channel 1 of the recording is not what was said"]


def test_memory_that_grows_is_told_from_memory_that_varies(soak: ModuleType) -> None:
    varying = [soak.Look(at_s, 50_000 + 5000 * (at_s % 3 == 0), 10, 5, 0) for at_s in range(0, 600, 10)]
    assert soak.memory_of(varying, 120, 180) == soak.memory_of(varying, 540, 600) == 50.0
    growing = [soak.Look(at_s, 50_000 + 10 * at_s, 10, 5, 0) for at_s in range(0, 600, 10)]
    assert soak.memory_of(growing, 530, 590) / soak.memory_of(growing, 120, 180) > 1 + soak.MAX_GROWN
