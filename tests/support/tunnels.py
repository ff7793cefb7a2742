"""Real stunnels between a caller and a server, and the certificates that they know."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.pages import FILES
from support.running import need

LISTENS_WITHIN_S = 10.0


class Tunnels:
    """Stunnels that were started, and the certificates that they know."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []
        self.logs: dict[str, Path] = {}
        for name in ("server", "client", "stranger"):
            self._make_certificate(name)

    def _make_certificate(self, name: str) -> None:
        words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650"]
        files = ["-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.crt"]
        subprocess.run(
            [need("openssl"), *words, "-subj", f"/CN={name}", *files], check=True, capture_output=True, timeout=30
        )

    def start(self, example: str, *, accept: int, connect: int, certificate: str | None = None, more: str = "") -> None:
        """Run an example with these ports, and the certificate of another if one is named, and `more` settings."""
        text = FILES[example] + f"{more}\n"
        text, ports = re.subn(r"(?m)^(accept|connect) = .*", lambda found: (
            f"{found[1]} = 127.0.0.1:{accept if found[1] == 'accept' else connect}"), text)  # fmt: skip
        assert ports == 2
        if certificate:
            text = re.sub(r"(?m)^(cert|key) = /etc/stunnel/\w+", rf"\1 = /etc/stunnel/{certificate}", text)
        text = text.replace("/etc/stunnel/", f"{self.folder}/")
        config = self.folder / f"{len(self.started)}-{example}"
        config.write_text(text)
        log = self.logs[example] = config.with_suffix(".log")
        with log.open("w") as file:
            self.started.append(subprocess.Popen([need("stunnel"), config], stdout=file, stderr=file, text=True))
        give_up_s = time.monotonic() + LISTENS_WITHIN_S
        while "Configuration successful" not in log.read_text():
            assert self.started[-1].poll() is None, log.read_text()
            assert time.monotonic() < give_up_s, log.read_text()
            time.sleep(0.02)

    def told(self, example: str, pattern: str) -> bool:
        """Whether a stunnel says so, in time."""
        give_up_s = time.monotonic() + 5
        while not re.search(pattern, self.logs[example].read_text()):
            if time.monotonic() > give_up_s:
                return False
            time.sleep(0.02)
        return True


@pytest.fixture
def tunnels(tmp_path: Path) -> Iterator[Tunnels]:
    need("stunnel")
    tunnels = Tunnels(tmp_path)
    yield tunnels
    for process in tunnels.started:
        process.terminate()
        process.wait(10)
