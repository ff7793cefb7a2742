"""`rclone serve s3` over a folder, as a store: it checks signatures, and ignores conditions (If-None-Match)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.peers import free_port
from support.store_process import BUCKET, StoreProcess

KEY = "AKTESTTESTTESTTEST"
SECRET = "secret-of-the-tests-0123456789abcdefghij"


FRESH = "--dir-cache-time=0s"
"""An option with which it sees files that come and go without it."""


class RcloneS3(StoreProcess):
    """A store whose objects are files: `files` is the folder of its bucket."""

    def __init__(self, folder: Path, *options: str, has_keys: bool = True) -> None:
        self.files = folder / "store" / BUCKET
        self.files.mkdir(parents=True, exist_ok=True)
        port = free_port()
        config = folder / "rclone.conf"
        config.touch()
        program = Path(sys.executable).with_name("rclone")
        super().__init__(
            folder,
            [
                program, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--config", config, *options,
                *(["--auth-key", f"{KEY},{SECRET}"] if has_keys else []), folder / "store",
            ],
            port,
        )  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        """What clients need."""
        return s3_environment(self.endpoint)

    def objects(self) -> dict[str, bytes]:
        """All that is in the bucket, by name."""
        paths = [path for path in self.files.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.files)): path.read_bytes() for path in paths}


def s3_environment(endpoint: str, *, key: str = KEY, secret: str = SECRET) -> dict[str, str]:
    """The variables of a store that speaks S3."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": "us-east-1",
    }


@contextmanager
def rclone_s3(folder: Path, *options: str, has_keys: bool = True) -> Iterator[RcloneS3]:
    """A store for the time of a test, with further options of rclone. Without keys anybody may do anything there."""
    server = RcloneS3(folder, *options, has_keys=has_keys)
    try:
        yield server
    finally:
        server.stop()
