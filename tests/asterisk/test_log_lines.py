from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.asterisk.log_lines import LINES, Role, find_line

TEXTS = (Path(__file__).parent / "log_texts.txt").read_text().splitlines()
"""Each text that an ast_log, ast_verb or ast_debug of res_, app_ and chan_audiosocket.c has in any release tag from
18.0.0 to 23.4.1, certified ones too."""


def filled(text: str) -> str:
    """Return a text as a log has it, with something for each of its values."""
    return re.sub(r"%[sd]", lambda place: {"%s": "PJSIP/100-00000001", "%d": "10"}[place[0]], text)


@pytest.mark.parametrize("row", TEXTS)
def test_each_text_of_each_release_is_known(row: str) -> None:
    text = row.partition(" ")[2]
    known = find_line(filled(text).encode())
    assert known is not None
    assert known.line.text.replace("'%s'", "%s").startswith(text.replace("'%s'", "%s")[:40].rstrip("'"))


def test_texts_of_all_releases_are_in_the_file() -> None:
    assert len(TEXTS) >= 70
    assert {row.split(" ")[0] for row in TEXTS} == {"app", "chan", "res"}


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.text[:40])
def test_a_line_is_found_by_its_own_text(line: object) -> None:
    known = find_line(filled(line.text).encode())  # type: ignore[attr-defined]
    assert known is not None
    assert known.line is line


def test_values_come_in_order_with_or_without_quotes() -> None:
    quoted = find_line(b"Connecting to '10.0.0.1:9092' failed for url 'bot:9092': Connection refused")
    assert quoted is not None
    assert quoted.values == (b"10.0.0.1:9092", b"bot:9092", b"Connection refused")
    old = find_line(b"Connection to 10.0.0.1:9092 failed with error: Broken pipe")
    assert old is not None
    assert old.values == (b"10.0.0.1:9092", b"Broken pipe")


def test_a_line_that_says_more_is_not_taken_for_a_shorter_one() -> None:
    known = find_line(b"Failed to write data to AudioSocket because: Resource temporarily unavailable")
    assert known is not None
    assert known.values == (b"Resource temporarily unavailable",)


@pytest.mark.parametrize(
    "text",
    [b"", b"Failed to receive frame from", b"hello", b"Failed to open file", b"getaddrinfo", b"AudioSocket", b"\xff\0"],
)
def test_other_lines_are_not_known(text: bytes) -> None:
    assert find_line(text) is None


@given(st.binary(max_size=300))
def test_nothing_makes_it_fail(text: bytes) -> None:
    find_line(text)


def test_what_is_wrong_has_an_id() -> None:
    assert all(bool(line.finding) == (line.role is not Role.NEWS) for line in LINES)
