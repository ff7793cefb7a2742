"""How bad a finding is, and what its page says of it."""

from __future__ import annotations

from audiosocket_cli.doctor.files.findings_told import _WARNINGS, diagnosis, in_words, status_of
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.finding_pages import cure_of, finding_ids


def test_noise_is_a_fault_and_a_drifting_clock_a_warning() -> None:
    assert status_of("caller-ulaw") is Status.FAULT
    assert status_of("clock-drift") is Status.WARNING


def test_each_warning_is_an_id() -> None:
    assert set(finding_ids()) >= _WARNINGS


def test_a_diagnosis_takes_its_words_from_the_page() -> None:
    assert diagnosis("noise", Status.FAULT, evidence=["a line"]) == Diagnosis(
        "noise", Status.FAULT, "noise was recorded in place of speech", ("a line",), cure_of("noise")
    )
    assert diagnosis("noise", Status.FAULT, "hiss").what == "hiss"


def test_names_keep_their_capitals() -> None:
    assert in_words("bad-digit") == "a DTMF frame does not hold one digit"
    assert in_words("uuid-fixed") == "several calls have the same UUID"


def test_an_id_that_we_lack_is_told_as_it_was() -> None:
    assert in_words("of-a-newer-release", "as it was") == "as it was"
    assert diagnosis("of-a-newer-release", Status.FAULT, "x").cure == ""
