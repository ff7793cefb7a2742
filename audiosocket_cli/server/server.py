"""`serve` as a feature: answer every call that comes, many at once, and stop in order.

A call's failure, a disk's failure and a peer's nonsense each end where they began: no other call notices.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any, Final

from audiosocket_cli.asterisk.facts import EXAMPLE_UUID
from audiosocket_cli.asterisk.findings import EXAMPLE_UUID_FINDING
from audiosocket_cli.asterisk.rules import PROXY_HEADER_FAULT
from audiosocket_cli.call.driver import Driver
from audiosocket_cli.call.events import (
    CallRefused,
    CallStarted,
    ConnectionFailed,
    Event,
    HookFailed,
    Report,
)
from audiosocket_cli.call.live_call import LiveCall
from audiosocket_cli.call.session import AnsweredSession
from audiosocket_cli.call.wire import Link
from audiosocket_cli.errors import FileError
from audiosocket_cli.model import Call
from audiosocket_cli.net.address import network_of, peer_name
from audiosocket_cli.net.listen import Listener, ListeningSockets, allow_many_descriptors, bind
from audiosocket_cli.net.loop import signals_to
from audiosocket_cli.net.proxy_protocol import SECOND_HEADER_FAULT, Ends
from audiosocket_cli.server.admission import Admission, why_not_from
from audiosocket_cli.server.after_calls import AfterCalls
from audiosocket_cli.server.drain import Drain
from audiosocket_cli.server.limits import Places
from audiosocket_cli.server.log_limiter import FloodGate
from audiosocket_cli.server.metrics import Snapshot, Totals, keep_telling
from audiosocket_cli.server.options import ServeOptions, ServeSummary
from audiosocket_cli.server.proxied import Arrivals
from audiosocket_cli.server.readiness import Readiness
from audiosocket_cli.server.refusals import Refusals, Tell, refuse_at_once

NOTHING_TO_RELOAD: Final = "SIGHUP: there is nothing to reload; calls go on"
NOBODY_MAY_CALL: Final = "the file of --allow-uuid holds no UUID: nobody may call until it has one and SIGHUP has come"

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
        listening: ListeningSockets | None = None,
        readiness: Readiness | None = None,
    ) -> None:
        """`report` gets the events, `complain` lines about the process itself.

        `places` counts calls where others count too, `listening` is what listens already, and `readiness` is told how
        the server is.

        Raises `FileError` when the file of UUIDs that may call cannot be read.
        """
        self.summary = ServeSummary()
        self.live: set[LiveCall] = set()
        self.on_enough: Callable[[], None] = lambda: None
        """Told when the last call that there may be has begun."""
        self.on_metrics: Callable[[Snapshot], object] | None = None
        """Told each second how things are; costs nothing when nobody wants to know."""
        self.on_reloaded: Callable[[], None] = lambda: None
        """Told when the file of UUIDs has been read again, in vain or not."""
        self.totals = Totals()
        self.concluding: set[LiveCall] = set()
        """Calls that are over, but for their recording and their program."""
        self._is_alone = places is None
        self._places = places or Places(options.calls, options.max_calls)
        self._listening = listening
        self._readiness = readiness or Readiness()
        self._options = options
        self._admission = Admission(options.admission)
        self._after_calls = AfterCalls(options.on_call_end or (), self._count_hook_failure)
        self._gate = FloodGate(report)
        self._report = self._gate.report
        self._complain = complain
        self._tasks: set[asyncio.Task[None]] = set()
        self._reloads: set[asyncio.Task[None]] = set()
        self._call_is_over = asyncio.Event()
        self._refusals = Refusals(on_check=self._count_check, on_over=self._call_is_over.set, complain=complain)
        self._arrivals: Arrivals | None = None
        self._drain: Drain | None = None
        self._is_draining = False
        self._listener: Listener | None = None
        self._driver: Driver | None = None
        self._asking: dict[LiveCall, asyncio.Task[None]] = {}
        self._enough = asyncio.Event()
        self._most_descriptors = math.inf

    async def run(self) -> ServeSummary:
        """Serve to the end and return what came of it. Raises `NetworkError` when it cannot listen there."""
        self._most_descriptors = allow_many_descriptors()
        lack = self._options.lack_of_descriptors(self._most_descriptors)
        if lack and self._is_alone:
            self._complain(lack)
        if self._is_alone and self._admission.lets_nobody_in:
            self._complain(NOBODY_MAY_CALL)
        self._driver = Driver()
        listening = self._listening or ListeningSockets(bind(self._options.listen))
        if self._options.proxies is not None:
            timeout_s = self._options.call.limits.uuid_s
            self._arrivals = Arrivals(timeout_s, arrived=self._begin, failed=self._without_header)
        self._listener = Listener(listening, self._accept, self._complain, lambda: self._places.are_ahead)
        try:
            with (
                signals_to(self._on_signal, on_hangup=self.reload),
                self._metrics(),
                self._readiness.beating(self._status),
            ):
                self._readiness.ready()  # before that is told: whoever reads it may ask at once
                self._report(self._options.listening(listening.addresses, passed=listening.stay_open))
                await self._enough.wait()
                self._listener.close(take_waiting=self._is_draining)
                while self.live or self._refusals or self._arrivals:
                    self._call_is_over.clear()
                    await self._call_is_over.wait()
                self._readiness.stopping()
                await self._wait_for_tasks()
        finally:
            self._gate.tell()
            self._listener.close()
            if self._drain is not None:
                self._drain.cancel()
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
            if slow and not told and (self.concluding or self._after_calls):
                told = True
                commands = len(self._after_calls)
                what = f"programs or recordings ({len(self.concluding)}), --on-call-end commands ({commands})"
                self._complain(f"waiting for {what}; a second signal hangs up now")

    def drain(self) -> None:
        """Accept no more calls, and let those go on that are there, those too that have yet to say their UUID."""
        self._is_draining = True
        self._readiness.draining()
        self._enough.set()

    def stop(self) -> None:
        """Accept no more calls and hang up those that are there."""
        self._readiness.stopping()
        for reload in self._reloads:
            reload.cancel()
        self._take_no_more("server stopped")
        for call in list(self.live):
            call.session.stop("server stopped")
        self._refusals.stop()

    def abort(self) -> None:
        """Drop all calls at once; their files are complete all the same, but no command is run after them."""
        self._readiness.stopping()
        self._take_no_more("server stopped")
        for live in self.live | self.concluding:
            live.abort()
        self._refusals.abort()
        self._after_calls.abort()

    def _on_signal(self, number: int) -> None:
        if self.summary.signal is None:
            self.summary.signal = number
            self._end_in_order()
        else:
            self.abort()

    def enough(self) -> None:
        """Accept no more calls, let those go on that are there, and hang up on whoever has yet to say a UUID."""
        self._readiness.draining()
        self._take_no_more("enough calls")
        for other in list(self.live):
            if not other.session.begun:
                other.session.hang_up("enough calls")

    def _take_no_more(self, reason: str) -> None:
        self._is_draining = False
        self._enough.set()
        if self._arrivals is not None:
            self._arrivals.fail_all(reason)

    def _end_in_order(self) -> None:
        drain_s = self._options.drain_s
        if drain_s is None:
            self.stop()
        else:
            self.drain()
            self._drain = Drain(drain_s, count=self._count_connections, complain=self._complain, hang_up=self.stop)

    def _count_connections(self) -> int:
        return len(self.live) + len(self._arrivals or ())

    def _status(self) -> str:
        return f"{self._readiness.state}, {len(self.live)} live, {self.summary.calls} answered"

    def reload(self) -> None:
        """Read the file of UUIDs again, where there is one."""
        reopened = self._readiness.reloading()
        if self._admission.has_file:
            reload = self._start(self._reload(), "reload")
            self._reloads.add(reload)
            reload.add_done_callback(self._reloads.discard)
        else:
            if not reopened:
                self._complain(NOTHING_TO_RELOAD)
            self._readiness.reloaded()

    async def _reload(self) -> None:
        try:
            count = await self._admission.reload()
            if count is not None:
                self._complain(f"{count} UUID{'' if count == 1 else 's'} may call now")
        except FileError as error:
            self._complain(f"{error}; the old list stays")
        finally:
            self._readiness.reloaded()
            self.on_reloaded()

    def _accept(self, connection: socket.socket, sockaddr: Any) -> None:
        # Counted here and now: many connections can be accepted before the first of their tasks runs.
        if self._arrivals is None:
            self._begin(connection, sockaddr, None)
            return
        stranger = why_not_from(sockaddr, self._options.proxies or (), "--proxy-from")
        if stranger:
            self._refuse_stranger(connection, peer_name(sockaddr), stranger)
        elif not self._has_descriptors:
            self._turn_away(connection, peer_name(sockaddr), self._lack_of_descriptors, self._tell_refused)
        else:
            self._arrivals.add(connection, sockaddr)

    def _begin(self, connection: socket.socket, sockaddr: Any, ends: Ends | None) -> None:
        """Begin with a connection that may become a call, between these ends where a proxy has told them."""
        self._call_is_over.set()  # it has left the arrivals
        source = ends.source if ends else sockaddr
        peer = peer_name(source)
        stranger = self._admission.why_not_from(source)
        with self._places.held():
            refusal = self._why_not(peer)
            if not refusal and not stranger:
                self._places.enter(network_of(peer))
                self._places.count_live(len(self.live) + 1)
        if refusal:
            self._turn_away(connection, peer, refusal, self._tell_refused)
            return
        if stranger:
            self._refuse_stranger(connection, peer, stranger)
            return
        link = Link(connection, peer, source, ends.destination if ends else None)
        live = LiveCall(AnsweredSession, link, self._options.call, self._on_call_event, door=self._judge)
        self.live.add(live)
        assert self._driver is not None
        self._driver.begin(live.session, live.wire, partial(self._on_over, live))

    def _refuse_stranger(self, connection: socket.socket, peer: str, reason: str) -> None:
        self._tell_refused(peer, reason)  # at once, and whatever it wanted
        self._turn_away(connection, peer, reason)

    def _without_header(self, connection: socket.socket, sockaddr: Any, reason: str | None) -> None:
        self._call_is_over.set()
        peer = peer_name(sockaddr)
        if reason is None:
            self._count_check()
            connection.close()
        else:
            self._tell_failed(peer, reason)
            self._turn_away(connection, peer, reason)

    def _why_not(self, peer: str) -> str | None:
        if self._enough.is_set() and not self._is_draining:
            return "no more calls are taken"
        if self._places.are_taken:
            return f"all {self._options.max_calls:g} calls are taken"
        most = self._options.max_calls_from
        if not math.isinf(most) and self._places.calls_from(network_of(peer)) >= most:
            return f"all {self._options.max_calls_from:g} calls from one address are taken"
        if not self._has_descriptors:
            return self._lack_of_descriptors
        return None

    @property
    def _lack_of_descriptors(self) -> str:
        return f"{self._most_descriptors:g} open files are too few for another call; raise `ulimit -n`"

    @property
    def _has_descriptors(self) -> bool:
        calls = self._count_connections() + len(self.concluding)
        return self._options.has_descriptors(self._most_descriptors, calls, len(self._refusals))

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

    def _turn_away(self, connection: socket.socket, peer: str, reason: str, tell: Tell | None = None) -> None:
        """Hang up on a connection in order; `tell` of it unless it turns out to be a health check."""
        if self._has_descriptors:
            assert self._driver is not None
            self._refusals.turn_away(self._driver, connection, peer, reason, tell)
        else:
            refuse_at_once(connection)
            if tell is not None:
                tell(peer, reason)

    def _tell_refused(self, peer: str, reason: str) -> None:
        self.summary.refused += 1
        self._report(CallRefused(peer, reason))

    def _tell_failed(self, peer: str, reason: str) -> None:
        self.summary.failed += 1
        self._report(ConnectionFailed(peer, reason))

    def _count_check(self) -> None:
        self.summary.checks += 1

    def _on_over(self, live: LiveCall, error: Exception | None) -> None:
        if error is not None:  # the call's boundary: a fault of ours in one call is none of the others'
            self._complain_of(live, error)
        self.live.discard(live)
        self._places.leave(network_of(live.peer))
        self._call_is_over.set()
        self._places.count_live(len(self.live))
        asking = self._asking.pop(live, None)
        if asking is not None:
            asking.cancel()  # nobody waits for its answer any more
        self.concluding.add(live)
        self._start(self._conclude(live), f"end of the call from {live.peer}")

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
            self._tell_refused(live.peer, live.refusal)
        elif live.session.closed_silently:
            self._count_check()
        elif result is None:
            failure = live.session.failure or "ended without a UUID"
            is_second = failure == PROXY_HEADER_FAULT and self._arrivals is not None
            self._tell_failed(live.peer, SECOND_HEADER_FAULT if is_second else failure)
        else:
            self.summary.caller_audio_s += result["caller"]["audio_s"]
            self.summary.failed_recordings += live.recording_error is not None
            self.summary.odd_calls += bool(result["findings"])
            if self._options.on_call_end is not None:
                assert live.session.call is not None
                await self._after_calls.run(live.session.call, live.facts(result))

    def _count_hook_failure(self, call: Call, reason: str) -> None:
        self.summary.failed_hooks += 1
        self._report(HookFailed(call, reason))

    def _complain_of(self, live: LiveCall, error: Exception) -> None:
        self.summary.faults += 1
        self._complain(f"internal error in the call from {live.peer}: {error!r}")

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
