"""Object stores as real processes: rclone, which keeps objects as files and honours no condition, and moto, which keeps
them in memory and honours conditions."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from free_port import free_port

BUCKET = "recordings"
KEY, SECRET = "faults", "faults-secret"
START_TIMEOUT_S = 60.0
PROGRAMS = Path(sys.executable).parent


class StoreProcessError(Exception):
    """Why a store does not run, in one line."""


class StoreProcess:
    """A store on a port of its own."""

    def __init__(self, kind: str, folder: Path) -> None:
        """Start a store of a kind, `rclone` or `moto`, with its files in `folder`."""
        self.kind = kind
        self._folder = folder
        (folder / "objects" / BUCKET).mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._process = self._start()
        self._make_bucket()

    @property
    def forgets(self) -> bool:
        """Whether its objects are gone with its process."""
        return self.kind == "moto"

    def _start(self) -> subprocess.Popen[bytes]:
        words: list[str | Path] = [PROGRAMS / "moto_server", "-H", "127.0.0.1", "-p", str(self.port)]
        if self.kind == "rclone":
            words = [
                PROGRAMS / "rclone", "serve", "s3", "--config", self._folder / "rclone.conf", "--addr",
                f"127.0.0.1:{self.port}", "--auth-key", f"{KEY},{SECRET}", self._folder / "objects",
            ]  # fmt: skip
        with (self._folder / "store.log").open("ab") as log:
            process = subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        give_up_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < give_up_s:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return process
            if process.poll() is not None:
                raise StoreProcessError(f"{self.kind} ended with code {process.returncode}: {self._last_line()}")
            time.sleep(0.05)
        process.kill()
        raise StoreProcessError(f"{self.kind} does not listen: {self._last_line()}")

    def _last_line(self) -> str:
        told = (self._folder / "store.log").read_text(errors="replace").strip().splitlines()
        return told[-1] if told else "it said nothing"

    def _make_bucket(self) -> None:
        if self.kind == "moto":
            request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{BUCKET}", method="PUT")
            urllib.request.urlopen(request, timeout=30).close()

    def freeze(self) -> None:
        """Stop the process: connections are taken by the kernel, and nobody answers."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def start_again(self) -> None:
        """Start it again on its port, after `kill`."""
        self._process = self._start()

    # What is in it, asked directly.

    @property
    def environment(self) -> dict[str, str]:
        """What a client is told in its environment, but for the endpoint."""
        return {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1",
                "AWS_ALLOW_HTTP": "true"}  # fmt: skip

    def client(self, port: int = 0) -> Any:
        """Return a client of obstore for the bucket, here or at another port."""
        from obstore.store import S3Store

        return S3Store(
            BUCKET, endpoint=f"http://127.0.0.1:{port or self.port}", access_key_id=KEY, secret_access_key=SECRET,
            region="us-east-1", client_options={"allow_http": True},
        )  # fmt: skip

    def names(self) -> list[str]:
        """Return the names of all objects."""
        return sorted(entry["path"] for batch in self.client().list() for entry in batch)

    def objects(self) -> Iterator[tuple[str, bytes]]:
        """Fetch every object: its name and its content."""
        import obstore

        client = self.client()
        for name in self.names():
            yield name, bytes(obstore.get(client, name).bytes())


@contextlib.contextmanager
def running_store(kind: str, folder: Path) -> Iterator[StoreProcess]:
    """Run a store, which is killed when the block is left."""
    folder.mkdir(parents=True, exist_ok=True)
    store = StoreProcess(kind, folder)
    try:
        yield store
    finally:
        store.thaw()
        store.kill()


def without_store_settings() -> dict[str, str]:
    """Return our environment without what may be set for a store of the user's own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
