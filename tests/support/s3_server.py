"""A real server that speaks S3, started on a free port and ended by its process: what rclone's and moto's share."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from botocore.config import Config

from support.running import MAX_WAIT_S

KEY_ID, SECRET = "tester", "tester-secret"


class S3Server(NamedTuple):
    """A server that is there: its URL, and what a program has in its environment to use it."""

    url: str
    environment: Mapping[str, str]

    def client(self) -> Any:
        """Return boto3's client of it, for what a test needs and we do not have: buckets, odd keys, removal."""
        config = Config(retries={"max_attempts": 1}, request_checksum_calculation="when_required")
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
            config=config,
        )


def environment_of(url: str) -> dict[str, str]:
    """Return the environment of a program that uses the server at this URL."""
    return {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL": url,
            "AWS_REGION": "us-east-1"}  # fmt: skip


def beside_python(tool: str) -> Path:
    """Return the path of a tool that a package of PyPI has brought."""
    return Path(sys.executable).with_name(tool)


@contextmanager
def started(words: Sequence[str | Path], log: Path, **environment: str) -> Iterator[S3Server]:
    """Run a server that says its URL when it listens; what it says is in the file `log`."""
    with log.open("wb") as file:
        process = subprocess.Popen([*map(str, words)], stdout=file, stderr=file, env={**os.environ, **environment})
    try:
        url = _url_in(log, process)
        yield S3Server(url, environment_of(url))
    finally:
        process.kill()
        process.wait()


def _url_in(log: Path, process: subprocess.Popen[bytes]) -> str:
    limit_s = time.monotonic() + MAX_WAIT_S
    while time.monotonic() < limit_s and process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text(errors="replace")):
            return found[0]
        time.sleep(0.02)
    raise AssertionError(f"it does not listen: {log.read_text(errors='replace')}")
