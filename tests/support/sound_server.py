"""A real sound server without a card: PulseAudio with sinks that play to nobody, and what they play as microphones.

PortAudio reaches it through ALSA, whose configuration is here: nothing of the machine's own sound is used or changed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from ctypes.util import find_library
from pathlib import Path

import pytest

from support.running import missing, need

SINKS = ("phone", "ear", "room")
"""What is played to `phone` is heard by the microphone `phone-mic`, and so on. `room` is for one that hears itself."""

_SCRIPT = "\n".join(
    [
        *(f"load-module module-null-sink sink_name={name} rate=48000 channels=1" for name in SINKS),
        "load-module module-native-protocol-unix socket={socket} auth-anonymous=1",
        "",
    ]
)


class SoundServer:
    """A running server, and how programs reach it."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "socket"
        self.environment = {
            **os.environ,
            "PULSE_SERVER": f"unix:{self.socket}",
            "PULSE_COOKIE": str(folder / "cookie"),
            "XDG_RUNTIME_DIR": str(folder),
            "ALSA_CONFIG_PATH": str(folder / "asound.conf"),
        }
        script = folder / "script.pa"
        script.write_text(_SCRIPT.format(socket=self.socket))
        devices = ["pcm.!default { type pulse }"]  # PortAudio 19.6 aborts without one
        devices += [f'pcm.{name} {{ type pulse device "{name}" }}' for name in SINKS]
        devices += [f'pcm.{name}-mic {{ type pulse device "{name}.monitor" }}' for name in SINKS]
        (folder / "asound.conf").write_text("\n".join(devices) + "\n")
        words = ["-n", "-F", str(script), "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        self.process = subprocess.Popen(
            [need("pulseaudio"), *words], env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._players: list[subprocess.Popen[bytes]] = []

    def wait(self) -> None:
        """Wait until it serves, and its sinks run: one that sleeps takes up to two seconds to begin."""
        end_s = time.monotonic() + 20
        while subprocess.run(["pactl", "info"], env=self.environment, capture_output=True, check=False).returncode:
            assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
            assert time.monotonic() < end_s, "the sound server does not answer"
            time.sleep(0.05)
        for name in SINKS:
            with open("/dev/zero", "rb") as silence:
                self._players.append(self._run("pacat", "-d", name, "--latency-msec=20", "--raw", stdin=silence))

    def play(self, path: Path, sink: str) -> None:
        """Play a sound file to its end."""
        done = subprocess.run(
            [need("paplay"), "-d", sink, "--latency-msec=20", str(path)], env=self.environment, check=False, timeout=60
        )
        assert done.returncode == 0

    @contextlib.contextmanager
    def recording(self, path: Path, sink: str, rate_hz: int) -> Iterator[None]:
        """Record what a sink plays, as headerless 16-bit mono samples, while the block runs."""
        with open(path, "wb") as out:
            words = [f"--rate={rate_hz}", "--channels=1", "--format=s16le", "--raw", "--latency-msec=20"]
            recorder = self._run("parec", "-d", f"{sink}.monitor", *words, stdout=out)
            time.sleep(0.3)
            try:
                yield
            finally:
                recorder.send_signal(signal.SIGTERM)
                recorder.wait(10)

    def _run(self, program: str, *words: str, **streams: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen([need(program), *words], env=self.environment, stderr=subprocess.DEVNULL, **streams)  # type: ignore[call-overload]

    def stop(self) -> None:
        """End it now, and all that it serves. Safe to call twice."""
        for process in [self.process, *self._players]:
            process.kill()
            process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()


@pytest.fixture
def sound_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoundServer]:
    """A sound server of the test's own."""
    for tool in ("pulseaudio", "pactl", "pacat", "parec", "paplay"):
        need(tool)
    if find_library("portaudio") is None:
        missing("libportaudio2 is not installed")
    folder = tmp_path_factory.mktemp("sound")
    folder.chmod(0o700)
    server = SoundServer(folder)
    try:
        server.wait()
        yield server
    finally:
        server.stop()
