"""What is known to be wrong with a release is told of what the dialplan uses."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from audiosocket_cli.asterisk.releases import Release
from audiosocket_cli.doctor.pbx.asterisk_use import Use
from audiosocket_cli.doctor.pbx.asterisk_version import judge_release, look_at_version
from audiosocket_cli.finding import Status
from support.asterisk_said import asterisk_that_says


def test_a_release_that_no_update_mends_is_fine() -> None:
    found = judge_release("23.4.1", Release(23, 4), Use(application=True))
    assert found.status is Status.OK
    assert found.what.startswith("23.4.1 runs")


def test_an_old_release_has_faults_with_their_cure_and_an_update() -> None:
    found = judge_release("22.3.0", Release(22, 3), Use(driver=True))
    assert (found.id, found.status) == ("release-fault", Status.WARNING)
    assert "to 22.10 or newer" in found.cure
    assert any("c(slin16)" in line and "22.7" in line for line in found.evidence)


@pytest.mark.parametrize(("use", "is_told"), [(Use(application=True), True), (Use(driver=True), False), (Use(), True)])
def test_faults_of_what_is_not_used_are_left_out(use: Use, is_told: bool) -> None:
    found = judge_release("18.10.0", Release(18, 10), use)
    assert (
        any("busy" in line or "whole processor core, as the application" in line for line in found.evidence) == is_told
    )


def test_a_branch_that_never_got_all_updates_names_no_release_of_it() -> None:
    assert "21." not in judge_release("21.4.0", Release(21, 4), Use()).cure


def test_a_version_that_names_no_release_is_not_judged(tmp_path: Path) -> None:
    cli = asterisk_that_says(tmp_path, core_show_version="Asterisk GIT-master-1a2b3c4 built by root @ pbx on …\n")
    (found,) = asyncio.run(look_at_version(cli, Use()))
    assert (found.status, "GIT-master-1a2b3c4" in found.what) == (Status.UNKNOWN, True)
