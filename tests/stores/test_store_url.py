"""URLs of object stores: what is taken, what is refused, and that no key is shown."""

from __future__ import annotations

import pytest

from audiosocket_cli.errors import UsageError
from audiosocket_cli.stores.store_url import StoreUrl, is_store_url, parse_store_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://calls", StoreUrl("s3", "calls", "")),
        ("s3://calls/", StoreUrl("s3", "calls", "")),
        ("S3://calls/a/b/", StoreUrl("s3", "calls", "a/b")),
        ("gs://my.calls_of-2026/ä b+c", StoreUrl("gs", "my.calls_of-2026", "ä b+c")),
        ("az://calls/{date}/{uuid}", StoreUrl("az", "calls", "{date}/{uuid}")),
    ],
    ids=["bucket", "slash", "folder", "odd", "fields"],
)
def test_a_url_is_a_bucket_and_a_path(text: str, expected: StoreUrl) -> None:
    url = parse_store_url(text)
    assert url == expected
    assert parse_store_url(str(url)) == url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/srv/calls", ("/srv/calls is not the URL of an object store: write s3://BUCKET/PATH, gs://BUCKET/PATH or "
                       "az://CONTAINER/PATH")),
        ("http://calls/x", ("http://calls/x is not the URL of an object store: write s3://BUCKET/PATH, "
                           "gs://BUCKET/PATH or az://CONTAINER/PATH")),
        ("s3:///x", ("s3:///x names no valid bucket: write s3://BUCKET/PATH, gs://BUCKET/PATH or "
                    "az://CONTAINER/PATH")),
        ("s3://{date}/x", ("s3://{date}/x names no valid bucket: write s3://BUCKET/PATH, gs://BUCKET/PATH or "
                          "az://CONTAINER/PATH")),
        ("s3://AKEY:SECRET@calls/x", ("s3://…@calls/x holds keys: leave them out, and set them in the environment, as "
                                     "AWS_ACCESS_KEY_ID")),
        ("s3://calls/x?key=SECRET", ("s3://calls/x?… has a query or a fragment: leave it out; keys come from the "
                                    "environment")),
        ("s3://calls/x\x1b[2Jy", "s3://calls/x\\u001b[2Jy holds characters that cannot be shown: leave them out"),
        ("s3://calls/a//b", "s3://calls/a//b has an empty part, . or .. in its path: leave it out"),
        ("s3://calls/../b", "s3://calls/../b has an empty part, . or .. in its path: leave it out"),
        ("s3://calls/" + "x" * 901, "s3://calls/" + "x" * 49 + "… is 901 bytes long: at most 900, as names of objects "
                                    "end at 1,024"),
    ],
    ids=["path", "http", "no-bucket", "field", "keys", "query", "control", "empty-part", "dots", "long"],
)  # fmt: skip
def test_a_url_that_cannot_be_used_is_refused_in_one_line_without_secrets(text: str, expected: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_store_url(text)
    assert str(raised.value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("s3://calls", True), ("AZ://x", True), ("gs://", True), ("s3:/calls", False), ("calls/s3://x", False)],
)
def test_a_url_is_told_from_the_name_of_a_folder(text: str, expected: bool) -> None:
    assert is_store_url(text) is expected


@pytest.mark.parametrize("path", ["", "calls", "a/b?c#d/{e}", "line\nline/%20"])
def test_the_url_of_a_folder_is_read_whatever_its_name(path: str) -> None:
    url = StoreUrl("s3", "recordings", path)
    assert StoreUrl.of_folder(str(url)) == url
