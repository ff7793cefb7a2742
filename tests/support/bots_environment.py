"""A Python environment for the example bots that are built on pipecat: its packages, each at one version, in a cache.

As a command it makes the environment, as scripts/test does. It needs Python 3.12 or newer, for pipecat-asterisk does.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGES = Path(__file__).with_suffix(".txt")
"""What is installed: all that is needed, so that pip has nothing to find out."""

VERSIONS = ("3.13", "3.12")
"""Releases of Python that have wheels of all packages."""


def find_python() -> Path | None:
    """Return a Python that is new enough: on the PATH, or in pyenv's folder."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for version in VERSIONS:
        found = shutil.which(f"python{version}")
        for path in [*([Path(found)] if found else []), *sorted(pyenv.glob(f"{version}.*/bin/python{version}"))]:
            if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:  # else a stand-in
                return path
    return None


def folder() -> Path:
    """Return where the environment is."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "audiosocket-bots" / hashlib.sha256(PACKAGES.read_bytes()).hexdigest()[:12]


def python() -> Path:
    """Return the environment's Python."""
    return folder() / "bin" / "python"


def make() -> None:
    """Make the environment, unless it is there. Raises `OSError` and `subprocess.CalledProcessError`."""
    found, place = find_python(), folder()
    if place.exists():
        return
    if found is None:
        raise OSError(f"no Python {', '.join(VERSIONS)} is installed")
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as name:
        made = Path(name) / "made"
        subprocess.run([found, "-m", "venv", made], check=True)
        pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--no-compile",
            "--disable-pip-version-check",
        ]
        subprocess.run([made / "bin" / "python", *pip, "--requirement", PACKAGES], check=True)
        made.rename(place)  # whole, or not at all


if __name__ == "__main__":
    try:
        make()
    except OSError as error:
        sys.stderr.write(f"bots_environment: {error}: the bots on pipecat are not tested\n")
        sys.exit(1 if os.environ.get("CI") else 0)
