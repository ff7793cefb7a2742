"""HTML pages as tests read them, and as a browser shows them."""

from __future__ import annotations

import html
import json
import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement

from support.running import need

_VOID: Final = {"meta", "input", "link", "br", "hr", "img"}

BROWSER: Final = "chromium"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("document")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = SubElement(self._open[-1], tag, {name: value or "" for name, value in attrs})
        if tag not in _VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        parent = self._open[-1]
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + data
        else:
            parent.text = (parent.text or "") + data

    def close(self) -> None:
        super().close()
        assert self._open == [self.root], f"not closed: {[each.tag for each in self._open[1:]]}"


def parsed(page: bytes) -> Element:
    """Return a page as a tree; each element has to be closed in order."""
    reader = _Reader()
    reader.feed(page.decode())
    reader.close()
    return reader.root


def text_of(element: Element) -> str:
    """Return all text in an element, with single spaces."""
    return " ".join(" ".join(element.itertext()).split())


def with_class(root: Element, name: str) -> Iterator[Element]:
    """Yield the elements of a class."""
    return (each for each in root.iter() if name in each.get("class", "").split())


_FRAME: Final = """<!DOCTYPE html><meta charset="utf-8"><title>frame</title>
<style>body {{ margin: 0 }} iframe {{ border: 0; width: {width}px; height: 900px }}</style>
<iframe srcdoc="{page}"></iframe><pre id="found"></pre>
<script>
onload = () => {{
  const page = document.querySelector("iframe").contentDocument, found = []
  const look = shown => {{
    const {{scrollWidth, clientWidth}} = page.scrollingElement
    const wide = [...shown.querySelectorAll("*")].filter(each => each.checkVisibility() &&
      getComputedStyle(each).clipPath == "none" && each.getBoundingClientRect().right > clientWidth + 1)
    found.push({{scrollWidth, clientWidth, wide: wide.slice(0, 5).map(each => each.outerHTML.slice(0, 200))}})
  }}
  look(page.querySelector("main"))
  for (const each of page.querySelectorAll("details")) {{ each.removeAttribute("name"); each.open = true; look(each) }}
  document.querySelector("#found").textContent = JSON.stringify(found)
}}
</script>
"""
"""Shows a page in a window of any width: the browser's own are never narrower than 500 pixels."""


def measured(page: bytes, width: int, folder: Path) -> list[dict[str, Any]]:
    """Show a page in a browser, open all that it folds one after the other, and return what it measured each time: how
    wide the page and its window are, and what is beyond its right edge."""
    outer = folder / f"{width}.html"
    outer.write_text(_FRAME.format(width=width, page=html.escape(page.decode())))
    words = [need(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
             "--window-size=1600,1000", "--virtual-time-budget=20000", "--dump-dom", outer.as_uri()]  # fmt: skip
    shown = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True).stdout
    (answer,) = re.findall(r'<pre id="found">(.*?)</pre>', shown, re.DOTALL)
    found: list[dict[str, Any]] = json.loads(html.unescape(answer))
    return found
