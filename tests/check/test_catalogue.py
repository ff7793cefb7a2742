"""All cases can be told apart, say all that a report needs, and are chosen by ids."""

from __future__ import annotations

import re

import pytest

from audiosocket_cli.check.catalogue import CASES, choose
from audiosocket_cli.check.model import Case, Level
from audiosocket_cli.errors import NothingError, UsageError

IDS = [
    "frame/coalesced",
    "frame/split-header",
    "frame/split-after-header",
    "frame/split-payload",
    "frame/byte-by-byte",
    "frame/other-lengths",
    "frame/largest",
    "frame/empty-payload",
    "frame/unknown-kind",
    "uuid/any-bytes",
    "uuid/with-audio",
    "uuid/late",
    "uuid/split",
    "kind/digits",
    "kind/slin",
    "kind/slin12",
    "kind/slin16",
    "kind/slin24",
    "kind/slin32",
    "kind/slin44",
    "kind/slin48",
    "kind/slin96",
    "kind/slin192",
    "kind/change",
    "kind/error",
    "kind/hangup",
    "start/goes-on",
    "start/speaks-first",
    "idle/says-something",
    "idle/never-speaks",
    "idle/hold",
    "pace/rate",
    "pace/bursts",
    "pace/frame-length",
    "pace/whole-frames",
    "sends/kinds",
    "sends/empty",
    "sends/odd",
    "sends/huge",
    "sends/rates",
    "end/hangup-frame",
    "end/half-close",
    "end/caller-closes",
    "end/no-uuid",
    "end/reset-before-uuid",
    "end/reset-in-frame",
    "end/reset-in-call",
    "load/10-calls",
    "load/100-calls",
    "load/short-calls",
    "hostile/half-frame",
    "hostile/port-scan",
    "hostile/http",
    "turn/answers",
    "turn/second-turn",
    "turn/pause",
    "bargein/falls-silent",
    "bargein/next-turn",
]
"""Ids that users have in baselines and CI jobs: they are never renamed or removed."""

EVERYTHING = Level.INFO


def test_ids_never_change() -> None:
    assert [case.id for case in CASES] == IDS


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_says_all_that_a_report_needs(case: Case) -> None:
    assert re.fullmatch(r"[a-z]+/[a-z0-9-]+", case.id)
    assert re.fullmatch(r"[A-Z].*\.", case.requirement)
    assert re.fullmatch(r"[A-Z0-9].*\.", case.expected)
    assert re.fullmatch(r"[a-z].*[^.]", case.cure)
    assert len(case.asterisk) > 10
    assert case.versions


def ids(only: list[str], skip: list[str] = [], level: Level = EVERYTHING) -> list[str]:  # noqa: B006
    return [case.id for case in choose(only, skip, level)]


@pytest.mark.parametrize(
    ("only", "skip", "count"),
    [
        ([], [], 58),
        (["frame/"], [], 9),
        (["frame"], [], 9),
        (["frame/split"], [], 3),
        (["frame/split-header", "uuid/late"], [], 2),
        (["frame"], ["frame/split"], 6),
        (["kind/slin"], [], 1),
        (["kind/slin1"], [], 3),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_cases_are_chosen_by_ids_and_prefixes(only: list[str], skip: list[str], count: int) -> None:
    assert len(ids(only, skip)) == count


def test_cases_are_chosen_by_level() -> None:
    levels = [{case.level for case in choose([], [], level)} for level in Level]
    assert levels == [{Level.MUST}, {Level.MUST, Level.SHOULD}, set(Level)]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("frame/splt-header", "did you mean frame/split-header?"),
        ("frames", "did you mean frame?"),
        ("coalesced", "did you mean frame/coalesced?"),
        ("xyzzy", "check --list"),
        ("", "check --list"),
        ("/", "check --list"),
    ],
)
def test_an_unknown_id_is_an_error_that_suggests(name: str, hint: str) -> None:
    for only, skip in (([name], []), ([], [name])):
        with pytest.raises(UsageError, match=re.escape(hint)):
            choose(only, skip, EVERYTHING)


def test_nothing_left_is_told() -> None:
    with pytest.raises(NothingError, match="no case is left"):
        choose(["frame"], ["frame"], EVERYTHING)
