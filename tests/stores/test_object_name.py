"""Names of objects: fields as in names of files, and nothing that a store or a terminal does not take."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from audiosocket_cli.errors import UsageError
from audiosocket_cli.stores.object_name import ObjectNames, content_type_of, ending_of, numbered

UUID = "0e2f1a3b-4c5d-6e7f-8091-a2b3c4d5e6f7"


@pytest.fixture(autouse=True)
def own_zone() -> Iterator[None]:
    before = os.environ.get("TZ")
    yield
    if before is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.parametrize(
    ("url", "store", "pattern"),
    [
        ("s3://calls", "s3://calls", "{date}/{uuid}"),
        ("s3://calls/pbx1/", "s3://calls/pbx1", "{date}/{uuid}"),
        ("s3://calls/a/b/{date}/x/{time}-{uuid}", "s3://calls/a/b", "{date}/x/{time}-{uuid}"),
        ("gs://calls/{date}/", "gs://calls", "{date}/{uuid}"),
        ("az://calls/day-{date}", "az://calls", "day-{date}"),
    ],
)
def test_a_url_is_a_place_and_a_pattern_below_it(url: str, store: str, pattern: str) -> None:
    names = ObjectNames(url)
    assert (str(names.store), names.pattern) == (store, pattern)


def test_fields_are_those_of_local_files_with_the_local_date() -> None:
    os.environ["TZ"] = "Pacific/Auckland"
    time.tzset()
    names = ObjectNames("s3://calls/{date}/{time}/{peer}/{uuid}")
    stem = names.stem("name", UUID, "[fe80::1%eth0]:5000", "2026-11-30T13:14:15.5Z")
    assert stem == f"2026-12-01/02-14-15/_fe80_1_eth0_5000/{UUID}"


@pytest.mark.parametrize(
    ("uuid", "peer", "started_at", "expected"),
    [
        (None, "p", "2026-11-30T12:00:00+00:00", "2026-11-30/p/stem"),
        (UUID, "../../x", "not a time", f"unknown/.._.._x/{UUID}"),
        (UUID, "..", "\x1b[2J", f"unknown/__/{UUID}"),
        (UUID, "a\x00b\n\udcff", "", f"unknown/a_b_/{UUID}"),
    ],
    ids=["no-uuid", "path", "dots", "control"],
)
def test_values_from_files_and_the_wire_stay_in_their_part_of_the_name(
    uuid: str | None, peer: str, started_at: str, expected: str
) -> None:
    os.environ["TZ"] = "UTC"
    time.tzset()
    assert ObjectNames("s3://calls/{date}/{peer}/{uuid}").stem("stem", uuid, peer, started_at) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://calls/{day}/{uuid}", ("s3://calls/{day}/{uuid} has an unknown field {day}: choose from {uuid}, {date}, "
                                    "{time}, {peer}")),
        ("s3://calls/{date/{uuid}", ("s3://calls/{date/{uuid} has a brace that is not part of a field: write fields as "
                                    "{date}")),
        ("s3://calls/{uuid}.wav", ("s3://calls/{uuid}.wav ends with .wav: leave it out, each file of a call brings its "
                                  "own")),
    ],
)  # fmt: skip
def test_a_pattern_that_cannot_be_used_is_refused(url: str, expected: str) -> None:
    with pytest.raises(UsageError) as raised:
        ObjectNames(url)
    assert str(raised.value) == expected


@pytest.mark.parametrize(
    ("name", "own", "expected"),
    [
        (f"{UUID}.wav", UUID, ".wav"),
        (f"{UUID}-2.part2.wav", f"{UUID}-2", ".part2.wav"),
        (f"{UUID}.heard.flac", UUID, ".heard.flac"),
        (f"{UUID}-2.jsonl", UUID, ".jsonl"),
        ("192.168.0.1.pcap.zst", UUID, ".pcap.zst"),
        ("no-suffix", UUID, ""),
        (f"{UUID}.w\nav", UUID, ".w_av"),
    ],
    ids=["recording", "part", "side", "capture-with-a-number-of-its-own", "packed", "none", "control"],
)
def test_an_ending_is_what_comes_after_the_stem(name: str, own: str, expected: str) -> None:
    assert ending_of(name, own) == expected


def test_further_calls_of_a_name_have_numbers() -> None:
    assert [numbered("a/b", number) for number in (1, 2, 10)] == ["a/b", "a/b-2", "a/b-10"]


def test_media_types_are_those_of_the_suffix() -> None:
    assert content_type_of("a.WAV") == "audio/wav"
    assert content_type_of("a.json") == "application/json"
    assert content_type_of("a") == "application/octet-stream"
