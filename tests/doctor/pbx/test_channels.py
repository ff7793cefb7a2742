"""Channels that nothing ends are told from those of calls."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from audiosocket_cli.doctor.pbx import channels
from audiosocket_cli.finding import Diagnosis, Status
from support.asterisk_said import CHANNEL, asterisk_that_says


@pytest.fixture(autouse=True)
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "_AGAIN_S", 0.01)


def look(folder: Path, *lines: str) -> Diagnosis:
    cli = asterisk_that_says(folder, core_show_channels_concise="".join(f"{line}\n" for line in lines))
    (found,) = asyncio.run(channels.look_at_channels(cli))
    return found


def channel(
    name: str = CHANNEL, state: str = "Up", application: str = "", data: str = "", seconds: int = 30, bridge: str = ""
) -> str:
    return f"{name}!default!s!1!{state}!{application}!{data}!!!!3!{seconds}!{bridge}!1796019630.0"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (channel(), "in no bridge, for 30 s"),
        (channel(application="AppDial", data="(Outgoing Line)"), "in no bridge, for 30 s"),
        (channel(application="Stasis", data="bot,1", seconds=61), "in ARI application bot, and in no bridge, for 61 s"),
        (channel(state="Down", seconds=61), "not dialled, for 61 s"),
        (channel(state="Ring", seconds=61), "not answered"),
        (channel(name=f"{CHANNEL}<ZOMBIE>", seconds=1), "a zombie"),
        (channel(bridge="b1", seconds=5 * 3600), "for 5 h"),
        (channel("PJSIP/1-1", application="AudioSocket", data="u,bot:9092", seconds=5 * 3600), "for 5 h"),
    ],
)
def test_a_channel_that_nothing_ends_is_stuck(tmp_path: Path, line: str, why: str) -> None:
    found = look(tmp_path, line)
    name = line.split("!")[0]
    assert (found.id, found.status, found.evidence) == ("channels-stuck", Status.WARNING, (f"{name}: {why}",))
    assert f"channel request hangup {name}" in found.lines[0]


@pytest.mark.parametrize(
    "line",
    [
        channel(bridge="b1", application="AppDial", seconds=3000),
        channel(seconds=3),
        channel(application="Echo", seconds=300),
        channel(application="Stasis", data="bot", seconds=30),
        channel(state="Down", seconds=20),
        channel("PJSIP/1-1", application="AudioSocket", data="u,bot:9092", seconds=3000),
        channel("PJSIP/1-1", seconds=100_000),
    ],
)
def test_a_call_is_not(tmp_path: Path, line: str) -> None:
    assert look(tmp_path, line).status is Status.OK


def test_how_many_there_are_is_told(tmp_path: Path) -> None:
    assert look(tmp_path).what == "no channel in AudioSocket now, none of them stuck"
    (tmp_path / "two").mkdir()
    found = look(
        tmp_path / "two", channel(bridge="1"), channel("PJSIP/1-1", application="AudioSocket"), channel("SIP/1")
    )
    assert found.what == "2 channels in AudioSocket now, none of them stuck"


def test_of_many_the_first_are_shown(tmp_path: Path) -> None:
    found = look(tmp_path, *(channel(CHANNEL[:-1] + str(number)) for number in range(8)))
    assert (found.what, len(found.evidence), found.evidence[-1]) == (
        "8 channels of AudioSocket are stuck", 6, "and 3 more"
    )  # fmt: skip
    assert len(found.lines) == 5


def test_one_that_is_gone_a_second_later_is_not_stuck(tmp_path: Path) -> None:
    cli = asterisk_that_says(tmp_path, core_show_channels_concise=channel())
    said = tmp_path / "asterisk.said" / "core_show_channels_concise"

    async def look_while_it_goes() -> list[Diagnosis]:
        await cli.ask("core show channels concise")
        said.write_text("")
        return await channels.look_at_channels(cli)

    (found,) = asyncio.run(look_while_it_goes())
    assert found.status is Status.OK
