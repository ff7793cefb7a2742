"""One live call whose sound is told as it goes on, for as long as somebody listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from audiosocket_cli.call.live_call import LiveCall
from audiosocket_cli.call.taps.listening import BYTES_PER_SAMPLE, CallSound
from audiosocket_cli.chunks import Chunks
from audiosocket_cli.codec import RATE_BY_KIND, Kind, rate_of
from audiosocket_cli.errors import MissingLibraryError

STEP_S: Final = 0.02
"""Seconds between two pieces of sound: a frame."""

_RATE_WAIT_S: Final = 1.0
"""How long to wait for the first audio of a call, which sets the rate; after that it is that of slin."""


class ListenedCall:
    """Tells the sound of a call in pieces: its beginning with the rate, then samples."""

    def __init__(self, number: int, live: LiveCall, tell: Callable[[dict[str, Any]], object]) -> None:
        """Begin to listen to a live call; `tell` returns False for what it did not take."""
        self.number = number
        self.live = live
        self.is_over = False
        """Whether nothing more comes."""
        self._tell = tell
        self._sound: CallSound | None = None
        self._lost = 0
        """Samples that were not taken, and of which nobody knows yet."""
        self._since_s = live.session.age_s
        live.session.read_each(each=True)
        self._peek = live.session.peek()

    def close(self) -> None:
        """Nobody listens any more, or there is no more to hear. Safe to call twice."""
        if not self.is_over:
            self.is_over = True
            self.live.session.end_peek(self._peek)
            self.live.session.read_each(each=False)

    @property
    def left_out_s(self) -> float:
        """Seconds of the call's sound that nobody heard, and of which nobody was told."""
        return 0.0 if self._sound is None else self._sound.left_out_s + self._lost / self._sound.rate_hz

    def tell_end(self, reason: str) -> None:
        """Tell that there is no more, and what was lost of the last of it."""
        self.close()
        self._tell({"call": self.number, "silent": reason, **self._take_lost()})

    def tell_beginning(self) -> None:
        """Tell the rate, once it is known, to somebody who has just come."""
        if self._sound is not None:
            at_s = round(self._sound.at_s, 3)
            self._tell({"call": self.number, "sound": {"rate_hz": self._sound.rate_hz, "at_s": at_s}})

    def go_on(self, *, is_live: bool) -> str | None:
        """Tell what has come; returns why there will be no more, once that is so."""
        session = self.live.session
        session.catch_up()
        caller, server = self._peek.take()  # we are the server, or pass on what it says
        try:
            self._tell_sound(caller, server, session.age_s, is_live=is_live)
        except MissingLibraryError as error:
            return str(error)
        return None if is_live else "the call has ended"

    def _tell_sound(self, caller: Chunks, server: Chunks, now_s: float, *, is_live: bool) -> None:
        if self._sound is None:
            rate_hz = self._rate_hz(caller, server)
            if rate_hz is None and is_live and now_s < self._since_s + _RATE_WAIT_S:
                return
            self._sound = CallSound(rate_hz or rate_of(Kind.SLIN), self._since_s, self._ahead_s())
            self.tell_beginning()
        samples = self._sound.take(caller, server, now_s, is_last=not is_live)
        if not samples:
            return
        lost = self._take_lost()
        if self._tell({"call": self.number, "samples": samples, **lost}) is False:
            self._lost = lost.get("lost", 0) + len(samples) // BYTES_PER_SAMPLE

    def _take_lost(self) -> dict[str, int]:
        lost, self._lost = self._lost, 0
        return {"lost": lost} if lost else {}

    def _rate_hz(self, *batches: Chunks) -> int | None:
        """Return the best rate that the call has had so far; None before its first audio."""
        kinds = {kind for side in self.live.stats.sides.values() for kind in side.by_kind}
        kinds |= {piece[0] for batch in batches for piece in batch.pieces}
        return max((RATE_BY_KIND[kind] for kind in kinds & RATE_BY_KIND.keys()), default=None)

    def _ahead_s(self) -> float:
        """Return how much audio the server has sent that the caller has yet to hear, where that is known."""
        said = self.live.stats.said
        return 0.0 if said is None else max(0.0, said.timeline.end_s - self._since_s)
