"""A listing gets past names that obstore does not take, and says which parts of it are not known."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import boto3
import pytest

from audiosocket_cli.stores import listing
from audiosocket_cli.stores.listing import Gap, list_past_odd_names
from audiosocket_cli.stores.store import open_store
from audiosocket_cli.stores.store_error import StoreError
from support.moto_s3 import MotoS3, moto_s3

PAGE = 10
"""Objects that the store lists at a time."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoS3]:
    with moto_s3(tmp_path_factory.mktemp("moto"), PAGE) as started:
        yield started


Put = Callable[..., str]


@pytest.fixture
def put(server: MotoS3, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Put objects of these names into a bucket of the test's own, and return its URL."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=server.endpoint)  # which takes any name

    def make(*names: str) -> str:
        bucket = f"odd-{os.urandom(6).hex()}"
        client.create_bucket(Bucket=bucket)
        for name in names:
            client.put_object(Bucket=bucket, Key=name, Body=b"{}")
        return f"s3://{bucket}"

    return make


def listed(url: str) -> tuple[list[str], list[Gap]]:
    gaps: list[Gap] = []
    return [info.name for info in list_past_odd_names(open_store(url), gaps)], gaps


@pytest.mark.parametrize(
    "odd",
    ["a//b.json", "a/./b.json", "a/../b.json", "a/.", "a/..", "a/\x1b[2J.json", 'a/\x01" contained', "a/\x7f.json"],
    ids=repr,
)
def test_what_comes_after_an_odd_name_is_listed(odd: str, put: Put) -> None:
    url = put("a/~.json", "b.json", odd)
    found, gaps = listed(url)
    assert [gap.odd for gap in gaps] == [odd]
    assert found == [name for name in ("a/~.json", "b.json") if name > odd]
    assert listed(f"{url}/a")[1] == [Gap("", odd.removeprefix("a/"))]


def test_pages_before_and_folders_beside_an_odd_name_are_listed(put: Put) -> None:
    names = [f"a/{number:04}.json" for number in range(PAGE + 2)] + ["b/c.json"]
    found, gaps = listed(put(*names, "b//.json"))
    assert sorted(found) == names
    assert gaps == [Gap("a/0011.json", "b//.json")]


def test_names_that_are_only_unusual_are_listed(put: Put) -> None:
    names = ["a b.json", "a%20b.json", "a#?*\\{}~^'\".json", "a/.../..b.json", "\u202ee\u0301.json", "é" * 400]
    assert listed(put(*names)) == (sorted(names), [])


def test_very_many_odd_names_end_a_listing(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_GAPS", 2)
    with pytest.raises(StoreError, match="empty path segment"):
        listed(put("1//", "2//", "3//"))
