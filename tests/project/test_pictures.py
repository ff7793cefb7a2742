"""The pictures of the page `terminal` show what the commands do: `scripts/pictures` makes such."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from audiosocket_cli.ui.pages import plain_lines, read_page
from support.pages import DOCS, ROOT

PAGE = DOCS / "terminal.md"

METER = "[▁-█]{10} +(-|-?\\d+) "

EXPECTED = {
    "serve": [
        r"\d\d:\d\d:\d\d 40325ec2 finding: the UUID is the protocol page's example: use\n {18}\$\{UUID\(\)\}, so that ",
        (r"4 live, 4 answered, 0 refused, 0 failed\n"
        rf"UUID .*findings\n40325ec2 +\d:\d\d {METER}{METER}R·· .*123# the UUID is t\n"),
        rf"(?:[0-9a-f]{{8}} +\d:\d\d {METER}{METER}R··.*\n){{3}}\Z",
    ],
    "play": [
        r"\Asent \d+ frames, 4\.45 of 4\.45 s of audio; ", r"^heard ", r"^ended by caller \(closed\) after ",
        r"^captured to call\.pcapng\n\Z",
    ],
    "dump": [
        r"\Acall [0-9a-f-]{36},\n     from \S+ to \S+, at .* UTC\n {16}caller {29}server\n00:00\.000 {7}uuid ",
        r"^00:0\d\.\d{3} ███[█-▏]  audio x\d+ \d\.\d\d s -20 dBFS", r"^00:0\d\.\d{3} {36}███[█-▏]  audio x\d+ ",
        r"^call \w{8} over after .*\n {10}\d+ frames, .* dBFS {2,}\d+ frames, .* dBFS\n\Z",
    ],
    "bench": [
        r"\A(passed: 1 of 1 checks, no errors in 5 calls\n|INVALID: |failed: )", r"^in ms +count +p50 ", r"^echo +\d+ ",
        r"^errors: ",
    ],
}  # fmt: skip
"""What each picture has, on any machine."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page with pictures that are made here and now."""
    page = tmp_path_factory.mktemp("made") / "terminal.md"
    page.write_text(re.sub(r"(?<=^```text\n).*?(?=^```$)", "", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE))
    subprocess.run([sys.executable, ROOT / "scripts" / "pictures", page], check=True, timeout=300)
    return page


@pytest.mark.parametrize("name", EXPECTED)
def test_the_page_has_what_is_shown(made: Path, name: str) -> None:
    for text in (made.read_text(), PAGE.read_text()):
        found = re.search(rf"^## {name}\n.*?^```text\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        assert found is not None
        picture = found[1]
        assert [pattern for pattern in EXPECTED[name] if not re.search(pattern, picture, re.MULTILINE)] == [], picture
        assert max(map(len, picture.splitlines())) <= 80


def test_the_help_shows_them_as_they_are() -> None:
    shown = plain_lines(read_page("terminal"))
    for line in re.findall(r"^40325ec2  .*|^00:0\d\.\d+ .*", PAGE.read_text(), re.MULTILINE):
        assert f"    {line}" in shown
