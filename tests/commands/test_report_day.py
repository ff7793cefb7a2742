"""`audiosocket report` of a folder of calls: one page, or one with a page for each call beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from support.browser import shown
from support.days import make_day
from support.running import run


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    make_day(tmp_path / "calls", 3, length_s=(2, 4))
    return tmp_path / "calls"


def test_a_folder_is_one_page(calls: Path, tmp_path: Path) -> None:
    (calls / "notes.txt").touch()
    done = run("report", calls, "-o", tmp_path / "day.html")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == ["1 other file", f"wrote {tmp_path / 'day.html'}: 3 calls"]


def test_a_page_for_each_call_is_led_to_and_works(browser: Browser, calls: Path, tmp_path: Path) -> None:
    done = run("report", calls, "-o", f"{tmp_path}/pages/", "--embed")
    index = tmp_path / "pages" / "index.html"
    assert (done.returncode, done.stderr) == (0, f"wrote {index}: 3 calls, 3 pages of calls beside it\n")
    with shown(browser, index.as_uri()) as page:
        button = page.locator("tr.row th button").first
        uuid = button.get_attribute("data-call")
        button.click()
        page.get_by_role("link", name="Open the page of this call").click()
        page.wait_for_url("**/pages/calls/*.html")
        assert uuid is not None
        assert uuid in page.inner_text("main")


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--embed"], 2, "--embed is for the pages of calls: name a folder with -o, or leave it out"),
        (["-o", "-"], 2, "the page of a folder goes to a file or a folder: name one with -o"),
        (["--call", "1"], 2, "--call chooses a call of a capture: leave it out"),
    ],
)
def test_wrong_use_is_one_line(calls: Path, tmp_path: Path, words: list[str], code: int, text: str) -> None:
    done = run("report", calls, "-o", tmp_path / "day.html", *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "day.html").exists()


def test_a_folder_without_a_call_is_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "bench.json").write_text(json.dumps({"schema": "audiosocket.bench/1"}))
    done = run("report", folder, "-o", tmp_path / "day.html")
    assert done.returncode == 6
    assert done.stderr == f"audiosocket: error: there is no call in {folder}, which holds 1 other file\n"
