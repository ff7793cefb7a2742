"""The long documentation: the pages of docs/, the files that they hold or name, and how a terminal shows them.

A page is Markdown: a title, a sentence that says what it is about, and the rest. Code that is to be saved as a file
has a name after its language: ```` ```ini audiosocket.service ````. Longer files are those of docs/examples/.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import sys
from importlib.resources import files
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown
from rich.text import Text
from rich.theme import Theme

from audiosocket_cli.finding_pages import FOLDER, finding_ids, sentence_of
from audiosocket_cli.ui.console import is_terminal, put, put_lines

TOPICS: Final = (
    "first-call", "terminal", "asterisk", "asterisk-log", "dialplans", "diagnosing", "test-call", "releases",
    "answering", "bots", "talk-to-a-bot", "bots-in-python", "bot-protocol", "bridging", "real-driver", "transfer",
    "recording", "sending-on", "uploading", "events", "call-index", "buckets", "month-of-calls", "reports", "playing",
    "talking", "testing-a-bot", "keys", "turns", "turn-figures", "websocket-bots", "checking", "scripts", "captures",
    "dissector", "findings", "load", "load-figures", "locust", "many-calls", "many-servers", "containers", "costs",
    "planning", "monitoring", "alerts", "in-a-browser", "api", "systemd", "proxying", "mirroring", "faults",
    "proxies", "security", "tls", "reliability", "evidence", "json", "json-results", "json-lines", "exit-codes",
    "library", "development", "changes",
)  # fmt: skip
"""Pages in the order in which they are listed: from a first call to what few need."""

MAX_WIDTH: Final = 100
"""Lines longer than this are hard to read."""

_STYLES: Final = Theme({"markdown.code": "cyan"})  # rich's own has a black background, on light terminals as well

_FILE: Final = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK: Final = re.compile(r"\[([^\]]+)\]\((?!https?:)((?:\.\./|finding/)?)([\w-]*)(?:\.md)?(?:#[\w-]*)?\)")
_PICTURE: Final = re.compile(r"^!\[[^\]]*\]\([^)]*\)\n+", re.MULTILINE)
_FENCED: Final = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)


def read_page(topic: str) -> str:
    """Return a page as Markdown."""
    return files("audiosocket_cli").joinpath("docs", f"{topic}.md").read_text(encoding="utf-8")


def summary_of(page: str) -> str:
    """Return the sentence that follows the title."""
    return page.split("\n\n", 2)[1].replace("\n", " ")


def files_in(page: str) -> dict[str, str]:
    """Return the files that a page holds, by name."""
    return dict(_FILE.findall(page))


def examples_in(page: str) -> dict[str, str]:
    """Return the files of docs/examples/ that a page names, by name."""
    folder = files("audiosocket_cli").joinpath("docs", "examples")
    named = {file.name: file for file in folder.iterdir() if f"`{file.name}`" in page}
    return {name: named[name].read_text(encoding="utf-8") for name in sorted(named)}


def pages_with(word: str) -> list[str]:
    """Return the topics whose pages have a word."""
    return [topic for topic in TOPICS if word.lower() in read_page(topic).lower()]


def show_page(page: str, folder: str = "") -> None:
    """Show a page on a terminal, through a pager, or put it on stdout as plain text. `folder` is where its links begin:
    docs/, or a folder in it."""
    if not is_terminal(sys.stdout):
        put_lines(plain_lines(page, folder))
        return
    console = Console(width=_width(), theme=_STYLES)
    os.environ.setdefault("LESS", "FRX")  # colours; short pages stay on the screen, as in git
    pager = os.environ.get("MANPAGER") or os.environ.get("PAGER") or "less"  # as pydoc has it, which rich calls
    is_there = shutil.which(next(iter(pager.split()), "")) is not None
    with console.pager(styles="less" in pager) if is_there else contextlib.nullcontext():
        console.print(_Page(_with_topics(page, folder), hyperlinks=False), crop=False)


def plain_lines(page: str, folder: str = "") -> list[str]:
    """Return a page as lines of plain text, no wider than a terminal; code keeps its lines."""
    out = io.StringIO()
    shown = _Page(_with_topics(page, folder), hyperlinks=False)
    Console(file=out, width=_width(), color_system=None).print(shown, crop=False)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def list_topics() -> None:
    """Put the topics on stdout, a line each."""
    put("Topics of audiosocket help TOPIC:\n".rstrip())
    longest = max(map(len, TOPICS))
    for topic in TOPICS:
        put(f"  {topic:{longest}}  {summary_of(read_page(topic))}")
    put("audiosocket help COMMAND shows the options of a command.")


def list_findings() -> None:
    """Put the ids of findings on stdout, a line each."""
    put("Findings of audiosocket help finding ID:")
    longest = max(map(len, finding_ids()))
    for finding_id in finding_ids():
        put(f"  {finding_id:{longest}}  {sentence_of(finding_id)}")
    put("audiosocket help findings tells where they are shown.")


def _width() -> int:
    return min(MAX_WIDTH, shutil.get_terminal_size().columns)


def _with_topics(page: str, folder: str) -> str:
    """Return a page whose links to other pages say how to read them here, without pictures."""

    def named(found: re.Match[str]) -> str:
        text, way, name = found.groups()
        is_finding = name and (way == f"{FOLDER}/" or (folder == FOLDER and not way))
        how = f"`help {FOLDER} {name}`" if is_finding else f"`help {name}`"
        return how if text == name else f"{text} ({how})" if name else text

    parts = _FENCED.split(page)
    return "".join(part if part.startswith("```") else _LINK.sub(named, _PICTURE.sub("", part)) for part in parts)


class _Heading(Heading):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self.text.plain, style="bold" if self.tag != "h1" else "bold underline")


class _CodeBlock(CodeBlock):
    """Code as it is, to be copied: indented, and with long lines left whole."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in str(self.text).rstrip().splitlines():
            yield Text(f"    {line}", style="cyan", no_wrap=True, overflow="ignore")


class _Page(Markdown):
    elements = {**Markdown.elements, "heading_open": _Heading, "fence": _CodeBlock, "code_block": _CodeBlock}  # noqa: RUF012
