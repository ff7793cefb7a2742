"""Why no Asterisk answers: is there none, does none run, may we not ask it, does it hang?"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import shlex
import socket
from pathlib import Path
from typing import Final

from audiosocket_cli.doctor.pbx.asterisk_cli import NoAnswerError
from audiosocket_cli.doctor.pbx.asterisk_processes import Process, asterisk_processes, shown, ways_to_ask
from audiosocket_cli.doctor.pbx.place import NoProgramError, Place, TookTooLongError
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.text import counted

_FORBIDDEN: Final = "You don't have permissions to run"
"""`ast_cli_command_full`, main/cli.c."""

_SAY_HOW: Final = "say how Asterisk is run"


def why_no_answer(place: Place, error: NoAnswerError) -> Diagnosis:
    """Say why this Asterisk does not answer, and what to do."""
    if isinstance(error.__cause__, TookTooLongError):
        return _hangs(place, str(error))
    if isinstance(error.__cause__, NoProgramError):
        return _missing(place, error)
    if error.socket_path:
        return _not_connected(place, error.socket_path)
    if _FORBIDDEN in str(error):
        return Diagnosis(
            "asterisk-no-permission", Status.UNKNOWN, "Asterisk answers, and does not let this user run its commands",
            (str(error),), "cli_permissions.conf says who may run which: try it as root, or permit the command there",
        )  # fmt: skip
    if place.before and place.before[0] == "chroot":
        return _in_a_folder(place, error)
    return Diagnosis(
        "asterisk-command-fails", Status.UNKNOWN if place.is_default else Status.FAULT, "no Asterisk answers",
        (str(error),), "see whether this works when you type it, and say in --asterisk-command what does",
        (place.hint("core show version"),),
    )  # fmt: skip


def _missing(place: Place, error: NoAnswerError) -> Diagnosis:
    running = asterisk_processes()
    what = "there is no command `asterisk` on this machine" if place.is_default else "the command cannot be run"
    return Diagnosis(
        "asterisk-missing", Status.UNKNOWN if place.is_default else Status.FAULT, what,
        (str(error), *shown(running)), _SAY_HOW, ways_to_ask(running),
    )  # fmt: skip


def _in_a_folder(place: Place, error: NoAnswerError) -> Diagnosis:
    """Say why the Asterisk in a folder cannot be asked: its files are looked at all the same."""
    if os.geteuid():
        return Diagnosis(
            "asterisk-no-permission", Status.UNKNOWN, "only root may ask an Asterisk in a folder of its own",
            (str(error),), "run it as root; without, only its files are looked at",
            (f"sudo audiosocket doctor --asterisk-command {shlex.quote(str(place))}",),
        )  # fmt: skip
    return Diagnosis(
        "asterisk-missing", Status.UNKNOWN, f"{place.root} has no Asterisk that can be asked: its files are looked at",
        (str(error),), _SAY_HOW, ways_to_ask(asterisk_processes()),
    )  # fmt: skip


def _hangs(place: Place, evidence: str) -> Diagnosis:
    return Diagnosis(
        "asterisk-hangs", Status.FAULT, "Asterisk, or the way to it, hangs", (evidence,),
        "see whether the first line ends; if Asterisk itself hangs, the second keeps what its threads do, before you "
        "restart it", (place.hint("core show version"), "ast_coredumper --running"),
    )  # fmt: skip


def _not_connected(place: Place, path: str) -> Diagnosis:
    here = place.path(path)
    reason = errno.ENOENT if here is None else _try_to_connect(here)
    if here is not None and reason in (errno.EACCES, errno.EPERM):
        return _no_permission(place, here)
    if reason is None:
        return _hangs(place, f"it takes connections at {path}, and answers none")
    is_left = reason == errno.ECONNREFUSED
    evidence = f"{path} {'is left from an Asterisk that has ended' if is_left else 'is not there'}"
    return _not_running(place, path, evidence)


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
    owners = [(each, _owner(each)) for each in (path.parent, path)]
    group = next((owner[1] for _, owner in reversed(owners) if owner), "asterisk")
    member = "" if group == "root" else f", or as a member of the group {group}"
    command = "" if place.is_default else f" --asterisk-command {shlex.quote(str(place))}"
    return Diagnosis(
        "asterisk-no-permission", Status.UNKNOWN, "this user may not talk to Asterisk",
        tuple(f"{each}: {owner[0]}:{owner[1]}, mode {owner[2]:04o}" for each, owner in owners if owner),
        f"run it as root{member} (the group may, where [files] of asterisk.conf has astctlpermissions = 0660)",
        (f"sudo audiosocket doctor{command}",),
    )  # fmt: skip


def _owner(path: Path) -> tuple[str, str, int] | None:
    """Return the user, group and mode of a file."""
    try:
        found = path.stat()
        return pwd.getpwuid(found.st_uid).pw_name, grp.getgrgid(found.st_gid).gr_name, found.st_mode & 0o7777
    except (OSError, KeyError):
        return None


def _not_running(place: Place, path: str, evidence: str) -> Diagnosis:
    """Say that it does not run; or that others do, which it may have been meant to be."""
    running: list[Process] = asterisk_processes() if place.root is not None else []
    if running:
        others = f"{counted(len(running), 'other')} {'runs' if len(running) == 1 else 'run'} here"
        return Diagnosis(
            "asterisk-not-running", Status.FAULT, f"no Asterisk answers at {path}, and {others}",
            (evidence, *shown(running)), "start it, or say which of them is meant", ways_to_ask(running),
        )  # fmt: skip
    return Diagnosis(
        "asterisk-not-running", Status.FAULT, "Asterisk is not running", (evidence,), "start it, and see what it says",
        ("systemctl start asterisk", "journalctl -u asterisk -n 50") if place.is_default else (),
    )  # fmt: skip


def several(place: Place) -> Diagnosis | None:
    """Say that others run, where nobody said which one is meant."""
    running = asterisk_processes() if place.is_default else []
    if len(running) < 2:
        return None
    return Diagnosis(
        "asterisk-several", Status.WARNING,
        f"{len(running)} Asterisk processes run on this machine, and what is said here is of the one that plain "
        "`asterisk -r` reaches", shown(running), "say which one is meant", ways_to_ask(running),
    )  # fmt: skip
