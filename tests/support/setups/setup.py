"""What a set-up is made of, what is true about it, and how it is made to run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asterisk_testbed.installation import MODULES
from support.setups.machine import Machine, wait_until

HERE = Path(__file__).parent
TESTS = HERE.parents[1]
OURS = (sys.executable, "-m", "audiosocket_cli")
SERVER = "127.0.0.1:9092"
_LOOK_S = 120

_MODULES = (
    *MODULES,
    *("res_sorcery_memory", "res_sorcery_astdb", "res_pjproject", "res_pjsip", "res_pjsip_session", "res_pjsip_pubsub"),
    *("res_pjsip_authenticator_digest", "res_pjsip_endpoint_identifier_ip", "res_pjsip_sdp_rtp", "res_rtp_asterisk"),
    *("chan_pjsip", "bridge_softmix", "bridge_native_rtp", "app_exec", "app_milliwatt", "codec_g722", "codec_gsm"),
)
"""What most have loaded, as far as calls of these set-ups could need it."""

_PJSIP = """
[udp]
type = transport
protocol = udp
bind = 127.0.0.1:5060

[phone]
type = endpoint
context = phones
disallow = all
allow = {codec}
aors = phone

[phone]
type = aor
contact = sip:phone@127.0.0.1:5070

[phone]
type = identify
endpoint = phone
match = 127.0.0.1
"""


@dataclass(frozen=True)
class Program:
    """Something that runs beside Asterisk; `ready` is what it says when it can be used."""

    command: tuple[str, ...]
    ready: str = "listening"


def ours(*options: str, at: str = SERVER) -> Program:
    """Return our own server, which records."""
    return Program((*OURS, "serve", "--listen", at, "--record", "calls", "--json", *options))


def faulty(fault: str, *at: str) -> Program:
    """Return a server with one fault; `at` is its host and port."""
    return Program((sys.executable, str(HERE / "servers.py"), fault, *at))


def watched(fault: str) -> tuple[Program, ...]:
    """Return a faulty server, with our proxy before it that records its calls."""
    proxy = (*OURS, "proxy", "127.0.0.1:9093", "--listen", SERVER, "--record", "calls", "--json")
    return faulty(fault, "127.0.0.1", "9093"), Program(proxy)


@dataclass(frozen=True)
class Setup:
    """One set-up. Its truth is written down before `doctor` sees it."""

    name: str
    truth: str
    """What is wrong, in one sentence, or that nothing is."""
    names: frozenset[str]
    """The ids of findings that doctor has to name. Of nothing else may it say that it is a fault, but of `also`."""
    dialplan: str
    """extensions.conf, without its first lines."""
    programs: tuple[Program, ...] = ()
    also: frozenset[str] = frozenset()
    """Further ids that are true of it, too."""
    shows: str = "answered"
    """What shows that it is as it should be: a text in Asterisk's log, or in what the caller or a server said."""
    phone: str = "talk 2"
    """What the phone does that calls 100: see `phone`. Nothing if another program calls."""
    codec: str = "ulaw"
    calls: int = 1
    without: tuple[str, ...] = ()
    """Modules that are not loaded."""
    modules: tuple[str, ...] = ()
    """Further modules."""
    files: dict[str, str] = field(default_factory=dict)
    """Further files of Asterisk's configuration."""
    resolv_conf: str = ""
    caller: tuple[str, ...] = ()
    """A program that makes the call, in place of the phone."""
    looks: tuple[str, ...] = ("asterisk", "server", "calls")
    """What of it is shown to doctor: `asterisk`, the `server`'s address, what our server or proxy kept of the `calls`;
    and `test-call`: it places calls of its own."""
    at: str = SERVER
    """The server's address, as its owner knows it."""
    during: bool = False
    """Whether doctor looks at Asterisk while the call lasts."""

    @property
    def is_healthy(self) -> bool:
        return not self.names


@dataclass(frozen=True)
class Ran:
    """What came of a set-up's run: what doctor said in all of its looks, and what else there is to see."""

    setup: Setup
    said: list[dict[str, Any]]
    errors: list[str]
    """Looks that gave no result: the command, its exit code and what it said; or that the set-up was not as meant."""
    log: str
    """Asterisk's."""
    programs: dict[str, str]
    calls: list[dict[str, Any]]
    """What our server or proxy wrote down about each call."""
    seconds: dict[str, float]


def run_setup(setup: Setup, home: Path) -> Ran:
    """Make the set-up, let the call happen, have doctor look."""
    with Machine(setup.name, home, setup.resolv_conf) as machine:
        began = time.monotonic()
        _start(setup, machine)
        said: list[dict[str, Any]] = []
        errors: list[str] = []
        calling = [_call(setup, machine, n) for n in range(setup.calls)]
        if setup.during:
            time.sleep(3)
            _look(machine, asterisk_look(machine), said, errors)
        for each in calling:
            each.wait(60)
        wait_until(lambda: not machine.channels(), 8, 0.2)
        wait_until(lambda: _are_written(machine), 10)
        called = time.monotonic()
        for look in _looks(setup, machine):
            _look(machine, look, said, errors)
        seconds = {"call": called - began, "doctor": time.monotonic() - called}
        texts = {path.name: path.read_text(errors="replace") for path in machine.files.iterdir() if path.is_file()}
        log = (machine.asterisk.run / "log" / "messages").read_text(errors="replace")
        calls = [json.loads(path.read_text()) for path in sorted(machine.files.glob("calls/*.json"))]
        if not any(setup.shows in text for text in (log, *texts.values())):
            errors.append(f"not as meant: '{setup.shows}' is nowhere in Asterisk's log and in what was said: {texts}")
        return Ran(setup, said, errors, log, texts, calls, seconds)


def _start(setup: Setup, machine: Machine) -> None:
    modules = [name for name in (*_MODULES, *setup.modules) if name not in setup.without]
    lines = ["[modules]", "autoload = no"]
    lines += [f"load = {name}.so" for name in modules] + [f"noload = {name}.so" for name in setup.without]
    machine.start_asterisk(
        {
            "modules.conf": "\n".join([*lines, ""]), "pjproject.conf": "",
            "pjsip.conf": _PJSIP.format(codec=setup.codec),
            "extensions.conf": f"[general]\nstatic = yes\n\n[phones]\n{setup.dialplan}", **setup.files,
        }
    )  # fmt: skip
    names = [f"program-{n}" for n in range(len(setup.programs))]
    for name, program in zip(names, setup.programs, strict=True):
        machine.start(name, *program.command)
    for name, program in zip(names, setup.programs, strict=True):
        if not wait_until(lambda name=name, ready=program.ready: machine.says(name, ready), 30):  # type: ignore[misc]
            raise AssertionError(f"{setup.name}: {program.command} did not start: {(machine.files / name).read_text()}")


def _call(setup: Setup, machine: Machine, number: int) -> Any:
    phone = (sys.executable, str(HERE / "phone.py"), "100", setup.codec, setup.phone)
    process = machine.start(f"caller-{number}", *(setup.caller or phone))
    if number + 1 < setup.calls:
        process.wait(60)
    return process


def _are_written(machine: Machine) -> bool:
    """Whether our servers have told the end of each call, whose files are whole then."""
    said = "".join(path.read_text(errors="replace") for path in machine.files.glob("program-*"))
    return said.count('"event": "ended"') >= said.count('"event": "call"')


def asterisk_look(machine: Machine) -> list[str]:
    """Return what a user of this machine gives doctor, to look at its Asterisk."""
    root = ["--asterisk-root", str(machine.root)] if machine.root else []
    return ["--asterisk-command", " ".join(machine.asterisk_command), *root]


def _looks(setup: Setup, machine: Machine) -> Sequence[list[str]]:
    """Return what doctor is given: all at once, but for its test calls, which look at nothing else."""
    words = asterisk_look(machine) if "asterisk" in setup.looks and not setup.during else []
    if "server" in setup.looks:
        words.append(setup.at)
    if "calls" in setup.looks:
        words += [str(path.relative_to(machine.files)) for path in sorted(machine.files.glob("calls/*.json"))]
    calls = [[*asterisk_look(machine), "--call"]] if "test-call" in setup.looks else []
    return [words, *calls]


def _look(machine: Machine, arguments: list[str], said: list[dict[str, Any]], errors: list[str]) -> None:
    try:
        done = machine.run(*OURS, "doctor", *arguments, "--json", timeout=_LOOK_S)
        looked_at = json.loads(done.stdout)["looked_at"]
    except subprocess.TimeoutExpired:
        errors.append(f"doctor {' '.join(arguments)}: no end within {_LOOK_S} s")
    except (ValueError, KeyError):
        errors.append(f"doctor {' '.join(arguments)}: exit {done.returncode}: {done.stderr.strip()[-500:]}")
    else:
        said += [{"look": looked["title"], **each} for looked in looked_at for each in looked["findings"]]
