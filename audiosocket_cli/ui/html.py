"""HTML pages of one file, which loads nothing, runs no scripts, and can be mailed or kept by a CI system.

A page is a tree of elements, which the standard library writes: so text cannot become markup, and a report needs no
template language. How pages look is in `page.css`, for phones in `page_narrow.css`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Final
from xml.etree.ElementTree import Element, tostring

from audiosocket_cli import __version__
from audiosocket_cli.text import printable

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
"""The browser's own rule for the page: whatever it may hold, nothing is loaded and no script runs."""


def tag(name: str, /, *content: Element | str, **attributes: str) -> Element:
    """Return an element with its content. In names of attributes `_` stands for `-`, and is left out at the end.

    Characters that would hide or reorder text are escaped, as on a terminal; a line break stays one.
    """
    element = Element(name, {key.rstrip("_").replace("_", "-"): _shown(text) for key, text in attributes.items()})
    for each in content:
        if isinstance(each, Element):
            element.append(each)
        elif len(element):
            element[-1].tail = (element[-1].tail or "") + _shown(each)
        else:
            element.text = (element.text or "") + _shown(each)
    return element


def facts(pairs: Iterable[tuple[str, Element | str]]) -> Element:
    """Return a list of names, each with its description."""
    elements = [(tag("dt", name), tag("dd", each)) for name, each in pairs]
    return tag("dl", *(element for pair in elements for element in pair))


def lines(text: Iterable[str]) -> Element:
    """Return lines as they are, such as those of a log, without an indent that all have."""
    return tag("pre", textwrap.dedent("\n".join(printable(line) for line in text)))


def fold(summary: Element | str, /, *content: Element | str, **attributes: str) -> Element:
    """Return what is shown when its summary is chosen."""
    return tag("details", tag("summary", summary), *content, **attributes)


def chip(kinds: str, sign: str, word: str) -> Element:
    """Return a verdict: a sign and a word, because colour, which the classes `kinds` give, is not enough."""
    return tag("span", tag("span", sign, aria_hidden="true"), f" {word}", class_=f"chip {kinds}")


def table(heads: Sequence[str], *bodies: Element, class_: str = "") -> Element:
    """Return a table of these bodies. Roles are named, as a narrow window shows it as a list."""
    cells = (tag("th", text, scope="col", role="columnheader") for text in heads)
    head = tag("thead", tag("tr", *cells, role="row"), role="rowgroup")
    return tag("table", head, *bodies, role="table", class_=class_)


def failing_only(text: str) -> Element:
    """Return a box that leaves out, where it is ticked, all of the class `fine`; with a text beside it."""
    box = tag("input", type="checkbox", id="failing")
    return tag("p", box, " ", tag("label", text, for_="failing"), class_="filter")


def page(title: str, /, *content: Element, narrow_rem: float) -> bytes:
    """Return a whole page; in windows narrower than `narrow_rem` (of 16 pixels, usually) its tables are lists."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="generator", content=f"audiosocket {__version__}"),
        tag("title", title),
        tag("style", _style("page.css")),
        tag("style", _style("page_narrow.css"), media=f"(max-width: {narrow_rem:g}rem)"),
    )
    whole = tag("html", head, tag("body", tag("main", tag("h1", title), *content)), lang="en")
    written: bytes = tostring(whole, encoding="utf-8", method="html")
    return b"<!DOCTYPE html>\n" + written + b"\n"


def _style(name: str) -> str:
    return files("audiosocket_cli").joinpath("ui", name).read_text(encoding="utf-8")


def _shown(text: str) -> str:
    return "\n".join(printable(line) for line in text.split("\n"))
