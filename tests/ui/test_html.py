"""HTML pages: text stays text, and a page needs nothing but itself."""

from __future__ import annotations

import json
import re

import pytest

from audiosocket_cli.ui.html import data, facts, fold, lines, page, tag
from support.markup import parsed, text_of

HOSTILE = '</pre><script>alert("1")</script>&amp;<!-- \' --> ]]>'


def test_text_between_elements_stays_in_its_place() -> None:
    element = tag(
        "p", "one ", tag("b", "two"), " three ", tag("i", "four"), " five", " six", class_="x", aria_hidden="true"
    )
    (shown,) = parsed(page("title", element, narrow_rem=1)).iter("p")
    assert "".join(shown.itertext()) == "one two three four five six"
    assert shown.attrib == {"class": "x", "aria-hidden": "true"}


def test_whatever_text_holds_it_is_no_markup() -> None:
    whole = page(HOSTILE, tag("p", HOSTILE, id=HOSTILE), lines([HOSTILE]), facts([(HOSTILE, HOSTILE)]),
                 fold(HOSTILE, tag("p", HOSTILE)), narrow_rem=1)  # fmt: skip
    root = parsed(whole)
    assert not list(root.iter("script"))
    for name in ("title", "h1", "p", "pre", "dt", "dd", "summary"):
        assert text_of(next(root.iter(name))) == HOSTILE
    assert next(root.iter("p")).get("id") == HOSTILE


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\0\x1b[31m", r"\u0000\u001b[31m"), ("\ud800", r"\ud800"), ("a\u202eb", r"a\u202eb"), ("é … 𝄞", "é … 𝄞")],
    ids=["control", "surrogate", "reordering", "letters"],
)
def test_what_would_hide_or_reorder_text_is_escaped(text: str, shown: str) -> None:
    root = parsed(page("title", tag("p", text, title=text), lines([text]), narrow_rem=1))
    paragraph = next(root.iter("p"))
    assert (paragraph.text, paragraph.get("title"), next(root.iter("pre")).text) == (shown, shown, shown)


def test_lines_of_a_log_are_lines() -> None:
    root = parsed(page("title", lines(["one", "two\nthree", ""]), narrow_rem=1))
    assert next(root.iter("pre")).text == "one\ntwo\\nthree\n"


def test_a_page_needs_nothing_but_itself() -> None:
    whole = page("title", narrow_rem=40)
    root = parsed(whole)
    assert whole.startswith(b'<!DOCTYPE html>\n<html lang="en">')
    assert {each.tag for each in root.iter()}.isdisjoint({"script", "link", "img", "iframe", "object"})
    assert not [each for each in root.iter() if {"src", "href", "onclick", "style"} & each.attrib.keys()]
    assert not re.search(rb"url\(|@import|https?:", whole)
    metas = {each.get("name") or each.get("http-equiv"): each.get("content") for each in root.iter("meta")}
    assert metas["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert metas["viewport"] == "width=device-width, initial-scale=1"
    assert [each.get("media") for each in root.iter("style")] == [None, "(max-width: 40rem)"]


def luminance(colour: str) -> float:
    """The relative luminance of a colour, by WCAG 2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_all_text_can_be_read(theme: int) -> None:
    style = next(parsed(page("title", narrow_rem=1)).iter("style")).text or ""
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", re.findall(r":root \{.*?\}", style, re.DOTALL)[theme]))
    pairs = [(name.removesuffix("-text"), name) for name in colours if name.endswith("-text")]
    pairs += [(ground, text) for ground in ("ground", "raised") for text in ("text", "quiet")]
    assert len(pairs) == 9
    for ground, text in pairs:
        dark, light = sorted(luminance(colours[name]) for name in (ground, text))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ground, text)


def test_data_for_a_script_cannot_end_it() -> None:
    value = {"text": HOSTILE + "\u2028", "numbers": [1, 2.5, None]}
    whole = page("title", data("given", value), narrow_rem=1)
    (element,) = parsed(whole).iter("script")
    assert (element.get("type"), element.get("id")) == ("application/json", "given")
    assert json.loads(element.text or "") == value


def test_only_the_scripts_of_the_page_run() -> None:
    whole = page("title", narrow_rem=1, scripts=["document.title = 'a && b < c'"], sources="img-src data:")
    root = parsed(whole)
    (policy,) = (each.get("content") for each in root.iter("meta") if each.get("http-equiv"))
    digest = "'sha256-ntKSGxiGVzh+Q9/MiHZooPw8E39LOueVR2+DpXmGyFI='"
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src {digest}; img-src data:"
    assert [each.text for each in root.iter("script")] == ["document.title = 'a && b < c'"]
