"""Digits in the sound of a call: a tap that listens for tones, for callers whose key presses come as audio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from audiosocket_cli.audio.dtmf import DtmfDetector, HeardDigit
from audiosocket_cli.call.recording.pieces import interleaved
from audiosocket_cli.call.recording.track import Track
from audiosocket_cli.codec import Kind, rate_of
from audiosocket_cli.errors import MissingLibraryError
from audiosocket_cli.finding import tagged
from audiosocket_cli.model import Call, Digit
from audiosocket_cli.runs import FrameRun

_RATE_HZ: Final = rate_of(Kind.SLIN)
"""The tones are below 1700 Hz: whatever the call's rate, 8 kHz holds them."""

_SETTLE_S: Final = 0.1
"""How long a frame waits to be placed; shorter than a recording waits, as somebody waits for the digit."""


class DtmfTap:
    """Tells each digit that the other side's audio holds, within about 0.7 s."""

    def __init__(self, on_digit: Callable[[Digit], None]) -> None:
        self._on_digit = on_digit
        self._track = Track(_RATE_HZ)
        self._detector = DtmfDetector(_RATE_HZ)
        self._skipped_s = 0.0
        self._call: Call | None = None
        self._is_deaf = False

    def opened(self, call: Call) -> None:
        self._call = call

    def frames(self, heard: Sequence[FrameRun], said: Sequence[FrameRun], now_s: float) -> None:
        if self._is_deaf:
            return
        for run in heard:
            if run.has_samples:
                self._track.add(run)
        self._place(now_s - _SETTLE_S, now_s - _SETTLE_S)

    def digit(self, at_s: float, digit: str) -> None:
        pass

    def closed(self, call: Call) -> None:
        if not self._is_deaf:
            self._place(float("inf"), call.duration_s)
        if not self._is_deaf:
            self._track.end_conversion()
            self._listen()
        self._report(self._detector.finish())

    def _place(self, until_s: float, pad_until_s: float) -> None:
        try:
            self._track.place(until_s, pad_until_s)
        except MissingLibraryError as error:  # which is needed for all rates but 8 kHz
            assert self._call is not None
            self._is_deaf = True
            text = f"digits in the audio are not detected from here on: {error}"
            self._call.note(tagged("digits-not-detected", text))
        self._listen()

    def _listen(self) -> None:
        for piece in interleaved([self._track.made]):
            if isinstance(piece, int):  # the first of a long silence ends a digit, and the rest holds none
                heard = min(piece, _RATE_HZ)
                self._report(self._detector.feed(np.zeros(heard, np.int16)))
                self._skipped_s += (piece - heard) / _RATE_HZ
            else:
                self._report(self._detector.feed(piece))

    def _report(self, digits: Sequence[HeardDigit]) -> None:
        for digit, start_s, duration_s in digits:
            self._on_digit(Digit(self._skipped_s + start_s + duration_s, digit, in_band=True))
