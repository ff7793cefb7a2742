"""What of AudioSocket an Asterisk uses: its dialplan's lines, and the calls that it has now."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from audiosocket_cli.asterisk.dialplan_check.dialplan import Dialplan
from audiosocket_cli.asterisk.dialplan_check.uses import uses_in
from audiosocket_cli.doctor.pbx.asterisk_cli import AsteriskCli, Channel, NoAnswerError

_UUID_FUNCTION: Final = "${UUID()"
_APPLICATION: Final = "AudioSocket"


@dataclass(frozen=True, slots=True)
class Use:
    """What the dialplan names."""

    application: bool = False
    """AudioSocket()"""
    driver: bool = False
    """Dial(AudioSocket/…)"""
    try_exec: bool = False
    uuid_function: bool = False
    ari: bool = False
    """Stasis()"""

    @property
    def is_some(self) -> bool:
        """Whether a line hands a call to a server."""
        return self.application or self.driver


def use_in(plan: Dialplan) -> Use:
    """Return what a dialplan names."""
    uses = uses_in(plan)
    names = {step.name for step in plan.steps}
    return Use(
        application=any(not use.is_channel for use in uses),
        driver=any(use.is_channel for use in uses),
        try_exec="tryexec" in names,
        uuid_function=any(_UUID_FUNCTION in step.data for step in plan.steps),
        ari="stasis" in names,
    )


async def has_ari_program(cli: AsteriskCli) -> bool:
    """Whether a program is connected to ARI, as `ari show apps` tells: its calls need no line of the dialplan."""
    try:
        lines = (await cli.ask("ari show apps")).splitlines()
    except NoAnswerError:  # the module is not loaded
        return False
    rules = [number for number, line in enumerate(lines) if line.startswith("===")]
    return bool(rules) and any(line.strip() for line in lines[rules[-1] + 1 :])


async def serves_ari(cli: AsteriskCli) -> bool:
    """Whether programs can connect to ARI, as `http show status` tells."""
    try:
        lines = (await cli.ask("http show status")).splitlines()
    except NoAnswerError:
        return False
    return any(line.startswith("Server Enabled") for line in lines) and any("/ari/" in line for line in lines)


def is_of_audiosocket(channel: Channel) -> bool:
    """Whether a channel is one of the channel driver, or runs the application."""
    return channel.name.startswith("AudioSocket/") or channel.application == _APPLICATION


def servers_in(channels: Iterable[Channel]) -> list[str]:
    """Return the servers, as HOST:PORT, that channels are connected to, each once.

    A driver's channel is AudioSocket/HOST:PORT-UUID (`audiosocket_request`); the application's data is UUID,HOST:PORT.
    """
    found = dict.fromkeys(filter(None, map(_server, filter(is_of_audiosocket, channels))))
    return list(found)


def _server(channel: Channel) -> str:
    if channel.application == _APPLICATION:
        return channel.data.partition(",")[2].strip()
    match = re.match(r"AudioSocket/(\S+?)-[0-9A-Fa-f]{8}-", channel.name)
    return match[1] if match else ""
