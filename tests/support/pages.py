"""The README and the pages of the documentation, as tests read them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from audiosocket_cli.ui.pages import files_in

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "audiosocket_cli" / "docs"
PAGES = {path: path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]}
"""All pages by their path, the README first."""


FINDINGS = {path: path.read_text(encoding="utf-8") for path in sorted((DOCS / "finding").glob("*.md"))}
"""The page of each finding, by its path."""


class Block(NamedTuple):
    """Code that stands between fences."""

    page: Path
    info: str
    code: str


class Session(NamedTuple):
    """A command and what it prints."""

    page: Path
    command: str
    shown: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.command)


BLOCKS = [
    Block(page, info, code)
    for page, text in PAGES.items()
    for info, code in re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
]

SESSIONS = [
    Session(block.page, command, shown)
    for block in BLOCKS
    if block.info == "console"
    for command, _, shown in [block.code.removeprefix("$ ").partition("\n")]
]

EXAMPLES = {
    path.name: path.read_text(encoding="utf-8") for path in sorted((DOCS / "examples").iterdir()) if path.is_file()
}
"""The files of docs/examples/, by name."""

FILES = {name: text for page in PAGES.values() for name, text in files_in(page).items()}
"""The files that pages hold, by name."""


def save_files(folder: Path) -> None:
    """Write the files of all pages, and the examples, into a folder, as a reader would."""
    for name, text in (FILES | EXAMPLES).items():
        path = folder / name
        path.write_text(text)
        path.chmod(0o755 if text.startswith("#!") else 0o644)


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
