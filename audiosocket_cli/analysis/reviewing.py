"""Reviews the calls of a capture: each gets its items, and its rows are shown in turn or as they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from audiosocket_cli.analysis.call_review import CallReview
from audiosocket_cli.analysis.rows import Row
from audiosocket_cli.analysis.selection import EVERYTHING, Selection
from audiosocket_cli.capture.items import CapturedCall, Damage, Ended, Item, Lost, NoCall, Opened, Over, Remark
from audiosocket_cli.capture.runs import Run, in_runs


class Reviewer:
    """Reviews all calls of a capture that are selected."""

    def __init__(self, selection: Selection = EVERYTHING, *, with_rows: bool = True, live: bool = False) -> None:
        """Take what `CallReview` takes."""
        self._selection = selection
        self._with_rows = with_rows
        self._live = live
        self._reviews: dict[CapturedCall, CallReview] = {}

    def take(self, one: Run | Item) -> CallReview | NoCall | Damage | None:
        """Take the next item. Returns a call when it has rows to show, the last time at its end; returns damage
        unchanged."""
        match one:
            case Opened(call, _):
                if not self._selection.takes_call(call):
                    return None
                self._reviews[call] = CallReview(call, self._selection, with_rows=self._with_rows, live=self._live)
                return self._reviews[call]
            case NoCall() | Damage():
                return one if self._selection.takes(one) else None
            case Run() | Lost() | Remark() | Ended() | Over():
                current = self._reviews.get(one.call)
                if current is None:
                    return None
                current.take(one)
                if current.is_over:
                    del self._reviews[one.call]
                return current if current.ready or current.is_over else None
        return None


def review(
    found: Iterable[Run | Item], selection: Selection = EVERYTHING, *, with_rows: bool = True, live: bool = False
) -> Iterator[CallReview | NoCall | Damage]:
    """Take a whole capture, and yield what a `Reviewer` returns."""
    reviewer = Reviewer(selection, with_rows=with_rows, live=live)
    for one in found:
        shown = reviewer.take(one)
        if shown is not None:
            yield shown


def judged(items: Iterable[Item], selection: Selection, note: Callable[[CallReview], object]) -> Iterator[Item]:
    """Yield all items, at most half a second late, and pass each call to `note` once it was judged."""
    reviewer = Reviewer(selection, with_rows=False)
    passed: deque[Item] = deque()

    def passing() -> Iterator[Item]:
        for item in items:
            passed.append(item)
            yield item

    for one in in_runs(passing()):
        shown = reviewer.take(one)
        if isinstance(shown, CallReview) and shown.is_over:
            note(shown)
        while passed:
            yield passed.popleft()
    yield from passed


class Heading(NamedTuple):
    """A call begins to be shown."""

    call: CallReview


class CallRow(NamedTuple):
    """A row of a call."""

    call: CallReview
    row: Row


class Summary(NamedTuple):
    """A call has been shown to its end."""

    call: CallReview


Shown = Heading | CallRow | Summary | NoCall | Damage


def in_turn(found: Iterable[CallReview | NoCall | Damage]) -> Iterator[Shown]:
    """Show one call after the other, in the order of their beginnings.

    The rows of a call that overlaps an earlier one wait; they are few.
    """
    queue: deque[CallReview] = deque()
    headed: set[CallReview] = set()
    for one in found:
        if not isinstance(one, CallReview):
            yield one
            continue
        if one not in queue:
            queue.append(one)
        while queue:
            yield from _ready_of(queue[0], headed)
            if not queue[0].is_over:
                break
            queue.popleft()


def at_once(found: Iterable[CallReview | NoCall | Damage]) -> Iterator[Shown]:
    """Show each row as soon as it is ready, whichever call it belongs to."""
    headed: set[CallReview] = set()
    for one in found:
        if isinstance(one, CallReview):
            yield from _ready_of(one, headed)
        else:
            yield one


def _ready_of(call: CallReview, headed: set[CallReview]) -> Iterator[Shown]:
    """Yield what can be shown of a call by now; nothing of a call in which nothing is selected."""
    if call not in headed and (call.ready or call.is_shown):
        headed.add(call)
        yield Heading(call)
    while call.ready:
        yield CallRow(call, call.ready.popleft())
    if call.is_over and call in headed:
        headed.discard(call)
        yield Summary(call)
