"""Are channels stuck in AudioSocket? The channel driver's never end by themselves, and those of ARI are easily lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from audiosocket_cli.doctor.pbx.asterisk_cli import AsteriskCli, Channel, channels_of
from audiosocket_cli.doctor.pbx.asterisk_use import is_of_audiosocket
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.text import counted

_COMMAND: Final = "core show channels concise"

_ALONE_S: Final = 10
"""After this long a channel of the driver that is in no bridge, and has no application, is not about to get one: ARI
programs put it into theirs at once."""

_WAITS_S: Final = 60
"""After this long nobody will dial a channel any more, and no server will answer it."""

_LONG_S: Final = 4 * 3600
"""Nobody talks to a bot that long."""

_AGAIN_S: Final = 1.0

_MAX_SHOWN: Final = 5


async def look_at_channels(cli: AsteriskCli) -> list[Diagnosis]:
    """Look at the channels, at some twice. Raises `NoAnswerError`."""
    channels = [each for each in channels_of(await cli.ask(_COMMAND)) if is_of_audiosocket(each)]
    suspects = {each.name: why for each in channels if (why := _why_stuck(each))}
    if suspects:
        await asyncio.sleep(_AGAIN_S)
        again = {each.name: each for each in channels_of(await cli.ask_again(_COMMAND))}
        still = [again[name] for name in suspects if name in again and _why_stuck(again[name])]
        if still:
            return [_stuck(cli, still)]
    number = counted(len(channels), "channel") if channels else "no channel"
    return [Diagnosis("channels-stuck", Status.OK, f"{number} in AudioSocket now, none of them stuck")]


def _why_stuck(channel: Channel) -> str:
    """Say why a channel is taken for stuck, or nothing."""
    if channel.seconds > _LONG_S:
        return f"for {channel.seconds // 3600} h"
    if not channel.name.startswith("AudioSocket/"):
        return ""
    is_idle = channel.application in ("", "AppDial", "AppDial2")
    if "<ZOMBIE>" in channel.name:
        return "a zombie"
    if channel.state != "Up" and channel.seconds > _WAITS_S:
        return f"not dialled, for {channel.seconds} s" if channel.state in ("Down", "Rsrvd") else "not answered"
    if not channel.bridge and is_idle and channel.state == "Up" and channel.seconds > _ALONE_S:
        return f"in no bridge, for {channel.seconds} s"
    if not channel.bridge and channel.application == "Stasis" and channel.seconds > _WAITS_S:
        return f"in ARI application {channel.data.partition(',')[0]}, and in no bridge, for {channel.seconds} s"
    return ""


def _stuck(cli: AsteriskCli, channels: Sequence[Channel]) -> Diagnosis:
    shown = [f"{each.name}: {_why_stuck(each)}" for each in channels[:_MAX_SHOWN]]
    more = len(channels) - _MAX_SHOWN
    return Diagnosis(
        "channels-stuck", Status.WARNING,
        f"{counted(len(channels), 'channel')} of AudioSocket {'is' if len(channels) == 1 else 'are'} stuck",
        (*shown, *([f"and {more} more"] if more > 0 else [])),
        "hang them up; an ARI program has to hang up its channel of externalMedia when the caller leaves: nothing else "
        "ends it",
        tuple(cli.place.hint(f"channel request hangup {each.name}") for each in channels[:_MAX_SHOWN]),
    )  # fmt: skip
