"""The part of a command's life that is about sending calls on: its beginning and its end, where that is wanted at all.

What sends is loaded only then.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from audiosocket_cli.outbox.event_target import SECRET_VARIABLE
from audiosocket_cli.server.metrics import Snapshot
from audiosocket_cli.ui.console import say

if TYPE_CHECKING:
    from audiosocket_cli.call.events import Report
    from audiosocket_cli.call.live_call import CallOptions
    from audiosocket_cli.jobs.sending import Log, Sending, SendingWanted
    from audiosocket_cli.server.service import Service


class SentSoFar:
    """What came of it, once it is over."""

    line = ""
    is_lost = False
    """Whether something is not sent, and never will be."""

    def say(self) -> None:
        """Show it, if there is something to show."""
        if self.line:
            say(self.line)


def begin_sending(
    wanted: SendingWanted | None, log: Log, call: CallOptions, *, as_json: bool, delivers: bool = True
) -> Sending | None:
    """Begin to send on what is wanted; None where nothing is. Raises `UsageError`, as `Sending` does."""
    if wanted is None:
        os.environ.pop(SECRET_VARIABLE, None)  # no program gets it, though it is not needed
        return None
    from audiosocket_cli.jobs.sending import Sending

    return Sending(wanted, log, record=call.record, capture=call.capture, delivers=delivers, as_json=as_json)


def report_to(outgoing: Sending | None, log: Log) -> Report:
    """Return what takes the events of calls: the log, and what is sent on."""
    return log.report if outgoing is None else outgoing.report


@contextlib.contextmanager
def ending(outgoing: Sending | None, note: Callable[[str], object]) -> Iterator[SentSoFar]:
    """After the block, send what is left and say in the value of the block what came of it; `note` gets that too."""
    sent = SentSoFar()
    with ended_on_failure(outgoing):
        yield sent
    if outgoing is not None:
        result = outgoing.end()
        sent.line, sent.is_lost = result.line, result.is_lost
        if result.line:
            note(result.line)


@contextlib.contextmanager
def ended_on_failure(outgoing: Sending | None) -> Iterator[None]:
    """If the block fails, end it at once."""
    try:
        yield
    except BaseException:
        if outgoing is not None:
            outgoing.end(at_once=True)
        raise


def with_figures_of(outgoing: Sending | None, service: Service) -> Service:
    """Return a service whose figures for Prometheus, where somebody wants them, have those of what is sent on, too."""
    shown = service.figures
    if outgoing is None or shown is None:
        return service

    def publish_all(snapshot: Snapshot, *at_s: float) -> None:
        figures = outgoing.figures
        counts = {"uploaded": figures.uploaded, "uploads_given_up": figures.given_up}
        counts |= {"events_sent": figures.sent, "events_dropped": figures.dropped}
        levels = {
            "upload_waiting": figures.waiting_calls,
            "upload_waiting_bytes": figures.waiting_bytes,
            "events_waiting": figures.waiting_events,
            "events_waiting_bytes": figures.event_bytes,
            "sending_oldest_s": figures.oldest_s,
        }
        more = {"counts": snapshot["counts"] | counts, "levels": snapshot["levels"] | levels}
        shown.update({**snapshot, **more}, *at_s)

    return service._replace(figures=shown._replace(update=publish_all))
