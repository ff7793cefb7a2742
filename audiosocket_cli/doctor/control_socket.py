"""Why no Asterisk answers: is there none, does none run, may we not ask it, does it hang?"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from audiosocket_cli.doctor.asterisk_cli import NoAnswerError
from audiosocket_cli.doctor.place import Place, TookTooLongError
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.text import counted

_DEFAULT_SOCKET: Final = "/var/run/asterisk/asterisk.ctl"

_MAX_SHOWN: Final = 5


class Process(NamedTuple):
    """A running Asterisk."""

    pid: int
    command: str
    is_apart: bool
    """Whether it has a root folder or a network of its own: it is in a container or a chroot."""


def processes() -> list[Process]:
    """Return each Asterisk that runs on this machine, as far as /proc shows."""
    return sorted(_processes())


def _processes() -> Iterator[Process]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "comm").read_text().strip() != "asterisk":
                continue
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        words = command.split()
        if not any(word.startswith("-") and not word.startswith("--") and re.search("[rx]", word) for word in words):
            yield Process(int(folder.name), command, _is_apart(folder))


def _is_apart(process: Path) -> bool:
    try:
        namespace = os.readlink(process / "ns" / "mnt") != os.readlink("/proc/self/ns/mnt")
        return namespace or os.readlink(process / "root") != os.readlink("/proc/self/root")
    except OSError:  # another user's
        return False


def why_no_answer(place: Place, error: NoAnswerError) -> Diagnosis:
    """Say why this Asterisk does not answer, and what to do."""
    if isinstance(error.__cause__, TookTooLongError):
        return _hangs(place, error)
    if error.socket_path:
        return _not_connected(place, error.socket_path)
    if "there is no program" in str(error):
        return _missing(place, error)
    return Diagnosis(
        "asterisk-no-answer", Status.FAULT if not place.is_default else Status.UNKNOWN, "no Asterisk answers",
        (str(error),), "see whether the command works as you type it here, and say it in --asterisk-command",
        (place.hint("core show version"),),
    )  # fmt: skip


def _missing(place: Place, error: NoAnswerError) -> Diagnosis:
    if not place.is_default:
        return Diagnosis(
            "asterisk-missing", Status.FAULT, "the command for Asterisk cannot be run", (str(error),),
            "say how asterisk is run in --asterisk-command, such as 'docker exec pbx asterisk'",
        )  # fmt: skip
    return Diagnosis(
        "asterisk-missing", Status.UNKNOWN, "there is no command `asterisk` on this machine",
        _shown(processes()), "say where Asterisk is", _examples(processes()),
    )  # fmt: skip


def _examples(running: list[Process]) -> tuple[str, ...]:
    roots = [root for process in running if (root := _root_of(process.pid)) is not None]
    if roots:
        return (f"audiosocket doctor --asterisk-root {roots[0]}",)
    return (
        "audiosocket doctor --asterisk-command 'docker exec pbx asterisk'",
        "audiosocket doctor --asterisk-command 'ssh pbx asterisk'",
    )


def _root_of(pid: int) -> str | None:
    """Return the root folder of a process in a chroot; a container's is not named on this side."""
    try:
        root = os.readlink(f"/proc/{pid}/root")
    except OSError:
        return None
    return root if root != "/" else None


def _shown(running: list[Process]) -> tuple[str, ...]:
    lines = [f"process {each.pid}{', in a container or chroot' * each.is_apart}: {each.command}" for each in running]
    more = len(lines) - _MAX_SHOWN
    return (*lines[:_MAX_SHOWN], *([f"and {more} more"] if more > 0 else []))


def _hangs(place: Place, error: NoAnswerError) -> Diagnosis:
    return Diagnosis(
        "asterisk-hangs", Status.FAULT, "Asterisk, or the way to it, hangs", (str(error),),
        "see whether the command ends when you type it; if Asterisk itself hangs, keep what its threads do before you "
        "restart it",
        (place.hint("core show version"), "ast_coredumper --running"),
    )  # fmt: skip


def _not_connected(place: Place, path: str) -> Diagnosis:
    here = place.path(path)
    if here is None:
        return _not_running(place, path, ())
    reason = _try_to_connect(here)
    if reason in (errno.EACCES, errno.EPERM):
        return _no_permission(place, here)
    if reason == errno.ECONNREFUSED:
        return _not_running(place, path, (f"{path} is left from an Asterisk that has ended",))
    if reason is None:
        return Diagnosis(
            "asterisk-hangs", Status.FAULT, "Asterisk took our connection, and no command", (path,),
            "see what it does", (place.hint("core show threads"),),
        )  # fmt: skip
    return _not_running(place, path, (f"{path} is not there",))


def _try_to_connect(path: Path) -> int | None:
    """Return the error number, or None where it works."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(path))
        except OSError as error:
            return error.errno or errno.EAGAIN
    return None


def _no_permission(place: Place, path: Path) -> Diagnosis:
    evidence = [f"{each}: {_owner(each)}" for each in (path.parent, path) if _owner(each)]
    group = _group(path) or _group(path.parent) or "asterisk"
    in_group = f"be in the group {group}" if group != "root" else "set astctlpermissions and astctlgroup"
    return Diagnosis(
        "asterisk-no-permission", Status.UNKNOWN, f"you may not talk to Asterisk: {path} is another user's",
        tuple(evidence), f"run it as root, or {in_group} (asterisk.conf: [files] astctlpermissions = 0660)",
        (f"sudo audiosocket doctor --asterisk-command '{place}'" if not place.is_default else "sudo audiosocket doctor",),
    )  # fmt: skip


def _owner(path: Path) -> str:
    try:
        found = path.stat()
        user, group = pwd.getpwuid(found.st_uid).pw_name, grp.getgrgid(found.st_gid).gr_name
    except (OSError, KeyError):
        return ""
    return f"{user}:{group}, mode {found.st_mode & 0o7777:04o}"


def _group(path: Path) -> str:
    try:
        return grp.getgrgid(path.stat().st_gid).gr_name
    except (OSError, KeyError):
        return ""


def _not_running(place: Place, path: str, evidence: tuple[str, ...]) -> Diagnosis:
    """Say that it does not run; or that it runs with other files than this command was told of."""
    running = processes() if place.root is not None else []
    if not running:
        return Diagnosis(
            "asterisk-not-running", Status.FAULT, "Asterisk is not running", evidence or (f"{path} does not answer",),
            "start it, and see what it says" if place.root is not None else "start it there",
            ("systemctl start asterisk", "journalctl -u asterisk -n 50") if place.is_default else (),
        )  # fmt: skip
    return Diagnosis(
        "asterisk-not-running", Status.FAULT,
        f"no Asterisk answers at {path}; {counted(len(running), 'other')} run{'s' * (len(running) == 1)} here",
        (*evidence, *_shown(running)),
        "start it, or say which of them is meant: -C FILE names its asterisk.conf",
        ("audiosocket doctor --asterisk-command 'asterisk -C /etc/asterisk/asterisk.conf'", *_examples(running)[:1]),
    )  # fmt: skip


def several(place: Place) -> Diagnosis | None:
    """Say that others run, where nobody said which one is meant."""
    running = processes() if place.is_default else []
    if len(running) < 2:
        return None
    return Diagnosis(
        "asterisk-several", Status.WARNING, f"{len(running)} Asterisk processes run on this machine: this is the one "
        f"that {_DEFAULT_SOCKET} belongs to", _shown(running),
        "say which one is meant", _examples([each for each in running if each.is_apart]),
    )  # fmt: skip
