"""What is compiled does the same: the engine's own tests, and a call, with the modules of a compiled wheel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from support.running import missing, need

ROOT = Path(__file__).parents[2]
TESTED = [
    *(f"tests/call/test_{name}.py" for name in (
        "driver", "feed", "flow", "memory", "phases", "relay", "roles", "session", "slices", "turns", "wire",
    )),
    "tests/call/faults/test_faulted_relay.py",
    *(f"tests/call/bots/test_{name}.py" for name in ("process", "program", "speech_queue", "watch")),
    *(f"tests/test_{name}.py" for name in ("codec", "mixed_runs", "model", "runs")),
]  # fmt: skip
NEEDS_SOURCE = [
    "tests/call/test_driver.py::test_a_session_that_is_always_late_keeps_the_loop_from_nothing",
    "tests/call/test_driver.py::test_the_end_of_a_call_is_read_once_however_long_its_taps_wait_for_their_turn",
    "tests/call/test_memory.py::test_a_recorded_call_takes_little_beside_its_audio",
    "tests/test_codec.py::test_the_example_in_the_documentation_runs",
]
"""A compiled class has no subclass that is not, and counts as larger; a compiled module has no docstrings to run."""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of a compiled wheel, as it would be installed."""
    need("cc")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        missing("the headers of this Python are not installed")
    made = tmp_path_factory.mktemp("compiled")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", made, ROOT]
    done = subprocess.run(
        command, env={**os.environ, "HATCH_BUILD_HOOK_ENABLE_CUSTOM": "1"}, capture_output=True, check=False
    )
    if b"No matching distribution" in done.stderr:
        missing("what compiles it cannot be downloaded")
    assert done.returncode == 0, done.stderr.decode()
    (wheel,) = made.glob("*.whl")
    assert "none-any" not in wheel.name
    zipfile.ZipFile(wheel).extractall(made / "wheel")
    assert not list(ROOT.glob("audiosocket_cli/**/*.so")), "source in a checkout would not be what is run"
    return made / "wheel"


def test_the_engine_passes_its_tests(compiled: Path) -> None:
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", *(f"--deselect={name}" for name in NEEDS_SOURCE)]
    done = run_compiled(compiled, "-m", "pytest", *options, *TESTED)
    assert done.returncode == 0, done.stdout.decode()[-4000:]
    used = run_compiled(compiled, "-c", "from audiosocket_cli.call import session; print(session.__file__)")
    assert used.stdout.decode().startswith(str(compiled))
    assert used.stdout.decode().endswith(".so\n")


def test_a_call_is_echoed_and_recorded(compiled: Path, tmp_path: Path) -> None:
    command = ["serve", "--listen", "127.0.0.1:0", "--echo", "--record", tmp_path, "--calls", "1"]
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", "audiosocket_cli", *command],
        cwd=tmp_path, env=environment(compiled), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stderr is not None
    port = server.stderr.readline().partition("127.0.0.1:")[2].partition(" ")[0]
    played = run_compiled(compiled, "-m", "audiosocket_cli", "inject-dtmf", "42#", f"127.0.0.1:{port}")
    assert played.returncode == 0, played.stderr.decode()
    server.communicate(timeout=30)
    (about,) = (json.loads(path.read_text()) for path in tmp_path.glob("*.json"))
    assert "".join(press["digit"] for press in about["dtmf"]) == "42#"
    assert about["server"]["audio_s"] >= about["caller"]["audio_s"] - 0.1 > 0.5
    assert not about["findings"]


def environment(compiled: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(compiled)}


def run_compiled(compiled: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-P", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(compiled), capture_output=True, check=False)
