"""Which UUIDs calls have."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from audiosocket_cli.check.uuids import Uuids, known_uuids
from audiosocket_cli.errors import AudioSocketError, FileError, UsageError

ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))


def test_calls_have_uuids_of_their_own() -> None:
    uuids = Uuids()
    assert uuids.known == 0
    assert len({uuids.next() for _ in range(100)}) == 100


def test_known_ones_are_taken_in_turn() -> None:
    uuids = Uuids([ONE, TWO])
    assert uuids.known == 2
    assert [uuids.next() for _ in range(5)] == [ONE, TWO, ONE, TWO, ONE]


def test_a_word_is_a_uuid_or_a_file_of_them(tmp_path: Path) -> None:
    path = tmp_path / "known"
    path.write_text(f"# two of them\n{TWO}\n\n{str(THREE).upper()}  # the last\n")
    assert known_uuids([]) == []
    assert known_uuids([str(ONE), str(ONE)]) == [ONE]
    assert set(known_uuids([str(ONE), str(path)])) == {ONE, TWO, THREE}


@pytest.mark.parametrize(
    ("content", "error", "text"),
    [
        (None, UsageError, "is neither a UUID nor a file of UUIDs"),
        ("# none\n", FileError, "holds no UUID"),
        ("123\n", FileError, "line 1 is not a UUID: '123'"),
    ],
    ids=["no file", "empty", "not UUIDs"],
)
def test_what_gives_no_uuid_is_an_error(
    tmp_path: Path, content: str | None, error: type[AudioSocketError], text: str
) -> None:
    path = tmp_path / "known"
    if content is not None:
        path.write_text(content)
    with pytest.raises(error, match=text):
        known_uuids([str(path)])
