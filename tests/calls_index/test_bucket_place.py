"""The index of a bucket follows its objects: new, changed, removed; what cannot be read, and a store that goes away."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiosocket_cli.calls_index.bucket_place import BucketPlace
from audiosocket_cli.calls_index.filters import Filter
from audiosocket_cli.calls_index.index import CallsIndex
from audiosocket_cli.stores.store_url import parse_store_url
from support.many_calls import make_calls
from support.rclone_s3 import rclone_s3
from support.s3_server import S3Server


def quiet(line: str) -> None:
    raise AssertionError(f"said {line!r}")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, S3Server]]:
    root = tmp_path_factory.mktemp("store") / "buckets"
    root.mkdir()
    with rclone_s3(root, root.parent / "rclone.log") as server:
        yield root, server


@pytest.fixture
def bucket(served: tuple[Path, S3Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A bucket, empty, and an environment in which its store is found."""
    root, server = served
    for name, value in {**server.environment, "XDG_CACHE_HOME": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    (root / "calls").mkdir()
    yield root / "calls"
    shutil.rmtree(root / "calls")


def opened(path: str = "") -> CallsIndex:
    return CallsIndex(BucketPlace(parse_store_url(f"s3://calls/{path}")), quiet)


def rows_of(index: CallsIndex) -> set[tuple[str, str | None]]:
    """The URLs of all calls, with their results."""
    return {(row.path, row.result) for row in index.rows(Filter())}


def truth(bucket: Path) -> set[tuple[str, str | None]]:
    return {
        (f"s3://calls/{path.relative_to(bucket)}", json.loads(path.read_text())["result"])
        for path in bucket.rglob("*.json")
    }


def test_calls_come_change_and_go_with_their_objects(bucket: Path) -> None:
    make_calls(bucket / "site", 30, every_s=7200)
    with opened() as index:
        assert index.update().read == 30
        assert rows_of(index) == truth(bucket)
    (gone, changed, *_) = sorted(bucket.rglob("*.json"))
    gone.unlink()
    changed.write_text(json.dumps(json.loads(changed.read_text()) | {"result": "changed"}))
    make_calls(bucket / "site", 2, first=500)
    with opened() as index:
        updated = index.update()
        assert (updated.read, updated.removed, updated.incomplete) == (3, 1, [])
        assert rows_of(index) == truth(bucket)
        assert index.update().read == 0


def test_a_path_is_a_folder_and_not_the_beginning_of_a_name(bucket: Path) -> None:
    make_calls(bucket / "site", 2)
    make_calls(bucket / "site-2", 3, first=10)
    with opened("site") as index:
        index.update()
        assert {row.folder for row in index.rows(Filter())} == {"s3://calls/site/2026-09-01"}
        assert index.totals(Filter()).calls == 2
