"""`serve` as a feature: answer every call that comes, many at once, and stop in order.

Intake      connections as they come: whose they are, and whether there is room
Calls       each call, from its connection to the end of all that belongs to it
Account     what came of them, counted and reported
Server      its beginning and its end: signals, readiness, metrics
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from typing import Any, Final, NamedTuple

from audiosocket_cli.call.events import Report
from audiosocket_cli.call.live_call import LiveCall
from audiosocket_cli.net.listen import ListeningSockets, allow_many_descriptors, bind, limit_of_descriptors
from audiosocket_cli.net.loop import signals_to
from audiosocket_cli.server.account import Account
from audiosocket_cli.server.admission import Admission
from audiosocket_cli.server.call_list import Key, Order
from audiosocket_cli.server.call_news import CallNews
from audiosocket_cli.server.calls import Calls
from audiosocket_cli.server.common import Common
from audiosocket_cli.server.drain import Drain
from audiosocket_cli.server.intake import Intake
from audiosocket_cli.server.limits import CallLimits
from audiosocket_cli.server.metrics import Snapshot, Totals, publish_snapshots
from audiosocket_cli.server.options import ServeOptions, ServeSummary
from audiosocket_cli.server.readiness import Readiness
from audiosocket_cli.server.reloading import Reloading
from audiosocket_cli.server.watching import WatchOrder

NOBODY_MAY_CALL: Final = (
    "the file of --allow-uuid holds no UUID: nobody may call until it has one and is read again (SIGHUP)"
)


class Callbacks(NamedTuple):
    """Callbacks beside the log; None where not needed."""

    metrics: Callable[[Snapshot], object] | None = None
    """Called each second with a snapshot."""
    enough: Callable[[], object] | None = None
    """Called when the last permitted call has begun."""
    reloaded: Callable[[], object] | None = None
    """Called when the file of UUIDs was read again, whether it was usable or not."""
    news: Callable[[dict[str, Any]], object] | None = None
    """Called with what `call_news` tells of each call."""
    attach: Callable[[Order], object] | None = None
    """Called on the loop that runs, with what ends a call on order."""
    attach_watch: Callable[[WatchOrder], object] | None = None
    """The same, with what begins and ends watching and listening on order."""


class Server:
    """Answers calls until it is stopped, or has had enough of them."""

    def __init__(
        self,
        options: ServeOptions,
        report: Report,
        complain: Callable[[str], object],
        *,
        call_limits: CallLimits | None = None,
        listening: ListeningSockets | None = None,
        readiness: Readiness | None = None,
        callbacks: Callbacks | None = None,
    ) -> None:
        """`report` gets the events, `complain` lines about the process itself.

        `call_limits`: limits shared with other processes; `listening`: sockets that listen already; `readiness`: gets
        each change of the server's state; `callbacks`: what else to call.

        Raises `FileError` when the file of UUIDs that may call cannot be read.
        """
        self._options = options
        self._account = Account(report, complain)
        self._is_alone = call_limits is None
        self._listening = listening
        self._readiness = readiness or Readiness()
        self._callbacks = callbacks or Callbacks()
        self._admission = Admission(options.admission)
        self._reloading = Reloading(
            self._admission, self._readiness, complain, self._callbacks.reloaded,
            faults=None if options.relay is None else options.relay.faults,
        )  # fmt: skip
        self._enough = asyncio.Event()
        self._has_left = asyncio.Event()
        """Set when a connection has gone, or has moved on from arrival to call."""
        call_limits = call_limits or CallLimits(options.calls, options.max_calls)
        self._common = Common(options, self._account, call_limits, self._admission)
        self._news = None if self._callbacks.news is None else self._news_to(self._callbacks.news)
        self._calls = Calls(self._common, on_leave=self._has_left.set, on_used_up=self._on_used_up, news=self._news)
        self._intake: Intake | None = None
        """Once it runs."""
        self._drain: Drain | None = None

    def _news_to(self, tell: Callable[[dict[str, Any]], object]) -> CallNews:
        return CallNews(tell, through=self._options.ended_through)

    @property
    def summary(self) -> ServeSummary:
        """What came of it so far."""
        return self._account.summary

    @property
    def totals(self) -> Totals:
        """What the calls measured that have ended, with all that belongs to them."""
        return self._account.totals

    @property
    def live(self) -> Collection[LiveCall]:
        """The calls that go on, and connections that may become some."""
        return self._calls.live

    @property
    def concluding(self) -> Collection[LiveCall]:
        """Calls that have ended, but whose recording or program has not."""
        return self._calls.concluding

    async def run(self) -> ServeSummary:
        """Serve to the end and return what came of it. Raises `NetworkError` when it cannot listen there."""
        owns_process = self._options.owns_process
        most_descriptors = allow_many_descriptors() if owns_process else limit_of_descriptors()
        self._warn(most_descriptors)
        listening = self._listening or ListeningSockets(bind(self._options.listen))
        addresses = listening.addresses
        if self._callbacks.attach is not None:
            self._callbacks.attach(self.end_call)
        if self._callbacks.attach_watch is not None:
            self._callbacks.attach_watch(self.watch_calls)
        intake = self._intake = Intake(
            self._common,
            self._calls,
            listening=listening,
            most_descriptors=most_descriptors,
            on_leave=self._has_left.set,
            hinder=self._readiness.hinder,
        )
        try:
            with (
                signals_to(self._on_signal, on_hangup=self.reload) if owns_process else contextlib.nullcontext(),
                self._metrics(),
                self._readiness.beating(self._status),
            ):
                await self._begin(intake)
                self._readiness.ready()  # before the log says so: its reader may check at once
                begun = self._options.listening(addresses, passed=listening.stay_open, is_open=intake.is_open)
                self._account.report(begun)
                await self._enough.wait()
                intake.close(take_waiting=True)
                while not intake.is_over:
                    self._has_left.clear()
                    await self._has_left.wait()
                self._readiness.stopping()
                await self._calls.wait()
                await self._reloading.wait()
        finally:
            self._account.close()
            intake.close()
            if self._drain is not None:
                self._drain.cancel()
            for live in list(self.live):  # none, unless this was cancelled
                live.abort()
            intake.release()
        return self.summary

    async def _begin(self, intake: Intake) -> None:
        """Let the first connection in, unless told to end before that can be."""
        beginning = asyncio.create_task(intake.begin(), name="beginning")
        ending = asyncio.create_task(self._enough.wait(), name="ending")
        await asyncio.wait((beginning, ending), return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if beginning.done():
            beginning.result()
        else:
            beginning.cancel()

    def _warn(self, most_descriptors: float) -> None:
        """Warn of settings that cannot work, once, not once for each worker."""
        if not self._is_alone:
            return
        lack = self._options.lack_of_descriptors(most_descriptors)
        if lack:
            self._account.complain(lack)
        if self._admission.lets_nobody_in:
            self._account.complain(NOBODY_MAY_CALL)

    @contextlib.contextmanager
    def _metrics(self) -> Iterator[None]:
        if self._callbacks.metrics is None:
            yield
            return
        publishing = asyncio.create_task(
            publish_snapshots(self, self._callbacks.metrics, self._account.complain), name="metrics"
        )
        try:
            yield
        finally:
            publishing.cancel()

    def reload(self) -> None:
        """Read the files again that can be: of UUIDs, of faults."""
        self._reloading.begin()

    def end_call(self, key: Key, result: str | None, by_bot: bool) -> None:
        """End a call by its number in the news, as `CallNews.end` does."""
        if self._news is not None:
            self._news.end(key[1], result, by_bot=by_bot)

    def watch_calls(self, process: int | None, what: dict[str, Any]) -> None:
        """Begin or end to watch or to listen, as `WatchedCalls.order` says; `process` is ours."""
        self._calls.watch(what)

    # Its end.

    def drain(self) -> None:
        """Accept no more calls, and let those go on that are there, those too that have yet to say their UUID."""
        self._readiness.draining()
        self._enough.set()

    def stop(self) -> None:
        """Accept no more calls and hang up those that are there."""
        self._readiness.stopping()
        self._reloading.cancel()
        self._take_no_more(f"{self._options.name} stopped")
        self._calls.stop(f"{self._options.name} stopped")
        if self._intake is not None:
            self._intake.stop()

    def abort(self) -> None:
        """Drop all calls at once; their files are complete all the same, but no command is run after them."""
        self._readiness.stopping()
        self._take_no_more(f"{self._options.name} stopped")
        self._calls.abort()
        if self._intake is not None:
            self._intake.abort()

    def enough(self) -> None:
        """Accept no more calls, let those in progress go on, and hang up connections that have sent no UUID yet."""
        self._readiness.draining()
        self._take_no_more("enough calls")
        self._calls.refuse_waiting("enough calls")

    def _on_used_up(self) -> None:
        self.enough()
        if self._callbacks.enough is not None:
            self._callbacks.enough()

    def _take_no_more(self, reason: str) -> None:
        self._enough.set()
        if self._intake is not None:
            self._intake.take_no_more(reason)

    def _on_signal(self, number: int) -> None:
        if self.summary.signal is None:
            self.summary.signal = number
            self._end_in_order()
        else:
            if self._drain is not None:
                self._drain.cancel()
            self.abort()

    def _end_in_order(self) -> None:
        drain = self._options.drain
        if drain is None:
            self.stop()
            return
        self._readiness.draining()
        self._drain = Drain(
            drain, count=self._count, complain=self._account.complain, close=self.drain, hang_up=self.stop
        )

    def _count(self) -> int:
        return 0 if self._intake is None else self._intake.connections

    def _status(self) -> str:
        return f"{self._readiness.state}, {len(self.live)} live, {self.summary.calls} answered"


@contextlib.asynccontextmanager
async def running(server: Server, name: str) -> AsyncIterator[asyncio.Task[ServeSummary]]:
    """Run a server in a task of that name until the end of the block; then stop it, and wait for its calls to end."""
    task = asyncio.create_task(server.run(), name=name)
    try:
        yield task
    finally:
        server.stop()
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:  # once more: now
            server.abort()
            await task
            raise
