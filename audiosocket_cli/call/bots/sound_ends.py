"""Where somebody who talks hears and speaks: microphone and loudspeaker, of a sound card or as files in their place.

A file is driven as a card would drive it: a thread moves 20 ms every 20 ms between the file and an `ElasticBuffer`, and
all that follows is the same.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from audiosocket_cli.audio.elastic import ElasticBuffer
from audiosocket_cli.call.bots.streams import bytes_of_frame
from audiosocket_cli.call.pacer import MAX_CATCH_UP_S, PTIME_S
from audiosocket_cli.call.recording.destinations import Output, Sink
from audiosocket_cli.call.sources.prompts import Prompt, Speech
from audiosocket_cli.call.sources.speech_notes import SpeechNotes
from audiosocket_cli.codec import kind_of
from audiosocket_cli.model import Call

GONE: Final = "nobody reads the sound any more"


class SoundEnd(Protocol):
    """A microphone or a loudspeaker. One call uses it, once."""

    name: str
    rate_hz: int
    buffer: ElasticBuffer
    """What a microphone has heard and nobody has taken yet; what a loudspeaker has yet to play."""

    fault: str | None
    """Why it has stopped, if it has."""
    latency_s: float
    """What it keeps itself, beside its buffer, in seconds."""

    def wait_until_running(self) -> None:
        """Wait until it can do its work, before there is a call."""

    def begin(self, call: Call) -> None:
        """The call begins: from now on sound is wanted. Returns at once."""

    def look(self) -> None:
        """See whether it still runs: `fault` tells."""

    def facts(self) -> dict[str, Any]:
        """Return what it did as JSON values, units in the keys."""

    def close(self) -> None:
        """The call is over: what takes time after it. Safe to call twice, and without a call."""


class Microphone(SoundEnd, Protocol):
    """What speaks for us."""

    @property
    def is_over(self) -> bool:
        """Whether nothing but silence will come."""

    def remarks(self) -> Sequence[str]:
        """Return what was odd about what it said, a line each; once it is closed."""


class Beat:
    """Calls a function every 20 ms, in a thread, on deadlines: as a sound card does, but by our clock."""

    def __init__(self, name: str, beat: Callable[[], object]) -> None:
        self._beat = beat
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it, and wait for that. Safe to call twice."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        due_s = time.monotonic()
        while not self._over.wait(max(0.0, due_s - time.monotonic())):
            self._beat()
            due_s = max(due_s + PTIME_S, time.monotonic() - MAX_CATCH_UP_S)


class FileMicrophone:
    """A sound that is spoken as if into a microphone; then silence."""

    def __init__(self, prompt: Prompt, rate_hz: int, *, is_live: bool = False) -> None:
        """Speak a prompt at a rate that a kind exists for. One that is live, a pipe, is not waited for.

        Raises `FileError` where there is nothing to speak.
        """
        self.name = prompt.name
        self.rate_hz = rate_hz
        self.buffer = ElasticBuffer(rate_hz)
        self.fault: str | None = None
        self.latency_s = 0.0
        self.is_over = False
        self.speech_notes = SpeechNotes()
        """What is to be said of the sound afterwards."""
        self._size = bytes_of_frame(rate_hz)
        self._speech: Speech | None = prompt.begin(kind_of(rate_hz))
        self._beat: Beat | None = None
        if not is_live:
            self._speech.wait_for_beginning()

    def wait_until_running(self) -> None:
        """Its beginning is there, or it is live."""

    def begin(self, call: Call) -> None:
        self._beat = Beat("microphone", self._speak)

    def look(self) -> None:
        """A file stops at its end only."""

    def facts(self) -> dict[str, Any]:
        return {"late_ms": round(self.speech_notes.missed * PTIME_S * 1000), **self.buffer.facts()}

    def remarks(self) -> Sequence[str]:
        return self.speech_notes.texts()

    def close(self) -> None:
        if self._beat is not None:
            self._beat.stop()
        if self._speech is not None:
            self.speech_notes.add(self._speech)
            self._speech = None

    def _speak(self) -> None:
        assert self._speech is not None
        data = b"" if self.is_over else self._speech.take(self._size)
        if data is None:  # the file, or the pipe, is slower than the sound
            self.speech_notes.missed += 1
            data = b""
        elif self._speech.is_over:
            self.is_over = True
        self.buffer.put(data.ljust(self._size, b"\0"))


class FileSpeaker:
    """A file, or a pipe, that gets what a loudspeaker would play."""

    def __init__(self, output: Output, rate_hz: int) -> None:
        self.name = str(output)
        self.rate_hz = rate_hz
        self.buffer = ElasticBuffer(rate_hz)
        self.latency_s = 0.0
        self.fault: str | None = None
        self._output = output
        self._size = bytes_of_frame(rate_hz)
        self._sink: Sink | None = None
        self._beat: Beat | None = None

    def wait_until_running(self) -> None:
        """A file can always be written."""

    def begin(self, call: Call) -> None:
        try:
            self._sink = self._output.open(call, self.rate_hz, 1)
        except OSError as error:
            self._fail(error)
            return
        self._beat = Beat("loudspeaker", self._play)

    def look(self) -> None:
        """It tells at once."""

    def facts(self) -> dict[str, Any]:
        files = [str(path) for path in self._sink.paths] if self._sink is not None else []
        return {"files": files, "error": self.fault, **self.buffer.facts()}

    def close(self) -> None:
        if self._beat is not None:
            self._beat.stop()
        if self._sink is None or self._beat is None:
            return
        self._beat = None
        self._write(self.buffer.take_rest())
        with contextlib.suppress(BrokenPipeError):
            try:
                self._sink.close()
                self._sink.finish()
            except OSError as error:
                self._fail(error)

    def _play(self) -> None:
        if self.fault is None:
            self._write(self.buffer.take(self._size))

    def _write(self, data: bytes) -> None:
        assert self._sink is not None
        if self.fault is not None:
            return
        try:
            self._sink.append(data)
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        gone = isinstance(error, BrokenPipeError)
        self.fault = self.fault or (
            GONE if gone else f"cannot write {self.name}: {(error.strerror or str(error)).lower()}"
        )
