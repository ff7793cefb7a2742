"""The index of a bucket follows its objects: new, changed, removed; what cannot be read, and a store that goes away."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from audiosocket_cli.calls_index.bucket_place import BucketPlace
from audiosocket_cli.calls_index.call_json import MAX_BYTES
from audiosocket_cli.calls_index.filters import Filter
from audiosocket_cli.calls_index.index import CallsIndex
from audiosocket_cli.stores.store_error import StoreError
from audiosocket_cli.stores.store_url import parse_store_url
from support.gate import gate
from support.many_calls import START, call_of, make_calls
from support.moto_s3 import moto_s3
from support.rclone_s3 import FRESH, RcloneS3, rclone_s3
from support.store_process import BUCKET


def quiet(line: str) -> None:
    assert line.startswith(("reading the JSON of calls in s3://", "listing s3://"))  # on a slow machine


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RcloneS3]:
    with rclone_s3(tmp_path_factory.mktemp("rclone"), FRESH) as server:
        yield server


@pytest.fixture
def bucket(rclone: RcloneS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a bucket, empty, and an environment in which its store is found."""
    for name, value in {**rclone.environment, "XDG_CACHE_HOME": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    yield rclone.files
    shutil.rmtree(rclone.files)
    rclone.files.mkdir()


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


def test_objects_that_hold_no_call_are_told_and_not_read_again(bucket: Path) -> None:
    make_calls(bucket, 1)
    hostile = {
        "deep": b"[" * 100_000,
        "empty": b"",
        "cut": b'{"schema": "audiosocket.call/1",',
        "bench": b'{"schema": "audiosocket.bench/1"}',
        "large": b"{" + b" " * (MAX_BYTES - 2) + b"}",
        "too-large": b" " * (MAX_BYTES + 1),
        "a b%20c#d?e\u202e": b"\xff\x1b[2J",
    }
    for name, content in hostile.items():
        (bucket / f"{name}.json").write_bytes(content)
    (bucket / ".hidden.json").write_text("{")
    (bucket / "call.wav").write_bytes(b"RIFF")
    with opened() as index:
        assert index.update().read == 1 + len(hostile)
        count, told = index.problems(20)
        assert count == len(hostile)
        assert {path.rpartition("/")[2].removesuffix(".json"): problem[:12] for path, problem in told} == {
            "deep": "nested too d", "empty": "empty", "cut": "not JSON, or", "bench": "JSON, but no",
            "large": "JSON, but no", "too-large": "longer than ", "a b%20c#d?e\u202e": "not JSON, or",
        }  # fmt: skip
        assert index.update().read == 0
        assert index.totals(Filter()).calls == 1


def test_a_store_that_goes_away_leaves_what_was_read_and_is_asked_only_for_the_rest(
    bucket: Path, rclone: RcloneS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_calls(bucket, 600, every_s=600)
    with gate(rclone.endpoint, b".json", passes=250) as closing:
        monkeypatch.setenv("AWS_ENDPOINT_URL", closing.url)
        first = BucketPlace(parse_store_url("s3://calls"))
        with CallsIndex(first, quiet) as index:
            updated = index.update()
            (line,) = updated.incomplete
            assert line.startswith("s3://calls is not complete: ")
            assert line.endswith("; only calls that were read so far are known")
            had = rows_of(index)
            assert len(had) == updated.read
            assert 0 < updated.read <= 250
            assert had < truth(bucket)
    with gate(rclone.endpoint, b".json") as passing:
        monkeypatch.setenv("AWS_ENDPOINT_URL", passing.url)
        second = BucketPlace(parse_store_url("s3://calls"))
        second.index_file = first.index_file
        with CallsIndex(second, quiet) as index:
            assert index.update().read == 600 - len(had)
            assert len(passing.requests) == 600 - len(had)
            assert rows_of(index) == truth(bucket)


def test_a_store_that_is_away_shows_all_that_was_known(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_calls(bucket, 3)
    with opened() as index:
        index.update()
        index_file = index.place.index_file
    with gate(os.environ["AWS_ENDPOINT_URL"], b"", passes=0) as closed:
        monkeypatch.setenv("AWS_ENDPOINT_URL", closed.url)
        place = BucketPlace(parse_store_url("s3://calls"))
        place.index_file = index_file
        with CallsIndex(place, quiet) as index:
            (line,) = index.update().incomplete
            assert "; all calls were last known on 20" in line
            assert rows_of(index) == truth(bucket)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong", "403 SignatureDoesNotMatch"),
        ("AWS_ACCESS_KEY_ID", "nobody", "403 InvalidAccessKeyId"),
    ],
)
def test_a_store_that_refuses_is_an_error_and_the_index_stays(
    name: str, value: str, said: str, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_calls(bucket, 2)
    with opened() as index:
        index.update()
    monkeypatch.setenv(name, value)
    with opened() as index:
        with pytest.raises(StoreError, match=said):
            index.update()
        assert rows_of(index) == truth(bucket)


def test_each_path_of_each_store_has_an_index_of_its_own_for_this_user_alone(
    bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def file_of(url: str) -> Path:
        return BucketPlace(parse_store_url(url)).index_file

    here = file_of("s3://calls/a")
    assert here == file_of("s3://calls/a/")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert (
        len({here, file_of("s3://calls/a"), file_of("s3://calls/b"), file_of("s3://calls"), file_of("s3://other/a")})
        == 5
    )
    assert here.parent.stat().st_mode & 0o777 == 0o700


def test_files_of_a_call_are_at_hand_under_their_names(bucket: Path) -> None:
    (call,) = make_calls(bucket / "site", 1)
    (path,) = bucket.rglob("*.json")
    (path.parent / f"{call['uuid']}.wav").write_bytes(b"sound")
    with opened("site") as index:
        index.update()
        (row,) = index.rows(Filter())
        with index.place.at_hand(row, [row.name, *row.files, "none.wav"]) as folder:
            assert {each.name for each in folder.iterdir()} == {row.name, *row.files}
            assert (folder / row.files[0]).read_bytes() == b"sound"
        assert not folder.exists()


def test_recordings_have_the_names_that_they_have_as_objects(bucket: Path) -> None:
    call = call_of(1, START)
    call["recording"]["files"] = ["gate-7.wav", "gate-7.part2.wav", "gate-7.part3-2.wav", "odd"]
    (bucket / "2026-09-01").mkdir()
    (bucket / "2026-09-01" / "one-2.json").write_text(json.dumps(call))
    with opened() as index:
        index.update()
        (row,) = index.rows(Filter())
        assert row.files == ("one-2.wav", "one-2.part2.wav", "one-2.part3-2.wav", "odd")


def test_what_an_odd_name_hides_stays_in_the_index_and_is_told(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with moto_s3(tmp_path_factory.mktemp("moto"), page=10) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        client = boto3.client("s3", endpoint_url=server.endpoint)
        content = json.dumps(call_of(1, START)).encode()
        for number in range(22):
            client.put_object(Bucket=BUCKET, Key=f"day/{number:02}.json", Body=content)
        with opened() as index:
            assert index.update().incomplete == []
        client.put_object(Bucket=BUCKET, Key="day/15\x7f", Body=b"")
        client.put_object(Bucket=BUCKET, Key="day/22.json", Body=content)
        for gone in ("00", "12", "20"):
            client.delete_object(Bucket=BUCKET, Key=f"day/{gone}.json")
        with opened() as index:
            updated = index.update()
            (line,) = updated.incomplete
            assert line == (
                "s3://calls is not complete: obstore cannot list the name 'day/15\\x7f', nor what is on the same "
                "page of the list: remove that object"
            )
            assert (updated.read, updated.removed) == (1, 2)
            kept = [f"s3://calls/day/{number:02}.json" for number in range(23) if number not in (0, 20)]
            assert sorted(row.path for row in index.rows(Filter())) == kept
