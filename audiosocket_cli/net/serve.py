"""`serve` as a feature: answer every call that comes, many at once, and stop in order.

A call's failure, a disk's failure and a peer's nonsense each end where they began: no other call notices.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from signal import SIGHUP
from typing import Any, Final

from audiosocket_cli.asterisk import EXAMPLE_UUID, EXAMPLE_UUID_FINDING, Side
from audiosocket_cli.call.capturing import Capturing
from audiosocket_cli.call.driver import Driver
from audiosocket_cli.call.ends import AnsweredSession
from audiosocket_cli.call.events import (
    CallRefused,
    CallStarted,
    ConnectionFailed,
    Event,
    HookFailed,
    Report,
)
from audiosocket_cli.call.facts import Call
from audiosocket_cli.call.sources import Silence
from audiosocket_cli.call.wire import SocketWire
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.errors import FileError
from audiosocket_cli.net.address import host_of, peer_name
from audiosocket_cli.net.admission import Admission
from audiosocket_cli.net.flood import FloodGate
from audiosocket_cli.net.hooks import run_hook
from audiosocket_cli.net.listen import Listener, allow_many_descriptors, bind
from audiosocket_cli.net.live import LiveCall
from audiosocket_cli.net.loop import has_terminal, signals_to, survives_hangup
from audiosocket_cli.net.metrics import Snapshot, Totals, keep_telling
from audiosocket_cli.net.places import Places
from audiosocket_cli.net.serving import ServeOptions, ServeSummary

MOST_HOOKS: Final = 4
"""Commands after calls that run at once; more wait."""

HOOK_TIMEOUT_S: Final = 600.0

_MUTE_S: Final = 2.0


class Server:
    """Answers calls until it is stopped, or has had enough of them."""

    def __init__(
        self,
        options: ServeOptions,
        report: Report,
        complain: Callable[[str], object],
        *,
        places: Places | None = None,
        listening: socket.socket | None = None,
    ) -> None:
        """`report` gets the events, `complain` lines about the process itself.

        `places` counts calls where others count too, and `listening` is a socket that listens already.

        Raises `FileError` when the file of UUIDs that may call cannot be read.
        """
        self.summary = ServeSummary()
        self.live: set[LiveCall] = set()
        self.on_enough: Callable[[], None] = lambda: None
        """Told when the last call that there may be has begun."""
        self.on_metrics: Callable[[Snapshot], object] | None = None
        """Told each second how things are; costs nothing when nobody wants to know."""
        self.totals = Totals()
        self.concluding: set[LiveCall] = set()
        """Calls that are over, but for their recording and their program."""
        self._is_alone = places is None
        self._places = places or Places(options.calls, options.max_calls)
        self._calls_from: Counter[str] = Counter()
        self._listening = listening
        self._options = options
        self._admission = Admission(options.admission)
        self._hooks_at_once = asyncio.Semaphore(MOST_HOOKS)
        self._hooks: set[asyncio.Task[None]] = set()
        self._has_terminal_to_lose = has_terminal() and not survives_hangup()
        self._gate = FloodGate(report)
        self._report = self._gate.report
        self._complain = complain
        self._tasks: set[asyncio.Task[None]] = set()
        self._refused: set[AnsweredSession] = set()
        self._listener: Listener | None = None
        self._driver: Driver | None = None
        self._asking: dict[LiveCall, asyncio.Task[None]] = {}
        self._enough = asyncio.Event()
        self._call_is_over = asyncio.Event()
        self._aborted = False
        self._most_descriptors = math.inf

    async def run(self) -> ServeSummary:
        """Serve to the end and return what came of it. Raises `NetworkError` when the address cannot be had."""
        self._most_descriptors = allow_many_descriptors()
        lack = self._options.lack_of_descriptors(self._most_descriptors)
        if lack and self._is_alone:
            self._complain(lack)
        self._driver = Driver()
        self._listener = Listener(self._listening or bind(self._options.listen), self._accept, self._complain)
        try:
            with signals_to(self._on_signal, hangup_anyway=self._admission.has_file), self._metrics():
                self._report(self._options.listening(self._listener.address))
                await self._enough.wait()
                self._listener.close()
                while self.live or self._refused:
                    self._call_is_over.clear()
                    await self._call_is_over.wait()
                await self._wait_for_tasks()
        finally:
            self._gate.tell()
            self._listener.close()
            for live in list(self.live):  # none, unless this was cancelled
                live.abort()
        return self.summary

    @contextlib.contextmanager
    def _metrics(self) -> Iterator[None]:
        if self.on_metrics is None:
            yield
            return
        telling = asyncio.create_task(keep_telling(self, self.on_metrics, self._complain), name="metrics")
        try:
            yield
        finally:
            telling.cancel()

    async def _wait_for_tasks(self) -> None:
        """Wait until all calls and what belongs to them have ended; what takes its time is named."""
        told = False
        while self._tasks:
            _, slow = await asyncio.wait(self._tasks, timeout=_MUTE_S)
            if slow and not told and (self.concluding or self._hooks):
                told = True
                what = f"programs or recordings ({len(self.concluding)}), --on-call-end commands ({len(self._hooks)})"
                self._complain(f"waiting for {what}; a second signal ends them now")

    def stop(self) -> None:
        """Accept no more calls and hang up those that are there."""
        self._enough.set()
        for call in list(self.live):
            call.session.stop("server stopped")
        for session in list(self._refused):
            session.stop("server stopped")

    def abort(self) -> None:
        """Drop all calls at once; their files are complete all the same, but no command is run after them."""
        self._enough.set()
        self._aborted = True
        for live in self.live | self.concluding:
            live.abort()
        for session in list(self._refused):
            session.abort()
        for hook in self._hooks:
            hook.cancel()

    def _on_signal(self, number: int) -> None:
        terminal_lost = self._has_terminal_to_lose and not has_terminal()
        if number == SIGHUP and self._admission.has_file and not terminal_lost:
            self.reload()
        elif self.summary.signal is None:
            self.summary.signal = number
            self.stop()
        else:
            self.abort()

    def enough(self) -> None:
        """Accept no more calls, let those go on that are there, and hang up on whoever has yet to say a UUID."""
        self._enough.set()
        for other in list(self.live):
            if not other.session.begun:
                other.session.hang_up("enough calls")

    def reload(self) -> None:
        """Read the file of UUIDs again."""
        self._start(self._reload(), "reload")

    async def _reload(self) -> None:
        try:
            count = await self._admission.reload()
            self._complain(f"{count} UUID{'' if count == 1 else 's'} may call now")
        except FileError as error:
            self._complain(f"{error}; the old list stays")

    def _accept(self, connection: socket.socket, sockaddr: Any) -> None:
        # Counted here and now: many connections can be accepted before the first of their tasks runs.
        peer = peer_name(sockaddr)
        refusal = self._why_not(sockaddr, peer)
        if refusal:
            self._refuse(connection, peer, refusal)
            return
        options = self._options.call
        capturing = Capturing.begin(options.capture, connection, sockaddr, Side.SERVER, options.disk)
        wire = SocketWire(connection, capturing.trace)
        session = AnsweredSession(
            wire, peer, source=options.make_source(), limits=options.limits, door=lambda call: self._judge(live, call)
        )
        live = LiveCall(session, options, self._on_call_event, capturing)
        self.live.add(live)
        self._calls_from[host_of(peer)] += 1
        self._places.count_live(len(self.live))
        assert self._driver is not None
        live.on_over = self._on_over
        self._driver.begin(session, wire, live.over)

    def _why_not(self, sockaddr: Any, peer: str) -> str | None:
        if self._enough.is_set():
            return "no more calls are taken"
        if self._places.are_taken:
            return f"all {self._options.max_calls:g} calls are taken"
        if self._calls_from[host_of(peer)] >= self._options.max_calls_from:
            return f"all {self._options.max_calls_from:g} calls from one address are taken"
        if not self._has_descriptors:
            return f"{self._most_descriptors:g} open files are too few for another call; raise `ulimit -n`"
        return self._admission.why_not_from(sockaddr)

    @property
    def _has_descriptors(self) -> bool:
        calls = len(self.live) + len(self.concluding)
        return self._options.has_descriptors(self._most_descriptors, calls, len(self._refused))

    def _judge(self, live: LiveCall, call: Call) -> None:
        """Let a call in, now or when a program has said so, or turn it away."""
        refusal = self._admission.why_not(call.uuid)
        if refusal:
            live.turn_away(refusal)
        elif self._admission.asks:
            self._asking[live] = self._start(self._ask(live, call), f"question about {call.peer}")
        else:
            self._let_in(live)

    def _let_in(self, live: LiveCall) -> None:
        if live.session.ended:
            return
        if self._places.begin():
            live.session.admit()
        else:
            live.turn_away("no more calls are taken")

    async def _ask(self, live: LiveCall, call: Call) -> None:
        try:
            refusal = await self._admission.ask(call)
            if refusal:
                live.turn_away(refusal)
            else:
                self._let_in(live)
        except Exception as error:  # or the caller would wait for ever
            self._complain_of(live, error)
            live.turn_away("not authorized: internal error")
            if live.session.begun:
                with contextlib.suppress(Exception):
                    live.abort()

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _refuse(self, connection: socket.socket, peer: str, reason: str) -> None:
        self.summary.refused += 1
        self._report(CallRefused(peer, reason))
        if not self._has_descriptors:  # waiting until the peer has read it takes one
            with connection, contextlib.suppress(OSError):
                connection.send(encode(Frame(Kind.HANGUP)))
            return
        wire = SocketWire(connection)
        session = AnsweredSession(wire, peer, source=Silence())
        session.hang_up(reason)
        self._refused.add(session)
        assert self._driver is not None
        self._driver.begin(session, wire, partial(self._on_refusal_over, session))

    def _on_refusal_over(self, session: AnsweredSession, error: Exception | None) -> None:
        self._refused.discard(session)
        self._call_is_over.set()
        if error is not None:
            self._complain(f"internal error in refusing {session.peer}: {error!r}")

    def _on_over(self, live: LiveCall, error: Exception | None) -> None:
        if error is not None:  # the call's boundary: a fault of ours in one call is none of the others'
            self._complain_of(live, error)
        self.live.discard(live)
        host = host_of(live.session.peer)
        self._calls_from[host] -= 1
        if not self._calls_from[host]:
            del self._calls_from[host]
        self._call_is_over.set()
        self._places.count_live(len(self.live))
        asking = self._asking.pop(live, None)
        if asking is not None:
            asking.cancel()  # nobody waits for its answer any more
        self.concluding.add(live)
        self._start(self._conclude(live), f"end of the call from {live.session.peer}")

    async def _conclude(self, live: LiveCall) -> None:
        try:
            result = await live.conclude()
        except Exception as error:
            self._complain_of(live, error)
            return
        finally:
            self.concluding.discard(live)
            self.totals.add(live)
        self.summary.failed_captures += live.capture_error is not None
        if live.refusal:
            self.summary.refused += 1
            self._report(CallRefused(live.session.peer, live.refusal))
        elif result is None:
            self.summary.failed += 1
            self._report(ConnectionFailed(live.session.peer, live.session.failure or "ended without a UUID"))
        else:
            self.summary.caller_audio_s += result["caller"]["audio_s"]
            self.summary.failed_recordings += live.recording_error is not None
            self.summary.odd_calls += bool(result["findings"])
            if self._options.on_call_end is not None:
                await self._run_hook(self._options.on_call_end, live, result)

    async def _run_hook(self, words: Sequence[str], live: LiveCall, result: dict[str, Any]) -> None:
        assert live.session.call is not None
        task = asyncio.current_task()
        assert task is not None
        self._hooks.add(task)
        failure: str | None = "stopped at once"
        try:
            async with self._hooks_at_once:
                if not self._aborted:
                    failure = await run_hook(words, live.facts(result), HOOK_TIMEOUT_S)
        except asyncio.CancelledError:
            pass
        except Exception as error:
            failure = f"internal error: {error!r}"
        finally:
            self._hooks.discard(task)
        if failure:
            self.summary.failed_hooks += 1
            self._report(HookFailed(live.session.call, failure))

    def _complain_of(self, live: LiveCall, error: Exception) -> None:
        self.summary.faults += 1
        self._complain(f"internal error in the call from {live.session.peer}: {error!r}")

    def _on_call_event(self, event: Event) -> None:
        self._report(event)
        if isinstance(event, CallStarted):
            self._count_call(event.call)

    def _count_call(self, call: Call) -> None:
        self.summary.calls += 1
        begun = [live.session.call for live in self.live if live.session.begun]
        twins = [other for other in begun if other is not None and other.uuid == call.uuid]
        if len(twins) > 1:
            for twin in twins:
                twin.note("another call has the same UUID at the same time: say ${UUID()} in the dialplan")
        if call.uuid == EXAMPLE_UUID:
            call.note(EXAMPLE_UUID_FINDING)
        if self._places.are_used_up:
            self.enough()
            self.on_enough()
