"""moto's S3 server: it honours conditions (If-None-Match), and checks neither checksums nor signatures.

Its objects live in memory: they are gone when it stops.
"""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.peers import free_port
from support.rclone_s3 import s3_environment
from support.store_process import BUCKET, StoreProcess


class MotoS3(StoreProcess):
    """A store with an empty bucket, which lists `page` objects at a time."""

    def __init__(self, folder: Path, page: int = 1000) -> None:
        port = free_port()
        program = Path(sys.executable).with_name("moto_server")
        settings = ["env", f"MOTO_S3_DEFAULT_MAX_KEYS={page}"]
        super().__init__(folder, [*settings, program, "-H", "127.0.0.1", "-p", str(port)], port)

    def start(self) -> None:
        super().start()
        request = urllib.request.Request(f"{self.endpoint}/{BUCKET}", method="PUT")
        urllib.request.urlopen(request, timeout=60).close()

    @property
    def environment(self) -> dict[str, str]:
        """What clients need."""
        return s3_environment(self.endpoint)

    def unfinished(self) -> str:
        """What it lists of uploads in parts that were neither completed nor aborted, as XML."""
        with urllib.request.urlopen(f"{self.endpoint}/{BUCKET}?uploads", timeout=60) as answer:
            return str(answer.read(), "utf-8")


@contextmanager
def moto_s3(folder: Path, page: int = 1000) -> Iterator[MotoS3]:
    """A store for the time of a test or a module."""
    server = MotoS3(folder, page)
    try:
        yield server
    finally:
        server.stop()
