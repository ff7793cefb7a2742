"""Text in lines of 80 columns, broken after commas, and never within a word."""

from __future__ import annotations

from audiosocket_cli.ui.wrapping import WIDTH, wrapped

PATH = "/very/long/" + "x" * 90 + ".wav"


def test_what_fits_is_one_line() -> None:
    assert wrapped("failed: ", "one, two") == ["failed: one, two"]
    assert wrapped("", "x" * WIDTH) == ["x" * WIDTH]
    assert wrapped("head ", "") == ["head "]


def test_lines_are_broken_after_commas_and_begin_below_each_other() -> None:
    lines = wrapped("head ", ", ".join(["as many words as may be"] * 4))
    assert lines == [
        "head as many words as may be, as many words as may be, as many words as may be,",
        "     as many words as may be",
    ]


def test_a_part_without_commas_is_broken_between_words() -> None:
    lines = wrapped("", "word " * 40, hang=2)
    assert all(len(line) <= WIDTH for line in lines)
    assert lines[1].startswith("  word")
    assert " ".join(lines).split() == ["word"] * 40


def test_a_path_stays_whole_and_no_line_is_forged() -> None:
    assert wrapped("", f"recorded, {PATH}")[-1] == PATH
    assert wrapped("", "one\ntwo") == ["one\\ntwo"]
