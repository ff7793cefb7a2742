"""Libraries for servers by other makers, each at one version: installed into a cache, and started in a small server
that echoes.

As a command it installs all of them, as scripts/test does. It needs npm, and the package registries.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

SERVERS = Path(__file__).with_name("published")


@dataclass(frozen=True)
class Published:
    """A package at a version, and the file that serves with it."""

    package: str
    version: str
    server: str

    @property
    def folder(self) -> Path:
        """Where it is installed."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cache / "audiosocket-published" / f"{self.package.replace('/', '-')}-{self.version}"

    @property
    def is_python(self) -> bool:
        return self.server.endswith(".py")

    @property
    def command(self) -> list[str]:
        """The words that start it, of which {port} is one."""
        server = self.folder / self.server
        shutil.copy(SERVERS / self.server, server)  # beside what it imports
        return [sys.executable if self.is_python else "node", str(server), "{port}"]

    def install(self) -> None:
        """Install it, unless it is there. Raises `OSError` and `subprocess.CalledProcessError`."""
        if self.folder.exists():
            return
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder.parent) as name:
            made = Path(name) / "made"
            made.mkdir()
            (made / "package.json").write_text("{}")
            npm = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", f"{self.package}@{self.version}"]
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", ".",
                   f"{self.package}=={self.version}"]  # fmt: skip
            subprocess.run(pip if self.is_python else npm, cwd=made, check=True, stdout=subprocess.DEVNULL)
            made.rename(self.folder)  # whole, or not at all


PUBLISHED = {
    each.package: each
    for each in (
        Published("asterisk-audiosocket", "0.1.0", "asterisk-audiosocket.mjs"),
        Published("@fonoster/streams", "0.15.20", "fonoster-streams.cjs"),
        Published("asterisk-ai-voice-agent", "0.1.6", "asterisk-ai-voice-agent.py"),
    )
}

AZURITE = Published("azurite", "3.37.0", "node_modules/azurite/dist/src/blob/main.js")
"""Azure's blob store as its maker's emulator, which is started as it is."""

if __name__ == "__main__":
    for each in (*PUBLISHED.values(), AZURITE):
        each.install()
