"""What of AudioSocket an Asterisk uses: its dialplan's lines, and the calls that it has now."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from audiosocket_cli.doctor.asterisk_cli import AsteriskCli, Channel, NoAnswerError, channels_of

_APPLICATION: Final = re.compile(r"\bAudioSocket\(", re.IGNORECASE)
_DRIVER: Final = re.compile(r"\bAudioSocket/")
_TRY_EXEC: Final = re.compile(r"\bTryExec\(", re.IGNORECASE)
_UUID_FUNCTION: Final = re.compile(r"\$\{UUID\(\)")
_ARI: Final = re.compile(r"\bStasis\(", re.IGNORECASE)
_LOADED_APPLICATION: Final = "AudioSocket"


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


def use_in(lines: Iterable[str]) -> Use:
    """Return what the lines of a dialplan name, of a file or of `dialplan show`."""
    text = "\n".join(lines)
    return Use(
        application=_APPLICATION.search(text) is not None,
        driver=_DRIVER.search(text) is not None,
        try_exec=_TRY_EXEC.search(text) is not None,
        uuid_function=_UUID_FUNCTION.search(text) is not None,
        ari=_ARI.search(text) is not None,
    )


async def use_of(cli: AsteriskCli) -> Use:
    """Return what the dialplan of a running Asterisk names; nothing where it does not tell it."""
    try:
        return use_in((await cli.ask("dialplan show")).splitlines())
    except NoAnswerError:
        return Use()


def is_of_audiosocket(channel: Channel) -> bool:
    """Whether a channel is one of the channel driver, or runs the application."""
    return channel.name.startswith("AudioSocket/") or channel.application == _LOADED_APPLICATION


def servers_in(channels: Iterable[Channel]) -> list[str]:
    """Return the servers, as HOST:PORT, that channels are connected to, each once.

    A driver's channel is AudioSocket/HOST:PORT-UUID (`audiosocket_request`); the application's data is UUID,HOST:PORT.
    """
    found = dict.fromkeys(filter(None, map(_server, filter(is_of_audiosocket, channels))))
    return list(found)


def _server(channel: Channel) -> str:
    if channel.application == _LOADED_APPLICATION:
        return channel.data.partition(",")[2].strip()
    match = re.match(r"AudioSocket/(\S+?)-[0-9A-Fa-f]{8}-", channel.name)
    return match[1] if match else ""


async def servers_in_calls(cli: AsteriskCli) -> list[str]:
    """Return the servers of the calls of now."""
    with contextlib.suppress(NoAnswerError):
        return servers_in(channels_of(await cli.ask("core show channels concise")))
    return []
