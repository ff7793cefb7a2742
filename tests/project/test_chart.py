"""`scripts/bench/chart` puts the figures of a run into a page, and draws them beside it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from audiosocket_cli.ui.pages import plain_lines
from support.pages import DOCS, ROOT

SVG = "{http://www.w3.org/2000/svg}"


def row(case: str, judged: float, limit: float | None, **others: Any) -> dict[str, Any]:
    held = limit is None or (judged >= limit if others.get("is_least") else judged <= limit)
    return {"case": case, "reference": [0.5, 0.4, 0.6], "ours": [0.61], "unit": "ms", "judged": judged, "limit": limit,
            "is_least": False, "held": held, "note": "", "doubt": "", **others}  # fmt: skip


RESULT = {
    "machine": {"processor": "AMD EPYC", "features": {"sha_ni": True, "avx2": True, "avx512f": False}, "cores": 2,
                "kernel": "Linux 6.1", "python": "CPython 3.11.2"},
    "calls": 500, "lengths_s": [2.0, 8.0], "runs": 5,
    "rows": [
        row("echo, 37 clumps: CPU a call-second", 0.75, 1.5),
        row("play: |gap - 20 ms| p99, ms beyond C", -0.5, 2.0),
        row("workers: share of the less busy", 0.2, 0.4, is_least=True, reference=None, unit=""),
        row("exec cat, --exec-rate 16000: CPU a call-second", 22, 2.2),
        row("record: begin & end <ms>", 1234.5, None),
        row("growth: echo, 2000 calls against 100", 3, 1.1, doubt="ours: behind"),
    ],
}  # fmt: skip


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A copy of the page on costs, with the figures of a run, put there twice."""
    page, result = tmp_path / "costs.md", tmp_path / "result.json"
    page.write_text((DOCS / "costs.md").read_text())
    result.write_text(json.dumps(RESULT))
    for _ in range(2):
        run_chart(result, page)
    return page


def run_chart(result: Path, page: Path, code: int = 0) -> str:
    words = [sys.executable, ROOT / "scripts" / "bench" / "chart", result, page]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stderr


def test_the_page_has_a_table_of_the_run_and_says_on_what_it_ran(page: Path) -> None:
    text = page.read_text()
    before, section, after = re.split(r"^## (?:The figures|Where it goes)\n", text, flags=re.MULTILINE)
    old = (DOCS / "costs.md").read_text()
    assert old.startswith(before)
    assert old.endswith(after)
    machine, picture, table = section.strip().split("\n\n")
    assert machine == (
        "2 cores of AMD EPYC (sha_ni, avx2), Linux 6.1, CPython 3.11.2; 500 calls of 2 and 8 s, medians of 5 runs. "
        "Bold figures missed their limit. Those with a question mark (1, grey in the picture) prove nothing: in "
        "half of the runs or more, a server was behind, or others had over 15 % of its core."
    )
    assert picture == "![Each figure as a share of its limit](costs.svg)"
    assert table.splitlines()[2:] == [
        "| echo, 37 clumps: CPU a call-second | 0.500 ms | 0.610 ms | 0.750 | at most 1.5 |",
        "| play: \\|gap - 20 ms\\| p99, ms beyond C | 0.500 ms | 0.610 ms | -0.500 | at most 2 |",
        "| workers: share of the less busy |  | 0.610 | **0.200** | at least 0.4 |",
        "| exec cat, --exec-rate 16000: CPU a call-second | 0.500 ms | 0.610 ms | **22.0** | at most 2.2 |",
        "| record: begin & end <ms> | 0.500 ms | 0.610 ms | 1234 |  |",
        "| growth: echo, 2000 calls against 100 | 0.500 ms | 0.610 ms | **3.00**? | at most 1.1 |",
    ]


def test_the_picture_has_a_bar_for_each_limit(page: Path) -> None:
    picture = ElementTree.parse(page.with_suffix(".svg")).getroot()
    ground, *bars = picture.findall(f"{SVG}rect")
    assert ground.get("width") == "100%"
    line = picture.find(f"{SVG}line")
    assert line is not None
    left_px = float(bars[0].get("x", ""))
    limit_px = float(line.get("x1", "")) - left_px
    assert [float(bar.get("width", "")) / limit_px for bar in bars] == [
        0.5,
        0,
        2,
        2,
        2,
    ]  # no longer than twice the limit
    held, also_held, missed, also_missed, doubtful = (bar.get("fill") for bar in bars)
    assert held == also_held
    assert missed == also_missed
    assert len({held, missed, doubtful}) == 3
    texts = [text.text for text in picture.findall(f"{SVG}text")]
    assert "0.750 of 1.5" in texts
    assert "play: |gap - 20 ms| p99, ms beyond C" in texts


def test_the_help_shows_the_table_without_the_picture(page: Path) -> None:
    shown = "\n".join(plain_lines(page.read_text()))
    assert "echo, 37 clumps" in shown
    assert "share of its limit" not in shown
    assert "costs.svg" not in shown


def test_a_page_without_a_place_for_figures_is_left_as_it_is(tmp_path: Path) -> None:
    page, result = tmp_path / "other.md", tmp_path / "result.json"
    page.write_text("# Other\n")
    result.write_text(json.dumps(RESULT))
    assert "has 0 sections" in run_chart(result, page, code=1)
    assert page.read_text() == "# Other\n"
    assert not page.with_suffix(".svg").exists()
