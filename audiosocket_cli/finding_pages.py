"""The page of each finding, docs/finding/ID.md, and the sound of those that can be heard, docs/finding/ID.wav.

A page has a title, which is the id; a sentence, which says what it is; "What it means"; where it can be heard "How it
sounds"; "Why it happens", where there is more to say; and "Cure".
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

FOLDER: Final = "finding"
"""The folder of the pages in docs/."""

_LINK: Final = re.compile(r"\[([^\]]+)\]\([^)]*\)")


@cache
def finding_ids() -> tuple[str, ...]:
    """Return the ids of all findings, in the order of the alphabet."""
    return tuple(sorted(file.name.removesuffix(".md") for file in _folder().iterdir() if file.name.endswith(".md")))


@cache
def read_finding(finding_id: str) -> str:
    """Return the page of one of `finding_ids` as Markdown."""
    return _folder().joinpath(f"{finding_id}.md").read_text(encoding="utf-8")


def sentence_of(finding_id: str) -> str:
    """Return what a finding is, in one sentence."""
    return read_finding(finding_id).split("\n\n", 2)[1].replace("\n", " ")


def plain_sentence_of(finding_id: str) -> str:
    """Return the same as plain text."""
    return _plain(sentence_of(finding_id))


def cure_of(finding_id: str) -> str:
    """Return the first paragraph of a finding's cure as plain text; empty for an id without a page."""
    if finding_id not in finding_ids():
        return ""
    paragraph = read_finding(finding_id).partition("\n## Cure\n")[2].strip().split("\n\n", 1)[0]
    return _plain(paragraph)


def sound_of(finding_id: str) -> bytes | None:
    """Return how a finding sounds, as the bytes of a WAV file; None for one that cannot be heard."""
    file = _folder().joinpath(f"{finding_id}.wav")
    return file.read_bytes() if file.is_file() else None


def _plain(paragraph: str) -> str:
    return _LINK.sub(r"\1", " ".join(paragraph.split())).replace("`", "")


def _folder() -> Traversable:
    return files("audiosocket_cli").joinpath("docs", FOLDER)
