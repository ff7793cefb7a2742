"""The mirror of a call: a second server that hears the same caller, and whose answers go only into files.

It is a relay of its own, between a `Feed` and the connection to the mirror, with the taps of any relay: so its
call is recorded, captured and measured like the other one, and only the feed connects the two. A mirror that is down,
slow or faulty does not affect the call: its connection is closed (`gone`), with the reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from audiosocket_cli.call.events import CaptureFailed, Event, RecordingFailed, Report
from audiosocket_cli.call.feed import Feed, MirrorWire
from audiosocket_cli.call.live_call import CallOptions, LiveCall
from audiosocket_cli.call.phases import CLOSE_TIMEOUT_S, Limits
from audiosocket_cli.call.relay import Relay
from audiosocket_cli.call.relay_driver import RelayDriver
from audiosocket_cli.call.session import STOP_S
from audiosocket_cli.call.taps.stats import CallStats
from audiosocket_cli.call.wire import Link, SocketWire
from audiosocket_cli.errors import NetworkError
from audiosocket_cli.model import How, Side

if TYPE_CHECKING:
    from audiosocket_cli.analysis.compare import Difference

OVER_TOO_SOON: Final = "the call was over before it was connected"
TOO_SLOW_AT_END: Final = f"it had not read all that the caller sent, {CLOSE_TIMEOUT_S:g} s after the end of the call"
TOO_SLOW_AT_STOP: Final = "it had not read all that the caller sent when the proxy stopped"
NEEDS_CAPTURES: Final = "comparing needs --capture DIR"


class Comparison(NamedTuple):
    """The result of comparing two answers: the differences, or why they could not be compared."""

    differences: Sequence[Difference] = ()
    failure: str | None = None


Compare = Callable[[Path, Path], Awaitable[Comparison]]
"""Compares the answers in two captures of a call each: the one that was expected, and the one that was seen."""

Connect = Callable[[], Awaitable[Link]]
"""Connects to a mirror. Raises `NetworkError`."""


def options_for_mirror(options: CallOptions) -> CallOptions:
    """Return the options of a mirror's call, given those of calls; its files are still those of calls."""
    return replace(options, detect_dtmf=False, limits=Limits(), is_watched=False)


class MirrorCall(LiveCall):
    """A relay between a feed and a mirror, with its taps. It reports only files that failed."""

    __slots__ = ("_feed", "_target")

    session: Relay

    def __init__(
        self, link: Link, target: str, feed: Feed, options: CallOptions, report: Report,
        admission: Callable[[LiveCall], None],
    ) -> None:  # fmt: skip
        """Take the connection to the mirror, with the caller's name as its peer. `admission` gets this call once its
        UUID has passed."""
        self._feed = feed
        super().__init__(link, options, FailuresOnly(report), me=Side.CALLER, stats=CallStats(passes_on=True))
        self._target = target
        self.session = Relay(feed, self.wire, link.peer, limits=options.limits, admission=lambda call: admission(self))
        self.session.watch([*self._taps(options)], flush_s=options.flush_s)

    def _make_wire(self, link: Link) -> SocketWire:
        return MirrorWire(link.socket, self.capturing.trace, self._feed)

    def _own_facts(self) -> dict[str, Any]:
        return {"relay": {"target": self._target, **self.session.as_dict()}}


class FailuresOnly:
    """Reports which files of a mirror failed, and nothing else: the events of a call must not come twice."""

    __slots__ = ("_report",)

    def __init__(self, report: Report) -> None:
        self._report = report

    def __call__(self, event: Event) -> None:
        if isinstance(event, RecordingFailed | CaptureFailed):
            self._report(replace(event, reason=f"{event.reason} (of the mirror)"))


class Mirror:
    """The mirror of a call, from the beginning of the call until all its files are complete."""

    __slots__ = (
        "_compare", "_comparison", "_failure", "_live", "_options", "_report", "_running", "address", "feed",
        "may_be_a_call", "target",
    )  # fmt: skip

    def __init__(self, target: str, options: CallOptions, report: Report, compare: Compare) -> None:
        """`target` is the mirror's name, `options` what is done with its call."""
        self.target = target
        self.feed = Feed()
        self.may_be_a_call: Callable[[], bool] = lambda: True
        """Whether the call has been let in, or may yet be, once its UUID has been read: nothing else is recorded."""
        self.address: Any = None
        """The socket address that it is at, once it is connected."""
        self._options = options
        self._report = report
        self._compare = compare
        self._running: asyncio.Task[None] | None = None
        self._live: MirrorCall | None = None
        """Its call, once it is connected."""
        self._failure: str | None = None
        """Why it was never connected, or what went wrong inside it."""
        self._comparison = Comparison(failure=NEEDS_CAPTURES)

    def begin(self, connect: Connect, driver: RelayDriver, blame: Callable[[Exception], object]) -> None:
        """Connect to it, while the call goes on. `blame` gets our own errors."""
        self._running = asyncio.create_task(self._run(connect, driver, blame), name=f"mirror {self.target}")

    def stop(self) -> None:
        """The proxy stops: let the mirror hear the end, and end it soon. `finish` still has to be awaited."""
        self.feed.end()
        asyncio.get_running_loop().call_later(STOP_S, self._hurry, TOO_SLOW_AT_STOP)

    def abort(self) -> None:
        """End it now; `finish` still has to be awaited."""
        if self._live is not None:
            self._live.abort()
        elif self._running is not None:
            self._running.cancel()

    async def finish(self) -> None:
        """The call is over: let the mirror get the rest of it, and wait for its end, for `CLOSE_TIMEOUT_S` at most."""
        assert self._running is not None
        self.feed.end()
        if self._live is None:
            self._running.cancel()
        await asyncio.wait({self._running}, timeout=CLOSE_TIMEOUT_S)
        self._hurry(TOO_SLOW_AT_END)
        if self._live is not None:
            await asyncio.wait({self._running})

    def _hurry(self, reason: str) -> None:
        """End it soon if it goes on; it is given up, with a reason, if it has not taken all."""
        if self._live is None or self._live.session.ended:
            return
        if self.feed.has_bytes:
            self.feed.give_up(reason)
        self._live.session.stop("the call is over")

    def pass_over(self, reason: str) -> None:
        """Do not compare its answer, for a reason."""
        self._comparison = Comparison(failure=reason)

    async def compare(self, capture: Path | None, error: str | None) -> None:
        """Compare its answer with that of the server, if the server's was captured into a file of its own. `error` says
        why that capture is not complete."""
        seen = None if self._live is None else self._live.capture_file
        error = error or self.capture_error
        if self.gone is None and error is not None:
            self._comparison = Comparison(failure=f"a capture is not complete: {error}")
        elif self.gone is None and capture is not None and seen is not None and seen != capture:
            self._comparison = await self._compare(capture, seen)

    @property
    def files(self) -> list[Path]:
        """Its recordings, their JSON, and its capture."""
        if self._live is None:
            return []
        others = (self._live.json_file, self._live.capture_file)
        return [*self._live.files, *(path for path in others if path is not None)]

    @property
    def recording_error(self) -> str | None:
        """Why its recording is not complete, if it is not."""
        return None if self._live is None else self._live.recording_error

    @property
    def capture_error(self) -> str | None:
        """Why its capture is not complete, if it is not."""
        return None if self._live is None else self._live.capture_error

    @property
    def gone(self) -> str | None:
        """Why it did not hear the whole call, or did not answer as a server does; None if it did."""
        live = self._live
        if self.feed.failure is not None:
            return self.feed.failure
        if live is None or self._failure is not None:
            return self._failure or OVER_TOO_SOON
        call = live.session.call
        if call is None or call.ending is None:
            return live.session.failure
        if live.session.server.overhearing.is_lost:
            return "what it sends is not AudioSocket"
        by, how, reason = call.ending
        return reason if by is Side.SERVER and how is How.RESET else None

    @property
    def outcome(self) -> str:
        """The result in one word: same, different, gone, or unknown."""
        if self.gone is not None:
            return "gone"
        if self._comparison.failure is not None:
            return "unknown"
        return "different" if self._comparison.differences else "same"

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        live = self._live
        return {
            "target": self.target,
            "outcome": self.outcome,
            "reason": self.gone or self._comparison.failure,
            "differences": [one.as_dict() for one in self._comparison.differences],
            "bytes": 0 if live is None else live.session.caller.passed_bytes,
            "files": [] if live is None else [path.name for path in live.files],
            "capture": None if live is None or live.capture_file is None else live.capture_file.name,
        }

    async def _run(self, connect: Connect, driver: RelayDriver, blame: Callable[[Exception], object]) -> None:
        try:
            link = await connect()
            self.address = link.theirs
            over: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
            live = MirrorCall(link, self.target, self.feed, self._options, self._report, self._judge)
            self._live = live
            driver.begin_fed(live.session, self.feed, live.wire, over.set_result)
            fault = await over
            if fault is not None:
                raise fault
            await live.conclude()
        except NetworkError as error:
            self._failure = str(error)
        except Exception as error:  # a fault of ours, which is not to harm the call
            self._failure = f"internal error: {error!r}"
            blame(error)
        finally:
            self.feed.close()

    def _judge(self, live: LiveCall) -> None:
        if self.may_be_a_call():
            live.session.admit()
        else:
            live.session.hang_up("the call was not let in")
