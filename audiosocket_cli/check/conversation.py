"""A conversation with a server that takes turns: what the caller says, silence in between, and when the server speaks.

The caller sends a frame every 20 ms, as phones do: of speech or of silence. Speech, and the beginning of an answer, are
defined as for `play` (`call.taps.speech.Ear`), but each frame counts when a phone plays it: speech that is sent ahead
of the clock is heard later than it arrives. Times are on the monotonic clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from audiosocket_cli.bench.meter import MAX_ECHO_S
from audiosocket_cli.call.taps.speech import Ear, Stretch
from audiosocket_cli.check.model import Observation, failed, passed, unknown
from audiosocket_cli.check.nature import Nature
from audiosocket_cli.check.probe import Probe
from audiosocket_cli.check.sounds import audio_frame
from audiosocket_cli.check.speech import SILENCE
from audiosocket_cli.check.trial import Trial
from audiosocket_cli.codec import RATE_BY_KIND, SAMPLE_BYTES, Frame, FrameDecoder, encode, is_audio
from audiosocket_cli.model import Side

QUIET_S: Final = 1.5
"""After this long without speech, the server has finished."""

_GREETING_S: Final = 1.0
"""How much longer than an answer a greeting is waited for."""

MAX_SPEECH_S: Final = 20.0
"""A server whose greeting or answer lasts longer, without a pause, takes no turns."""

_SILENT_FRAME: Final = audio_frame(SILENCE)


class Conversation:
    """One call, heard as its caller hears it."""

    def __init__(self, probe: Probe) -> None:
        """Take a call that has just begun."""
        self.probe = probe
        self.heard: Stretch | None = None
        """The first speech of the server that began since the call did, or since our last turn ended."""
        self.talked_over: Stretch | None = None
        """Speech of the server that began while we spoke, in our last turn."""
        self.began_s = self.ended_s = probe.passed.connected_s
        """When our last turn began and ended: its first and its last frame were sent."""
        self._ear = Ear()
        self._decoder = FrameDecoder()
        self._events = 0
        self._plays_until_s = 0.0
        self._since_s = self.ended_s

    @property
    def is_speaking(self) -> bool:
        """Whether the server is speaking, or pausing between words."""
        return self._ear.is_speaking(time.monotonic())

    @property
    def has_said_all(self) -> bool:
        """Whether the server has been silent for so long that it has finished."""
        return self._ear.silent_s(time.monotonic()) >= QUIET_S

    @property
    def spoke_until_s(self) -> float:
        """When the server's last speech was played; 0.0 if it has not spoken."""
        return 0.0 if self._ear.speech is None else self._ear.speech.end_s

    async def say(self, payloads: Sequence[bytes]) -> None:
        """Speak, without a pause."""
        self._listen_since(time.monotonic())
        await self.probe.speak([audio_frame(payloads[0])])
        self.began_s = time.monotonic()
        self._remark(self.began_s, Side.CALLER, "begins to speak")
        await self.probe.speak(map(audio_frame, payloads[1:]))
        self._catch_up()
        self.ended_s = time.monotonic()
        self._remark(self.ended_s, Side.CALLER, "falls silent")
        if self.began_s < self.spoke_until_s < self.ended_s and not self.is_speaking:
            self._remark(self.spoke_until_s, Side.SERVER, "falls silent")
        self.talked_over = self.heard
        self._listen_since(self.ended_s)

    async def take_turn(self, payloads: Sequence[bytes]) -> None:
        """Speak. Where the server began to speak meanwhile, perhaps a late greeting, hear it out and speak again."""
        await self.say(payloads)
        if self.talked_over is not None and await self.hear_out(MAX_SPEECH_S):
            await self.say(payloads)

    async def keep_quiet(self, until: Callable[[], bool], limit_s: float) -> bool:
        """Send silence until something holds, or the call is over; returns whether it holds."""
        stop_s = time.monotonic() + limit_s
        self._catch_up()
        while not until() and not self.probe.is_over and time.monotonic() < stop_s:
            await self.probe.speak([_SILENT_FRAME])
            self._catch_up()
        return until()

    async def hear_out(self, limit_s: float) -> bool:
        """Wait until the server has finished; False when it goes on for longer."""
        done = await self.keep_quiet(lambda: self.has_said_all, limit_s)
        if done and self._ear.speech is not None:
            self._remark(self.spoke_until_s, Side.SERVER, "falls silent")
        return done

    async def answer_s(self, limit_s: float) -> float | None:
        """Wait for an answer; returns how many seconds after the end of our turn it began."""
        await self.keep_quiet(lambda: self.heard is not None, limit_s)
        return None if self.heard is None else self.heard.start_s - self.ended_s

    def _listen_since(self, at_s: float) -> None:
        self.heard, self._since_s = None, at_s

    def _catch_up(self) -> None:
        """Take in what has come since the last time."""
        events = self.probe.passed.events
        for event in events[self._events :]:
            if event.side is Side.SERVER:
                for frame in self._decoder.feed(event.data):
                    if is_audio(frame.kind) and frame.payload:
                        self._hear(frame, event.at_s)
        self._events = len(events)

    def _hear(self, frame: Frame, arrived_s: float) -> None:
        at_s = max(arrived_s, self._plays_until_s)
        self._ear.hear(encode(frame), at_s)
        speech = self._ear.speech
        if speech is not None and speech.end_s == at_s:  # silence does not queue up: a phone drops it to catch up
            self._plays_until_s = at_s + len(frame.payload) / SAMPLE_BYTES / RATE_BY_KIND[frame.kind]
        if self.heard is None:
            self.heard = self._ear.speech_since(self._since_s)
            if self.heard is not None:
                self._remark(self.heard.start_s, Side.SERVER, "begins to speak")

    def _remark(self, at_s: float, side: Side, text: str) -> None:
        self.probe.passed.remark(at_s, side, text)


async def converse(trial: Trial) -> Conversation | Observation:
    """Place a call, and wait until a greeting has ended, if there is one; an observation if no turn can be taken."""
    talk = Conversation(await trial.call())
    greets = await talk.keep_quiet(lambda: talk.heard is not None, trial.turns.answer_within_s + _GREETING_S)
    if greets and not await talk.hear_out(MAX_SPEECH_S) and not talk.probe.is_over:
        return unknown(
            f"the server spoke for {MAX_SPEECH_S:g} s without a pause of {QUIET_S:g} s: its turns cannot be recognized"
        )
    return trial.ended(talk.probe) if talk.probe.is_over else talk


async def judge_answer(trial: Trial, talk: Conversation) -> Observation:
    """Wait for the answer to the turn that has just ended, and judge it."""
    probe, within_s, waits_s = talk.probe, trial.turns.answer_within_s, trial.turns.answer_within_s + trial.times.late_s
    if talk.is_speaking:
        return failed("the server was speaking when the caller's speech ended")
    after_s = await talk.answer_s(waits_s)
    if after_s is None:
        if probe.is_over:
            return trial.ended(probe)
        return failed(f"the server said nothing within {waits_s:g} s of the end of the caller's speech")
    observed = f"the server began to speak {after_s:.2f} s after the end of the caller's speech"
    if within_s < after_s <= within_s + probe.lateness_s:
        return unless_late(observed, probe)
    return passed(observed, after_s) if after_s <= within_s else failed(observed, after_s)


def unless_late(observed: str, probe: Probe) -> Observation:
    """Return that this machine may have caused what was too late."""
    return unknown(
        f"{observed}; but this machine was {probe.lateness_s * 1000:.0f} ms late itself: try it on a quieter one"
    )


def takes_no_turns(nature: Nature) -> str | None:
    """Say why a server takes no turns; None where it may."""
    if nature.echoes and nature.delay_s < MAX_ECHO_S:
        return "an echo takes no turns"
    return None
