"""What a listener is told to have missed: all that did not reach him while he was there, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from audiosocket_cli.call.peek import Peek
from audiosocket_cli.chunks import Chunks
from audiosocket_cli.codec import Kind
from audiosocket_cli.model import Side
from audiosocket_cli.server.call_list import CallList
from audiosocket_cli.server.watched_calls import WatchedCalls
from audiosocket_cli.server.watching import Watching
from support.watched import found, run

RATE_HZ = 8000


class Worker:
    """A process with one silent call, whose clock stands still unless it is told to go on; its parent can stop to take
    sound."""

    def __init__(self) -> None:
        self.is_read = True
        self.untold = 0
        """Samples that the parent did not take."""
        self.reports: list[Any] = []
        self.session = SimpleNamespace(
            age_s=1.0, call=SimpleNamespace(uuid=uuid4()), read_each=lambda each: None, catch_up=lambda: None,
            peek=lambda: Peek(Chunks(), Chunks()), end_peek=lambda peek: None,
        )  # fmt: skip
        sides = {side: SimpleNamespace(by_kind={Kind.SLIN: 1}) for side in Side}
        call = SimpleNamespace(session=self.session, stats=SimpleNamespace(sides=sides, said=None), peer="a caller")
        self.live = {1: call}
        self.watching = Watching(CallList())
        watched: Any = SimpleNamespace(live=self.live, tell=self._tell)
        calls = WatchedCalls(watched, self.reports.append, self._blame)
        self.watching.attach_watch(lambda process, what: calls.order(what))

    def _tell(self, news: Mapping[str, Any]) -> bool:
        if "samples" in news and not self.is_read:
            self.untold += len(news["samples"]) // 4
            return False
        self.watching.take(0, news)
        return True

    def _blame(self, peer: str, error: Exception) -> None:
        raise error

    async def listen(self, by: str) -> Any:
        call: Any = SimpleNamespace(key=(0, 1), uuid=self.session.call.uuid, has_ended=False)
        return await self.watching.listen(call, by)

    async def stay_unread(self, seconds: float) -> None:
        """Let the call go on for a while of which the parent takes nothing."""
        self.is_read = False
        wanted = self.untold + round(seconds * RATE_HZ) - 1000
        self.session.age_s += seconds
        await found(lambda: self.untold >= wanted)

    async def missed_by(self, name: str) -> float:
        """Wait until somebody has left, and return how much he missed."""
        (told,) = await found(lambda: [one for one in self.reports if one.by == name and one.to_s is not None])
        return float(told.missed_s)


async def to_end(listening: Any) -> int:
    heard = 0
    async for samples in listening:
        heard += len(samples) // 4
    return heard


def test_what_a_process_could_not_tell_at_the_end_of_a_call_was_missed() -> None:
    async def work() -> None:
        worker = Worker()
        listening = await worker.listen("one")
        await worker.stay_unread(2.0)
        worker.live.clear()
        assert await to_end(listening) == 0
        assert (listening.reason, listening.dropped) == ("the call has ended", worker.untold)
        listening.close()
        assert await worker.missed_by("one") == worker.untold / RATE_HZ > 1.8

    run(work)


def test_who_leaves_before_it_can_be_told_missed_it_too() -> None:
    async def work() -> None:
        worker = Worker()
        listening = await worker.listen("one")
        await worker.stay_unread(2.0)
        listening.close()
        assert await worker.missed_by("one") > 1.8

    run(work)


def test_who_comes_later_has_not_missed_what_was_lost_before() -> None:
    async def work() -> None:
        worker = Worker()
        first = await worker.listen("one")
        await worker.stay_unread(2.0)
        second = await worker.listen("two")
        worker.is_read = True
        worker.session.age_s += 0.04
        await anext(aiter(second))
        for one in (first, second):
            one.close()
        assert await worker.missed_by("one") == worker.untold / RATE_HZ
        assert await worker.missed_by("two") == 0.0

    run(work)
