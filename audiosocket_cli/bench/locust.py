"""Locust's users as callers: the calls of `bench`, placed from as many machines as a Locust master has workers.

Each user is a greenlet that orders one call after another; a process beside Locust's places them (`ordered_calls`), to
AudioSocket servers and to WebSocket bots alike. What is measured in a call goes to Locust value by value, as requests
of the type `audiosocket`, when it is known: of echoes that is one for each mark that came back. All of it together, of
all workers, is judged and printed as `bench` does (`locust_verdict`).

Importing this imports Locust, which patches sockets, threads and sleep to work with greenlets: let only locustfiles do
so.
"""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from locust import User, constant_pacing, events, task  # first: it patches what the others import

# isort: split

from gevent import sleep
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from audiosocket_cli.asterisk.facts import PTIME_MS
from audiosocket_cli.bench.load import Load
from audiosocket_cli.bench.locust_load import load_of
from audiosocket_cli.bench.locust_verdict import Verdict, add_options, check_options, option_of
from audiosocket_cli.bench.plan import Plan
from audiosocket_cli.bench.schedule import GOLDEN
from audiosocket_cli.codec import Kind, rate_of
from audiosocket_cli.errors import AudioSocketError, ExitCode, FileError, MissingLibraryError
from audiosocket_cli.net.target import parse_target
from audiosocket_cli.net.websocket_target import WebSocketWanted, complete_target

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

_IDLE_S: Final = 0.1

_users = itertools.count()


class CallFailedError(AudioSocketError):
    """What a server made of a call, as Locust's table of failures shows it."""


class LateError(AudioSocketError):
    """This machine did not keep up, and what was measured says nothing about the server."""


class AudioSocketUser(User):
    """A caller: calls, speaks, and calls again when its call is over, at most once a second."""

    abstract = True
    wait_time = constant_pacing(_REDIAL_S)

    target: ClassVar[str] = "127.0.0.1:9092"
    """HOST:PORT, or the URL of a WebSocket bot. Locust's own `host`, and `--host`, come first."""
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
    protocol: ClassVar[str | None] = None
    """Of a WebSocket bot: twilio, chan-websocket or raw. Locust's `--protocol` comes first."""
    headers_file: ClassVar[str | Path | None] = None
    """Of a WebSocket bot: the headers to send. Locust's `--headers-file` comes first."""
    ca: ClassVar[str | Path | None] = None
    """Of a bot at wss://: the certificate authorities to trust, in place of the system's."""
    variables: ClassVar[Mapping[str, str]] = {}
    """Of a WebSocket bot: what it is told of the caller."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._number = next(_users)
        self._place = self._number * GOLDEN % 1
        self._plan: Plan | None = None
        self._problem: AudioSocketError | None = None
        try:
            self._plan = self.plan_of(environment)
            load_of(environment).callers(self._plan)  # which takes half a second to start
        except AudioSocketError as error:  # of this machine, such as a library that only this worker lacks
            self._problem = error

    def on_start(self) -> None:
        """Come a little later than the user before, or all would be late."""
        sleep(self._place * _COME_S)

    @task
    def place_call(self) -> None:
        """Place a call, and return when it is over."""
        if self._plan is None:
            self._fire("connect", 0.0, self._problem)
            return
        callers = load_of(self.environment).callers(self._plan)
        if callers is None:  # the test is over
            sleep(_IDLE_S)
            return
        try:
            call = callers.place(self._number, self._tell)
        except AudioSocketError as error:
            self._fire("connect", 0.0, error)
            return
        over = call.wait(self._place)
        if "not_connected" in over:
            self._fire("connect", over["after_ms"], CallFailedError(over["not_connected"]))
        elif "is_dropped" not in over:
            self._conclude(over)

    @classmethod
    def plan_of(cls, environment: Environment, *, elsewhere: bool = False) -> Plan:
        """Return what its calls are like. `elsewhere`: they are placed on other machines, which have files and
        libraries of their own.

        Raises `AudioSocketError` for a target or an option that cannot be used.
        """
        target = parse_target(environment.host or cls.host or cls.target)
        headers = option_of(environment, "headers_file") or cls.headers_file
        wanted = WebSocketWanted(
            option_of(environment, "protocol") or cls.protocol,
            Path(headers) if headers else None,
            Path(cls.ca) if cls.ca else None,
            tuple(cls.variables.items()),
        )
        try:
            target = complete_target(target, wanted, rate_hz=rate_of(cls.kind))
        except (MissingLibraryError, FileError):
            if not elsewhere:
                raise
        load = Load(call_duration_s=cls.call_duration_s)
        audio = None if cls.audio is None else Path(cls.audio)
        seed = getattr(environment.runner, "worker_index", 0)
        return Plan(target, load, cls.kind, cls.frame_ms, audio, seed=max(0, seed))

    def _tell(self, metric: str, values_ms: list[float]) -> None:
        for value_ms in values_ms:
            self._fire(NAMES[metric], value_ms)

    def _conclude(self, over: Mapping[str, Any]) -> None:
        failure = over.get("failure")
        error = None if failure is None else CallFailedError(failure)
        self._fire("call", over.get("duration_ms", 0.0), error, length=over.get("received_bytes", 0))
        late_ms, all_late_ms = over.get("late_ms"), over.get("all_late_ms")
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


@events.init.add_listener
def _begin(environment: Environment, **_: Any) -> None:
    """See that what was asked for can be done, and be ready to judge it. Ends Locust with a line where it cannot."""
    load = load_of(environment)
    if isinstance(environment.runner, WorkerRunner):  # which is told later what to do
        load.prepare()
        return
    kinds = [kind for kind in environment.user_classes if issubclass(kind, AudioSocketUser)]
    plans = []
    try:
        check_options(environment)
        for kind in kinds:
            plans.append(kind.plan_of(environment, elsewhere=isinstance(environment.runner, MasterRunner)))
    except AudioSocketError as error:
        if environment.web_ui is not None and environment.host is None:
            return  # the host is still to be entered
        logging.error("%s", error)
        sys.exit(ExitCode.USAGE if error.exit_code is ExitCode.NEGATIVE else error.exit_code)
    if not isinstance(environment.runner, MasterRunner):
        load.prepare()
    if plans:
        verdict = Verdict(environment, plans[0], max(kind.max_lateness_ms for kind in kinds))
        environment.events.quitting.add_listener(lambda **_: verdict.judge())
        environment.events.quit.add_listener(lambda **_: verdict.tell())


events.init_command_line_parser.add_listener(lambda parser, **_: add_options(parser))
