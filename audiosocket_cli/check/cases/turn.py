"""turn/: a server answers when the caller has finished, and not before. The user gives how fast it has to be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from audiosocket_cli.check.conversation import MAX_SPEECH_S, Conversation, converse, judge_answer, takes_no_turns
from audiosocket_cli.check.model import Case, Level, Observation, failed, passed, unknown
from audiosocket_cli.check.speech import PAUSE_S
from audiosocket_cli.check.trial import Trial


async def _answers(trial: Trial) -> Observation:
    talk = await converse(trial)
    return talk if isinstance(talk, Observation) else await _turn(trial, talk)


async def _second_turn(trial: Trial) -> Observation:
    talk = await converse(trial)
    if isinstance(talk, Observation):
        return talk
    await talk.take_turn(trial.turns.speech.payloads)
    if await talk.answer_s(trial.turns.answer_within_s + trial.times.late_s) is None:
        return trial.ended(talk.probe) if talk.probe.is_over else failed("the first turn was not answered")
    if not await talk.hear_out(MAX_SPEECH_S) and not talk.probe.is_over:
        return unknown(f"the server answered the first turn for more than {MAX_SPEECH_S:g} s")
    judged = await _turn(trial, talk)
    return replace(judged, observed=f"in the second turn {judged.observed}")


async def _turn(trial: Trial, talk: Conversation) -> Observation:
    await talk.take_turn(trial.turns.speech.payloads)
    return await judge_answer(trial, talk)


async def _pause(trial: Trial) -> Observation:
    talk = await converse(trial)
    if isinstance(talk, Observation):
        return talk
    await talk.take_turn(trial.turns.speech.paused)
    if talk.talked_over is not None:
        early_s = talk.ended_s - talk.talked_over.start_s
        return failed(f"the server began to speak {early_s:.2f} s before the caller had finished")
    if await talk.answer_s(trial.turns.answer_within_s + trial.times.late_s) is None:
        return trial.ended(talk.probe) if talk.probe.is_over else unknown("the server did not answer at all")
    return passed("the server began to speak after the caller had finished")


def _needs(setting: Any) -> str | None:
    if not setting.turns.answer_within_s:
        return "how fast the server has to answer is not given: add --turn-within, such as 1.5s"
    return takes_no_turns(setting.nature)


TURN_CASES: Final = (
    Case(
        id="turn/answers",
        level=Level.SHOULD,
        requirement="The server answers what the caller says.",
        expected="It begins to speak within --turn-within of the end of the caller's speech.",
        asterisk="audiosocket_run passes audio on at once: the wait is the server's, and the network's",
        cure="find out which step takes longest (the end of speech, recognition, the model, the first sound of the "
        "voice), and begin to speak before the answer is complete",
        run=_answers,
        needs=_needs,
        alone=True,
        shown_by_replay=True,
    ),
    Case(
        id="turn/second-turn",
        level=Level.SHOULD,
        requirement="The server answers a second time.",
        expected="It begins to speak within --turn-within of the end of what the caller says next.",
        asterisk="a call is one connection from its first word to its last (audiosocket_run)",
        cure="listen again after an answer: reset what detects the end of speech, and keep reading while you speak",
        run=_second_turn,
        needs=_needs,
        alone=True,
        shown_by_replay=True,
    ),
    Case(
        id="turn/pause",
        level=Level.INFO,
        requirement="A pause in a sentence is not its end.",
        expected=f"The server says nothing in or after a pause of {PAUSE_S:g} s, until the caller has finished.",
        asterisk="a pause is frames of silence, or no frames at all: audiosocket_run forwards what ast_read returns",
        cure="wait longer before you treat a pause as the end, or check whether what was said is a whole sentence",
        run=_pause,
        needs=_needs,
        alone=True,
        shown_by_replay=True,
    ),
)
