"""The sound cards of this machine: which there are, and their microphones and loudspeakers as streams.

PortAudio calls us from a thread of its own whenever a card has brought sound, or wants some. All that is done there is
to put samples into an `ElasticBuffer`, or to take them out of one: no call waits for a card, and no card for a call.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from audiosocket_cli.audio.elastic import ElasticBuffer
from audiosocket_cli.codec import SAMPLE_BYTES
from audiosocket_cli.errors import UsageError
from audiosocket_cli.libraries import first_line, sounddevice
from audiosocket_cli.model import Call

_LATENCY_S: Final = {"input": 0.03, "output": 0.06}
"""What a card is asked to keep of sound itself, in seconds. Through PulseAudio 16, a loudspeaker with 30 ms is late
with each block for a second after some starts, and takes ten seconds of sound in one; with 60 ms that was never
seen."""

_BLOCKS_A_SECOND: Final = 100

_STEADY_S: Final = 0.05
_MAX_START_S: Final = 2.0

_SHOWN: Final = 12
"""How many devices an error names."""

_RATES_HZ: Final = range(4000, 192001, 50)
"""What `StreamResampler` converts."""


class Device(NamedTuple):
    """A sound card, or one that the system's sound server makes of several."""

    number: int
    name: str
    inputs: int
    outputs: int
    """Channels: 0 where it has no microphone, or no loudspeaker."""
    rate_hz: int
    """Its own rate."""
    is_default_input: bool
    is_default_output: bool

    def has(self, kind: str) -> bool:
        """Whether it has an `input`, or an `output`."""
        return bool(self.inputs if kind == "input" else self.outputs)

    def is_default(self, kind: str) -> bool:
        """Whether it is taken where nobody chooses."""
        return self.is_default_input if kind == "input" else self.is_default_output


def devices() -> list[Device]:
    """Return what there is, in PortAudio's order. Raises `MissingLibraryError` without the libraries, and `UsageError`
    where the system's sound does not work."""
    with _one_line("cannot list the sound cards of this machine"):
        found = sounddevice.query_devices()
        default_input, default_output = sounddevice.default.device
    return [
        Device(
            number,
            " ".join(str(each["name"]).split()),
            int(each["max_input_channels"]),
            int(each["max_output_channels"]),
            round(each["default_samplerate"]),
            number == default_input,
            number == default_output,
        )
        for number, each in enumerate(found)
    ]


def choose(found: Sequence[Device], wanted: str | None, kind: str) -> Device:
    """Return the device for `input` or `output` with this number, this name or this part of a name, or else the
    default.

    Raises `UsageError`, with what there is to choose from.
    """
    what, file = ("microphone", "--input FILE") if kind == "input" else ("loudspeaker", "--output FILE")
    fit = [each for each in found if each.has(kind)]
    if not fit:
        raise UsageError(f"there is no {what} here: connect one, or use {file} in its place")
    if wanted is None:
        return next((each for each in fit if each.is_default(kind)), fit[0])
    word = wanted.strip().lower()
    exact = [each for each in fit if word in (str(each.number), each.name.lower())]
    matching = exact or [each for each in fit if word and word in each.name.lower()]
    if len(matching) == 1 or (exact and matching):
        return matching[0]
    listed = ", ".join(f"{each.number} {each.name}" for each in (matching or fit)[:_SHOWN])
    if matching:
        raise UsageError(f"--{kind}-device {wanted!r:.80} matches several, write the number of one: {listed}")
    raise UsageError(f"--{kind}-device {wanted!r:.80} is not here: choose from {listed}")


def fitting_rate(check: Callable[[int], object], wanted_hz: int, own_hz: int) -> int:
    """Return the rate to open a device with: the wanted one if `check` raises nothing for it, else the device's own.

    Raises what `check` raised when the device's own rate cannot be converted.
    """
    try:
        check(wanted_hz)
    except Exception:
        if own_hz == wanted_hz or own_hz not in _RATES_HZ:
            raise
        return own_hz
    return wanted_hz


class _Card(ABC):
    """One direction of a sound card."""

    kind: str

    def __init__(self, device: Device, rate_hz: int) -> None:
        """Open it and start it, at this rate, or else its own: `rate_hz` tells which. Raises `UsageError`."""
        self.name = device.name
        self.fault: str | None = None
        """Why it has stopped, once `look` has seen that it has."""
        self._faults = self._blocks = 0
        what = "microphone" if self.kind == "input" else "loudspeaker"
        with _one_line(f"cannot open the {what} {device.name}", "try another one of --list-devices"):
            settings: dict[str, Any] = {"device": device.number, "channels": 1, "dtype": "int16"}
            check = getattr(sounddevice, f"check_{self.kind}_settings")
            self.rate_hz = fitting_rate(lambda hz: check(samplerate=hz, **settings), rate_hz, device.rate_hz)
            self.buffer = ElasticBuffer(self.rate_hz)
            stream_of = getattr(sounddevice, f"Raw{self.kind.title()}Stream")
            self._stream = stream_of(
                samplerate=self.rate_hz, blocksize=self.rate_hz // _BLOCKS_A_SECOND, latency=_LATENCY_S[self.kind],
                callback=self._on_block, **settings,
            )  # fmt: skip
            self._stream.start()
        self.latency_s = float(self._stream.latency)
        """What the card keeps itself."""

    def wait_until_running(self) -> None:
        """Wait until it runs steadily: one that slept takes a moment, and what is played meanwhile would be lost."""
        steady = round((self.latency_s + _STEADY_S) * _BLOCKS_A_SECOND)
        until_s = time.monotonic() + _MAX_START_S
        while self._blocks < steady and time.monotonic() < until_s:
            time.sleep(1 / _BLOCKS_A_SECOND)

    def begin(self, call: Call) -> None:
        """A call begins: drop what was heard before it."""
        self._faults = 0
        self.buffer.clear()

    def look(self) -> None:
        """See whether it still runs: `fault` tells."""
        if not self._stream.closed and not self._stream.active:
            self.fault = "the sound card has stopped"

    def facts(self) -> dict[str, Any]:
        """Return what it did as JSON values."""
        return {
            "card_latency_ms": round(self.latency_s * 1000, 1),
            "card_faults": self._faults,
            "error": self.fault,
            **self.buffer.facts(),
        }

    def close(self) -> None:
        """Close it, at once, which may take some milliseconds. Safe to call twice."""
        if not self._stream.closed:
            for end in (self._stream.abort, self._stream.close):
                with contextlib.suppress(sounddevice.PortAudioError):
                    end()

    @abstractmethod
    def _on_block(self, data: Any, frames: int, times: Any, status: Any) -> None:
        """PortAudio has a block, or wants one."""


class CardMicrophone(_Card):
    """A microphone: what it hears goes into its buffer."""

    kind = "input"
    is_over = False

    def remarks(self) -> Sequence[str]:
        """Nothing is odd about what somebody says."""
        return ()

    def _on_block(self, data: Any, frames: int, times: Any, status: Any) -> None:
        self._blocks += 1
        self._faults += bool(status)
        self.buffer.put(bytes(data))


class CardSpeaker(_Card):
    """A loudspeaker: it plays what is in its buffer."""

    kind = "output"

    def _on_block(self, data: Any, frames: int, times: Any, status: Any) -> None:
        self._blocks += 1
        self._faults += bool(status)
        data[:] = self.buffer.take(frames * SAMPLE_BYTES)


@contextlib.contextmanager
def _one_line(what: str, cure: str = "see whether other programs can use it") -> Iterator[None]:
    """Make one line of what goes wrong: PortAudio's own text, and what ALSA writes to standard error beside it."""
    with _quiet():
        loaded = sounddevice.PortAudioError  # which loads it: what is missing is told by that
        _silence_alsa()
        try:
            yield
        except (loaded, ValueError) as error:
            reason = first_line(error).removeprefix("Error ").rstrip(".")
            raise UsageError(f"{what} ({reason}): {cure}") from None
        except MemoryError:  # cffi cannot make a callback
            reason = "the system forbids memory that is writable and executable, MemoryDenyWriteExecute=yes of systemd"
            raise UsageError(f"{what} ({reason}): allow it, or use --input FILE and --output FILE") from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep standard error quiet: ALSA and PortAudio write many lines to it, from C, for one failure."""
    sys.stderr.flush()
    kept = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


@functools.cache
def _silence_alsa() -> object:
    """Keep ALSA's library from writing a line for each block that came late: we count them.

    Returns the handler, which ALSA keeps for good (`snd_lib_error_handler_t` of alsa/error.h).
    """
    with contextlib.suppress(OSError, AttributeError, MemoryError):
        library = ctypes.CDLL("libasound.so.2")
        text, number = ctypes.c_char_p, ctypes.c_int
        handler = ctypes.CFUNCTYPE(None, text, number, text, number, text)(lambda *_: None)
        library.snd_lib_error_set_handler(handler)
        return handler
    return None
