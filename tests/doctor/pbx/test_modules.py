"""Modules that are not loaded: which matter, why they are not, and how they come."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from audiosocket_cli.doctor.pbx.asterisk_use import Use
from audiosocket_cli.doctor.pbx.modules import look_at_modules
from audiosocket_cli.finding import Diagnosis, Status
from support.asterisk_said import MODULES, VERSION, asterisk_that_says

ARI = """\
app_stasis.so                  Stasis dialplan application              0          Running              core
res_ari_channels.so            RESTful API module - Channel resources   0          Running              core
"""

BOTH = Use(application=True, driver=True, uuid_function=True)


def without(*names: str) -> str:
    return "".join(line for line in MODULES.splitlines(keepends=True) if not line.startswith(tuple(names)))


def look(folder: Path, use: Use = BOTH, *, modules: str = MODULES, **said: str) -> list[Diagnosis]:
    return asyncio.run(look_at_modules(asterisk_that_says(folder, module_show=modules, **said), use))


def test_all_that_is_needed_is_loaded(tmp_path: Path) -> None:
    (found,) = look(tmp_path)
    assert found.status is Status.OK
    assert found.what.startswith("loaded: res_audiosocket, app_audiosocket, chan_audiosocket, app_dial, func_uuid")


@pytest.mark.parametrize(
    ("use", "name", "status"),
    [
        (BOTH, "res_audiosocket", Status.FAULT),
        (Use(), "res_audiosocket", Status.FAULT),
        (Use(application=True), "app_audiosocket", Status.FAULT),
        (Use(driver=True), "app_audiosocket", None),
        (Use(driver=True), "chan_audiosocket", Status.FAULT),
        (Use(ari=True), "chan_audiosocket", Status.FAULT),
        (Use(application=True), "chan_audiosocket", None),
        (Use(application=True), "app_dial", None),
        (Use(driver=True), "app_dial", Status.FAULT),
        (Use(application=True), "func_uuid", None),
        (BOTH, "codec_resample", Status.WARNING),
        (Use(), "pbx_config", None),
    ],
)
def test_a_module_matters_where_a_line_needs_it(tmp_path: Path, use: Use, name: str, status: Status | None) -> None:
    modules = without(name) + ARI
    found = {each.where: each.status for each in look(tmp_path, use, modules=modules) if each.where}
    assert found == ({} if status is None else {f"{name}.so": status})


def test_ari_needs_its_own(tmp_path: Path) -> None:
    found = {each.where: each.status for each in look(tmp_path, Use(ari=True)) if each.where}
    assert found == {"app_stasis.so": Status.FAULT, "res_ari_channels.so": Status.FAULT}


def test_a_missing_function_has_its_own_id(tmp_path: Path) -> None:
    (found,) = look(tmp_path, modules=without("func_uuid"))
    assert (found.id, found.status) == ("func-missing", Status.FAULT)


@pytest.mark.parametrize(
    ("modules_conf", "has_file", "evidence", "line"),
    [
        ("[modules]\nautoload = yes\nnoload = app_audiosocket.so ; why\n", True, "noload = app_audiosocket.so", ""),
        ("[modules]\nautoload=no\nload => res_audiosocket.so\n", True, "autoload = no", "load = app_audiosocket.so"),
        ("[modules]\nautoload=no\nload => app_audiosocket\n", True, "app_audiosocket.so is there", ""),
        ("[modules]\nautoload=yes\n", True, "app_audiosocket.so is there", ""),
        ("", False, "app_audiosocket.so is not there", ""),
    ],
    ids=["noload", "autoload-no", "named", "failed", "not-built"],
)  # fmt: skip
def test_why_a_module_is_not_loaded(
    tmp_path: Path, modules_conf: str, has_file: bool, evidence: str, line: str
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "modules").mkdir()
    (tmp_path / "etc" / "modules.conf").write_text(modules_conf)
    if has_file:
        (tmp_path / "modules" / "app_audiosocket.so").touch()
    (found,) = look(tmp_path, Use(application=True), modules=without("app_audiosocket"))
    assert evidence in found.evidence[-1]
    assert not line or found.lines[0] == line
    assert has_file == any("module load app_audiosocket.so" in each for each in found.lines)
    assert has_file or "menuselect" in found.cure


def test_one_that_declined_to_start_is_told_from_one_that_is_not_loaded(tmp_path: Path) -> None:
    declined = MODULES.replace("2          Running          extended", "2          Not Running      extended")
    (found,) = look(tmp_path, modules=declined)
    assert (found.where, "declined" in found.cure) == ("res_audiosocket.so", True)


def test_before_it_came_a_function_is_not_to_be_installed(tmp_path: Path) -> None:
    old = VERSION.replace("22.10.1", "20.9.0")
    (tmp_path / "modules").mkdir()
    (found,) = look(tmp_path, modules=without("func_uuid"), core_show_version=old)
    assert "it comes with Asterisk 20.12" in found.cure
