"""Scripts and style sheets of pages keep to the house's rules, and nothing in them makes markup of text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import audiosocket_cli

PACKAGE = Path(audiosocket_cli.__file__).parent

OF_OTHERS = {"uplot.js", "uplot.css"}

ASSETS = sorted(
    path for end in ("js", "css") for path in PACKAGE.rglob(f"*.{end}") if not {path.name} & OF_OTHERS
    and PACKAGE / "docs" not in path.parents
)  # fmt: skip

MAX_COLUMNS = 120

MAKES_MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|parseFromString|srcdoc"
)
RUNS_TEXT = re.compile(r"\beval\(|new Function|setTimeout\(\s*[\"'`]|setInterval\(\s*[\"'`]|javascript:")


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", ASSETS, ids=name_of)
def test_a_file_is_short_enough_to_be_read(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 400
    assert [number for number, line in enumerate(lines, 1) if len(line) > MAX_COLUMNS] == []


@pytest.mark.parametrize("path", [path for path in ASSETS if path.suffix == ".js"], ids=name_of)
def test_no_text_becomes_markup_or_a_program(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert MAKES_MARKUP.findall(text) == []
    assert RUNS_TEXT.findall(text) == []


def test_there_are_scripts_and_style_sheets() -> None:
    assert {path.suffix for path in ASSETS} == {".js", ".css"}
