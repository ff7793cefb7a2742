"""Stores as they are: rclone's and moto's S3, opened by a URL; what is put is listed, read, and read in pieces."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import obstore
import pytest

from audiosocket_cli.errors import MissingLibraryError, UsageError
from audiosocket_cli.stores.store import Store, open_store
from audiosocket_cli.stores.store_error import StoreError, StoreFault
from support.moto_s3 import MotoS3
from support.opened_stores import opened
from support.rclone_s3 import RcloneS3, s3_environment
from support.store_process import free_port

ODD = "2026-11-30/ü b+%41#?&(x),=@:.wav"

Open = Callable[[str], Store]


@pytest.fixture(params=["rclone", "moto"])
def open_at(request: pytest.FixtureRequest, rclone: RcloneS3, moto: MotoS3) -> Open:
    """Opens a path of one of the stores."""
    server = {"rclone": rclone, "moto": moto}[request.param]
    return lambda path: opened(f"s3://calls/{path}", server.environment)


def test_what_is_put_is_listed_and_read_by_its_name(open_at: Open, tmp_path: Path) -> None:
    path = uuid4().hex
    store = open_at(path)
    data = bytes(range(256)) * 10
    for name in (ODD, "b.json", "empty.wav"):
        put = store.put_new(name, b"" if name == "empty.wav" else data, "audio/wav")
        assert (put.name, put.was_there) == (name, False)
    listed = {info.name: info for info in store.list()}
    assert listed.keys() == {ODD, "b.json", "empty.wav"}
    assert {name: info.size for name, info in listed.items()} == {ODD: 2560, "b.json": 2560, "empty.wav": 0}
    head = store.head(ODD)
    assert (head.name, head.size, head.etag) == (ODD, 2560, listed[ODD].etag)
    assert [info.name for info in store.list("2026-11-30")] == [ODD]
    assert [info.name for info in store.list(after="b.json")] == ["empty.wav"]
    assert [info.name for info in open_at(f"{path}/2026-11-30").list()] == [ODD.partition("/")[2]]
    assert store.read(ODD) == data
    assert store.read("empty.wav") == b""
    store.download(ODD, tmp_path / "x.wav")
    assert (tmp_path / "x.wav").read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["x.wav"]


@pytest.mark.parametrize(("start", "size"), [(0, 10), (100, 1000), (2550, 100), (2560, 1), (5000, 10), (3, 0)])
def test_a_range_is_what_a_slice_is_even_where_the_store_answers_with_all(open_at: Open, start: int, size: int) -> None:
    store = open_at("ranges")
    data = bytes(range(256)) * 10
    store.put_new("x", data, "audio/wav")
    assert store.read_range("x", start, size) == data[start : start + size]


def test_what_is_missing_or_too_large_is_one_line(open_at: Open, tmp_path: Path) -> None:
    store = open_at("missing")
    store.put_new("x", bytes(11), "audio/wav")
    with pytest.raises(StoreError, match=r"^s3://calls/missing/y: there is no such object: 404 ") as raised:
        store.read("y")
    assert raised.value.is_missing
    with pytest.raises(StoreError, match="no such object"):
        store.head("y")
    with pytest.raises(StoreError, match="no such object"):
        store.read_range("y", 1, 1)
    with pytest.raises(StoreError, match="no such object"):
        store.download("y", tmp_path / "y")
    assert not list(tmp_path.iterdir())
    with pytest.raises(StoreError) as raised:
        store.read("x", max_bytes=10)
    assert str(raised.value) == "s3://calls/missing/x: it has 11 bytes, and at most 10 are read"
    assert list(open_at("no/such/folder").list()) == []


def test_an_object_says_what_it_is(moto: MotoS3) -> None:
    store = opened("s3://calls/types", moto.environment)
    store.put_new("x", b"RIFF", "audio/wav")
    assert obstore.get(store._inner, "x").attributes == {"Content-Type": "audio/wav"}


def test_wrong_keys_and_no_such_bucket_are_told_apart(rclone: RcloneS3) -> None:
    wrong = opened("s3://calls", s3_environment(rclone.endpoint, secret="another-secret-0123456789"))
    other = opened("s3://calls", s3_environment(rclone.endpoint, key="AKOTHEROTHEROTHER"))
    for store, code in ((wrong, "SignatureDoesNotMatch"), (other, "InvalidAccessKeyId")):
        for act in (lambda s: s.put_new("x", b"1", "audio/wav"), lambda s: list(s.list()), lambda s: s.read("x")):
            with pytest.raises(StoreError) as raised:
                act(store)
            assert raised.value.fault is StoreFault.DENIED
            assert "\n" not in str(raised.value)
        with pytest.raises(StoreError, match=rf"^s3://calls: the store answered 403 {code} \("):
            list(store.list())
    bucket = opened("s3://other", rclone.environment)
    with pytest.raises(StoreError, match=r"^s3://other: there is no such bucket: 404 NoSuchBucket") as raised:
        list(bucket.list())
    assert raised.value.fault is StoreFault.NO_BUCKET


def test_a_store_that_does_not_answer_is_away() -> None:
    store = opened("s3://calls/x", s3_environment(f"http://127.0.0.1:{free_port()}"), retries=0)
    for act in (lambda: store.read("a"), lambda: list(store.list()), lambda: store.put_new("a", b"", "audio/wav")):
        with pytest.raises(StoreError, match=r"^s3://calls/x(/a)?: the connection is refused$") as raised:
            act()
        assert raised.value.is_away


def test_a_name_that_no_store_can_have_is_one_line(moto: MotoS3) -> None:
    with pytest.raises(StoreError) as raised:
        opened("s3://calls", moto.environment).read("a/../b\n")
    assert raised.value.fault is StoreFault.OTHER
    assert "\n" not in str(raised.value)


def test_an_environment_that_cannot_be_used_is_told() -> None:
    with pytest.raises(UsageError, match=r"^cannot use az://calls: .*AZURE_STORAGE_ACCOUNT_NAME"):
        opened("az://calls", {})


@pytest.mark.parametrize(
    "endpoint",
    ["minio:9000", "http://", "http://a b", "http://a:x", "http://a:99999", "http://[::1", "ftp://a", 'http://a"b'],
)
def test_an_endpoint_that_is_not_a_url_is_one_line(endpoint: str) -> None:
    with pytest.raises(
        UsageError, match=r"^the endpoint in AWS_ENDPOINT_URL is not the URL of a server: write http://"
    ):
        opened("s3://calls", {**s3_environment("http://127.0.0.1:1"), "AWS_ENDPOINT_URL": endpoint})


@pytest.mark.parametrize(
    "endpoint", ["HTTP://127.0.0.1:1", "https://minio.example/s3/", "http://[::1]:9000", "http://a_b"]
)
def test_an_endpoint_may_have_a_port_and_a_path(endpoint: str) -> None:
    opened("s3://calls", {**s3_environment("http://127.0.0.1:1"), "AWS_ENDPOINT_URL": endpoint})


def test_without_obstore_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(MissingLibraryError, match=r"need obstore, which is not installed: .*pip install obstore$"):
        open_store("s3://calls")
