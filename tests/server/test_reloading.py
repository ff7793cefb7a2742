"""A list is read again while calls go on; what is wrong with it is told, and the old one stays."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from uuid import UUID

from audiosocket_cli.call.faults.fault_plan import FaultPlan
from audiosocket_cli.server.admission import Admission, AdmissionOptions
from audiosocket_cli.server.readiness import Readiness
from audiosocket_cli.server.reloading import NOTHING_TO_RELOAD, Reloading

ONE, TWO = UUID(int=1), UUID(int=2)


def reloaded(admission: Admission, readiness: Readiness | None = None, faults: FaultPlan | None = None) -> list[str]:
    told: list[str] = []

    async def main() -> None:
        reloading = Reloading(
            admission, readiness or Readiness(), told.append, lambda: told.append("reloaded"), faults=faults
        )
        reloading.begin()
        await reloading.wait()

    asyncio.run(main())
    return told


def test_a_list_that_grew_is_taken_and_one_that_is_gone_is_not(tmp_path: Path) -> None:
    path = tmp_path / "uuids"
    path.write_text(f"{ONE}\n")
    admission = Admission(AdmissionOptions(uuid_file=path))
    assert admission.why_not(TWO) is not None
    path.write_text(f"{ONE}\n{TWO}\n")
    assert reloaded(admission) == ["2 UUIDs may call now", "reloaded"]
    assert admission.why_not(TWO) is None
    path.unlink()
    failed, end = reloaded(admission)
    assert failed.endswith("; the old list stays")
    assert end == "reloaded"
    assert admission.why_not(TWO) is None


def test_where_there_is_nothing_to_read_that_is_said() -> None:
    assert reloaded(Admission(AdmissionOptions())) == [NOTHING_TO_RELOAD]
    assert reloaded(Admission(AdmissionOptions()), Readiness(reopen=lambda: None)) == []


def test_faults_that_were_changed_are_taken_and_wrong_ones_are_not(tmp_path: Path) -> None:
    path = tmp_path / "faults"
    path.write_text("")
    plan = FaultPlan([], path)
    path.write_text("stall\n")
    assert reloaded(Admission(AdmissionOptions()), faults=plan) == [
        f"1 fault in {path}, for the calls that begin from now on", "reloaded",
    ]  # fmt: skip
    assert plan.draw() is not None
    path.write_text("stal\n")
    failed, end = reloaded(Admission(AdmissionOptions()), faults=plan)
    assert failed.startswith(f"cannot read {path}: line 1: 'stal' is not a fault")
    assert failed.endswith("; the old faults stay")
    assert end == "reloaded"
    assert plan.draw() is not None


def test_a_wrong_list_keeps_the_file_of_faults_from_nothing(tmp_path: Path) -> None:
    uuids, faults = tmp_path / "uuids", tmp_path / "faults"
    uuids.write_text(f"{ONE}\n")
    faults.write_text("stall\n")
    admission, plan = Admission(AdmissionOptions(uuid_file=uuids)), FaultPlan([], faults)
    uuids.unlink()
    old_stays, read, _ = reloaded(admission, faults=plan)
    assert old_stays.endswith("; the old list stays")
    assert read.startswith("1 fault in")


def test_faults_without_a_file_are_nothing_to_read_again() -> None:
    assert reloaded(Admission(AdmissionOptions()), faults=FaultPlan([])) == [NOTHING_TO_RELOAD]


def test_a_pipe_of_faults_is_not_read_again_as_it_may_never_end(tmp_path: Path) -> None:
    path = tmp_path / "faults"
    path.write_text("stall\n")
    plan = FaultPlan([], path)
    path.unlink()
    os.mkfifo(path)
    assert reloaded(Admission(AdmissionOptions()), faults=plan) == [
        f"cannot read {path} again: it is not a file; the old faults stay", "reloaded",
    ]  # fmt: skip
    assert plan.draw() is not None
