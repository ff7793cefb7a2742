"""What a process reports of its calls to the list of them (`call_list`): beginnings, digits, findings, results,
ends; and how it ends a call on order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from audiosocket_cli.call.events import DigitHeard, Event, Finding
from audiosocket_cli.call.live_call import LiveCall
from audiosocket_cli.call.relayed_call import RelayedCall

Tell = Callable[[dict[str, Any]], object]


class CallNews:
    """Numbers the calls of a process, and tells of each."""

    def __init__(self, tell: Tell, *, through: str = "--api") -> None:
        """`tell` gets JSON values, in the order in which things happen. `through` names the options over which calls
        are ended on order."""
        self._tell = tell
        self._through = through
        self._last = 0
        self._numbers: dict[LiveCall, int] = {}
        self._live: dict[int, LiveCall] = {}
        self._by_call: dict[int, int] = {}
        """The number of each call by the `id` of its facts, which events carry."""

    def began(self, live: LiveCall) -> None:
        """A call has begun."""
        call = live.session.call
        assert call is not None
        self._last += 1
        number = self._numbers[live] = self._last
        self._live[number] = live
        self._by_call[id(call)] = number
        facts = {
            "uuid": str(call.uuid),
            "peer": call.peer,
            "started_at": call.started_at.isoformat(timespec="milliseconds"),
            "call_sid": None if live.bot is None else live.bot.call_sid,
            "server": live.server if isinstance(live, RelayedCall) else None,
            "digits": "".join(press.digit for press in call.digits),
            "findings": list(call.notes),
        }
        self._tell({"call": number, "began": facts})
        # At once, not with the next batch: the dialplan asks for the result as soon as it has seen our hangup.
        call.report_result(partial(self._told_result, number))
        if call.result is not None:
            self._told_result(number, call.result)

    @property
    def live(self) -> Mapping[int, LiveCall]:
        """The calls that go on, by their numbers."""
        return self._live

    def tell(self, news: dict[str, Any]) -> object:
        """Tell something else of calls. Returns False where it was not taken: it is no longer news once it could be."""
        return self._tell(news)

    def happened(self, event: Event) -> None:
        """Tell of a digit or a finding of a call that has begun; nothing else is for this."""
        if not isinstance(event, DigitHeard | Finding):
            return
        number = self._by_call.get(id(event.call))
        if number is None:
            return  # it has not begun: `began` tells it
        if isinstance(event, DigitHeard):
            self._tell({"call": number, "digit": event.digit.digit, "at_s": round(event.digit.at_s, 3)})
        else:
            self._tell({"call": number, "finding": event.text})

    def _told_result(self, number: int, result: str) -> None:
        self._tell({"call": number, "result": result})

    def ended(self, live: LiveCall) -> None:
        """A call has ended, if it has begun."""
        number = self._numbers.pop(live, None)
        if number is None:
            return
        del self._live[number]
        call = live.session.call
        assert call is not None
        self._by_call.pop(id(call), None)
        by, how, reason = (None, None, "internal error") if call.ending is None else call.ending
        facts = {"duration_s": round(live.session.age_s, 3), "result": call.result}
        facts |= {"ended_by": by and by.value, "ended_how": how and how.value, "ended_reason": reason}
        self._tell({"call": number, "ended": facts})

    def end(self, number: int, result: str | None, *, by_bot: bool) -> None:
        """End a call: at once, or, `by_bot`, once its bot has said what it has to say. Does nothing when it is over."""
        live = self._live.get(number)
        if live is None or live.session.call is None:
            return
        if result is not None:
            live.session.call.take_result(result)
        self._tell({"call": number, "ending": True})
        if by_bot and live.bot is not None:
            live.bot.end_by_api()
        else:
            live.session.hang_up(f"hung up through {self._through}")
