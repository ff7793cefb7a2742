"""Are the modules of Asterisk loaded that AudioSocket needs? Where one is not: why, and how it comes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from audiosocket_cli.asterisk.releases import Behaviour, Release, since
from audiosocket_cli.doctor.pbx.asterisk_cli import AsteriskCli, Module, NoAnswerError, modules_of
from audiosocket_cli.doctor.pbx.asterisk_use import Use
from audiosocket_cli.finding import Diagnosis, Status


class _Need(NamedTuple):
    """A module, and what does not work without it."""

    module: str
    lacks: str
    is_used: bool
    """Whether a line of the dialplan needs it."""
    id: str = "module-missing"


async def look_at_modules(cli: AsteriskCli, use: Use) -> list[Diagnosis]:
    """Look at the modules; `use` is what the dialplan names. Raises `NoAnswerError`."""
    modules = modules_of(await cli.ask("module show"))
    found = [await _missing(cli, need, modules) for need in _needs(use) if not _runs(modules, need.module)]
    faulty = [diagnosis for diagnosis in found if diagnosis is not None]
    if not faulty:
        loaded = ", ".join(need.module for need in _needs(use) if _runs(modules, need.module))
        return [Diagnosis("module-missing", Status.OK, f"loaded: {loaded}")]
    return faulty


def _runs(modules: Mapping[str, Module], name: str) -> bool:
    return name in modules and modules[name].is_running


def _needs(use: Use) -> list[_Need]:
    """Return what AudioSocket needs; what no line needs is named by a line that would."""
    nothing_used = not use.is_some
    return [
        _Need("res_audiosocket", "nothing of AudioSocket works", True),
        _Need("app_audiosocket", "the dialplan has no AudioSocket()", use.application),
        _Need("chan_audiosocket", "there is no Dial(AudioSocket/…), and no ARI externalMedia", use.driver or use.ari),
        _Need("app_dial", "the dialplan has no Dial()", use.driver),
        _Need("func_uuid", "${UUID()} is empty, and AudioSocket refuses the call", use.uuid_function, "func-missing"),
        _Need("app_exec", "the dialplan has no TryExec()", use.try_exec),
        _Need("res_ari_channels", "ARI places no calls", use.ari),
        _Need("app_stasis", "the dialplan has no Stasis()", use.ari),
        _Need("codec_resample", "slin12 to slin192 reach no phone that talks 8 kHz", False),
        *([_Need("pbx_config", "extensions.conf is not read", False)] if nothing_used else []),
    ]


_OPTIONAL: Final = {"app_exec", "app_dial", "func_uuid", "pbx_config", "res_ari_channels", "app_stasis"}
"""Modules that somebody can do without: no word about them where no line needs them."""


async def _missing(cli: AsteriskCli, need: _Need, modules: Mapping[str, Module]) -> Diagnosis | None:
    if not need.is_used and need.module in _OPTIONAL:
        return None
    other = {"app_audiosocket": "chan_audiosocket", "chan_audiosocket": "app_audiosocket"}.get(need.module)
    if not need.is_used and other is not None and _runs(modules, other):
        return None  # they do with the other one
    why, cure, lines = await _why(cli, need.module, modules)
    status = Status.FAULT if need.is_used else Status.WARNING
    return Diagnosis(
        need.id, status, f"{need.module} is not loaded: {need.lacks}", why, cure, lines, f"{need.module}.so"
    )


async def _why(
    cli: AsteriskCli, name: str, modules: Mapping[str, Module]
) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """Return evidence, cure and lines: why a module is not loaded."""
    load = cli.place.hint(f"module load {name}.so")
    if name in modules:
        return (
            ("module show: it is loaded, and Not Running",),
            "it declined to start: see why in the log, and load it again",
            (cli.place.hint(f"module unload {name}.so"), load),
        )
    file = f"{await _module_folder(cli)}/{name}.so"
    is_there = await cli.place.has_file(file)
    if is_there is False:
        return (f"{file} is not there",), _install(name, await cli.release()), ()
    evidence = (f"{file} is there",) if is_there else ()
    setting = _setting(await _modules_conf(cli), name)
    if setting == "noload":
        return (
            (*evidence, f"modules.conf: noload = {name}.so"),
            "take that line out of modules.conf, and load it",
            (load,),
        )
    if setting == "manual":
        return (
            (*evidence, "modules.conf: autoload = no, and no line loads it"),
            "add the first line to [modules] of modules.conf, for the next start; the second loads it now",
            (f"load = {name}.so", load),
        )
    return evidence, "load it: what it says is why it was not loaded", (load,)


def _install(name: str, release: Release | None) -> str:
    if name == "func_uuid" and release is not None and not release.has(Behaviour.UUID_FUNCTION):
        return (
            f"it comes with Asterisk {since(Behaviour.UUID_FUNCTION)}; before, set a UUID by ${{SHELL(uuidgen)}} or ARI"
        )
    return (
        f"install it: built from source, choose {name} in `make menuselect`; Debian, from forky and sid on, has it in "
        "the package asterisk-modules"
    )


async def _module_folder(cli: AsteriskCli) -> str:
    return (await cli.folder("Module directory")).rstrip("/")


async def _modules_conf(cli: AsteriskCli) -> str:
    try:
        folder = await cli.folder("Configuration directory")
    except NoAnswerError:
        return ""
    return await cli.place.read(f"{folder.rstrip('/')}/modules.conf") or ""


def _setting(modules_conf: str, name: str) -> str:
    """Return "noload" where modules.conf forbids a module, "manual" where it would have to name it and does not, or an
    empty text."""
    settings = [
        (match[1].lower(), match[2].strip().removesuffix(".so"))
        for line in modules_conf.splitlines()
        if (match := re.fullmatch(r"\s*(\w[\w-]*)\s*=>?\s*([^;]*?)\s*(?:;.*)?", line))
    ]
    if ("noload", name) in settings:
        return "noload"
    autoload = [value for key, value in settings if key == "autoload"]
    is_named = any(
        key in ("load", "require", "preload", "preload-require") and value == name for key, value in settings
    )
    return "" if is_named or autoload[-1:] in (["yes"], []) else "manual"
