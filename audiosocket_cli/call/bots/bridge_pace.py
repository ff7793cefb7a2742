"""When a bot that speaks live is waited for, a little."""

from __future__ import annotations

from typing import Final

from audiosocket_cli.call.bots.speaker import Speaker

LIVE_FRAMES: Final = 3
"""After so many frames in a row that came when they were due, a bot is taken to speak live."""

MAX_WAITS: Final = 5
"""How often a frame is postponed: by its length in all."""


class Pace:
    """Waits a little for a bot that speaks live, a frame each 20 ms, when its frame is not there in time.

    Without that, a bot whose frames come at about the instants at which we send has one of them too late now and then:
    a frame of silence takes its place, and all later ones are late by that until the bot pauses. Waiting moves our
    instants after the bot's, once. A bot that is ahead of the call is not waited for: its speech is over.
    """

    __slots__ = ("_fed", "_waits")

    def __init__(self) -> None:
        self._fed = 0
        """Frames in a row that came when they were to be said."""
        self._waits = 0

    def waits_for_more(self, speaker: Speaker, *, has_grown: bool) -> bool:
        """Whether to wait, a frame being due; `has_grown` says that something has come since the last one."""
        if has_grown:
            self._fed += 1
        elif self._fed and len(speaker.queue) < speaker.frame_bytes:
            if self._fed >= LIVE_FRAMES and self._waits < MAX_WAITS and not speaker.is_ending:
                self._waits += 1
                return True
            self._fed = 0
        self._waits = 0
        return False
