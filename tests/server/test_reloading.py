"""A list is read again while calls go on; what is wrong with it is told, and the old one stays."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

from audiosocket_cli.server.admission import Admission, AdmissionOptions
from audiosocket_cli.server.readiness import Readiness
from audiosocket_cli.server.reloading import NOTHING_TO_RELOAD, Reloading

ONE, TWO = UUID(int=1), UUID(int=2)


def reloaded(admission: Admission, readiness: Readiness | None = None) -> list[str]:
    told: list[str] = []

    async def main() -> None:
        reloading = Reloading(admission, readiness or Readiness(), told.append, lambda: told.append("reloaded"))
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
