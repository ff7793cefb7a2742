"""The command line of the testbed's Asterisk: what users give in --asterisk-command."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

_CONFIGURATION = Path("run/etc/asterisk.conf")


def asterisk_command() -> list[str]:
    """Return the words that run it, to which `-rx COMMAND` is added."""
    home = Path(os.environ.get("ASTERISK_TESTBED_HOME") or Path.home() / ".cache" / "audiosocket-testbed")
    root = home / "root"
    if root.is_dir():
        return ["chroot", str(root), "asterisk", "-C", f"/var/lib/audiosocket-testbed/{_CONFIGURATION}"]
    return ["asterisk", "-C", str(home / _CONFIGURATION)]


def asterisk_line() -> str:
    """Return them as one line."""
    return shlex.join(asterisk_command())
