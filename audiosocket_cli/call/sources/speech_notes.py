"""What is to be noted about the sounds that a call has said: oddities, errors, and silence where they came too late."""

from __future__ import annotations

from audiosocket_cli.asterisk.facts import PTIME_MS
from audiosocket_cli.call.sources.prompts import Speech
from audiosocket_cli.finding import tagged


class SpeechNotes:
    """Collects what to note about the speeches of one call."""

    def __init__(self) -> None:
        self.missed = 0
        """Frames of silence that were said where a speech had not come in time."""
        self.has_failed = False
        """Whether one of them ended early."""
        self.clipped = 0
        """Samples that were limited, in one round."""
        self._texts: list[str] = []

    def add(self, speech: Speech, *, is_told: bool = False) -> None:
        """Take what there is to be said of a speech that is over, or given up, but not an error that was told."""
        self._texts += speech.remarks()
        self.clipped = max(self.clipped, speech.clipped)
        if speech.error is not None:
            self.has_failed = True
            if not is_told:
                self._texts.append(speech.error)
        speech.close()

    @property
    def padded_s(self) -> float:
        """Seconds of silence where the sound did not come in time."""
        return self.missed * PTIME_MS / 1000

    def texts(self) -> list[str]:
        """Return lines to be noted."""
        texts = [tagged("sound-file", text) for text in dict.fromkeys(self._texts)]
        if self.missed:
            text = (
                f"{self.padded_s:.2f} s of silence were added: the sound was not read as fast as it plays; is the "
                "disk, or the program that writes to the pipe, too slow?"
            )
            texts.append(tagged("sound-late", text))
        return texts
