"""The loops in C, and an echo server of another make."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from bench.servers import BenchError

HERE = Path(__file__).parent
PEER = "asterisk-audiosocket@0.1.0"


def build_loops(folder: Path) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise BenchError("gcc is not installed: the loops to compare with cannot be built")
    binary = folder / "loops"
    sources = sorted((HERE / "loops").glob("*.c"))
    command = [compiler, "-O2", "-o", str(binary), *map(str, sources), "-lm"]
    built = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if built.returncode:
        raise BenchError(f"the loops cannot be built: {built.stderr.strip().splitlines()[0]}")
    return binary


def install_peer(folder: Path) -> list[str]:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise BenchError("--peer needs node and npm: apt-get install nodejs npm")
    (folder / "package.json").write_text("{}")
    command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", PEER]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if installed.returncode:
        raise BenchError(f"npm cannot install {PEER}: {installed.stderr.strip().splitlines()[0]}")
    shutil.copy(HERE / "peer" / "echo.mjs", folder)
    return [node, str(folder / "echo.mjs"), "0"]


def build_compiled(folder: Path) -> Path:
    """Return where the compiled package is."""
    wheels = folder / "wheels"
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", wheels, HERE.parents[1]]
    built = subprocess.run(
        list(map(str, command)), env={**os.environ, "HATCH_BUILD_HOOK_ENABLE_CUSTOM": "1"}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if built.returncode:
        raise BenchError(f"the package cannot be compiled: {built.stderr.strip().splitlines()[-1]}")
    (wheel,) = wheels.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "compiled")
    return folder / "compiled"
