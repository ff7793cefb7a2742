"""moto's server: an S3 in memory, which takes any key and honours conditions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.s3_server import S3Server, beside_python, started


@contextmanager
def moto_s3(log: Path, port: int = 0, page: int = 1000) -> Iterator[S3Server]:
    """Serve an empty store, on a free port unless one is named; it lists `page` objects at a time."""
    words = ["-H", "127.0.0.1", "-p", str(port)]
    with started([beside_python("moto_server"), *words], log, MOTO_S3_DEFAULT_MAX_KEYS=str(page)) as server:
        yield server
