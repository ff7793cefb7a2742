"""gs:// by Google's XML protocol, which is S3's with other conditions and keys.

No emulator of Google's store has all of it: `fake-gcs-server` takes no PUT without a signature in its URL, Google's own
test bench sends no ETag. `rclone serve s3` without keys takes these requests; it ignores their conditions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from audiosocket_cli.stores.store_error import StoreError, StoreFault
from support.opened_stores import DATA, NAME, WAV, assert_what_is_put_comes_back, opened
from support.rclone_s3 import RcloneS3, rclone_s3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RcloneS3]:
    with rclone_s3(tmp_path_factory.mktemp("rclone"), has_keys=False) as server:
        yield server


def environment(server: RcloneS3) -> dict[str, str]:
    return {"GOOGLE_BASE_URL": server.endpoint, "GOOGLE_BEARER_TOKEN": "of-the-tests"}


def test_what_is_put_comes_back(server: RcloneS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened("gs://calls/pbx1", environment(server))
    assert_what_is_put_comes_back(store, tmp_path, monkeypatch)
    assert server.objects() == {f"pbx1/{NAME}": DATA, "pbx1/large.wav": bytes(9 << 20)}


def test_no_such_bucket_is_told(server: RcloneS3) -> None:
    store = opened("gs://other", environment(server))
    for act in (lambda: store.put_new("x", DATA, WAV, replace=True), lambda: list(store.list())):
        with pytest.raises(StoreError) as raised:
            act()
        assert raised.value.fault is StoreFault.NO_BUCKET
