"""When a server speaks, as a caller hears it: also one that sends ahead of the clock, or will not stop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from audiosocket_cli.check.cases.bargein import BARGEIN_CASES
from audiosocket_cli.check.conversation import Conversation, converse, judge_answer, takes_no_turns
from audiosocket_cli.check.evidence import lines_of
from audiosocket_cli.check.model import Observation, Verdict
from audiosocket_cli.check.nature import Nature
from audiosocket_cli.check.speech import load_speech
from audiosocket_cli.check.trial import Setting, Times, Trial, TurnTaking
from audiosocket_cli.net.address import Address
from support.bots import SPEECH
from support.faulty import Call, OverError, serving
from support.talkers import TalkServer, Turns

WITHIN_S = 1.2


class AnswersInABurst(TalkServer):
    """Sends two seconds of speech with one send, as soon as the caller pauses."""

    def answers(self, turns: Turns) -> bool:
        (call,) = self.turns
        self.send(call, SPEECH * 100)
        return False


class Deaf(TalkServer):
    """Cannot be interrupted."""

    def interrupted(self, turns: Turns, now_s: float) -> None:
        pass


class AnswersShortly(Deaf):
    answer_s = 0.9


class AnswersInAWord(Deaf):
    answer_s = 0.25


class NeverStops(TalkServer):
    def _speaks(self, turns: Turns, now_s: float) -> bool:
        return True


class Greets(TalkServer):
    def opened(self, call: Call) -> None:
        super().opened(call)
        self.turns[call].speaks_until_s = time.monotonic() + 0.8


class GreetsLate(TalkServer):
    """While the caller speaks."""

    def opened(self, call: Call) -> None:
        super().opened(call)
        threading.Timer(WITHIN_S + 1.5, self._greet, (self.turns[call],)).start()

    def _greet(self, turns: Turns) -> None:
        turns.speaks_until_s = time.monotonic() + 0.5

    def interrupted(self, turns: Turns, now_s: float) -> None:
        pass


class Mute(TalkServer):
    def answers(self, turns: Turns) -> bool:
        return False


class HangsUp(TalkServer):
    def audio(self, call: Call, kind: int, payload: bytes) -> None:
        if call.frames > 150:
            raise OverError


def held(
    server: type[TalkServer],
    what: Callable[[Trial], Awaitable[None]],
    *,
    within_s: float = WITHIN_S,
    late_s: float = 1.0,
) -> Trial:
    """Do something with a server, which has so long for an answer, and so much longer until it has none."""

    async def whole(port: int) -> Trial:
        turns = TurnTaking(within_s, 0.5, load_speech())
        setting = Setting(Address("127.0.0.1", port), Nature(speaks=True), times=Times(late_s=late_s), turns=turns)
        trial = Trial(setting, "a conversation")
        try:
            await what(trial)
        finally:
            await trial.close()
        return trial

    with serving(server) as running:
        return asyncio.run(whole(running.port))


async def begun(trial: Trial) -> Conversation:
    talk = await converse(trial)
    assert isinstance(talk, Conversation)
    return talk


def test_a_greeting_is_heard_out_and_a_turn_is_answered() -> None:
    async def what(trial: Trial) -> None:
        talk = await begun(trial)
        assert talk.has_said_all
        await talk.say(trial.turns.speech.payloads)
        assert talk.talked_over is None
        judged = await judge_answer(trial, talk)
        assert judged.verdict is Verdict.PASS
        assert judged.measured_s is not None
        assert 0.2 < judged.measured_s < WITHIN_S + talk.probe.lateness_s  # of a busy machine

    lines = lines_of([held(Greets, what, within_s=10.0).probes[0].passed])
    assert [line.partition(" s  ")[2] for line in lines[:5]] == [
        "server  begins to speak", "server  falls silent", "caller  begins to speak", "caller  falls silent",
        "server  begins to speak",
    ]  # fmt: skip


def test_a_greeting_that_comes_late_is_heard_out_and_the_turn_taken_again() -> None:
    async def what(trial: Trial) -> None:
        talk = await begun(trial)
        await talk.take_turn(trial.turns.speech.payloads)
        assert talk.talked_over is None
        assert (await judge_answer(trial, talk)).verdict is Verdict.PASS

    lines = lines_of([held(GreetsLate, what).probes[0].passed])
    assert sum(line.endswith("caller  begins to speak") for line in lines) == 2


def test_what_is_sent_ahead_is_heard_as_long_as_it_plays() -> None:
    async def what(trial: Trial) -> None:
        talk = await begun(trial)
        await talk.say(trial.turns.speech.payloads)
        after_s = await talk.answer_s(3.0)
        assert after_s is not None
        await talk.keep_quiet(lambda: False, 0.5)
        assert talk.is_speaking
        assert talk.spoke_until_s - talk.ended_s - after_s == pytest.approx(2.0, abs=1.0)

    held(AnswersInABurst, what)


def test_a_server_that_never_stops_takes_no_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiosocket_cli.check.conversation.MAX_SPEECH_S", 2.0)

    async def what(trial: Trial) -> None:
        talk = await converse(trial)
        assert isinstance(talk, Observation)
        assert talk.verdict is Verdict.UNKNOWN
        assert "spoke for 2 s without a pause of 1.5 s" in talk.observed

    held(NeverStops, what)


@pytest.mark.parametrize(
    ("server", "text"),
    [(Mute, "said nothing within 2.2 s of the end of"), (HangsUp, "the connection after")],
    ids=["mute", "hangs up"],
)
def test_no_answer_is_a_failure(server: type[TalkServer], text: str) -> None:
    async def what(trial: Trial) -> None:
        talk = await begun(trial)
        await talk.say(trial.turns.speech.payloads)
        judged = await judge_answer(trial, talk)
        assert judged.verdict is Verdict.FAIL
        assert text in judged.observed

    held(server, what)


def test_an_answer_that_is_late_by_our_own_doing_is_unknown() -> None:
    async def what(trial: Trial) -> None:
        talk = await begun(trial)
        await talk.say(trial.turns.speech.payloads)
        talk.probe.lateness_s = 1.0
        judged = await judge_answer(trial, talk)
        assert judged.verdict is Verdict.UNKNOWN
        assert "this machine was 1000 ms late itself" in judged.observed

    class Slow(TalkServer):
        def pause_s(self, turns: Turns) -> float:
            return 1.8

    held(Slow, what, late_s=20.0)


@pytest.mark.parametrize(
    ("server", "verdict", "text"),
    [
        (Deaf, Verdict.FAIL, "the server spoke on for all of the"),
        (AnswersInABurst, Verdict.FAIL, "the server spoke on for all of the"),
        (AnswersShortly, Verdict.UNKNOWN, "but an answer lasts no longer than "),
        (AnswersInAWord, Verdict.UNKNOWN, "the answer ended by itself"),
        (Mute, Verdict.UNKNOWN, "said nothing that could be interrupted within 2.2 s"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_only_who_is_seen_to_stop_passes(server: type[TalkServer], verdict: Verdict, text: str) -> None:
    async def what(trial: Trial) -> None:
        judged = await BARGEIN_CASES[0].run(trial)
        assert judged.verdict is verdict, judged
        assert text in judged.observed

    held(server, what)


def test_an_echo_takes_no_turns_but_who_repeats_later_does() -> None:
    assert takes_no_turns(Nature(echoes=True, delay_s=0.1)) == "an echo takes no turns"
    assert takes_no_turns(Nature(echoes=True, delay_s=2.4)) is None
    assert takes_no_turns(Nature(speaks=True)) is None
