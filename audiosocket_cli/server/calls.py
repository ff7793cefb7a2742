"""The calls of a server: each from its connection to the end of all that belongs to it.

A failure of one call, a disk or a peer affects no other call.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final
from uuid import UUID

from audiosocket_cli.asterisk.facts import EXAMPLE_UUID
from audiosocket_cli.asterisk.findings import EXAMPLE_UUID_FINDING
from audiosocket_cli.call.driver import Driver
from audiosocket_cli.call.events import CallStarted, Event
from audiosocket_cli.call.live_call import LiveCall
from audiosocket_cli.call.mirror import Mirror
from audiosocket_cli.call.relay_driver import RelayDriver
from audiosocket_cli.call.relayed_call import RelayedCall
from audiosocket_cli.call.session import Session
from audiosocket_cli.call.session_call import SessionCall
from audiosocket_cli.call.wire import Link
from audiosocket_cli.finding import tagged
from audiosocket_cli.model import Call
from audiosocket_cli.net.address import network_of
from audiosocket_cli.server.after_calls import AfterCalls
from audiosocket_cli.server.call_news import CallNews
from audiosocket_cli.server.common import Common
from audiosocket_cli.server.loops import why_a_loop
from audiosocket_cli.server.watched_calls import WatchedCalls

_MUTE_S: Final = 2.0
"""Seconds after which the log names what the server still waits for at the end."""

_SAME_UUID: Final = tagged(
    "uuid-fixed", "another call has the same UUID at the same time: use ${UUID()} in the dialplan"
)


class Calls:
    """The calls of a server: admitted by their UUID and, if set, by a program; run; concluded."""

    def __init__(
        self,
        common: Common,
        *,
        on_leave: Callable[[], object],
        on_used_up: Callable[[], object],
        news: CallNews | None = None,
    ) -> None:
        """`on_leave` is called when a connection is closed, `on_used_up` when the last permitted call begins; `news` is
        told of each call."""
        self.live: set[LiveCall] = set()
        self.concluding: set[LiveCall] = set()
        """Calls that are over, but for their recording and their program."""
        self._options, self._account, self._call_limits, self._admission = common
        self._report, self._over = self._on_event, self._on_over  # once, rather than a bound method for each call
        self._news = news
        self._watched: WatchedCalls | None = None
        """Once somebody has looked at them."""
        self._entering = 0
        """Connections that were counted and have not begun."""
        self._on_leave = on_leave
        self._on_used_up = on_used_up
        self._after_calls = AfterCalls(self._options.on_call_end or (), self._account.fail_hook)
        self._uuids: Counter[UUID] = Counter()
        """Of calls that have begun and go on: how many have each UUID."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking: dict[LiveCall, asyncio.Task[None]] = {}
        """Callers who wait while a program is asked about them."""

    def enter(self, peer: str) -> None:
        """Count a connection that is about to `begin`, among all processes of this server."""
        self._call_limits.enter(network_of(peer))
        self._entering += 1
        self._call_limits.count_live(len(self.live) + self._entering)

    def begin(self, driver: Driver, make_session: type[Session], link: Link) -> None:
        """Start the session of a connection that was counted by `enter`."""
        live = SessionCall(make_session, link, self._options.call, self._report, admission=self._judge)
        self._add(live)
        driver.begin(live.session, live.wire, _Over(self._over, live))

    def begin_relay(self, driver: RelayDriver, link: Link, server: Link, mirror: Mirror | None = None) -> None:
        """Start to pass on a connection that was counted by `enter`."""
        plan = None if self._options.relay is None else self._options.relay.faults
        faults = None if plan is None else plan.draw()
        live = RelayedCall(
            link, server, self._options.call, self._report, admission=self._judge, mirror=mirror, faults=faults
        )
        self._add(live)
        driver.begin(live.session, live.wire, live.server_wire, _Over(self._over, live))

    def forget(self, peer: str) -> None:
        """A connection that was counted by `enter` is gone, and has not begun."""
        self._entering -= 1
        self._call_limits.leave(network_of(peer))
        self._call_limits.count_live(len(self.live) + self._entering)
        self._on_leave()

    def _add(self, live: LiveCall) -> None:
        self._entering -= 1
        self.live.add(live)

    def stop(self, reason: str) -> None:
        """Hang up on all."""
        for live in self.live | self.concluding:
            live.stop(reason)

    def watch(self, what: Mapping[str, Any]) -> None:
        """Follow an order of those who watch or listen, as `WatchedCalls.order` does."""
        if self._news is None:
            return
        if self._watched is None:
            self._watched = WatchedCalls(self._news, self._account.report, self._account.blame_ourselves)
        self._watched.order(what)

    def refuse_waiting(self, reason: str) -> None:
        """Hang up connections that have sent no UUID yet, or are not admitted yet."""
        for live in list(self.live):
            if not live.session.begun:
                live.session.hang_up(reason)

    def abort(self) -> None:
        """Abort all calls. Their files are complete, but no command is run after them."""
        for live in self.live | self.concluding:
            live.abort()
        self._after_calls.abort()

    async def wait(self) -> None:
        """Wait until recordings, bots and commands of all calls have ended; name those that take long."""
        if self._watched is not None:
            self._watched.close()
        told = False
        while self._tasks:
            _, slow = await asyncio.wait(self._tasks, timeout=_MUTE_S)
            if slow and not told and (self.concluding or self._after_calls):
                told = True
                commands = len(self._after_calls)
                what = f"programs or recordings ({len(self.concluding)}), --on-call-end commands ({commands})"
                self._account.complain(f"waiting for {what}; a second signal hangs up now")

    # Their beginning.

    def _judge(self, live: LiveCall, call: Call) -> None:
        """Admit a call, now or once the program has agreed, or turn it away."""
        refusal = self._admission.why_not(call.uuid) or self._why_a_loop(live, call)
        if refusal:
            live.turn_away(refusal)
        elif self._admission.asks:
            self._asking[live] = self._start(self._ask(live, call), f"question about {call.peer}")
        else:
            self._let_in(live)

    def _why_a_loop(self, live: LiveCall, call: Call) -> str | None:
        if not isinstance(live, RelayedCall) or call.uuid not in self._uuids:
            return None
        return why_a_loop(live, [other for other in self.live if isinstance(other, RelayedCall)])

    def _let_in(self, live: LiveCall) -> None:
        if live.session.ended:
            return
        if self._call_limits.begin():
            live.session.admit()
            if self._news is not None and live.session.begun and live in self.live:
                self._news.began(live)
        else:
            live.turn_away("no more calls are accepted")

    async def _ask(self, live: LiveCall, call: Call) -> None:
        try:
            refusal = await self._admission.ask(call)
            if refusal:
                live.turn_away(refusal)
            else:
                self._let_in(live)
        except Exception as error:  # or the caller would wait for ever
            self._account.blame_ourselves(live.peer, error)
            live.turn_away("not authorized: internal error")
            if live.session.begun:
                with contextlib.suppress(Exception):
                    live.abort()

    def _on_event(self, event: Event) -> None:
        self._account.report(event)
        if isinstance(event, CallStarted):
            self._count(event.call)
        elif self._news is not None:
            self._news.happened(event)

    def _count(self, call: Call) -> None:
        self._account.summary.calls += 1
        if call.uuid in self._uuids:  # only then look through all calls
            begun = [live.session.call for live in self.live if live.session.begun]
            duplicates = [other for other in begun if other is not None and other.uuid == call.uuid]
            for duplicate in duplicates if len(duplicates) > 1 else ():
                duplicate.note(_SAME_UUID)
        self._uuids[call.uuid] += 1
        if call.uuid == EXAMPLE_UUID:
            call.note(EXAMPLE_UUID_FINDING)
        if self._call_limits.is_used_up:
            self._on_used_up()

    # Their end.

    def _on_over(self, live: LiveCall, error: Exception | None) -> None:
        if error is not None:  # the call's boundary: a fault of ours in one call is none of the others'
            self._account.blame_ourselves(live.peer, error)
        self.live.discard(live)
        self._uncount(live)
        if self._news is not None:
            self._news.ended(live)
        self._call_limits.leave(network_of(live.peer))
        self._call_limits.count_live(len(self.live) + self._entering)
        asking = self._asking.pop(live, None)
        if asking is not None:
            asking.cancel()  # nobody waits for its answer any more
        self.concluding.add(live)
        self._start(self._conclude(live), f"end of the call from {live.peer}")
        self._on_leave()

    def _uncount(self, live: LiveCall) -> None:
        call = live.session.call
        if call is not None and live.session.begun:
            self._uuids[call.uuid] -= 1
            if self._uuids[call.uuid] <= 0:
                del self._uuids[call.uuid]

    async def _conclude(self, live: LiveCall) -> None:
        try:
            result = await live.conclude()
        except Exception as error:
            self._account.blame_ourselves(live.peer, error)
            return
        finally:
            self.concluding.discard(live)
            self._account.totals.add(live)
        self._account.conclude(live, result)
        if result is not None and self._options.on_call_end is not None:
            assert live.session.call is not None
            await self._after_calls.run(live.session.call, live.facts(result))

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class _Over:
    """Says that a call is over. A call keeps it all along: `functools.partial` would take four times the memory."""

    __slots__ = ("_live", "_tell")

    def __init__(self, tell: Callable[[LiveCall, Exception | None], None], live: LiveCall) -> None:
        self._tell = tell
        self._live = live

    def __call__(self, error: Exception | None) -> None:
        self._tell(self._live, error)
