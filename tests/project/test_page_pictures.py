"""The pictures of pages: `scripts/page-pictures` makes such, and the documentation has them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.pages import DOCS, PAGES, ROOT

pytestmark = pytest.mark.browser

WIDTHS = {f"{page}-page{window}": width for page in ("call", "day", "load", "check")
          for window, width in (("", 1280), ("-phone", 390))} | {"load-page-charts": 1280}  # fmt: skip
NAMES = {f"{window}{dark}.png": width for window, width in WIDTHS.items() for dark in ("", "-dark")}


def run_script(*words: str | Path) -> subprocess.CompletedProcess[str]:
    script = [sys.executable, ROOT / "scripts" / "page-pictures", *words]
    return subprocess.run(script, capture_output=True, text=True, timeout=600, check=False)


def look(picture: bytes, width: int) -> None:
    assert picture.startswith(b"\x89PNG\r\n")
    assert int.from_bytes(picture[16:20], "big") == width
    assert len(picture) < 150_000


@pytest.mark.parametrize("name", ["day", "check"])
def test_the_script_makes_the_pictures_of_a_page(tmp_path: Path, name: str) -> None:
    done = run_script("--folder", tmp_path, "--calls", "20", name)
    assert done.returncode == 0, done.stderr
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {each for each in NAMES if each.startswith(f"{name}-page")}
    for each in made:
        look((tmp_path / each).read_bytes(), NAMES[each])


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_has_the_pictures(name: str) -> None:
    look((DOCS / name).read_bytes(), NAMES[name])


def test_pages_show_pictures_that_are_there() -> None:
    text = "\n".join(PAGES.values())
    assert {path.name for path in DOCS.glob("*.png") if f"({path.name})" not in text} == set()


def test_a_picture_of_something_else_is_refused(tmp_path: Path) -> None:
    done = run_script("--folder", tmp_path, "week")
    assert done.returncode == 2
    assert "there is no picture of week: choose from call, day, load, check" in done.stderr
