"""A live call of which we are one end: its session, and the source or the bot that speaks in it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from uuid import UUID

from audiosocket_cli.call.events import Report
from audiosocket_cli.call.live_call import CallOptions, LiveCall
from audiosocket_cli.call.session import Session
from audiosocket_cli.call.taps.stats import CallStats
from audiosocket_cli.call.taps.tap import RECORDED_FLUSH_S
from audiosocket_cli.call.wire import Link
from audiosocket_cli.model import Call


class SessionCall(LiveCall):
    """A session with all that watches it."""

    __slots__ = ()

    session: Session

    def __init__(
        self,
        make_session: type[Session],
        link: Link,
        options: CallOptions,
        report: Report,
        *,
        uuid: UUID | None = None,
        admission: Callable[[LiveCall, Call], None] | None = None,
    ) -> None:
        """Make the session of a connection, and its taps; the caller of this then drives it.

        `report` gets its events. `uuid` and `admission` are those of `Session`; `admission` also gets this call.
        """
        super().__init__(link, options, report, me=make_session.role.me, stats=CallStats())
        self.bot = None if options.make_bot is None else options.make_bot(report)
        source = options.make_source() if self.bot is None else self.bot
        self.session = make_session(
            self.wire,
            link.peer,
            source=source,
            limits=options.limits,
            uuid=uuid,
            admission=None if admission is None else partial(admission, self),
        )
        self.session.watch(
            [*self._taps(options), *options.make_taps(source)],
            flush_s=RECORDED_FLUSH_S if self.recording and not source.speaks else options.flush_s,
            each_arrival=self.capturing.trace is not None,
        )
