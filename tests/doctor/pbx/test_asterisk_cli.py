"""What Asterisk answers is read as it prints it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from audiosocket_cli.asterisk.releases import Release
from audiosocket_cli.doctor.pbx.asterisk_cli import AsteriskCli, NoAnswerError, channels_of, modules_of, release_of
from audiosocket_cli.doctor.pbx.place import place_of
from support.asterisk_said import CHANNEL, CHANNELS, MODULES, VERSION, asterisk_that_says


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("22.10.1+dfsg+~cs6.17.60671434-1", Release(22, 10)),
        ("18.10.0~dfsg+~cs6.10.40431411-2", Release(18, 10)),
        ("20.12.0", Release(20, 12)),
        ("certified/18.9-cert4", Release(18, 9, certified=True)),
        ("certified-22.8-cert1", Release(22, 8, certified=True)),
        ("22.8-cert1", Release(22, 8, certified=True)),
        ("GIT-master-1a2b3c4", None),
        ("GIT-20-1a2b3c4M", None),
        ("UNKNOWN__and_probably_unsupported", None),
        ("16.2.1~dfsg-1", None),
    ],
)
def test_a_version_names_its_release(version: str, release: Release | None) -> None:
    assert release_of(version) == release


def test_each_command_is_asked_once(tmp_path: Path) -> None:
    cli = asterisk_that_says(tmp_path)

    async def ask() -> tuple[str, str, str]:
        first = await cli.ask("core show version")
        (tmp_path / "asterisk.said" / "core_show_version").write_text("Asterisk 18.0.0 built by …\n")
        return first, await cli.ask("core show version"), await cli.ask_again("core show version")

    assert asyncio.run(ask()) == (VERSION, VERSION, "Asterisk 18.0.0 built by …\n")
    assert asyncio.run(cli.version()) == "22.10.1+dfsg-1"


@pytest.mark.parametrize(
    ("script", "said", "socket"),
    [
        ("echo 'Unable to connect to remote asterisk (does /var/run/asterisk/asterisk.ctl exist?)' >&2; exit 1",
         "does /var/run/asterisk/asterisk.ctl exist", "/var/run/asterisk/asterisk.ctl"),
        ("echo 'Error response from daemon: No such container: pbx' >&2; exit 1", "No such container: pbx", ""),
        ("exit 7", "it exits with 7 and says nothing", ""),
        ("echo \"You don't have permissions to run 'core show version' command\"", "You don't have permissions", ""),
        ("echo hello", "core show version answered 'hello'", ""),
    ],
    ids=["not-connected", "no-container", "silent", "not-allowed", "another-program"],
)  # fmt: skip
def test_why_it_does_not_answer_is_told(tmp_path: Path, script: str, said: str, socket: str) -> None:
    command = tmp_path / "asterisk"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    with pytest.raises(NoAnswerError, match=said) as told:
        asyncio.run(AsteriskCli(place_of(str(command), None)).version())
    assert told.value.socket_path == socket


def test_colours_are_left_out(tmp_path: Path) -> None:
    cli = asterisk_that_says(tmp_path, core_show_version=f"\x1b[1;32m{VERSION[:8]}\x1b[0m{VERSION[8:]}")
    assert asyncio.run(cli.release()) == Release(22, 10)


def test_its_folders_are_named_by_its_settings(tmp_path: Path) -> None:
    cli = asterisk_that_says(tmp_path)
    assert asyncio.run(cli.folder("Log directory")) == f"{tmp_path}/log"
    with pytest.raises(NoAnswerError, match="names no no folder"):
        asyncio.run(cli.folder("No folder"))


def test_modules_that_run_are_told_from_those_that_declined() -> None:
    declined = (
        "func_uuid.so                   UUID generation dialplan function        0          Not Running      extended"
    )
    found = modules_of(MODULES.replace("2          Running          extended", "2          Not Running      extended"))
    assert {name for name, module in found.items() if not module.is_running} == {"res_audiosocket"}
    assert not modules_of(declined)["func_uuid"].is_running
    assert "ccss" not in found


def test_channels_are_read_whatever_their_data_holds() -> None:
    driver, application, dialling = channels_of(CHANNELS)
    assert (driver.name, driver.application, driver.seconds, driver.bridge) == (CHANNEL, "Echo", 12, "")
    assert application.data == "92a62f6d-f053-44d1-8772-19af6aefcb85,bot:9092"
    assert dialling.bridge == "f2a0"
    odd = "Local/1@a;1!a!1!1!Up!NoOp!what! is !this!100!!!3!9!b1!1.1\nnot a channel\n"
    assert [(each.data, each.seconds, each.bridge) for each in channels_of(odd)] == [("what! is !this", 9, "b1")]
