"""The Asterisk processes of this machine, as /proc shows them, and how each of them is asked."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

_PROC: Final = Path("/proc")

_MAX_SHOWN: Final = 5

_CONSOLE: Final = re.compile(r"-[A-Za-z]*[rRx][A-Za-z]*")
"""An option with which `asterisk` talks to another one."""


class Process(NamedTuple):
    """A running Asterisk."""

    pid: int
    words: tuple[str, ...]
    """Its command line."""
    root: str
    """Its root folder, or empty where that is not seen: another user's, or in a container."""

    @property
    def command(self) -> str:
        """The words with which it is asked, as one would type them; empty where they are not known."""
        if not self.root:
            return ""
        return shlex.join([*(["chroot", self.root] if self.root != "/" else []), "asterisk", *self.config])

    @property
    def config(self) -> tuple[str, ...]:
        """`-C FILE`, where it was started with one."""
        for number, word in enumerate(self.words[:-1]):
            if word == "-C":
                return ("-C", self.words[number + 1])
        return ()

    def __str__(self) -> str:
        apart = "" if self.root == "/" else f", in {self.root}" if self.root else ", in a container, or another user's"
        return f"process {self.pid}{apart}: {shlex.join(self.words)}"


def asterisk_processes() -> list[Process]:
    """Return each Asterisk that runs on this machine, as far as /proc shows; consoles of one are left out."""
    return sorted(_processes())


def _processes() -> Iterator[Process]:
    for folder in _PROC.glob("[0-9]*"):
        try:
            if (folder / "comm").read_text().strip() != "asterisk":
                continue
            line = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        words = tuple(line.rstrip("\0").split("\0"))
        if not any(map(_CONSOLE.fullmatch, words)):
            yield Process(int(folder.name), words, _root(folder))


def _root(process: Path) -> str:
    try:
        in_container = os.readlink(process / "ns" / "mnt") != os.readlink("/proc/self/ns/mnt")
        return "" if in_container else os.readlink(process / "root")
    except OSError:
        return ""


def shown(running: Sequence[Process]) -> tuple[str, ...]:
    """Return a line for each, for the first of them."""
    more = len(running) - _MAX_SHOWN
    return (*map(str, running[:_MAX_SHOWN]), *([f"and {more} more"] if more > 0 else []))


def ways_to_ask(running: Sequence[Process]) -> tuple[str, ...]:
    """Return the lines that look at each of them, for the first of them; an example where none is known."""
    commands = [process.command for process in running if process.command][:_MAX_SHOWN]
    if len(commands) < len(running) or not commands:
        commands.append("docker exec pbx asterisk")
    return tuple(f"audiosocket doctor --asterisk-command {shlex.quote(command)}" for command in commands)
