"""The loops in C, and an echo server of another make."""

from __future__ import annotations

import shutil
import subprocess
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
