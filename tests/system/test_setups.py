"""`doctor` in front of set-ups made with a real Asterisk: it names what is broken, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asterisk_testbed.cli import default_home
from support.running import missing
from support.setups.broken import BROKEN
from support.setups.healthy import HEALTHY
from support.setups.verdict import Verdict, judge_all
from support.testbed import testbed

pytestmark = pytest.mark.asterisk

SETUPS = (*BROKEN, *HEALTHY)


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Verdict]:
    """All of them, some side by side."""
    if os.geteuid():
        missing("namespaces need root")
    if testbed("setup").returncode:
        missing("no Asterisk to test with")
    judged = judge_all(SETUPS, Path(default_home()).resolve())
    return {verdict.ran.setup.name: verdict for verdict in judged}


@pytest.mark.parametrize("name", [setup.name for setup in SETUPS])
def test_doctor_names_what_is_wrong_and_nothing_else(name: str, verdicts: dict[str, Verdict]) -> None:
    verdict = verdicts[name]
    told = [(each["look"], each["status"], each["id"], each["what"], each["evidence"]) for each in verdict.ran.said]
    assert not verdict.ran.errors
    assert not verdict.missed, (verdict.ran.setup.truth, told, verdict.ran.log)
    assert not verdict.false, (verdict.ran.setup.truth, told, verdict.ran.log)
