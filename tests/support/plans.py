"""Dialplans that `audiosocket dialplan` writes, loaded by a real Asterisk and called there."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from audiosocket_cli.audio.pcm import Samples, level_dbfs, tone
from support.peers import free_port
from support.running import need, run
from support.testbed import testbed

MODULES = (
    "app_exec app_system app_confbridge app_originate bridge_softmix bridge_holding bridge_builtin_features "
    "res_parking app_stasis res_stasis res_stasis_answer res_stasis_playback res_stasis_recording res_stasis_snoop "
    "res_ari res_ari_model res_ari_channels res_ari_bridges res_ari_events res_ari_applications "
    "func_callerid func_env func_logic res_ael_share pbx_ael "
    "res_pjproject res_sorcery_astdb res_sorcery_memory res_pjsip res_pjsip_pubsub res_pjsip_session "
    "res_pjsip_sdp_rtp res_pjsip_registrar res_pjsip_authenticator_digest res_pjsip_endpoint_identifier_user "
    "res_rtp_asterisk chan_pjsip"
).split()
"""What the forms need beside what the testbed loads, and what that needs itself."""

_EMPTY = ("confbridge", "features", "pjproject", "stasis", "sorcery")

_LOGGED = re.compile(r"\] (?:WARNING|ERROR)\[\d+\](?:\[C-\w+\])? (.*)")

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


def generated(*args: str, into: Path | None = None) -> str:
    """Return what `audiosocket dialplan` prints for 22.10, or write it into a folder."""
    more = ["--output", str(into), "--force"] if into else []
    done = run("dialplan", *args, "--asterisk", "22.10.1", *more)
    assert done.returncode == 0, done.stderr
    return done.stdout


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
            f'exten => {self.name},1,Set(CALLERID(all)="Zoë \\"Z\\" {self.name}" <+4930{self.hz}>)',
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
            generated("--form", form, into=etc)
        self.script = (etc / "ari.sh").read_text()
        for name in ("ari.sh", "extensions.conf"):
            (etc / name).unlink()
        self.pjsip = self._with_port(etc / "pjsip.conf", "0.0.0.0:5060", f"127.0.0.1:{self.sip_port}")
        self._with_port(etc / "http.conf", "bindport = 8088", f"bindport = {self.http_port}")
        options = [word for name in MODULES for word in ("--also", name)]
        self.started = testbed("start", *options, "--etc", etc)
        where = re.search(r"log (\S+)/log/messages", self.started.stderr)
        self.folder = Path(where[1]) if where else Path()
        self.inside = re.sub(r"^.*/root(?=/var/lib/audiosocket-testbed)", "", str(self.folder))

    @staticmethod
    def _with_port(path: Path, old: str, new: str) -> str:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        return text

    def complaints(self, offset: int = 0) -> list[str]:
        """Return the warnings and errors of the log."""
        text = (self.folder / "log" / "messages").read_bytes()[offset:].decode()
        return _LOGGED.findall(text)

    def load(self, style: str, texts: dict[str, str], callers: Sequence[Caller], more: str = "") -> list[str]:
        """Load dialplans by name, and callers for them; what was complained about."""
        offset = (self.folder / "log" / "messages").stat().st_size
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
        self.cli("dialplan reload")
        self.cli("ael reload")
        return self.complaints(offset)

    def cli(self, command: str) -> str:
        done = testbed("cli", *command.split())
        assert done.returncode == 0, done.stderr
        return done.stdout

    def place(self, callers: Sequence[Caller], *, wait: bool = True) -> None:
        """Place all calls at once, and wait for their ends."""
        for caller in callers:
            self.cli(f"channel originate Local/{caller.name}@enter/n extension {caller.name}@callers")
        deadline = time.monotonic() + _PATIENCE_S
        while wait and "0 active channels" not in self.cli("core show channels count"):
            assert time.monotonic() < deadline, self.cli("core show channels concise")
            time.sleep(0.2)

    def stop(self) -> None:
        assert testbed("stop").returncode == 0


class Phone:
    """A real SIP phone (baresip) with the account of the form `phone`: it answers, plays a tone, and keeps what it hears."""

    def __init__(self, folder: Path, bed: Bed, hz: int) -> None:
        self.folder = folder
        self.password = (re.findall(r"^password = (\S+)", bed.pjsip, re.MULTILINE) or [""])[0]
        folder.mkdir()
        soundfile.write(folder / "tone.wav", tone(hz, 8000, 60.0), 8000)
        modules = ("g711", "aufile", "aubridge", "sndfile", "uuid")
        config = [
            "module_path /usr/lib/baresip/modules",
            f"sip_listen 127.0.0.1:{free_port()}",
            f"audio_source aufile,{folder}/tone.wav",
            "audio_player aubridge,nowhere",
            f"snd_path {folder}",
            *(f"module {name}.so" for name in modules),
            "module_app account.so",
            "module_app menu.so",
        ]
        (folder / "config").write_text("\n".join([*config, ""]))
        self.domain = f"127.0.0.1:{bed.sip_port}"
        account = f"<sip:200@{self.domain};transport=udp>;auth_user=200;auth_pass={self.password};answermode=auto\n"
        (folder / "accounts").write_text(account)
        (folder / "contacts").write_text("")

    def start(self, seconds: int, *, dial: str = "") -> subprocess.Popen[str]:
        """Register, dial a number where one is named, and end after some time."""
        dialling = ["-e", f"/dial sip:{dial}@{self.domain}"] if dial else []
        return subprocess.Popen(
            [need("baresip"), "-f", self.folder, "-t", str(seconds), *dialling],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def heard(self) -> Tone:
        """Return what it heard, in its last call."""
        path = max(self.folder.glob("dump-*-dec.wav"))
        samples, rate_hz = soundfile.read(path, dtype="int16")
        return tone_in(samples if samples.ndim == 1 else samples[:, 0], rate_hz)


def curl_script(bed: Bed, channel: str, script: str) -> subprocess.CompletedProcess[str]:
    """Run the script of the form `ari` for a channel."""
    environment = {"PATH": "/usr/bin:/bin", "ARI": f"http://127.0.0.1:{bed.http_port}/ari"}
    return subprocess.run(
        ["sh", "-s", channel], input=script, capture_output=True, text=True, timeout=20, env=environment, check=False
    )
