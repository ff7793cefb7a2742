"""The Asterisk that runs: its private configuration, its start and its end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asterisk_testbed.base import TestbedError
from asterisk_testbed.dialplan import WEBSOCKETS
from asterisk_testbed.installation import MODULES, Asterisk, last_line, remove_tree

BOOT_SECONDS = 30

STOP_SECONDS = 10


def asterisk_conf(asterisk: Asterisk) -> str:
    # astdatadir and astmoddir keep their built-in values: they hold what was installed.
    folders = {"astetcdir": "etc", "astrundir": ".", "astlogdir": "log", "astcachedir": "cache"}
    folders |= dict.fromkeys(("astvarlibdir", "astdbdir", "astkeydir"), "lib")
    folders |= dict.fromkeys(("astspooldir", "astmonitordir", "astagidir"), "spool")
    lines = [f"{name} => {asterisk.inside(asterisk.run / folder)}" for name, folder in folders.items()]
    return "\n".join(["[directories]", *lines, "[options]", "nocolor = yes", "quiet = yes", ""])


def write_configuration(asterisk: Asterisk, also: Sequence[str] = (), own: Path | None = None) -> None:
    """Write what it reads at its start: with modules that are loaded beside ours, and files of a folder in the place of
    those of their names, or beside them."""
    for name in ("etc", "log", "cache", "lib", "spool", "calls"):
        (asterisk.run / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    files = {
        "asterisk.conf": asterisk_conf(asterisk),
        "modules.conf": "\n".join(
            ["[modules]", "autoload = no", *(f"load = {name}.so" for name in (*MODULES, *also)), ""]
        ),
        "logger.conf": "[general]\ndateformat = %s.%6q\n[logfiles]\nmessages = notice,warning,error\n",
        "cdr.conf": "[general]\nenable = no\n",
        "manager.conf": "[general]\nenabled = no\n",
        "indications.conf": "[general]\ncountry = us\n[us]\ndescription = none\nbusy = 480/500,0/500\n",
        "extensions.conf": f'[general]\nstatic = yes\n#tryinclude "{asterisk.inside(asterisk.run)}/calls/*.conf"\n',
    }
    # Asterisk complains where a file of these is missing.
    files |= dict.fromkeys(("ccss.conf", "cel.conf", "features.conf", "udptl.conf", "http.conf"), "[general]\n")
    files |= dict.fromkeys(("acl.conf", "chan_websocket.conf", WEBSOCKETS), "")
    if own:
        files |= {path.name: path.read_text() for path in sorted(own.iterdir())}
    for name, text in files.items():
        (asterisk.run / "etc" / name).write_text(text)


def start_ticks(pid: int) -> str | None:
    """When the process started, None when it is gone: tells a process from a later one with the same id."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def running_state(asterisk: Asterisk) -> dict[str, Any] | None:
    """What `start` wrote down, None when that Asterisk is not running."""
    try:
        state: dict[str, Any] = json.loads((asterisk.run / "state.json").read_text())
    except (OSError, ValueError):
        return None
    return state if start_ticks(state["pid"]) == (state["start_ticks"] or "unknown") else None


def launch(asterisk: Asterisk) -> dict[str, Any]:
    # TZ: the log writes epoch seconds through the local time zone, which is ambiguous where there is summer time.
    environment = os.environ | {"TZ": "UTC"}
    with (asterisk.run / "log" / "console").open("w") as console:
        process = subprocess.Popen(
            asterisk.command("-f"),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
            cwd="/",
            env=environment,
        )
    state = {"pid": process.pid, "start_ticks": start_ticks(process.pid), "version": asterisk.version()}
    (asterisk.run / "state.json").write_text(json.dumps(state))
    return state


def wait_until_booted(asterisk: Asterisk) -> None:
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline:
        if not running_state(asterisk):
            output = (asterisk.run / "log" / "console").read_text(errors="replace")
            raise TestbedError(f"Asterisk ended while starting: {last_line(output)}")
        with contextlib.suppress(TestbedError):
            asterisk.cli("core waitfullybooted", timeout=max(1.0, deadline - time.monotonic()))
            return
        time.sleep(0.1)
    raise TestbedError(f"Asterisk did not finish starting in {BOOT_SECONDS} s: see {asterisk.log}")


def start_asterisk(asterisk: Asterisk, also: Sequence[str] = (), own: Path | None = None) -> dict[str, Any]:
    # A control socket's path has at most 107 bytes, and the dialplan gives commas and brackets in a path a meaning.
    if not re.fullmatch(r"[\w/.+-]{1,90}", asterisk.inside(asterisk.run)):
        raise TestbedError(f"{asterisk.run} is too long or has special characters: choose another --home")
    remove_tree(asterisk.run)
    write_configuration(asterisk, also, own)
    state = launch(asterisk)
    try:
        wait_until_booted(asterisk)
    except BaseException:
        stop_asterisk(asterisk)
        raise
    return state


def stop_asterisk(asterisk: Asterisk) -> bool:
    """Stop it and remove its files except the logs; False when it was not running."""
    state = running_state(asterisk)
    if state:
        with contextlib.suppress(TestbedError):
            asterisk.cli("core stop now", timeout=STOP_SECONDS)
        for number in (0, signal.SIGTERM, signal.SIGKILL):
            if wait_until_gone(asterisk, number, state["pid"]):
                break
    if asterisk.run.exists():
        for path in asterisk.run.iterdir():
            if path.name != "log":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    return bool(state)


def wait_until_gone(asterisk: Asterisk, number: int, pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        if not running_state(asterisk):
            return True
        time.sleep(0.05)
    return False
