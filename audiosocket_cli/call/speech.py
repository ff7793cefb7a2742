"""Who is speaking: a tap that notices when the other side has fallen silent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from audiosocket_cli.call.facts import Call
from audiosocket_cli.call.runs import FrameRun
from audiosocket_cli.codec import HEADER_BYTES
from audiosocket_cli.media.pcm import SPEECH_DBFS, from_slin, level_dbfs


def is_speech(data: bytes) -> bool:
    """Whether a frame of audio, header and all, holds sound loud enough to be speech."""
    return level_dbfs(from_slin(data[HEADER_BYTES:])) > SPEECH_DBFS


class SilenceWatch:
    """A tap that tells, once, when nothing loud enough to be speech was heard for `limit_s`, from the start on."""

    def __init__(self, limit_s: float, on_silence: Callable[[], None]) -> None:
        self._limit_s = limit_s
        self._on_silence = on_silence
        self._last_speech_s = 0.0
        self._told = False

    def opened(self, call: Call) -> None:
        pass

    def frames(self, heard: Sequence[FrameRun], said: Sequence[FrameRun], now_s: float) -> None:
        for run in heard:
            if run.has_samples:
                self._last_speech_s = max(self._last_speech_s, *run.loud_s[-1:].tolist(), 0.0)
        if now_s - self._last_speech_s >= self._limit_s and not self._told:
            self._told = True
            self._on_silence()

    def digit(self, at_s: float, digit: str) -> None:
        pass

    def closed(self, call: Call) -> None:
        pass
