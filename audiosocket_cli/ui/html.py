"""HTML pages of one file, which loads nothing, runs no scripts but its own, and can be mailed or kept by a CI system.

A page is a tree of elements, which the standard library writes: so text cannot become markup, and a report needs no
template language. How pages look is in `page.css`, for phones in `page_narrow.css`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import textwrap
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Final
from xml.etree.ElementTree import Element, tostring

from audiosocket_cli import __version__
from audiosocket_cli.text import printable

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
"""The browser's own rule for the page: whatever it may hold, nothing is loaded, and only its own scripts run."""

_NOT_IN_SCRIPTS: Final = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
"""What could end a script element, or a line in old browsers."""


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


def data(name: str, value: object) -> Element:
    """Return a value as JSON that a script of the page reads: `JSON.parse(document.getElementById(name).textContent)`.

    Text in it is as it is: give `printable` text, and show it as `textContent` only.
    """
    element = Element("script", {"type": "application/json", "id": name})
    element.text = json.dumps(value, separators=(",", ":"), allow_nan=False).translate(_NOT_IN_SCRIPTS)
    return element


def page(
    title: str, /, *content: Element, narrow_rem: float, styles: Sequence[str] = (), scripts: Sequence[str] = (),
    sources: str = "", is_wide_on_paper: bool = False,
) -> bytes:  # fmt: skip
    """Return a whole page; in windows narrower than `narrow_rem` (of 16 pixels, usually) its tables are lists.

    `styles` are further style sheets. `scripts` run in order at the end, once all content is there, and are the only
    ones that can. `sources` is what else the browser's rule allows, such as `img-src data:`. With `is_wide_on_paper`
    tables stay tables when they are printed, however narrow the paper is.
    """
    narrow = "screen and " if is_wide_on_paper else ""
    policy = "; ".join(filter(None, [_POLICY, _script_source(scripts), sources]))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="generator", content=f"audiosocket {__version__}"),
        tag("title", title),
        tag("style", own_text("ui/page.css")),
        *(_raw("style", text) for text in styles),
        tag("style", own_text("ui/page_narrow.css"), media=f"{narrow}(max-width: {narrow_rem:g}rem)"),
    )
    body = tag("body", tag("main", tag("h1", title), *content), *(_raw("script", text) for text in scripts))
    written: bytes = tostring(tag("html", head, body, lang="en"), encoding="utf-8", method="html")
    return b"<!DOCTYPE html>\n" + written + b"\n"


def _script_source(scripts: Iterable[str]) -> str:
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    return "script-src " + " ".join(f"'sha256-{digest}'" for digest in digests) if digests else ""


def _raw(name: str, text: str) -> Element:
    """Return an element with a text of our own files that is not for people."""
    assert "</" not in text, f"this ends the element {name} in the middle"
    element = Element(name)
    element.text = text
    return element


def own_text(path: str) -> str:
    """Return a file of the package, such as a script or a style sheet of a page."""
    return files("audiosocket_cli").joinpath(path).read_text(encoding="utf-8")


def _shown(text: str) -> str:
    return "\n".join(printable(line) for line in text.split("\n"))
