"""bargein/: a server that is interrupted falls silent, and the call goes on. The user gives how fast it has to be."""

from __future__ import annotations

from typing import Any, Final

from audiosocket_cli.check.conversation import Conversation, converse, judge_answer, takes_no_turns, unless_late
from audiosocket_cli.check.model import Case, Level, Observation, failed, passed, unknown
from audiosocket_cli.check.trial import Trial

_INTO_S: Final = 0.5
"""How far into an answer the caller begins to speak."""

_LONGER_S: Final = 0.5
"""Only if an answer lasts this much longer without an interruption, the interruption ended it."""

_BEYOND_S: Final = 1.0
"""How much longer than the threshold an interruption lasts: to hear whether the server only pauses."""

_LAST_FRAME_S: Final = 0.06
"""The last frame of a server that falls silent at once may have begun this long before: frames last up to 60 ms."""

_SAY_MORE: Final = "make it say something longer"


async def _falls_silent(trial: Trial) -> Observation:
    talk = await _interrupted(trial)
    if isinstance(talk, Observation):
        return talk
    if talk.is_speaking:
        spoke_s = talk.ended_s - talk.began_s
        return failed(f"the server spoke on for all of the {spoke_s:.1f} s in which the caller spoke")
    if talk.spoke_until_s < talk.began_s - _LAST_FRAME_S:
        return unknown(f"the answer ended by itself just before the interruption: {_SAY_MORE}")
    within_s, after_s = trial.turns.silent_within_s, max(0.0, talk.spoke_until_s - talk.began_s)
    observed = f"the server fell silent {after_s:.2f} s after the caller had begun to speak"
    if within_s < after_s <= within_s + talk.probe.lateness_s:
        return unless_late(observed, talk.probe)
    if after_s > within_s:
        return failed(observed, after_s)
    own_s = await _uninterrupted_s(trial, _INTO_S + after_s + _LONGER_S)
    if own_s < _INTO_S + after_s + _LONGER_S:
        return unknown(f"{observed}, but an answer lasts no longer than {own_s:.1f} s by itself: {_SAY_MORE}")
    return passed(observed, after_s)


async def _next_turn(trial: Trial) -> Observation:
    talk = await _interrupted(trial)
    if isinstance(talk, Observation):
        return talk
    if talk.is_speaking:
        return unknown("the server was still speaking when the interruption ended: see bargein/falls-silent")
    return await judge_answer(trial, talk)


async def _interrupted(trial: Trial) -> Conversation | Observation:
    """Interrupt an answer, and speak for longer than the server may."""
    talk = await _answering(trial)
    if isinstance(talk, Observation):
        return talk
    await talk.keep_quiet(lambda: False, _INTO_S)
    if not talk.is_speaking and not talk.probe.is_over:
        return unknown(f"the answer ended by itself within {_INTO_S:g} s: {_SAY_MORE}")
    await talk.say(trial.turns.speech.lasting(trial.turns.silent_within_s + _BEYOND_S))
    return trial.ended(talk.probe) if talk.probe.is_over else talk


async def _answering(trial: Trial) -> Conversation | Observation:
    """Take a turn, and wait for the beginning of the answer."""
    talk = await converse(trial)
    if isinstance(talk, Observation):
        return talk
    await talk.take_turn(trial.turns.speech.payloads)
    wait_s = trial.turns.answer_within_s + trial.times.late_s
    if await talk.answer_s(wait_s) is not None:
        return talk
    if talk.probe.is_over:
        return trial.ended(talk.probe)
    return unknown(f"the server said nothing that could be interrupted within {wait_s:g} s")


async def _uninterrupted_s(trial: Trial, enough_s: float) -> float:
    """Return how long an answer lasts without an interruption, measured only as long as needed."""
    talk = await _answering(trial)
    if isinstance(talk, Observation) or talk.heard is None:
        return 0.0
    start_s = talk.heard.start_s
    await talk.keep_quiet(lambda: talk.has_said_all or talk.spoke_until_s - start_s >= enough_s, 2 * enough_s + 1.0)
    return talk.spoke_until_s - start_s


def _needs(setting: Any) -> str | None:
    if not setting.turns.silent_within_s:
        return "how fast the server has to fall silent is not given: add --bargein-within, such as 0.5s"
    return takes_no_turns(setting.nature)


def _needs_both(setting: Any) -> str | None:
    if setting.turns.silent_within_s and not setting.turns.answer_within_s:
        return "how fast the server has to answer is not given: add --turn-within beside --bargein-within"
    return _needs(setting)


BARGEIN_CASES: Final = (
    Case(
        id="bargein/falls-silent",
        level=Level.SHOULD,
        requirement="A server that is interrupted falls silent.",
        expected="Its last speech comes within --bargein-within of the start of the caller's speech.",
        asterisk="audiosocket_run writes each frame onward at once: what was sent cannot be taken back",
        cure="send one frame each 20 ms, never ahead, and drop what is left of the answer when the caller speaks",
        run=_falls_silent,
        needs=_needs,
        alone=True,
        shown_by_replay=True,
    ),
    Case(
        id="bargein/next-turn",
        level=Level.SHOULD,
        requirement="The call goes on after an interruption.",
        expected="The server answers what the caller said, within --turn-within of the end of the interruption.",
        asterisk="a call is one connection from its first word to its last (audiosocket_run)",
        cure="keep what the caller says while you speak, and use it as the next turn",
        run=_next_turn,
        needs=_needs_both,
        alone=True,
        shown_by_replay=True,
    ),
)
