"""Dialplans that `audiosocket dialplan` writes, loaded by a real Asterisk and called there."""

from __future__ import annotations

import contextlib
import json
import random
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from audiosocket_cli.audio.pcm import Samples, level_dbfs, tone
from support.peers import free_port
from support.running import missing, need, run
from support.testbed import testbed

MODULES = (
    *("app_exec", "app_system", "app_confbridge", "app_originate", "app_stasis", "res_parking", "bridge_softmix"),
    *("bridge_holding", "bridge_builtin_features", "res_stasis", "res_stasis_answer", "res_stasis_playback"),
    *("res_stasis_recording", "res_stasis_snoop", "res_ari", "res_ari_model", "res_ari_channels", "res_ari_bridges"),
    *(
        "res_ari_events",
        "res_ari_applications",
        "func_callerid",
        "func_env",
        "func_md5",
        "func_rand",
        "res_ael_share",
        "pbx_ael",
    ),
    *("res_pjproject", "res_sorcery_astdb", "res_sorcery_memory", "res_pjsip", "res_pjsip_pubsub"),
    *("res_pjsip_session", "res_pjsip_sdp_rtp", "res_pjsip_registrar", "res_pjsip_authenticator_digest"),
    *("res_pjsip_endpoint_identifier_user", "res_rtp_asterisk", "chan_pjsip"),
)
"""What the forms need beside what the testbed loads, and what that needs itself."""

_EMPTY = ("confbridge", "features", "pjproject", "stasis", "sorcery")

_LOGGED = re.compile(r"\] (?:WARNING|ERROR)\[\d+\](?:\[C-\w+\])? (.*)")

_NAMES = ("netsock2.c: getaddrinfo", "acl.c: Unable to lookup")
"""A chroot may have no names: PJSIP asks for that of the machine."""

_PATIENCE_S = 30


@dataclass(frozen=True)
class Tone:
    """A tone that was heard."""

    hz: float
    dbfs: float
    seconds: float

    def __str__(self) -> str:
        return f"{self.hz:4.0f} Hz {self.dbfs:5.1f} dBFS {self.seconds:4.2f} s"


def tone_in(samples: Samples, rate_hz: int, floor: int = 400) -> Tone:
    """Return the strongest tone in some sound, and how long it is loud there: its blocks of 20 ms."""
    blocks = samples[: len(samples) // (rate_hz // 50) * (rate_hz // 50)].reshape(-1, rate_hz // 50)
    loud = blocks[np.abs(blocks).max(axis=1) > floor]
    if not len(loud):
        return Tone(0.0, -99.0, 0.0)
    middle = loud[len(loud) // 4 : max(len(loud) * 3 // 4, len(loud) // 4 + 1)].ravel()
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return Tone(float(np.argmax(spectrum)) * rate_hz / len(middle), level_dbfs(middle), len(loud) / 50)


def generated(folder: Path, *args: str, release: str = "22.10.1") -> dict[str, str]:
    """Return the files that `audiosocket dialplan` writes into a folder, by name."""
    done = run("dialplan", *args, "--asterisk", release, "--output", folder, "--force")
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_text() for path in folder.iterdir()}


PLAN_OF = {"extensions": "extensions.conf", "freepbx": "extensions_custom.conf", "ael": "extensions.ael"}
"""The file with the dialplan, by style."""


@dataclass(frozen=True)
class Caller:
    """Somebody who calls `extension` of a context, plays a tone and records what comes back."""

    name: str
    context: str
    extension: str
    hz: int
    seconds: float = 3.0

    def lines(self, inside: str) -> list[str]:
        """Lines of extensions.conf: the caller, in [callers], and where the call enters, in [enter]."""
        return [
            "[callers]",
            f"exten => {self.name},1,Answer()",
            f" same => n,MixMonitor(,r({inside}/heard-{self.name}.wav))",
            " same => n,Wait(0.4)",
            f" same => n,Playtones({self.hz})",
            f" same => n,Wait({self.seconds})",
            " same => n,Hangup()",
            "[enter]",
            f"exten => {self.name},1,Set(CALLERID(num)=+4930{self.hz})",
            f' same => n,Set(CALLERID(name)=Zoë "Z", (x)}} {self.name})',
            f" same => n,Goto({self.context},{self.extension},1)",
        ]


class Bed:
    """A running Asterisk with all modules that the forms need, which loads what they print."""

    def __init__(self, etc: Path) -> None:
        """Start it. `etc` is a folder for its configuration."""
        self.http_port, self.sip_port = free_port(), free_port()
        for name in _EMPTY:
            (etc / f"{name}.conf").write_text("")
        (etc / "rtp.conf").write_text("[general]\nrtpstart = 24000\nrtpend = 24200\n")
        (etc / "extensions.ael").write_text("context nothing-yet { s => { Hangup(); }; };\n")
        for form in ("phone", "ari", "parking"):
            generated(etc, "--form", form)
        self.script = (etc / "ari.sh").read_text()
        for name in ("ari.sh", "extensions.conf"):
            (etc / name).unlink()
        self.pjsip = _replaced(etc / "pjsip.conf", "0.0.0.0:5060", f"127.0.0.1:{self.sip_port}")
        _replaced(etc / "http.conf", "bindport = 8088", f"bindport = {self.http_port}")
        _replaced(etc / "res_parking.conf", "parkingtime = 60", "parkingtime = 3")
        options = [word for name in MODULES for word in ("--also", name)]
        self._seen = 0
        self.started = testbed("start", *options, "--etc", etc)
        where = re.search(r"log (\S+)/log/messages", self.started.stderr)
        self.folder = Path(where[1]) if where else Path()
        self.inside = re.sub(r"^.*/root(?=/var/lib/audiosocket-testbed)", "", str(self.folder))

    def complaints(self) -> list[str]:
        """Return the warnings and errors that were logged since this was asked last."""
        data = (self.folder / "log" / "messages").read_bytes()
        new, self._seen = data[self._seen :].decode(), len(data)
        return [line for line in _LOGGED.findall(new) if not line.startswith(_NAMES)]

    def load(self, style: str, texts: dict[str, str], callers: Sequence[Caller], more: str = "") -> list[str]:
        """Load dialplans by name, and callers for them; what was complained about."""
        self.complaints()
        etc = self.folder / "etc"
        lines = ["[general]", "static = yes"]
        for caller in callers:
            lines += caller.lines(self.inside)
        lines += ["[callers]", "exten => h,1,StopMixMonitor()", more]
        if style == "ael":
            (etc / "extensions.ael").write_text("\n".join(texts.values()))
        else:
            (etc / "extensions.ael").write_text("context nothing-yet { s => { Hangup(); }; };\n")
            for name, text in texts.items():
                (etc / f"{name}.conf").write_text(text)
                lines.append(f'#include "{name}.conf"')
        (etc / "extensions.conf").write_text("\n".join([*lines, ""]))
        # What AEL had goes before extensions.conf has it, and comes after extensions.conf no longer has it.
        reloads = ("dialplan reload", "ael reload")
        for command in reloads if style == "ael" else reversed(reloads):
            self.cli(command)
        return self.complaints()

    def cli(self, command: str) -> str:
        """Run a command in it. The testbed can do that, too, but takes ten times as long."""
        root = str(self.folder).removesuffix(self.inside)
        prefix = ["chroot", root] if root else []
        words = ["asterisk", "-C", f"{self.inside}/etc/asterisk.conf", "-nrx", command]
        done = subprocess.run([*prefix, *words], capture_output=True, text=True, timeout=20, check=True)
        return done.stdout

    def place(self, callers: Sequence[Caller], *, wait: bool = True) -> None:
        """Place all calls at once, and wait for their ends.

        Those that meet a dead server come first, each by itself: Asterisk closes the descriptor of a failed connection
        twice, and the second time may hit what another call has opened in between.
        """
        for caller in sorted(callers, key=lambda caller: "failover" not in caller.name):
            self.cli(f"channel originate Local/{caller.name}@enter/n extension {caller.name}@callers")
            time.sleep(0.5 if "failover" in caller.name else 0.0)
        deadline = time.monotonic() + _PATIENCE_S
        while wait and not self.is_empty():
            assert time.monotonic() < deadline, self.cli("core show channels concise")
            time.sleep(0.2)

    def is_empty(self) -> bool:
        """Whether no call is left."""
        return re.search(r"(?m)^0 active channels", self.cli("core show channels count")) is not None

    def heard(self, name: str) -> Tone:
        """Return what a caller heard."""
        samples, rate_hz = soundfile.read(self.folder / f"heard-{name}.wav", dtype="int16")
        return tone_in(samples, rate_hz)

    def events(self) -> str:
        """Return the URL of ARI's events."""
        login = re.findall(r"audiosocket:[\w-]+", self.script)[0]
        return f"ws://127.0.0.1:{self.http_port}/ari/events?app=audiosocket&api_key={login}"

    def stop(self) -> None:
        assert testbed("stop").returncode == 0


def _replaced(path: Path, old: str, new: str) -> str:
    """Replace something in a file, and return what was there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return text


def _two_free_ports() -> int:
    """Return the first of two ports in a row that nobody has: a phone takes the second for TLS. They are below those
    that the system gives to connections, one of which could take them before the phone does."""
    while True:
        port = random.randrange(20_000, 30_000, 2)
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            for number in (port, port + 1):
                held.enter_context(socket.create_server(("127.0.0.1", number)))
                udp = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                udp.bind(("127.0.0.1", number))
            return port


class Phone:
    """A real SIP phone (baresip) with the account of the form `phone`: it answers, plays a tone, keeps the sound."""

    def __init__(self, folder: Path, bed: Bed, hz: int) -> None:
        self.folder = folder
        self.password = (re.findall(r"^password = (\S+)", bed.pjsip, re.MULTILINE) or [""])[0]
        folder.mkdir()
        soundfile.write(folder / "tone.wav", tone(hz, 8000, 60.0), 8000)
        sip_port = _two_free_ports()
        self.control_port = free_port()
        while self.control_port in (sip_port, sip_port + 1):
            self.control_port = free_port()
        modules = ("g711", "aufile", "aubridge", "sndfile", "uuid")
        config = [
            "module_path /usr/lib/baresip/modules",
            f"sip_listen 127.0.0.1:{sip_port}",
            f"audio_source aufile,{folder}/tone.wav",
            "audio_player aubridge,nowhere",
            f"snd_path {folder}",
            *(f"module {name}.so" for name in modules),
            "module_app account.so",
            "module_app menu.so",
            "module_app ctrl_tcp.so",
            f"ctrl_tcp_listen 127.0.0.1:{self.control_port}",
        ]
        (folder / "config").write_text("\n".join([*config, ""]))
        self.domain = f"127.0.0.1:{bed.sip_port}"
        account = f"<sip:200@{self.domain};transport=udp>;auth_user=200;auth_pass={self.password};answermode=auto\n"
        (folder / "accounts").write_text(account)
        (folder / "contacts").write_text("")

    @contextlib.contextmanager
    def running(self, seconds: int, *, dial: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """Register; dial a number where one is named; it ends after some time, or with the block."""
        dialling = ["-e", f"/dial sip:{dial}@{self.domain}"] if dial else []
        with (self.folder / "said").open("wb") as said:
            process = subprocess.Popen(
                [need("baresip"), "-f", self.folder, "-t", str(seconds), *dialling],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            process.wait(10)

    def do(self, command: str) -> None:
        """Give it a command, such as `hold`."""
        words = json.dumps({"command": command}).encode()
        with socket.create_connection(("127.0.0.1", self.control_port), timeout=5) as control:
            control.sendall(b"%d:%s," % (len(words), words))
            assert b'"ok":true' in control.recv(4096)

    def wait_until_registered(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while "200 OK" not in (text := (self.folder / "said").read_text(errors="replace")):
            assert time.monotonic() < deadline, text
            time.sleep(0.05)

    def heard(self) -> Tone:
        """Return what it heard, in its last call."""
        path = max(self.folder.glob("dump-*-dec.wav"))
        samples, rate_hz = soundfile.read(path, dtype="int16")
        return tone_in(samples if samples.ndim == 1 else samples[:, 0], rate_hz)


def curl_script(bed: Bed, channel: str, script: str) -> subprocess.CompletedProcess[str]:
    """Run the script of the form `ari` for a channel."""
    need("curl")
    environment = {"PATH": "/usr/bin:/bin", "ARI": f"http://127.0.0.1:{bed.http_port}/ari"}
    return subprocess.run(
        ["sh", "-s", channel], input=script, capture_output=True, text=True, timeout=20, env=environment, check=False
    )


def query_of(script: str) -> str:
    """Return the script with the request as one line, as its comment has it, in place of JSON."""
    without, count = re.subn(r"^post channels/externalMedia .*?^JSON\n", "", script, flags=re.DOTALL | re.MULTILINE)
    assert count == 1
    return without.replace('# post "channels/', 'post "channels/')


@contextlib.contextmanager
def running_bed(folder: Path) -> Iterator[Bed]:
    """An Asterisk of our own, with its files in `folder`; the test is skipped where there can be none."""
    if testbed("status").returncode == 0:
        missing("an Asterisk runs already, without the modules that all forms need: stop it")
    made = Bed(folder)
    if made.started.returncode:
        missing(f"no Asterisk to test with ({made.started.stderr.strip()})")
    try:
        yield made
    finally:
        made.stop()
