"""`rclone serve s3` on a folder: each folder in that is a bucket, and each file an object."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.s3_server import KEY_ID, SECRET, S3Server, beside_python, started


@contextmanager
def rclone_s3(folder: Path, log: Path, address: str = "127.0.0.1:0") -> Iterator[S3Server]:
    """Serve a folder, on a free port unless one is named."""
    words = ["--addr", address, "--auth-key", f"{KEY_ID},{SECRET}", "--dir-cache-time", "0s", folder]
    with started([beside_python("rclone"), "--config", "/dev/null", "serve", "s3", *words], log) as server:
        yield server
