"""Real stores: one of each kind for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.moto_s3 import MotoS3, moto_s3
from support.rclone_s3 import RcloneS3, rclone_s3


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RcloneS3]:
    with rclone_s3(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoS3]:
    with moto_s3(tmp_path_factory.mktemp("moto")) as server:
        yield server
