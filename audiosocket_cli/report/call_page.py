"""The page of a call: both sides on one time axis, to look at and to listen to.

It is one file that opens from disk. What it shows is the data of `audiosocket.page/1`, which `call_data` makes; assets/
draws it. All that the picture shows is in words and tables, too, for those who cannot see it, and for paper.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from xml.etree.ElementTree import Element

from audiosocket_cli.report.call_tables import (
    address_of,
    facts_section,
    findings_section,
    links_of,
    marks_section,
    not_measured_section,
)
from audiosocket_cli.report.call_turns import no_turns, turns_section
from audiosocket_cli.report.call_words import DASH, SIDES, clock, day_and_time, level
from audiosocket_cli.text import counted, printable
from audiosocket_cli.ui.html import data as json_data
from audiosocket_cli.ui.html import facts, fold, own_text, page, tag

SCRIPTS: Final = (
    "text", "axis", "peaks", "palette", "tiles", "track", "flags", "scene", "overview", "pointer", "sound", "lists",
    "controls", "paper", "view", "start",
)  # fmt: skip
"""The parts of the picture, assets/call_NAME.js, in the order in which they build on each other."""

_NARROW_REM: Final = 40
_KEYS: Final = (
    ("space", "play, pause"),
    ("← →", "1 s back, on; with Shift 5 s"),
    ("[ ]", "mark before, mark after"),
    ("+ -", "zoom in, out"),
    ("0", "the whole call"),
    ("Esc", "choose nothing"),
    ("?", "these keys"),
)
_HINT: Final = "A click goes to a place, a drag zooms in on a part; ? shows the keys."
_SPEEDS: Final = ("0.75", "1", "1.25", "1.5", "2")


def call_page(data: Mapping[str, Any], *, base: str = "") -> bytes:
    """Return the page of a call as HTML, from data in the schema `audiosocket.page/1`.

    `base` stands before the addresses of what lies beside the call: its sound, where that is not in the page, and
    links.
    """
    sound = _sound_source(data, base)
    return page(
        data["title"],
        _lead(data, base),
        _viewer(data, sound),
        _words(data),
        json_data("call-data", _for_scripts(data, sound)),
        narrow_rem=_NARROW_REM,
        styles=[own_text("report/assets/call.css")],
        scripts=[own_text(f"report/assets/call_{name}.js") for name in SCRIPTS],
        sources="img-src data:; " + ("media-src data:" if sound.startswith("data:") else "media-src 'self' file:"),
    )


def _sound_source(data: Mapping[str, Any], base: str) -> str:
    sound = data["sound"]
    if sound is None:
        return ""
    source: str = sound["src"]
    return source if source.startswith("data:audio/") else address_of(source, base)


def _for_scripts(data: Mapping[str, Any], sound: str) -> dict[str, Any]:
    """Return what the picture needs: the sound itself is in its own element, and words are in the page already."""
    return {
        "duration_s": data["duration_s"],
        "started_at": data["started_at"],
        "tracks": _safe(data["tracks"]),
        "marks": _safe(data["marks"]),
        "turns": _safe(data["turns"]["list"]) if data["turns"] else [],
        "sound": {key: value for key, value in data["sound"].items() if key != "src"} if sound else None,
    }


def _safe(value: Any) -> Any:
    """Return a value in which text cannot hide or reorder what stands beside it."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {key: _safe(each) for key, each in value.items()}
    return [_safe(each) for each in value] if isinstance(value, list | tuple) else value


def _lead(data: Mapping[str, Any], base: str) -> Element:
    """Return when the call was, how long, and what else there is of it."""
    when = day_and_time(data["started_at"]) if data["started_at"] else "at an unknown time"
    links = links_of(data["links"], base)
    return tag(
        "div",
        tag("p", f"{when} · {clock(data['duration_s'])}", class_="quiet"),
        *([tag("ul", *links, class_="links", aria_label="Files of this call")] if links else []),
        class_="lead",
    )


def _viewer(data: Mapping[str, Any], sound: str) -> Element:
    """Return the picture with its controls; scripts bring it to life."""
    stage = tag(
        "div",
        tag("canvas", id="picture", role="img", aria_label=_alternative(data)),
        tag("canvas", id="over", aria_hidden="true"),
        tag("div", id="tip", hidden="", aria_hidden="true"),
        id="stage",
    )
    strip = tag(
        "div", tag("canvas"), id="strip", role="slider", tabindex="0", aria_label="Position in the call",
        aria_valuemin="0", aria_valuemax=str(round(data["duration_s"])), aria_valuenow="0", aria_valuetext="0 s",
    )  # fmt: skip
    return tag(
        "section",
        _controls(data),
        tag("p", _why_silent(data, sound), id="note", class_="quiet"),
        tag("noscript", tag("p", "The picture needs JavaScript. The rest of this page does not.")),
        stage,
        strip,
        tag("p", _HINT, id="told", role="status"),
        _legend(data),
        *_audio(sound),
        id="viewer",
        aria_label="The call in time",
    )


def _audio(sound: str) -> list[Element]:
    return [tag("audio", id="sound", preload="metadata", src=sound)] if sound else []


def _why_silent(data: Mapping[str, Any], sound: str) -> str:
    if sound:
        return ""
    return f"There is no sound to play: {_why_not(data, 'sound') or 'no recording of this call was found.'}"


def _why_not(data: Mapping[str, Any], name: str) -> str:
    """Return why something was not measured; empty where nobody said it."""
    return next((why for what, why in data["not_measured"] if what == name), "")


def _alternative(data: Mapping[str, Any]) -> str:
    """Return what the picture shows, for those who cannot see it."""
    sides = [f"{SIDES.get(track['side'], track['side'])}: {level(track['level_dbfs'])}" for track in data["tracks"]]
    return (
        f"The call in time, {clock(data['duration_s'])} long. {'; '.join(sides) or 'No sound was measured'}. "
        f"{counted(len(data['marks']), 'mark')}. The tables below hold all turns, marks and findings."
    )


def _controls(data: Mapping[str, Any]) -> Element:
    return tag(
        "div",
        _button("play", "▶ Play", primary=True),
        tag("span", tag("span", "0:00.0", id="now"), f" / {clock(data['duration_s'])}", class_="clock"),
        _choice("heard", "Heard", (("both", "Both sides"), ("caller", "Caller"), ("server", "Server"))),
        _speed(),
        _choice("shown", "Shown", (("wave", "Waveform"), ("tiles", "Spectrogram"), ("both", "Both"))),
        tag(
            "span",
            _button("earlier", "◂ Mark", "Mark before"),
            _button("later", "Mark ▸", "Mark after"),
            class_="group",
        ),
        tag(
            "span",
            _button("wider", "\N{MINUS SIGN}", "Zoom out"),
            _button("closer", "+", "Zoom in"),
            _button("all", "Whole", "Whole call"),
            class_="group",
        ),
        fold(tag("span", "?", aria_label="Keys", title="Keys"), facts(_KEYS), id="keys"),
        id="controls",
        role="group",
        aria_label="Player and view",
    )


def _button(name: str, text: str, title: str = "", *, primary: bool = False) -> Element:
    more = {"aria_label": title, "title": title} if title else {}
    return tag("button", text, type="button", id=name, **more, class_="primary" if primary else "plain")


def _choice(name: str, legend: str, choices: Sequence[tuple[str, str]]) -> Element:
    """Return a few choices of which one holds."""

    def each() -> Iterator[Element]:
        for value, text in choices:
            checked = {"checked": ""} if value == "both" else {}
            yield tag("label", tag("input", type="radio", name=name, value=value, **checked), tag("span", text))

    return tag("fieldset", tag("legend", legend, class_="unseen"), *each(), id=name, class_="choice")


def _speed() -> Element:
    options = [
        tag("option", f"{speed} \N{MULTIPLICATION SIGN}", value=speed, **({"selected": ""} if speed == "1" else {}))
        for speed in _SPEEDS
    ]
    return tag("select", *options, id="speed", aria_label="Speed")


def _legend(data: Mapping[str, Any]) -> Element:
    """Return what the bands are, and the level of each side at the cursor."""
    items = [
        tag("li", tag("span", class_=f"swatch {track['side']}", aria_hidden="true"),
            f"{SIDES.get(track['side'], track['side'])} peak at the cursor: ",
            tag("span", DASH, id=f"level-{track['side']}", class_="number"), class_="moving")
        for track in data["tracks"]
    ]  # fmt: skip
    if data["started_at"]:
        items.append(tag("li", "Time of day: ", tag("span", DASH, id="day-time", class_="number"), class_="moving"))
    if any(track["stretches"] for track in data["tracks"]):
        items += [
            tag("li", tag("span", class_=f"band {name}", aria_hidden="true"), text)
            for name, text in (("speech", "speech"), ("silent", "digital silence"), ("still", "quiet"))
        ]
    if data["turns"] and any(data["turns"]["interruptions"].values()):
        items.append(tag("li", tag("span", class_="band over", aria_hidden="true"), "interruption"))
    return tag("ul", *items, class_="legend")


def _words(data: Mapping[str, Any]) -> Element:
    """Return all that is said in words: what was found and who spoke, and beside it what is known."""
    turns = turns_section(data["turns"], data["duration_s"]) if data["turns"] else no_turns(_why_not(data, "turns"))
    missing = [not_measured_section(data["not_measured"])] if data["not_measured"] else []
    return tag(
        "div",
        tag("div", findings_section(data["findings"]), turns, marks_section(data["marks"]), class_="told"),
        tag("div", facts_section(data["facts"]), *missing, class_="known"),
        class_="words",
    )
