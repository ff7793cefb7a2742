"""Several folders are one list, in each order; a folder inside another one counts once."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiosocket_cli.calls_index.filters import Filter
from audiosocket_cli.calls_index.places import Places
from audiosocket_cli.calls_index.sorts import SORTS
from audiosocket_cli.calls_index.totals import Totals
from audiosocket_cli.commands.calls import _SORTS
from support.many_calls import make_calls


def quiet(line: str) -> None:
    raise AssertionError(f"said {line!r}")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("calls")
    make_calls(root / "a", 60, every_s=5000)
    make_calls(root / "b", 40, first=1000, every_s=50)
    (root / "b" / "nothing.json").write_text('{"schema": "audiosocket.call/1"}')
    (root / "b" / "broken.json").write_text("{")
    return [root / "a", root / "b"]


@pytest.mark.parametrize("sort", SORTS)
def test_an_order_is_the_same_in_one_folder_and_in_two(sort: str, two: list[Path]) -> None:
    with Places([two[0].parent], quiet) as one, Places(two, quiet) as both:
        one.update()
        both.update()
        values = [SORTS[sort].value(row) for row in both.rows(Filter(), sort)]
        assert values == [SORTS[sort].value(row) for row in one.rows(Filter(), sort)]
        known = [value for value in values if value is not None]
        assert known == sorted(known, reverse=True)
        assert values[len(known) :] == [None] * (101 - len(known))
        assert [row.uuid for row in both.rows(Filter(), sort, 7)] == [row.uuid for row in both.rows(Filter(), sort)][:7]


def test_orders_are_those_of_the_command() -> None:
    assert tuple(SORTS) == _SORTS


def test_figures_of_two_folders_are_those_of_one(two: list[Path]) -> None:
    with Places([two[0].parent], quiet) as one, Places(two, quiet) as both:
        one.update()
        both.update()
        totals, together = one.totals(Filter()), both.totals(Filter())
        assert together.duration_s == pytest.approx(totals.duration_s)
        totals.duration_s = together.duration_s
        assert together == totals
        assert together.calls == 101
        assert both.problems(5) == (1, [(str(two[1] / "broken.json"), "not JSON, or cut short")])


def test_a_folder_counts_once(two: list[Path], tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(two[0].parent)
    inside = two[1] / "2026-09-01"
    with Places([two[1], inside, tmp_path / "link", two[0], two[0]], quiet) as places:
        assert [index.place.name for index in places.indexes] == [str(tmp_path / "link")]
        places.update()
        assert places.totals(Filter()).calls == 101


def test_no_calls_have_no_figures() -> None:
    totals = Totals()
    assert (totals.calls, totals.latency_p50_ms, totals.findings, totals.with_findings) == (0, None, {}, 0)
