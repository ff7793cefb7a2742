"""The pages that show the table of releases show what it holds."""

from __future__ import annotations

import pytest

from audiosocket_cli.asterisk.release_faults import FAULTS, Fault
from audiosocket_cli.asterisk.releases import CHANGES, Behaviour, certified_with, since
from audiosocket_cli.ui.pages import read_page

PAGE = read_page("releases")


@pytest.mark.parametrize("behaviour", Behaviour, ids=lambda behaviour: behaviour.name)
def test_each_row_is_on_the_page(behaviour: Behaviour) -> None:
    row = f"| {CHANGES[behaviour].what} | {since(behaviour)} | {certified_with(behaviour)} |"
    assert row in PAGE.splitlines()


def test_the_page_has_no_other_rows() -> None:
    assert sum(line.startswith("| ") for line in PAGE.splitlines()) == 1 + len(Behaviour)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_each_fault_is_on_the_page(fault: Fault) -> None:
    text = f"- `{fault.id}` ({fault.releases}): {fault.what}. Cure: {fault.cure}."
    assert text in " ".join(PAGE.split())


@pytest.mark.parametrize(
    ("beginning", "behaviours"),
    [
        ("`${UUID()}`", [Behaviour.UUID_FUNCTION]),
        ("digits (kind `03`)", [Behaviour.DIGITS, Behaviour.GOES_ON]),
        ("rates other", [Behaviour.RATES]),
        ("a frame whose header", [Behaviour.SPLIT_HEADER]),
        ("comfort noise", [Behaviour.COMFORT_NOISE]),
    ],
)
def test_the_short_table_agrees(beginning: str, behaviours: list[Behaviour]) -> None:
    rows = [line for line in read_page("asterisk").splitlines() if line.startswith(f"| {beginning}")]
    assert [row.split(" | ")[1].removesuffix(" |") for row in rows for _ in behaviours] == list(map(since, behaviours))
