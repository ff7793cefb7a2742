"""What a running Asterisk says to `asterisk -rx COMMAND`, each command once; and what its answers hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from audiosocket_cli.asterisk.releases import Release, parse_release
from audiosocket_cli.doctor.pbx.place import CannotRunError, Done, Place
from audiosocket_cli.errors import UsageError

_COLOURS: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

_NOT_CONNECTED: Final = re.compile(r"Unable to connect to remote asterisk \(does (?P<path>\S+) exist\?\)")
"""`main/asterisk.c`: whatever the reason was."""

_REFUSED: Final = ("You don't have permissions to run", "No such command", "This command must be run")
"""`ast_cli_command_full`: cli_permissions.conf, and a module that is not loaded."""

_VERSION: Final = re.compile(r"Asterisk (?P<version>\S+)(?: built by |\s*$)", re.MULTILINE)

_GIT: Final = re.compile(r"GIT-(?:(?P<certified>certified[-/])?(?P<branch>\d+(?:\.\d+)*)-)?", re.IGNORECASE)

_NUMBER: Final = re.compile(r"(?:certified[-/])?\d+\.\d+(?:\.\d+)*(?:-cert\d*)?")


class NoAnswerError(Exception):
    """Asterisk did not answer a command; the text says why, in a few words."""

    def __init__(self, reason: str, *, socket_path: str = "") -> None:
        super().__init__(reason)
        self.socket_path = socket_path
        """The control socket that it could not connect to, where that was the reason."""


class AsteriskCli:
    """One Asterisk: its place, and its answers."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._answers: dict[str, str | NoAnswerError] = {}

    async def ask(self, command: str) -> str:
        """Return the answer to a command, of now or before. Raises `NoAnswerError`."""
        if command not in self._answers:
            try:
                self._answers[command] = await self.ask_again(command)
            except NoAnswerError as error:
                self._answers[command] = error
        answer = self._answers[command]
        if isinstance(answer, NoAnswerError):
            raise answer
        return answer

    async def ask_again(self, command: str) -> str:
        """Return the answer of now. Raises `NoAnswerError`."""
        try:
            done = await self.place.run_asterisk("-rx", command)
        except CannotRunError as error:
            raise NoAnswerError(str(error)) from error
        answer = _COLOURS.sub("", done.out)
        if found := _NOT_CONNECTED.search(done.err + done.out):
            raise NoAnswerError(found[0], socket_path=found["path"])
        if done.code and not answer.strip():
            raise NoAnswerError(_last_words(done))
        if answer.lstrip().startswith(_REFUSED):
            raise NoAnswerError(f"asterisk -rx '{command}': {answer.strip().splitlines()[0]}")
        return answer

    async def folder(self, name: str) -> str:
        """Return one of its folders or files as `core show settings` names it: "Log directory". Raises
        `NoAnswerError`."""
        found = re.search(rf"^\s*{re.escape(name)}:\s+(\S.*)$", await self.ask("core show settings"), re.MULTILINE)
        if found is None:
            raise NoAnswerError(f"core show settings names no {name.lower()}")
        return found[1].strip()

    async def release(self) -> Release | None:
        """Return its release, or None where its version names none, as one built from git does. Raises
        `NoAnswerError`."""
        return release_of(await self.version())

    async def version(self) -> str:
        """Return its version: "22.10.1~dfsg-1". Raises `NoAnswerError`."""
        answer = await self.ask("core show version")
        if found := _VERSION.search(answer):
            return found["version"]
        raise NoAnswerError(f"core show version answered {answer.strip()[:80]!r}")


def release_of(version: str) -> Release | None:
    """Return the release that a version names: "22.10.1~dfsg+~cs6-1" and "certified-22.8-cert1" do.

    "GIT-master-1a2b3c4" and "GIT-20-1a2b3c4" name none, and give None.
    """
    if _GIT.match(version):
        return None
    found = _NUMBER.match(version)
    try:
        return parse_release(found[0]) if found else None
    except UsageError:  # older than AudioSocket
        return None


class Module(NamedTuple):
    """One that `module show` lists."""

    name: str
    """Without .so."""
    is_running: bool


def modules_of(answer: str) -> dict[str, Module]:
    """Return the modules that `module show` lists, by name."""
    found = {}
    for line in answer.splitlines():
        words = line.split()
        if len(words) >= 3 and (words[0].endswith(".so")):
            name = words[0].removesuffix(".so")
            found[name] = Module(name, re.search(r"\d+\s+Not Running\b", line) is None)
    return found


class Channel(NamedTuple):
    """One that `core show channels concise` lists (`handle_chanlist`)."""

    name: str
    extension: str
    """CONTEXT,EXTEN,PRIORITY."""
    state: str
    application: str
    data: str
    seconds: int
    """How long it is there."""
    bridge: str
    """The id of its bridge, or empty."""


def channels_of(answer: str) -> list[Channel]:
    """Return the channels of `core show channels concise`."""
    return [channel for line in answer.splitlines() if (channel := _channel(line.split("!"))) is not None]


def _channel(fields: Sequence[str]) -> Channel | None:
    """Read a line's fields. An application's data may hold the `!` that parts them: count from both ends."""
    if len(fields) < 14:
        return None
    name, context, extension, priority, state, application = fields[:6]
    data = "!".join(fields[6:-7])
    seconds, bridge = fields[-3], fields[-2]
    if not seconds.isdigit():
        return None
    return Channel(
        name, f"{context},{extension},{priority}", state, _none(application), _none(data), int(seconds), _none(bridge)
    )


def _none(text: str) -> str:
    return "" if text == "(None)" else text


def _last_words(done: Done) -> str:
    lines = [line for line in done.err.splitlines() if line.strip()] or [f"it exits with {done.code} and says nothing"]
    return lines[-1].strip()[:300]
