"""A bot that is reached by a WebSocket: one connection for each call, in one of three protocols.

As with a program, the call's clock drives everything. With each frame that is due, what the bot has sent is taken, up
to a bound, and 20 ms of its audio are said; each frame of the caller goes out as soon as it has come. While the
connection is being made the caller hears silence, and the last second of what they say is kept. If the bot cannot be
reached, goes away or stalls, the caller hears the rest of what it said, then the fallback, if there is one, and is hung
up on; one note says why. None of this delays another call.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from audiosocket_cli.audio.files import Sound
from audiosocket_cli.call.bots.bot import Bot
from audiosocket_cli.call.bots.bridge_dialect import FRAME_S, Dialect
from audiosocket_cli.call.bots.bridge_dialling import BridgeOptions as BridgeOptions
from audiosocket_cli.call.bots.bridge_dialling import BridgeProtocol as BridgeProtocol
from audiosocket_cli.call.bots.bridge_dialling import dial_bot as dial_bot
from audiosocket_cli.call.bots.bridge_pace import Pace
from audiosocket_cli.call.bots.speaker import Speaker
from audiosocket_cli.call.bots.streams import Framer, HeardStream
from audiosocket_cli.call.bots.watch import Ready
from audiosocket_cli.call.events import Report
from audiosocket_cli.call.pacer import PTIME_S, Pacer
from audiosocket_cli.call.sources.basic import LEAD_FRAMES, encoded, frame_of, silence_frame
from audiosocket_cli.call.sources.prompts import Speech, Track
from audiosocket_cli.codec import Frame, Kind, rate_of
from audiosocket_cli.errors import AudioSocketError
from audiosocket_cli.finding import tagged
from audiosocket_cli.model import Call
from audiosocket_cli.websocket.link import PING_S, Closed, Link
from audiosocket_cli.websocket.messages import Hangup
from audiosocket_cli.websocket.outbox import MAX_AUDIO_S, Outbox
from audiosocket_cli.websocket.twilio import call_sid

KEPT_S: Final = 1.0
"""Seconds of the caller's audio that are kept while the connection is made."""

_PING_FRAMES: Final = round(PING_S / FRAME_S)

_GOODBYE_S: Final = 1.0
"""Seconds that a bot may take to close after our goodbye."""

_LOOK_FIRST_S: Final = 0.001
_LOOK_AGAIN_S: Final = 0.02
"""Most bots close within some milliseconds; the others are looked at less and less often."""

STEP_S: Final = 0.004
"""How long after the caller's frames the bot's are said: time enough for a bot nearby that answers each frame, as many
do; at any other time within the 20 ms the answer would wait for up to 20 ms."""

_LAST_TURNS: Final = 100
"""The most turns in which what a bot said before it hung up by the API is still taken: ten minutes of audio."""

_INPUT: Final = 1


class _Voice(NamedTuple):
    """Both directions of a call that has a rate."""

    speaker: Speaker
    heard: HeardStream
    framer: Framer
    dialect: Dialect


class Bridge(Bot):
    """A bot that is reached by a WebSocket."""

    listens = hears_together = says_bytes = True
    descriptors = 2
    """Its connection, and the fallback."""

    def __init__(self, options: BridgeOptions, report: Report, link: Link | None = None) -> None:
        """`link` is a connection that is open already; else it is made when the call begins."""
        self._options = options
        self._call: Call | None = None
        self._voice: _Voice | None = None
        self._outbox = Outbox(KEPT_S)
        self._link: Link | None = None
        self._ready = Ready(options.watch)
        self._connecting: asyncio.Task[None] | None = None
        self._given = link
        self._opened_s = self._connected_s = 0.0
        self._pace, self._pacer = Pace(), Pacer(0.0)
        self._is_in_step = False
        """Whether our frames follow the caller's."""
        self._frames = 0
        """Frames since the call began, or since the last ping."""
        self._heard_kind: int = Kind.SLIN
        self._is_deaf = False
        """Whether nobody is there any more to hear the caller."""
        self._failure: str | None = None
        self._ending = "the bot hung up"
        self._last_turns: int | None = None
        """Once the bot has hung up by the API: in how many turns what it said before may still come."""

    @property
    def call_sid(self) -> str | None:
        """The name of the call in an API like Twilio's."""
        is_named = self._call is not None and self._options.protocol is BridgeProtocol.TWILIO
        return call_sid(self._call.uuid) if is_named and self._call is not None else None

    # As a source.

    def make_pacer(self) -> Pacer:
        return self._pacer

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        while (data := self.next_bytes(heard_kind)) == b"":
            pass
        return frame_of(data)

    def next_bytes(self, heard_kind: int | None) -> bytes | None:
        voice = self._voice
        if voice is None:
            return self._before_the_start(heard_kind)
        speaker, heard, _, dialect = voice
        link = self._link
        if link is not None:
            self._ready.look_again()
            has_grown = self._ready.bits and self._receive(link, voice)
            if self._pace.waits_for_more(speaker, has_grown=bool(has_grown)):
                return b""
            self._frames += 1
            if self._frames >= _PING_FRAMES:
                self._ping(link, dialect)
        if self._last_turns is not None:
            self._see_whether_all_came(link, voice)
        if not self._is_deaf:
            heard.tick()
        data = dialect.next_bytes(self._heard_kind)
        if speaker.told:
            dialect.told(speaker.take_told())
        if self._outbox and link is not None:
            self._send(link)
        return data

    def answer(self, data: bytes, at_s: float = 0.0) -> bytes | None:
        self._heard_kind = data[0]
        voice = self._voice or self._begin(self._heard_kind)
        if self._is_deaf:
            return None
        if not self._is_in_step:
            self._follow_the_caller()
        voice.heard.take(data)
        if self._link is not None:
            self._link.send(self._outbox)
        return None

    def _follow_the_caller(self) -> None:
        """Speak `STEP_S` after the caller's frames from now on, and next no sooner than is due already."""
        self._is_in_step = True
        due_s = time.monotonic() + STEP_S
        early_s = max(0.0, self._pacer.deadline_s - due_s)
        self._pacer.restart(due_s + math.ceil(early_s / PTIME_S) * PTIME_S)

    def close(self) -> Sequence[str]:
        if self._voice is None:
            return ()
        queue = self._voice.speaker.queue
        queue.forget_files()
        return queue.speech_notes.texts()

    @property
    def ending(self) -> str:  # type: ignore[override]
        """Why the call ends, once the bot has nothing more to say."""
        return self._failure or self._ending

    # As a tap.

    def opened(self, call: Call) -> None:
        self._call = call
        self._opened_s = time.monotonic()
        if self._options.dialect.rate_hz is not None:
            self._begin(Kind.SLIN)
        if self._given is not None:
            self._attach(self._given)
            self._given = None
        else:
            loop = asyncio.get_running_loop()
            self._connecting = loop.create_task(self._connect(call), name=f"bridge of {call.uuid}")

    def digit(self, at_s: float, digit: str) -> None:
        if self._voice is None or self._is_deaf:
            return  # `_begin` passes on all that came before
        self._voice.dialect.digit(at_s, digit)
        if self._link is not None:
            self._link.send(self._outbox)

    def closed(self, call: Call) -> None:
        assert call.ending is not None
        if self._voice is not None and not self._is_deaf:
            self._voice.heard.pass_on()
            self._voice.framer.finish()
            self._voice.dialect.ended(call.ending)
        if self._link is not None:
            self._link.send(self._outbox)

    # After the call.

    async def finish(self) -> None:
        """Say goodbye to the bot, and close the connection: within `_GOODBYE_S`."""
        task, self._connecting = self._connecting, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        link = self._link
        if link is not None:
            until_s, pause_s = time.monotonic() + _GOODBYE_S, _LOOK_FIRST_S
            while link.closed is None and time.monotonic() < until_s:
                link.flush()
                link.send(self._outbox)
                if not self._outbox:
                    link.close()
                link.receive()
                if link.closed is None:
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, _LOOK_AGAIN_S)
            self._let_go(link)
            self._outbox.drop()
        self._note_what_was_odd()

    def kill(self) -> None:
        if self._link is not None:
            self._let_go(self._link)

    def end_by_api(self) -> None:
        """The bot has hung up by another way than its connection. Safe to call twice."""
        voice, link = self._voice, self._link
        if voice is None or voice.speaker.is_ending or self._last_turns is not None:
            return
        self._ending = "the bot hung up through the API"
        self._last_turns = _LAST_TURNS
        if link is not None:
            self._receive(link, voice)  # what it said before it asked: requests come by a faster way

    def facts(self) -> dict[str, Any]:
        voice, link = self._voice, self._link
        closed = None if link is None else link.closed
        bridge = {
            "url": str(self._options.url),
            "protocol": self._options.protocol.value,
            "rate_hz": None if voice is None else voice.speaker.rate_hz,
            "connected_s": None if link is None else round(self._connected_s, 3),
            "said_s": 0.0 if voice is None else round(voice.speaker.said_s, 3),
            "dropped_s": 0.0 if voice is None else round(voice.dialect.dropped_s, 3),
            "waited_s": round(self._pacer.postponed_s, 3),
            "unread_s": round(self._outbox.dropped_s, 3),
            "closed": None if closed is None else {"code": closed.code, "reason": closed.reason},
            "error": self._failure,
        }
        return {"bridge": bridge}

    # Beginning.

    def _before_the_start(self, heard_kind: int | None) -> bytes | None:
        self._frames += 1
        if self._frames > LEAD_FRAMES:
            self._begin(heard_kind or Kind.SLIN)
        return encoded(silence_frame(heard_kind or Kind.SLIN))

    def _begin(self, kind: int) -> _Voice:
        """The rate is known: be ready to hear and to speak."""
        assert self._call is not None
        dialect_class = self._options.dialect
        rate_hz = dialect_class.rate_hz or self._options.rate_hz or rate_of(kind)
        speaker = Speaker(rate_hz, kind)
        dialect = dialect_class(self._call, speaker, self._outbox)
        framer = Framer(speaker.frame_bytes, dialect.heard)
        self._voice = _Voice(speaker, HeardStream(framer.take, rate_hz), framer, dialect)
        self._frames = 0
        dialect.begin(kind)
        for at_s, digit, _ in self._call.digits:
            dialect.digit(at_s, digit)
        return self._voice

    async def _connect(self, call: Call) -> None:
        try:
            link = await dial_bot(self._options, call.uuid)
        except AudioSocketError as error:
            self._fail(str(error))
        except Exception as error:  # a fault of ours: it ends this call alone
            self._fail(f"internal error while connecting to {self._options.url}: {error!r}")
        else:
            self._attach(link)

    def _attach(self, link: Link) -> None:
        self._link = link
        self._connected_s = time.monotonic() - self._opened_s
        self._outbox.max_audio_s = MAX_AUDIO_S
        self._ready.add(link.fileno(), _INPUT)
        link.send(self._outbox)

    # In the call.

    def _receive(self, link: Link, voice: _Voice) -> bool:
        """Take what the bot has sent; return whether more is to be said than before."""
        if voice.dialect.is_full:
            return False
        queued = len(voice.speaker.queue)
        for message in link.receive():
            if voice.speaker.is_ending:
                break
            wish = voice.dialect.received(message)
            if isinstance(wish, Hangup):
                self._hang_up(voice, wish)
        if link.closed is not None:
            self._let_go(link)
            self._lose(link.closed)
        elif link.is_drained:
            self._ready.found_nothing(_INPUT)
        return len(voice.speaker.queue) > queued

    def _see_whether_all_came(self, link: Link | None, voice: _Voice) -> None:
        """The bot has hung up by the API: end the call once nothing more has come."""
        assert self._last_turns is not None
        self._last_turns -= 1
        if not voice.speaker.is_ending and (self._last_turns <= 0 or (link is not None and link.is_drained)):
            voice.dialect.left()

    def _hang_up(self, voice: _Voice, wish: Hangup) -> None:
        assert self._call is not None
        problem = None if wish.result is None else self._call.take_result(wish.result)
        if problem is not None:
            self._call.note(tagged("bot-command", f"the bot hung up without a result: {problem}"))
        voice.dialect.left()

    def _send(self, link: Link) -> None:
        link.send(self._outbox)
        if self._outbox.is_overrun and self._failure is None:
            self._stall(link, "does not read: too many events wait for it")

    def _ping(self, link: Link, dialect: Dialect) -> None:
        self._frames = 0
        if link.closed is None and not link.ping() and not dialect.is_full:
            self._stall(link, f"has stalled: it has answered nothing for {_PING_FRAMES * FRAME_S:g} s")

    def _stall(self, link: Link, problem: str) -> None:
        self._let_go(link)
        self._lose(Closed(1006, "", problem))

    def _lose(self, closed: Closed) -> None:
        """The connection is over."""
        self._stop_hearing()
        assert self._voice is not None
        has_hung_up = self._voice.speaker.is_ending or self._last_turns is not None
        if closed.problem is not None and not has_hung_up:
            self._fail(f"the bot at {self._options.url} {closed.problem}")
        elif not self._voice.speaker.is_ending:
            self._voice.dialect.left()

    def _fail(self, problem: str) -> None:
        """Say what went wrong, and what the caller hears then; the call ends after it."""
        assert self._call is not None
        self._failure = problem
        self._call.note(tagged("bot-lost", problem))
        voice = self._voice or self._begin(self._heard_kind)
        self._stop_hearing()
        voice.dialect.left(is_lost=True)
        if self._options.fallback is not None:
            voice.speaker.queue.add_file(self._begin_fallback)

    def _stop_hearing(self) -> None:
        self._is_deaf = True
        self._outbox.drop()

    def _begin_fallback(self) -> Speech:
        assert self._options.fallback is not None
        assert self._voice is not None
        rate_hz = self._voice.speaker.rate_hz
        sound = Sound(self._options.fallback, never_waits=True)
        return Speech(Track(sound, rate_hz, self._options.threads, keep=False), rate_hz)

    # Ending.

    def _let_go(self, link: Link) -> None:
        self._ready.close()
        self._ready.bits = 0
        link.shut()

    def _note_what_was_odd(self) -> None:
        assert self._call is not None
        unread_s = self._outbox.dropped_s
        if unread_s >= FRAME_S and self._link is not None and self._failure is None:
            text = f"the bot reads too slowly: {unread_s:.1f} s of the caller's audio were dropped"
            self._call.note(tagged("bot-reads-slowly", text))
