"""Locust's users as callers: the calls of `bench`, placed from as many machines as a Locust master has workers.

Each user is a greenlet that places one call after another; no asyncio. What is measured in a call goes to Locust value
by value, as requests of the type `audiosocket`, when it is known: of echoes that is one for each mark that came back.

Importing this imports Locust, which patches sockets, threads and sleep to work with greenlets: let only locustfiles do
so.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar, Final

from locust import User, constant_pacing, task  # first: it patches what the others import

# isort: split

from gevent import GreenletExit, sleep
from gevent.socket import wait_read, wait_readwrite

from audiosocket_cli.analysis.histogram import Histogram, Values
from audiosocket_cli.asterisk.facts import PTIME_MS
from audiosocket_cli.bench.caller import BenchCall
from audiosocket_cli.bench.figures import Figures
from audiosocket_cli.bench.schedule import GOLDEN
from audiosocket_cli.bench.speech import Speech, Talk, sound_files
from audiosocket_cli.call.session import Session
from audiosocket_cli.call.wire import SocketWire
from audiosocket_cli.codec import Kind
from audiosocket_cli.errors import AudioSocketError, NetworkError
from audiosocket_cli.model import How, Side
from audiosocket_cli.net.address import parse_address
from audiosocket_cli.net.dial import dial_and_wait

REQUEST_TYPE: Final = "audiosocket"
"""Locust's tables show it beside each name."""

NAMES: Final = {
    "connect": "connect",
    "first_byte": "first byte",
    "first_speech": "first speech",
    "turn": "turn",
    "echo": "echo",
    "barge_in": "barge-in",
    "hangup": "hangup",
}
"""Figures that go to Locust value by value, and their names there. In addition `call` and `our lateness`, once a
call."""

_REDIAL_S: Final = 1.0
_COME_S: Final = 1.0
"""Locust starts all users of a second at once. They begin over this time."""

_GO_S: Final = 0.15
_PART_S: Final = 0.15
"""Locust stops all users at once, and its master waits half a second for what workers have to say after that: calls are
ended over this time, and then a server has that time to close."""

_users = itertools.count()
_numbers = itertools.count()


class CallFailedError(AudioSocketError):
    """What a server made of a call, as Locust's table of failures shows it."""


class LateError(AudioSocketError):
    """This machine did not keep up, and what was measured says nothing about the server."""


class AudioSocketUser(User):
    """A caller: calls, speaks, and calls again when its call is over, at most once a second."""

    abstract = True
    wait_time = constant_pacing(_REDIAL_S)

    target: ClassVar[str] = "127.0.0.1:9092"
    """HOST:PORT. Locust's own `host`, and `--host`, come first."""
    call_duration_s: ClassVar[float] = 10.0
    """How long a call lasts."""
    kind: ClassVar[int] = Kind.SLIN
    """The kind of audio to send."""
    frame_ms: ClassVar[int] = PTIME_MS
    """The length of a frame."""
    audio: ClassVar[str | Path | None] = None
    """What callers say: a sound file, or a folder of them. None: speech-like bursts."""
    max_lateness_ms: ClassVar[float] = 10.0
    """A caller who has sent 1 % of all frames so much too late counts its calls as failures of `our lateness`."""

    def __init__(self, environment: Any) -> None:
        """Raise `AudioSocketError` for a target or a file that cannot be used."""
        super().__init__(environment)
        self._address = parse_address(self.host or self.target)
        self._speech = _speech(self.kind, self.frame_ms, self.audio)
        self._lateness = Histogram()
        self._place = next(_users) * GOLDEN % 1

    def on_start(self) -> None:
        """Come a little later than the user before, or all would be late."""
        sleep(self._place * _COME_S)

    @task
    def place_call(self) -> None:
        """Place a call, and return when it is over."""
        figures = _TellingFigures(self._fire)
        due_s = time.monotonic()
        seed = getattr(self.environment.runner, "worker_index", 0)
        talk = Talk(self._speech, next(_numbers), self.call_duration_s, 0.0, seed)
        call = BenchCall(talk, figures, self.call_duration_s, due_s=due_s)
        try:
            connection = dial_and_wait(self._address)
        except (NetworkError, OSError) as error:
            call.not_connected(error)
            self._fire("connect", (time.monotonic() - due_s) * 1000, error)
            return
        wire = SocketWire(connection)
        session = call.connected(wire, str(self._address), due_s)
        try:
            session.start()
            _drive(session, wire)
        except GreenletExit:  # the test is over: end the call as any other, but not all calls at once
            _drive(session, wire, time.monotonic() + self._place * _GO_S)
            session.hang_up("stopped")
            _drive(session, wire, time.monotonic() + _PART_S)
            raise
        finally:
            if not session.ended:
                figures.times["hangup"] = Histogram()  # how long that takes the server nobody has waited to see
                session.abort()
            self._conclude(call, session, figures)

    def _conclude(self, call: BenchCall, session: Session, figures: Figures) -> None:
        call.conclude()
        over = session.call
        assert over is not None
        assert over.ending is not None
        reason = next(iter(figures.reasons), None)  # a fault, a reset, or silence
        if reason is None and over.ending.by is Side.SERVER and over.ending.how is How.CLOSED:
            reason = f"{over.ending.reason} without a hangup, before the call was over"
        failure = None if reason is None else CallFailedError(reason)
        self._fire("call", over.duration_s * 1000, failure, length=session.received_bytes)
        lateness = figures.times["lateness"]
        self._lateness.merge(lateness)
        late_ms, all_late_ms = lateness.percentile_ms(99), self._lateness.percentile_ms(99)
        if late_ms is not None and all_late_ms is not None:
            bound = f"{self.max_lateness_ms:g} ms"
            late = LateError(f"1 % of a caller's frames were sent over {bound} late: use more workers, or quieter ones")
            self._fire("our lateness", late_ms, late if all_late_ms > self.max_lateness_ms else None)

    def _fire(self, name: str, value_ms: float, failure: Exception | None = None, *, length: int = 0) -> None:
        self.environment.events.request.fire(
            request_type=REQUEST_TYPE,
            name=name,
            response_time=value_ms,
            response_length=length,
            exception=failure,
            context=self.context(),
        )


class _TellingFigures(Figures):
    """The figures of one call, which tell each value that they count."""

    def __init__(self, tell: Callable[[str, float], None]) -> None:
        super().__init__()
        for metric, name in NAMES.items():
            self.times[metric] = _TellingHistogram(partial(tell, name))


class _TellingHistogram(Histogram):
    def __init__(self, tell: Callable[[float], None]) -> None:
        super().__init__()
        self._fire = tell

    def add(self, values_ms: Values) -> None:
        super().add(values_ms)
        for value_ms in values_ms.tolist():
            self._fire(max(0.0, value_ms))


def _drive(session: Session, wire: SocketWire, until_s: float = math.inf) -> None:
    """Run a session that has been started, in this greenlet, to its end or until then on the clock."""
    while not session.ended and (now_s := time.monotonic()) < until_s:
        delay_s = max(0.0, min(session.wake_s, until_s) - now_s)
        if not session.wants_readable and not wire.blocked:
            sleep(delay_s)
        else:
            try:
                (wait_readwrite if wire.blocked else wait_read)(wire.fileno(), delay_s)
            except TimeoutError:
                pass
            else:
                if wire.blocked:
                    wire.flush()
                session.readable()
        if not session.ended and time.monotonic() >= session.wake_s:
            session.tick()


@cache
def _speech(kind: int, frame_ms: int, audio: str | Path | None) -> Speech:
    """Make once what all callers of a process say."""
    if audio is None:
        return Speech.generated(kind, frame_ms)
    return Speech.of_files(sound_files(Path(audio)), kind, frame_ms)
