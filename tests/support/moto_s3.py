"""moto's S3 server: it honours conditions (If-None-Match), and checks neither checksums nor signatures.

Its objects live in memory: they are gone when it stops.
"""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.rclone_s3 import s3_environment
from support.store_process import BUCKET, StoreProcess, free_port


class MotoS3(StoreProcess):
    """A store with an empty bucket."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        super().__init__(
            folder, [Path(sys.executable).with_name("moto_server"), "-H", "127.0.0.1", "-p", str(port)], port
        )

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
def moto_s3(folder: Path) -> Iterator[MotoS3]:
    """A store for the time of a test or a module."""
    server = MotoS3(folder)
    try:
        yield server
    finally:
        server.stop()
