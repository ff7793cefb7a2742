"""The bot of `serve --bridge`: what is wrong with its options is found before the first call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from audiosocket_cli.audio.files import Sound
from audiosocket_cli.call.bots.bot import Bot
from audiosocket_cli.call.events import Report
from audiosocket_cli.codec import KIND_BY_RATE
from audiosocket_cli.errors import MissingLibraryError, UsageError
from audiosocket_cli.jobs.outputs import open_prompt
from audiosocket_cli.libraries import install_line
from audiosocket_cli.websocket.connecting import tls_context
from audiosocket_cli.websocket.headers import headers_of
from audiosocket_cli.websocket.url import parse_url


@dataclass(frozen=True, slots=True)
class BridgeWanted:
    """The options of the bridge, named without `bridge_`."""

    url: str
    protocol: str
    rate: int | None
    text: bool
    header: tuple[tuple[str, str], ...]
    headers_file: Path | None
    ca: Path | None
    timeout: float
    retry: int
    fallback: Path | None

    @property
    def shown(self) -> str:
        """The URL, as it may be shown. Raises `UsageError` if it is none."""
        return str(parse_url(self.url))


def bridge_maker(wanted: BridgeWanted) -> Callable[[Report], Bot]:
    """Return what makes the bot of each call. Raises `UsageError` and `FileError`."""
    try:
        from audiosocket_cli.call.bots.bridge import Bridge, BridgeOptions, BridgeProtocol
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "websockets":
            raise
        raise MissingLibraryError(f"--bridge needs websockets (the extra ws): {install_line('websockets')}") from None

    protocol, url = BridgeProtocol(wanted.protocol), parse_url(wanted.url)
    if wanted.rate and protocol is BridgeProtocol.CHAN_WEBSOCKET and wanted.rate not in KIND_BY_RATE:
        rates = ", ".join(map(str, KIND_BY_RATE))
        raise UsageError(f"--bridge-rate {wanted.rate}: Asterisk has no format of that rate; choose from {rates}")
    if wanted.ca is not None and not url.is_secure:
        raise UsageError("--bridge-ca is for wss://, and --bridge is ws://: leave out --bridge-ca, or write wss://")
    if url.is_secure:
        tls_context(wanted.ca)
    if wanted.fallback is not None:
        open_prompt(Sound(wanted.fallback).kept())
    options = BridgeOptions(
        url,
        protocol,
        wanted.rate,
        plain_text=wanted.text,
        headers=[*wanted.header, *headers_of(wanted.headers_file)],
        ca=wanted.ca,
        timeout_s=wanted.timeout,
        retry=wanted.retry,
        fallback=wanted.fallback,
    )
    return partial(Bridge, options)
