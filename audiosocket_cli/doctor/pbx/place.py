"""Where an Asterisk is: how it is run there, how other programs are, and where its files are.

What runs there is bounded in time and in output, as a container, a network or an Asterisk may hang.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from audiosocket_cli.disk import is_folder
from audiosocket_cli.doctor.pbx.asterisk_processes import asterisk_processes
from audiosocket_cli.errors import UsageError

MAX_SECONDS: Final = 10.0
"""How long a program may take there."""

MAX_OUTPUT_BYTES: Final = 32 << 20

_MAX_STEPS: Final = 400
"""Parts of a path, its symbolic links' too: of links in a circle it is enough."""

_LAST_S: Final = 0.5
"""How long one that was killed may take to be gone."""

_SYSTEM_FOLDERS: Final = "/usr/sbin:/usr/local/sbin:/sbin:/opt/asterisk/sbin"

_OF_THIS_MACHINE: Final = {"sudo", "doas", "env", "nice"}
"""Programs that run another one on this machine, in the same folders."""

_VALUE_FOLLOWS: Final = {"-u", "-g", "-n", "-C", "-h", "-p", "-R", "-T"}
"""Options of those whose value is the next word, and is no program."""


class Done(NamedTuple):
    """What came of a program."""

    out: str
    err: str
    code: int


class CannotRunError(Exception):
    """A program cannot be run there, or does not end; the text says why, in a few words."""


class NoProgramError(CannotRunError):
    """There is no program of that name."""


class TookTooLongError(CannotRunError):
    """It did not end within `MAX_SECONDS`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an Asterisk is."""

    asterisk: tuple[str, ...]
    """The words that run it, to which its own arguments are added."""
    before: tuple[str, ...] | None
    """The words that another program is run with, in the same place; None: how is not known."""
    root: Path | None
    """The folder of this machine that is its root folder, or None: its files are elsewhere."""
    quoted: bool = False
    """Whether a shell splits the words once more, as ssh's does on the other side."""
    is_default: bool = False
    """Whether nobody said which Asterisk."""

    def __str__(self) -> str:
        return shlex.join(self.asterisk)

    @property
    def config_folder(self) -> str:
        """The folder of its configuration, as far as its command line tells."""
        for option, value in itertools.pairwise(self.asterisk):
            if option == "-C":
                return os.path.dirname(value) or "."
        return "/etc/asterisk"

    def hint(self, command: str) -> str:
        """Return the line that has Asterisk run a command, as a user would type it."""
        if not self.quoted or self.before is None:
            return f"{self} -rx '{command}'"
        there = shlex.join(self.asterisk[len(self.before) :])
        return f"{shlex.join(self.before)} \"{there} -rx '{command}'\""

    def path(self, path: str) -> Path | None:
        """Return a path of its own as one of this machine, or None."""
        return None if self.root is None else inside(self.root, path)

    async def run_asterisk(self, *args: str, seconds: float = MAX_SECONDS) -> Done:
        """Run it to its end. Raises `CannotRunError`."""
        return await run_program([*self.asterisk, *self._words(args)], seconds)

    async def run(self, *words: str, seconds: float = MAX_SECONDS) -> Done:
        """Run another program there to its end. Raises `CannotRunError`."""
        if self.before is None:
            raise CannotRunError(f"how to run a program there is not known: {str(self)!r:.80} has no word 'asterisk'")
        return await run_program([*self.before, *self._words(words)], seconds)

    async def read(self, path: str, *, last_bytes: int = MAX_OUTPUT_BYTES) -> str | None:
        """Return a file's text, of a long one the end; None where it is missing or cannot be read."""
        here = self.path(path)
        if here is not None:
            with contextlib.suppress(OSError), here.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - last_bytes))
                return file.read(last_bytes).decode(errors="replace")
        if not self.before:
            return None
        with contextlib.suppress(CannotRunError):
            done = await self.run("tail", "-c", str(last_bytes), path)
            return None if done.code else done.out
        return None

    async def has_file(self, path: str) -> bool | None:
        """Whether a file is there; None where that cannot be seen."""
        here = self.path(path)
        if here is not None:
            with contextlib.suppress(OSError):
                here.stat()
                return True
            return False if os.access(here.parent, os.X_OK) else None
        with contextlib.suppress(CannotRunError):
            done = await self.run("ls", "-d", path)
            return done.code == 0 if done.code in (0, 1, 2) else None
        return None

    def _words(self, words: Sequence[str]) -> list[str]:
        return [shlex.quote(word) for word in words] if self.quoted else list(words)


def place_of(command: str | None, root: str | None) -> Place:
    """Return the place that the command line names, or that of this machine's own Asterisk. Raises `UsageError`."""
    if command is None:
        return _place_under(root) if root is not None else Place((_own_asterisk(),), (), Path("/"), is_default=True)
    words = _split(command)
    before = _before_asterisk(words)
    is_quoted = any(os.path.basename(word) == "ssh" for word in words[: len(before) if before is not None else None])
    folder = Path(root) if root is not None else _root_of(before)
    if root is not None:
        _check_folder(root)
    return Place(tuple(words), before, folder, is_quoted)


def _own_asterisk() -> str:
    """Return the command of this machine's own Asterisk: it is where an ordinary user's path may not lead."""
    if shutil.which("asterisk") is None:
        path = shutil.which("asterisk", path=_SYSTEM_FOLDERS)
        if path is not None:
            return path
    return "asterisk"


def _split(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--asterisk-command {command!r:.80}: {str(error).lower()}") from None
    if not words:
        raise UsageError("--asterisk-command is empty: write how asterisk is run, such as 'docker exec pbx asterisk'")
    if "-rx" in words or "-x" in words:
        raise UsageError(f"--asterisk-command {command!r:.80}: leave out -rx, which is added to it")
    return words


def _before_asterisk(words: Sequence[str]) -> tuple[str, ...] | None:
    """Return the words before the last `asterisk`: a container may have that name, too."""
    at = [number for number, word in enumerate(words) if os.path.basename(word) == "asterisk"]
    return tuple(words[: at[-1]]) if at else None


def _root_of(before: tuple[str, ...] | None) -> Path | None:
    """Return the root folder of what runs after these words, or None where that is not of this machine."""
    if before is None:
        return None
    rest = list(before)
    while rest and os.path.basename(rest[0]) in _OF_THIS_MACHINE:
        rest = _after_options(rest[1:])
    if not rest:
        return Path("/")
    if os.path.basename(rest[0]) == "chroot":
        folders = [word for word in rest[1:] if not word.startswith("-")]
        return Path(folders[0]) if folders else None
    return None


def _after_options(words: list[str]) -> list[str]:
    while words and (words[0].startswith("-") or "=" in words[0]):
        words = words[2:] if words[0] in _VALUE_FOLLOWS else words[1:]
    return words


def _place_under(root: str) -> Place:
    """Return the place under a folder: an Asterisk that runs there tells by its command line how it is asked."""
    folder = _check_folder(root)
    before = ("chroot", str(folder)) if str(folder) != "/" else ()
    running = [process for process in asterisk_processes() if process.root == str(folder)]
    return Place((*before, "asterisk", *(running[0].config if running else ())), before, folder)


def _check_folder(root: str) -> Path:
    """Raises `UsageError`, and `FileError` where it may not be looked at."""
    if not is_folder(root):
        raise UsageError(f"--asterisk-root {root!r:.200} is not a folder")
    return Path(os.path.realpath(root))


async def run_program(words: Sequence[str], seconds: float = MAX_SECONDS) -> Done:
    """Run a program to its end, without input. Raises `CannotRunError`.

    It stays in our session, as `sudo` and `ssh` may know this terminal.
    """
    try:
        transport, output = await asyncio.get_running_loop().subprocess_exec(
            _Output, *words, stdin=asyncio.subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise NoProgramError(f"there is no program {words[0]!r:.80} here") from None
    except (OSError, ValueError) as error:
        raise CannotRunError(f"cannot run {words[0]!r:.80}: {getattr(error, 'strerror', None) or error}") from None
    try:
        async with asyncio.timeout(seconds):
            await output.ended.wait()
    except TimeoutError:
        raise TookTooLongError(f"{shlex.join(words)!s:.200} did not end within {seconds:g} s") from None
    finally:
        with contextlib.suppress(OSError, TimeoutError):  # another user's, as what sudo runs: nobody reads it any more
            transport.close()
            async with asyncio.timeout(_LAST_S):
                await output.ended.wait()
    return Done(output.text(1), output.text(2), transport.get_returncode() or 0)


class _Output(asyncio.SubprocessProtocol):
    """What a program writes, up to `MAX_OUTPUT_BYTES` of each stream; the rest is read, and not kept."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self._kept = {1: bytearray(), 2: bytearray()}

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        kept = self._kept[fd]
        kept += data[: MAX_OUTPUT_BYTES - len(kept)]

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()

    def text(self, fd: int) -> str:
        return self._kept[fd].decode(errors="replace")


def inside(root: Path, path: str) -> Path:
    """Return a path in another root folder as one of this machine: its symbolic links lead to places in that root.

    Debian's /var/run is a link to /run: followed from here, that would be this machine's own /run.
    """
    todo, found = [part for part in path.split("/") if part][::-1], root
    for _ in range(_MAX_STEPS):
        if not todo:
            break
        part = todo.pop()
        if part == "..":
            found = found if found == root else found.parent
        elif part != ".":
            step = found / part
            target = _link(step)
            if target is None:
                found = step
            else:
                todo += [each for each in target.split("/") if each][::-1]
                found = root if target.startswith("/") else found
    return found.joinpath(*todo[::-1])


def _link(path: Path) -> str | None:
    """Return where a symbolic link leads, or None for what is none."""
    try:
        return os.readlink(path)
    except OSError:
        return None
