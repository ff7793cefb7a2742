"""Which release of Asterisk does what."""

from __future__ import annotations

import pytest

from audiosocket_cli.asterisk.releases import NEWEST, Behaviour, Release, certified_with, parse_release, since
from audiosocket_cli.errors import UsageError

STRICT, SPLIT_PAYLOAD, RATES, SPLIT_HEADER = (
    Behaviour.STRICT,
    Behaviour.SPLIT_PAYLOAD,
    Behaviour.RATES,
    Behaviour.SPLIT_HEADER,
)


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("20.12", Release(20, 12)),
        ("22.10.1", Release(22, 10)),
        (" 18.0.0 ", Release(18, 0)),
        ("certified-22.8", Release(22, 8, certified=True)),
        ("certified/20.7-cert3", Release(20, 7, certified=True)),
        ("22.8-cert1", Release(22, 8, certified=True)),
    ],
)
def test_a_release_is_read(text: str, release: Release) -> None:
    assert parse_release(text) == release


@pytest.mark.parametrize("text", ["", "20", "twenty", "20.", "20.x", "-1.2", "1" * 99, "17.9", "20,12"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="Asterisk"):
        parse_release(text)


@pytest.mark.parametrize(
    ("text", "behaviours"),
    [
        ("18.26.4", []),
        ("20.13", []),
        ("20.14", [STRICT]),
        ("20.15", [STRICT, SPLIT_PAYLOAD]),
        ("20.16", [STRICT, SPLIT_PAYLOAD]),
        ("20.17", [STRICT, SPLIT_PAYLOAD, RATES]),
        ("20.19", [STRICT, SPLIT_PAYLOAD, RATES, SPLIT_HEADER]),
        ("21.8", []),
        ("21.9", [STRICT]),
        ("21.12", [STRICT, SPLIT_PAYLOAD, RATES]),
        ("21.99", [STRICT, SPLIT_PAYLOAD, RATES]),
        ("22.3", []),
        ("22.4", [STRICT]),
        ("22.5", [STRICT, SPLIT_PAYLOAD]),
        ("22.7", [STRICT, SPLIT_PAYLOAD, RATES]),
        ("22.9", [STRICT, SPLIT_PAYLOAD, RATES, SPLIT_HEADER]),
        ("23.0", [STRICT, SPLIT_PAYLOAD]),
        ("23.1", [STRICT, SPLIT_PAYLOAD, RATES]),
        ("23.3", [STRICT, SPLIT_PAYLOAD, RATES, SPLIT_HEADER]),
        ("24.0", [STRICT, SPLIT_PAYLOAD, RATES, SPLIT_HEADER]),
        ("certified-18.9", []),
        ("certified-20.7", []),
        ("certified-22.8", [STRICT, SPLIT_PAYLOAD, RATES]),
    ],
)
def test_each_release_behaves_as_its_source_says(text: str, behaviours: list[Behaviour]) -> None:
    release = parse_release(text)
    looked_at = (STRICT, SPLIT_PAYLOAD, RATES, SPLIT_HEADER)
    assert [each for each in looked_at if release.has(each)] == behaviours


@pytest.mark.parametrize(
    ("behaviour", "has_it", "has_it_not"),
    [
        (Behaviour.BUILT, "18.0 19.8 22.10 23.4 24.0", "certified-18.9 certified-20.7 22.8-cert4 24.8-cert1"),
        (Behaviour.EXTERNAL_MEDIA, "18.0 19.0 certified-18.9", ""),
        (Behaviour.EXTERNAL_MEDIA_CHECKED, "18.6 19.0 certified-18.9", "18.5"),
        (Behaviour.EXTERNAL_MEDIA_BODY, "18.7 19.0 certified-18.9", "18.6"),
        (Behaviour.TRY_EXEC, "18.0 certified-18.9 23.4", ""),
        (Behaviour.IDLE_CPU, "18.20 20.5 21.0 certified-20.7", "18.19 19.8 20.4 certified-18.9"),
        (Behaviour.UUID_FUNCTION, "20.12 21.7 22.2 23.0 22.8-cert1", "18.26 20.11 21.6 22.1 certified-20.7"),
        (Behaviour.SILENCE_LIMIT, "20.14 21.9 22.4 23.0 22.8-cert1", "18.26 20.13 22.3 certified-20.7"),
        (Behaviour.DIGITS, "20.14 21.9 22.4 23.0 22.8-cert1", "18.26 20.13 22.3 certified-20.7"),
        (Behaviour.NODELAY, "20.15 21.10 22.5 23.0 22.8-cert1", "18.26 20.14 21.9 22.4"),
        (Behaviour.WEBSOCKET, "20.16 21.11 22.6 23.0 22.8-cert1", "18.26 20.15 21.10 22.5"),
        (Behaviour.HEADER_WAIT, "20.17 22.7 23.1 22.8-cert1", "20.16 21.12 22.6 23.0"),
        (Behaviour.DEVICE_STATE, "20.18 22.8 23.2 22.8-cert1", "20.17 21.12 22.7 23.1"),
        (Behaviour.COMFORT_NOISE, "20.20 22.10 23.4", "20.19 21.12 22.9 23.3 22.8-cert4"),
    ],
    ids=lambda value: value.name if isinstance(value, Behaviour) else "",
)
def test_each_row_begins_where_the_source_says(behaviour: Behaviour, has_it: str, has_it_not: str) -> None:
    assert [text for text in has_it.split() if not parse_release(text).has(behaviour)] == []
    assert [text for text in has_it_not.split() if parse_release(text).has(behaviour)] == []


def test_the_newest_does_all() -> None:
    assert all(map(NEWEST.has, Behaviour))


def test_first_releases_in_words() -> None:
    assert since(STRICT) == "20.14, 21.9, 22.4, 23.0"
    assert since(SPLIT_HEADER) == "20.19, 22.9, 23.3"
    assert since(Behaviour.IDLE_CPU) == "18.20, 20.5, 21.0"
    assert since(Behaviour.TRY_EXEC) == "18.0"
    assert certified_with(Behaviour.IDLE_CPU) == "20.7, 22.8"
    assert certified_with(Behaviour.BUILT) == "none"
    assert certified_with(Behaviour.TRY_EXEC) == "all"
    assert str(parse_release("22.8-cert1")) == "certified 22.8"
