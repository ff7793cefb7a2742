"""The set-ups of `scripts/setups`, and how they are judged; `tests/system` shows what doctor says of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from audiosocket_cli.finding_pages import finding_ids
from support.pages import DOCS
from support.setups.broken import BROKEN
from support.setups.healthy import HEALTHY
from support.setups.setup import Ran, Setup
from support.setups.verdict import Verdict, row, summary

SETUPS = (*BROKEN, *HEALTHY)
DOWN = next(setup for setup in BROKEN if setup.name == "down")


def said(status: str, *ids: str) -> list[dict[str, Any]]:
    return [{"id": each, "status": status} for each in ids]


def verdict(setup: Setup, said: list[dict[str, Any]], *errors: str) -> Verdict:
    return Verdict(Ran(setup, said, list(errors), "", {}, [], {}))


def test_each_has_a_name_of_its_own_and_names_findings_with_a_page() -> None:
    assert len({setup.name for setup in SETUPS}) == len(SETUPS)
    assert all(setup.names for setup in BROKEN)
    assert not any(setup.names or setup.also for setup in HEALTHY)
    assert {name for setup in SETUPS for name in setup.names | setup.also} <= set(finding_ids())


def test_the_page_on_diagnosing_says_how_many_there_are() -> None:
    page = " ".join((DOCS / "diagnosing.md").read_text().split())
    assert f"tried on {len(BROKEN)} broken and {len(HEALTHY)} healthy set-ups" in page
    assert f"in all {len(BROKEN)}, and found nothing wrong with the {len(HEALTHY)}" in page


@pytest.mark.parametrize(
    ("found", "missed", "false"),
    [
        (said("fault", "server-refuses"), set(), set()),
        (said("warning", "server-refuses", "quiet"), set(), set()),
        (said("not looked at", "server-refuses"), {"server-refuses"}, set()),
        (said("fault", "server-refuses", "no-codec"), set(), {"no-codec"}),
    ],
    ids=["named", "beside-a-warning", "missed", "false"],
)
def test_a_broken_one_has_to_be_named_and_no_other_fault(
    found: list[dict[str, Any]], missed: set[str], false: set[str]
) -> None:
    judged = verdict(DOWN, found)
    assert (judged.missed, judged.false, judged.is_right) == (missed, false, not missed | false)


def test_of_a_healthy_one_a_warning_is_a_false_alarm() -> None:
    assert verdict(HEALTHY[0], said("ok", "normal-end")).is_right
    assert verdict(HEALTHY[0], said("warning", "quiet")).false == {"quiet"}


def test_a_look_that_failed_is_never_right() -> None:
    assert not verdict(DOWN, said("fault", "server-refuses"), "doctor: exit 2").is_right


def test_the_table_shows_what_was_said_and_what_was_wrong() -> None:
    wrong = verdict(DOWN, [*said("fault", "no-codec"), *said("warning", "quiet")])
    words = "down WRONG nothing listens there doctor: no-codec (quiet) [-server-refuses +no-codec]"
    assert " ".join(row(wrong).split()) == words
    assert "(second run)" in row(replace(wrong, is_second=True))
    assert summary([wrong, verdict(HEALTHY[0], [])]) == "0 of 1 broken ones right, 0 false alarms on 1 healthy ones"
