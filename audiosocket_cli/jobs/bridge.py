"""The bot of `serve --bridge`: what is wrong with its options is found before the first call."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from audiosocket_cli.audio.files import Sound
from audiosocket_cli.call.bots.bot import Bot
from audiosocket_cli.call.events import Report
from audiosocket_cli.codec import KIND_BY_RATE
from audiosocket_cli.errors import FileError, MissingLibraryError, UsageError
from audiosocket_cli.jobs.outputs import open_prompt
from audiosocket_cli.libraries import install_line
from audiosocket_cli.websocket.connecting import tls_context
from audiosocket_cli.websocket.headers import parse_header
from audiosocket_cli.websocket.url import parse_url

if TYPE_CHECKING:
    from audiosocket_cli.jobs.serve import ServeWanted

_MAX_HEADERS_BYTES: Final = 65536


def bridge_maker(wanted: ServeWanted) -> Callable[[Report], Bot]:
    """Return what makes the bot of each call. Raises `UsageError` and `FileError`."""
    if importlib.util.find_spec("websockets") is None:
        raise MissingLibraryError(f"--bridge needs websockets (the extra ws): {install_line('websockets')}")
    from audiosocket_cli.call.bots.bridge import Bridge, BridgeOptions, BridgeProtocol

    assert wanted.bridge is not None
    protocol = BridgeProtocol(wanted.bridge_protocol or "")
    url = parse_url(wanted.bridge)
    if wanted.bridge_rate and protocol is BridgeProtocol.CHAN_WEBSOCKET and wanted.bridge_rate not in KIND_BY_RATE:
        rates = ", ".join(map(str, KIND_BY_RATE))
        raise UsageError(
            f"--bridge-rate {wanted.bridge_rate}: Asterisk has no format of that rate; choose from {rates}"
        )
    if wanted.bridge_ca is not None and not url.is_secure:
        raise UsageError("--bridge-ca is for wss://, and --bridge is ws://: leave out --bridge-ca, or write wss://")
    if url.is_secure:
        tls_context(wanted.bridge_ca)
    if wanted.bridge_fallback is not None:
        open_prompt(Sound(wanted.bridge_fallback).kept())
    headers = [*wanted.bridge_header, *headers_of(wanted.bridge_headers_file)]
    options = BridgeOptions(
        url,
        protocol,
        wanted.bridge_rate,
        plain_text=wanted.bridge_text,
        headers=headers,
        ca=wanted.bridge_ca,
        timeout_s=wanted.bridge_timeout,
        retry=wanted.bridge_retry,
        fallback=wanted.bridge_fallback,
    )
    return partial(Bridge, options)


def headers_of(path: Path | None) -> list[tuple[str, str]]:
    """Return the headers of a file, a line each; empty lines and those that begin with # are left out. Raises
    `FileError`, which names lines and shows none."""
    if path is None:
        return []
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_HEADERS_BYTES + 1)
        text = data.decode()
    except OSError as error:
        raise FileError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise FileError(f"{path} is not text: it has to hold headers, as 'Name: value', a line each") from None
    if len(data) > _MAX_HEADERS_BYTES:
        raise FileError(f"{path} is longer than {_MAX_HEADERS_BYTES} bytes: is it a file of headers?")
    headers = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        header = parse_header(line)
        if header is None:
            raise FileError(f"line {number} of {path} is not a header: write 'Name: value'")
        headers.append(header)
    return headers
