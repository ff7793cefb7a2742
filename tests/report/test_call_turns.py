"""The figures and the table of a call's turns."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

from audiosocket_cli.report.call_turns import MAX_ROWS, turns_section
from support.page_calls import turn_figures

TURNS = [("server", 0.5, 2.0), ("caller", 2.4, 4.0), ("server", 4.64, 8.0), ("caller", 7.0, 9.0)]


def text_of(element: Element | None) -> str:
    assert element is not None
    return " ".join("".join(element.itertext()).split())


def figures_in(turns: dict[str, Any]) -> list[str]:
    return [text_of(each) for each in turns_section(turns, 10.0).iterfind(".//p[@class='figure']")]


def test_figures_stand_above_the_table() -> None:
    assert figures_in(turn_figures(TURNS, 10.0)) == [
        "Answers 1 of the server",
        "Median answer 640 ms 95 %: 640 ms",
        "Slowest answer 640 ms",
        "Interruptions 1 / 0 by the caller / by the server",
        "Backchannels 0 / 0 of the caller / of the server",
        "Dead air 1 time 3.20 s, longest 3.20 s",
    ]


def test_a_call_without_an_answer_has_no_latency() -> None:
    figures = figures_in(turn_figures(TURNS[:1], 10.0))
    assert figures[0] == "Answers none of the server"
    assert not any("Median" in each for each in figures)


def test_each_turn_leads_to_its_place() -> None:
    rows = turns_section(turn_figures(TURNS, 10.0), 10.0).findall(".//tbody/tr")
    assert [[text_of(cell) for cell in row] for row in rows] == [
        ["0:00.5", "Server", "1.50 s", "turn", "\N{EN DASH}"],
        ["0:02.4", "Caller", "1.60 s", "turn", "400 ms"],
        ["0:04.6", "Server", "3.36 s", "turn", "640 ms"],
        ["0:07.0", "Caller", "2.00 s", "interruption", "1.00 s before its end"],
    ]
    assert [row.find(".//button").get("data-turn") for row in rows] == ["0", "1", "2", "3"]  # type: ignore[union-attr]


def test_the_bar_is_as_long_as_the_call() -> None:
    section = turns_section(turn_figures(TURNS, 10.0), 10.0)
    widths = [float(each.get("width", "")) for each in section.iterfind(".//rect")]
    assert widths == [26.0, 10.0, 38.6, 25.4]
    words = [text_of(each) for each in section.iterfind(".//li")]
    assert words == ["Caller alone 26 %", "both at once 10 %", "Server alone 39 %", "nobody 25 %"]


def test_how_many_turns_are_left_out_is_said() -> None:
    many = turn_figures([("caller", float(number), number + 0.5) for number in range(MAX_ROWS + 7)], 3000.0)
    section = turns_section({**many, "left_out": 3}, 3000.0)
    assert len(section.findall(".//tbody/tr")) == MAX_ROWS
    assert "10 more turns are not listed." in text_of(section)


def test_a_call_in_which_nobody_spoke_has_no_table() -> None:
    section = turns_section(turn_figures([], 0.0), 0.0)
    assert section.find(".//table") is None
    assert "Nobody spoke." in text_of(section)
