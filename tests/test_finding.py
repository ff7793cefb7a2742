"""Findings have ids, and come in an order of how bad they are."""

from __future__ import annotations

import pytest

from audiosocket_cli.finding import Diagnosis, Status, id_of, tagged, untagged, worst


@pytest.mark.parametrize("text", ["µ-law labelled slin", "two\nlines", "brackets [::1]:9092 of its own", ""])
def test_an_id_is_at_the_end_of_a_line(text: str) -> None:
    line = tagged("caller-ulaw", text)
    assert (id_of(line), untagged(line)) == ("caller-ulaw", text)


@pytest.mark.parametrize("text", ["no id", "an address [::1]", "a list [a, b]", "[only-an-id]"])
def test_other_lines_have_none(text: str) -> None:
    assert id_of(text) is None
    assert untagged(text) == text


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], Status.OK),
        ([Status.OK, Status.UNKNOWN], Status.UNKNOWN),
        ([Status.UNKNOWN, Status.WARNING, Status.OK], Status.WARNING),
        ([Status.WARNING, Status.FAULT], Status.FAULT),
    ],
)
def test_the_worst_counts(statuses: list[Status], expected: Status) -> None:
    assert worst(Diagnosis("x", status, "something") for status in statuses) is expected


def test_a_diagnosis_is_json_values() -> None:
    found = Diagnosis("no-answer", Status.FAULT, "Answer() is missing", ("exten => 1,1,AudioSocket(…)",), "add it")
    assert found.as_json() == {
        "id": "no-answer", "status": "fault", "where": "", "what": "Answer() is missing",
        "evidence": ["exten => 1,1,AudioSocket(…)"], "cure": "add it", "lines": [],
    }  # fmt: skip
