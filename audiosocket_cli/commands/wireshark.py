"""`audiosocket wireshark`: print or install the dissector that shows AudioSocket in Wireshark and tshark."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from audiosocket_cli.commands.path_param import FOLDER, PathParam
from audiosocket_cli.errors import UsageError

NAME: Final = "audiosocket.lua"

_FOLDER_LABEL: Final = "Personal Lua Plugins:"
_USUAL_FOLDER: Final = Path(".local", "lib", "wireshark", "plugins")
_PATIENCE_S: Final = 20.0


@click.command(short_help="Print or install a dissector for Wireshark and tshark.")
@click.option("--install", is_flag=True, help="Write it into Wireshark's folder for your own plugins.")
@click.option("--folder", type=PathParam(FOLDER), metavar="DIR", help="With --install: write it here instead.")
@click.option("--force", is_flag=True, help="With --install: overwrite another file of that name.")
def command(*, install: bool, folder: Path | None, force: bool) -> None:
    """Print or install a dissector, so that Wireshark and tshark show AudioSocket.

    \b
    Examples:
      audiosocket wireshark --install
      audiosocket wireshark > audiosocket.lua
      tshark -X lua_script:audiosocket.lua -r calls.pcap -Y audiosocket

    It shows each frame on port 9092, and on any other port where a connection opens with a UUID, and warns of what
    ends a call in Asterisk. Filters are audiosocket.kind == "dtmf", .digit, .uuid, .side, .rate and more. It is in Lua,
    for Wireshark 3.4 and newer.

    It is installed where `tshark -G folders` says, or else into ~/.local/lib/wireshark/plugins.
    """
    from audiosocket_cli.ui.console import put_lines, say

    text = files("audiosocket_cli").joinpath("capture", NAME).read_text(encoding="utf-8")
    if install:
        say(_install(text, (folder or _personal_folder()) / NAME, overwrite=force))
        if folder is None and os.geteuid() == 0:
            say("note that Wireshark 4.2 and newer loads no plugins when root runs it")
    elif folder or force:
        raise UsageError(f"{'--folder' if folder else '--force'} needs --install: add --install")
    else:
        put_lines(text.splitlines())


def _install(text: str, path: Path, *, overwrite: bool) -> str:
    """Write the dissector, and return what to say of it. Raises `UsageError`."""
    content = text.encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            if path.read_bytes() == content:
                return f"{path} is there already, as it should be"
            if not overwrite:
                raise UsageError(f"{path} is there and differs: overwrite it with --force, or move it away")
        path.write_bytes(content)
    except FileExistsError as error:
        raise UsageError(f"cannot write {path}: {error.filename} is a file, not a folder") from None
    except OSError as error:
        raise UsageError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from None
    return f"wrote {path}: restart Wireshark, or reload its Lua plugins (Ctrl+Shift+L)"


def _personal_folder() -> Path:
    """Return where Wireshark looks for a user's plugins in Lua: as tshark says, or where it usually is."""
    for line in _folders_of_tshark().splitlines():
        if line.startswith(_FOLDER_LABEL):
            return Path(line.removeprefix(_FOLDER_LABEL).strip())
    try:
        return Path.home() / _USUAL_FOLDER
    except RuntimeError:
        raise UsageError("cannot find your home folder: name Wireshark's folder of plugins with --folder") from None


def _folders_of_tshark() -> str:
    tshark = shutil.which("tshark")
    if tshark is None:
        return ""
    try:
        done = subprocess.run([tshark, "-G", "folders"], capture_output=True, timeout=_PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="surrogateescape")
