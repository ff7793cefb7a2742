"""New objects under faults: each is there once, with the content that was sent, or its failure is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from audiosocket_cli.stores import content
from audiosocket_cli.stores.store import Store
from audiosocket_cli.stores.store_error import StoreError, StoreFault
from support.faulty_store import FaultyStore, faulty_store
from support.moto_s3 import MotoS3
from support.opened_stores import opened
from support.rclone_s3 import RcloneS3, s3_environment

DATA = bytes(range(256)) * 200
LARGE = 2 * (5 << 20) + 1000
WAV = "audio/wav"


@pytest.fixture(params=["rclone", "moto"])
def proxy(request: pytest.FixtureRequest, rclone: RcloneS3, moto: MotoS3) -> Iterator[FaultyStore]:
    with faulty_store({"rclone": rclone, "moto": moto}[request.param].port) as proxy:
        yield proxy


@pytest.fixture
def store(proxy: FaultyStore) -> Store:
    return opened(f"s3://calls/{uuid4().hex}", s3_environment(proxy.endpoint))


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file that goes in three parts of 5 MiB, the least that stores take."""
    monkeypatch.setattr(content, "PIECE_BYTES", 5 << 20)
    monkeypatch.setattr("audiosocket_cli.stores.new_object.PIECE_BYTES", 5 << 20)
    monkeypatch.setattr(content, "MAX_SINGLE_BYTES", 1 << 20)
    path = tmp_path / "large.wav"
    path.write_bytes(b"".join(bytes([number]) * (LARGE // 10) for number in range(10)))
    return path


def names_in(store: Store) -> list[str]:
    return [info.name for info in store.list()]


def tried(store: Store) -> bool:
    """Whether an object could be made; if not, then because the store was away."""
    try:
        store.put_new("x", DATA, WAV)
    except StoreError as error:
        if error.is_away:
            return False
        raise
    return True


@pytest.mark.parametrize("fault", ["500", "503", "cut", "lost", "reset"])
def test_an_object_is_there_once_whatever_befalls_its_request(proxy: FaultyStore, store: Store, fault: str) -> None:
    proxy.once("PUT", "/x", fault)
    if not tried(store):  # what is reset is not repeated by obstore
        assert store.put_new("x", DATA, WAV).was_there is (fault == "reset")
    assert store.read("x") == DATA
    assert names_in(store) == ["x"]


def test_a_store_that_only_answers_503_is_away(proxy: FaultyStore, store: Store) -> None:
    proxy.fault_of = lambda request: "503" if request.method == "PUT" else None
    with pytest.raises(StoreError, match=r"/x: the store answered 503 SlowDown \(for a test\)$") as raised:
        store.put_new("x", DATA, WAV)
    assert raised.value.is_away
    assert names_in(store) == []


def test_a_store_that_refuses_two_at_once_is_tried_again(proxy: FaultyStore, store: Store) -> None:
    """Amazon answers 409 where two make the same object at once, and obstore calls it taken though nothing is there."""
    proxy.once("PUT", "/x", "409")
    with pytest.raises(StoreError, match="/x: the store refused it as taken, and it is not there") as raised:
        store.put_new("x", DATA, WAV)
    assert raised.value.is_away
    assert not store.put_new("x", DATA, WAV).was_there


def test_a_taken_name_is_ours_with_the_same_content_and_an_error_with_another(store: Store) -> None:
    assert not store.put_new("x", DATA, WAV).was_there
    assert store.put_new("x", DATA, WAV).was_there
    for other in (DATA[:-1] + b"x", DATA + b"x", b""):
        with pytest.raises(StoreError, match="there is an object of this name already, with other content") as raised:
            store.put_new("x", other, WAV)
        assert raised.value.is_taken
    assert store.read("x") == DATA


def test_a_store_that_refuses_taken_names_is_not_asked_before(proxy: FaultyStore) -> None:
    """As Amazon's, Google's and Microsoft's own are: one request for one object, and for one that is there."""
    store = opened(f"s3://calls/{uuid4().hex}", s3_environment(proxy.endpoint))
    store._is_makers_own = True
    store.put_new("x", DATA, WAV)
    assert [request.method for request in proxy.requests] == ["PUT"]
    assert b"if-none-match: *" in proxy.requests[0].head.lower()
    assert b"x-amz-checksum-sha256: " in proxy.requests[0].head.lower()


def test_content_that_came_out_wrong_is_told_and_then_replaced(proxy: FaultyStore, store: Store) -> None:
    proxy.once("PUT", "/x", "swap")
    with pytest.raises(StoreError, match="/x: the store holds other content than was sent") as raised:
        store.put_new("x", DATA, WAV)
    assert raised.value.fault is StoreFault.DAMAGED
    assert store.read("x") == bytes(len(DATA))
    assert not store.put_new("x", DATA, WAV, replace=True).was_there
    assert store.read("x") == DATA


def test_an_etag_that_is_no_md5_has_the_object_read_back(proxy: FaultyStore, store: Store) -> None:
    ask = proxy._ask
    proxy._ask = lambda request: b"\r\n".join(  # type: ignore[method-assign]
        b'ETag: "0x8DAB"' if line.lower().startswith(b"etag:") else line for line in ask(request).split(b"\r\n")
    )
    store.put_new("x", DATA, WAV)
    assert proxy.count("GET", "/x") == 1
    proxy.once("PUT", "/y", "swap")
    with pytest.raises(StoreError, match="other content than was sent"):
        store.put_new("y", DATA, WAV)


@pytest.mark.parametrize(
    ("proxy", "fault"), [("rclone", "none"), ("rclone", "cut"), ("moto", "503"), ("moto", "lost")], indirect=["proxy"]
)
def test_a_large_file_goes_in_parts_whatever_befalls_one(
    proxy: FaultyStore, store: Store, large: Path, fault: str
) -> None:
    proxy.once("PUT", "partNumber=2", *([] if fault == "none" else [fault]))
    put = store.put_new("x", large, WAV)
    assert (put.size, put.was_there) == (large.stat().st_size, False)
    assert store.read("x") == large.read_bytes()
    assert store.put_new("x", large, WAV).was_there
    assert names_in(store) == ["x"]


def test_a_large_file_does_not_go_over_an_object_that_is_there(store: Store, large: Path) -> None:
    store.put_new("x", DATA, WAV)
    with pytest.raises(StoreError) as raised:
        store.put_new("x", large, WAV)
    assert raised.value.is_taken
    assert store.read("x") == DATA


def test_a_large_file_that_changes_on_its_way_leaves_nothing(moto: MotoS3, large: Path) -> None:
    with faulty_store(moto.port) as proxy:
        store = opened(f"s3://calls/{uuid4().hex}", s3_environment(proxy.endpoint))

        def truncate(request: object) -> None:
            if proxy.count("POST", "uploads"):
                with open(large, "r+b") as file:
                    file.truncate(LARGE - 100)

        proxy.fault_of = truncate
        with pytest.raises(OSError, match=r"large\.wav changed while it was read"):
            store.put_new("x", large, WAV)
        assert names_in(store) == []
        assert "<Upload>" not in moto.unfinished()


def test_a_file_that_is_gone_is_an_error_of_the_file(store: Store, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        store.put_new("x", tmp_path / "gone.wav", WAV)
    assert raised.value.filename == str(tmp_path / "gone.wav")
