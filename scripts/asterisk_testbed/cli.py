"""The command line."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import sys
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import asterisk_testbed
from asterisk_testbed.base import TestbedError, locked, say
from asterisk_testbed.calls import move_recordings, place_call
from asterisk_testbed.dialplan import FORMATS, LEAD_SECONDS, Call
from asterisk_testbed.installation import (
    Asterisk,
    find_asterisk,
    in_chroot,
    is_ours,
    make_chroot,
    remove_tree,
    require_asterisk,
    why_not_installed,
)
from asterisk_testbed.log import audiosocket_entries, read_log
from asterisk_testbed.process import running_state, start_asterisk, stop_asterisk
from asterisk_testbed.steps import parse_script

EXAMPLES = """
examples:
  %(prog)s setup
  %(prog)s start
  %(prog)s call --far "silence 1, tone 440 2, digits 123#"
  %(prog)s call --server 127.0.0.1:9092 --interface channel --format slin16 --far "record 5" --out .
  %(prog)s log --audiosocket
  %(prog)s stop

exit codes: 0 done, 1 the call failed or timed out (status: not running), 2 wrong usage,
3 Asterisk could not be set up or started
"""

FAR_HELP = """
steps of --far, separated by commas; the caller hangs up after the last one:
  tone HZ SECONDS     a sine of peak level 7219 (-13 dBFS), 1 to 3999 Hz
  silence SECONDS     silent frames, as a phone sends in a quiet room
  pause SECONDS       no frames at all, as on hold or with silence suppression
  digits 0-9*#A-D     DTMF digits, 100 ms each, 250 ms apart; w waits half a second
  record SECONDS      writes what the caller hears to a WAV file (whole seconds), sending silent frames
  play FILE           plays a WAV file: 8000 Hz, mono, 16 bit
  echo SECONDS        sends back what the caller hears
  hangup              hangs up (what follows is not done)
"""


def resolve_websocket(text: str) -> str:
    """A ws:// URL with its host as an address."""
    scheme, _, rest = text.partition("://")
    host, slash, path = rest.partition("/")
    if scheme != "ws" or not re.fullmatch(r"[\w/.~-]*", path):
        raise TestbedError(f"--server '{text}' is not ws://HOST:PORT/PATH: try ws://127.0.0.1:7860/asterisk", 2)
    return f"ws://{resolve_server(host)}{slash}{path}"


def resolve_server(text: str) -> str:
    """HOST:PORT with the host as an address: a chroot may not resolve the names this machine knows."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise TestbedError(f"--server '{text}' is not HOST:PORT: try 127.0.0.1:9092", 2)
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        raise TestbedError(f"cannot resolve '{host}' of --server '{text}': {error}", 2) from None
    addresses = sorted((str(item[4][0]) for item in found), key=lambda address: ":" in address)
    return f"[{addresses[0]}]:{port}" if ":" in addresses[0] else f"{addresses[0]}:{port}"


def build_call(options: argparse.Namespace) -> Call:
    try:
        call_uuid = str(uuid.UUID(options.uuid)) if options.uuid else str(uuid.uuid4())
    except ValueError:
        raise TestbedError(f"--uuid '{options.uuid}' is not a UUID: leave it out for a random one", 2) from None
    if options.interface == "app" and options.format:
        raise TestbedError(f"--format {options.format} needs --interface channel: the application is always slin", 2)
    if options.interface == "websocket" and options.format == "none":
        raise TestbedError("--format none needs --interface channel: name a format, such as slin16", 2)
    if options.interface != "app" and options.no_answer:
        raise TestbedError("--no-answer needs --interface app: Dial() needs no Answer()", 2)
    resolve = resolve_websocket if options.interface == "websocket" else resolve_server
    steps = parse_script(options.far)
    length = LEAD_SECONDS + sum(step.seconds for step in steps)
    if not length <= options.timeout:
        raise TestbedError(f"--far takes {length:g} s, more than --timeout {options.timeout:g}: raise --timeout", 2)
    return Call(
        server=resolve(options.server),
        interface=options.interface,
        format=options.format or "slin",
        uuid=call_uuid,
        steps=steps,
        answer=not options.no_answer,
        record_far=options.record_far,
        timeout=options.timeout,
        control=options.control,
        own_dialplan=read_dialplan(options),
        enter=options.enter or "",
    )


def read_dialplan(options: argparse.Namespace) -> str:
    if bool(options.dialplan) != bool(options.enter):
        raise TestbedError("--dialplan FILE needs --enter CONTEXT,EXTENSION, and that needs a FILE", 2)
    if not options.dialplan:
        return ""
    try:
        text: str = options.dialplan.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise TestbedError(f"cannot read --dialplan {options.dialplan}: {error}", 2) from None
    return text


def command_setup(options: argparse.Namespace) -> int:
    began = time.monotonic()
    reason = "--chroot was given" if options.chroot else why_not_installed()
    root = options.home / "root"
    if not find_asterisk(options) and os.geteuid() != 0:
        raise TestbedError(f"{reason}, and making a chroot needs root: use sudo, or install Asterisk 22.9 or later")
    with locked(options.home / "lock"):
        asterisk = find_asterisk(options)
        if asterisk:
            where = f"in the chroot {asterisk.root}" if asterisk.root else "installed on this machine"
            say(f"setup: nothing to do, {asterisk.version()} is {where}")
            return 0
        say(f"setup: {reason}; making a chroot in {root}, which takes about a minute")
        make_chroot(root)
    say(f"setup: made {root} with {in_chroot(root).version()} in {time.monotonic() - began:.0f} s")
    return 0


def command_start(options: argparse.Namespace) -> int:
    asterisk = require_asterisk(options)
    with locked(asterisk.base / "lock"):
        state = running_state(asterisk)
        word = "already running" if state else "started"
        state = state or start_asterisk(asterisk, options.also or [], read_folder(options.etc))
    say(f"{word}: {state['version']}, pid {state['pid']}, log {asterisk.log}")
    return 0


def read_folder(folder: Path | None) -> Path | None:
    if folder and not folder.is_dir():
        raise TestbedError(f"--etc '{folder}' is not a folder: name one with files such as pjsip.conf", 2)
    return folder


def command_call(options: argparse.Namespace) -> int:
    call = build_call(options)
    asterisk = require_running(options)
    result = place_call(asterisk, call)
    if options.out:
        move_recordings(result, options.out)
    print(json.dumps(result, indent=2))
    return 1 if result["failure"] else 0


def require_running(options: argparse.Namespace) -> Asterisk:
    asterisk = require_asterisk(options)
    if not running_state(asterisk):
        raise TestbedError("Asterisk is not running: run 'asterisk-testbed start' first")
    return asterisk


def command_log(options: argparse.Namespace) -> int:
    entries = read_log(require_asterisk(options).log)
    chosen = audiosocket_entries(entries) if options.audiosocket else entries
    for entry in chosen:
        if entry["level"] != "NOTICE":
            when = datetime.fromtimestamp(entry["at"]).isoformat(" ", "milliseconds")
            print(f"{when} {entry['level']} {entry['source']}: {entry['message']}")
    return 0


def command_cli(options: argparse.Namespace) -> int:
    print(require_running(options).cli(" ".join(options.words)), end="")
    return 0


def command_status(options: argparse.Namespace) -> int:
    asterisk = find_asterisk(options)
    state = running_state(asterisk) if asterisk else None
    if not asterisk or not state:
        print("not running" if asterisk else "not set up")
        return 1
    print(f"running: {state['version']}, pid {state['pid']}, log {asterisk.log}")
    return 0


def command_stop(options: argparse.Namespace) -> int:
    asterisk = find_asterisk(options)
    if asterisk and asterisk.base.exists():
        with locked(asterisk.base / "lock"):
            stopped = stop_asterisk(asterisk)
        say("stopped" if stopped else "was not running")
    else:
        say("was not running")
    return 0


def command_clean(options: argparse.Namespace) -> int:
    if options.root and is_ours(options.root):
        raise TestbedError(f"{options.root} was made by setup: clean it with --home {options.root.parent}", 2)
    command_stop(options)
    asterisk = find_asterisk(options)
    if asterisk:
        remove_tree(asterisk.run)
        (asterisk.base / "lock").unlink(missing_ok=True)
        if asterisk.root and not is_ours(asterisk.root):
            with contextlib.suppress(FileNotFoundError):
                asterisk.base.rmdir()
            say(f"clean: kept {asterisk.root}, which this script did not make")
            return 0
    if is_ours(options.home / "root"):
        remove_tree(options.home / "root")
    remove_tree(options.home / "half-made")
    (options.home / "lock").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        options.home.rmdir()
    say(f"clean: nothing is left in {options.home}")
    return 0


def default_home() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("ASTERISK_TESTBED_HOME") or Path(cache) / "audiosocket-testbed")


def add_call_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    server = "your server (default: %(default)s); with --interface websocket ws://HOST:PORT/PATH"
    add("--server", default="127.0.0.1:9092", metavar="HOST:PORT", help=server)
    interface = "AudioSocket(), Dial(AudioSocket/...), or Dial(WebSocket/...)"
    add("--interface", choices=["app", "channel", "websocket"], default="app", help=interface)
    add("--format", choices=FORMATS, help="c(FORMAT) of the channel driver; none leaves it out (default: slin)")
    control = "what Dial(WebSocket/...) writes its events in (default: %(default)s)"
    add("--control", choices=["json", "plain-text"], default="json", help=control)
    add("--uuid", help="the call's UUID (default: a random one)")
    add("--far", default="silence 5", metavar="SCRIPT", help="what the caller does (default: '%(default)s')")
    add("--record-far", action="store_true", help="record all that the caller hears, beside the script")
    add("--out", type=Path, metavar="DIR", help="move recordings there (default: they stay until 'stop')")
    text = "lines of extensions.conf that the near leg runs; Log(NOTICE,${TESTBED} NAME VALUE) in them is printed"
    add("--dialplan", type=Path, metavar="FILE", help=text)
    add("--enter", metavar="CONTEXT,EXTENSION", help="where the near leg begins in --dialplan's FILE")
    add("--no-answer", action="store_true", help="leave out the answer, to see that mistake; the script is not run")
    add("--timeout", type=float, default=60.0, metavar="S", help="hang up after S seconds (default: %(default)g)")


def build_parser() -> argparse.ArgumentParser:
    everywhere = argparse.ArgumentParser(add_help=False)
    add = everywhere.add_argument
    home = "where all is kept (default: $ASTERISK_TESTBED_HOME, else ~/.cache/audiosocket-testbed)"
    add("--home", type=Path, default=argparse.SUPPRESS, metavar="DIR", help=home)
    add("--root", type=Path, default=argparse.SUPPRESS, metavar="DIR", help="use this chroot, which has an Asterisk")
    add("--chroot", action="store_true", default=argparse.SUPPRESS, help="do not use an installed Asterisk")
    parser = argparse.ArgumentParser(
        description=asterisk_testbed.__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[everywhere],
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, action: Callable[[argparse.Namespace], int], text: str, end: str = "") -> Any:
        made = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=end,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[everywhere],
        )
        made.set_defaults(action=action)
        return made

    command("setup", command_setup, "make an Asterisk available; does nothing when there is one")
    start = command("start", command_start, "start Asterisk and wait until it is ready")
    start.add_argument("--also", action="append", metavar="MODULE", help="load this module, too (repeatable)")
    text = "files of Asterisk's configuration, in place of those written here or beside them (they may open ports)"
    start.add_argument("--etc", type=Path, metavar="DIR", help=text)
    add_call_options(command("call", command_call, "place one call, wait for its end, print it as JSON", FAR_HELP))
    log = command("log", command_log, "print Asterisk's warnings and errors")
    log.add_argument("--audiosocket", action="store_true", help="only those of the AudioSocket modules")
    cli = command("cli", command_cli, "run one command in Asterisk's CLI")
    cli.add_argument("words", nargs="+", metavar="WORD", help="such as: core show channels")
    command("status", command_status, "say whether it is running")
    command("stop", command_stop, "stop Asterisk and remove the files of its calls; keeps the log")
    command("clean", command_clean, "stop and remove all that this script made, the chroot too")
    return parser


def main() -> int:
    options = build_parser().parse_args()
    options.home = Path(getattr(options, "home", None) or default_home()).expanduser().resolve()
    options.root = getattr(options, "root", None)
    options.chroot = getattr(options, "chroot", False)
    # Where Asterisk and chroot are; an ordinary user's path may lack these.
    os.environ["PATH"] = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/local/sbin:/usr/sbin:/sbin"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return int(options.action(options))
    except TestbedError as error:
        say(f"asterisk-testbed: {error}")
        return error.code
    except OSError as error:
        say(f"asterisk-testbed: {error.strerror}: {error.filename or options.home}")
        return 3
    except KeyboardInterrupt:
        say("asterisk-testbed: interrupted")
        return 130
