"""Turn figures of spoken calls against what is known to be true of them: see also `scripts/turns`."""

from __future__ import annotations

import pytest

from audiosocket_cli.analysis.stretches import stretches_of
from audiosocket_cli.analysis.turns import BACKCHANNEL, INTERRUPTION, Turns, turns_of
from audiosocket_cli.model import Side
from support.spoken_calls import CALLS, SpokenCall, Truth, lines_of, package_voices

NOT_TRUE = {
    "music on hold": Truth((800,)),  # music is speech by its sound
    "keys as tones": Truth((900,)),  # so are these
    # The server's voice falls below the noise as the "mhm" comes: what noise hides is a pause.
    "16 kHz, noise 15 dB below, barge-in, mhm": Truth((800,)),
}
"""Where sound does not tell the truth: what it does tell, with the voices of this test."""

CLEAN_MS, NOISY_MS = 40, 120


def turns_in(call: SpokenCall) -> Turns:
    caller, server = lines_of(call, package_voices(call.rate_hz), CALLS.index(call))
    return turns_of(stretches_of(caller, call.rate_hz), stretches_of(server, call.rate_hz))


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_turn_figures_are_true(call: SpokenCall) -> None:
    turns, truth = turns_in(call), NOT_TRUE.get(call.name, call.truth)
    off_ms = CLEAN_MS if call.noise_dbfs is None or call.noise_dbfs < -50 else NOISY_MS
    assert turns.latencies_ms == [pytest.approx(answer_ms, abs=off_ms) for answer_ms in truth.answers_ms]
    assert turns.count(INTERRUPTION, Side.CALLER) == truth.caller_interrupts
    assert turns.count(INTERRUPTION, Side.SERVER) == truth.server_interrupts
    assert turns.count(BACKCHANNEL, Side.CALLER) == truth.caller_backchannels
    assert turns.count(BACKCHANNEL, Side.SERVER) == truth.server_backchannels
    silences_s = [end_s - start_s for start_s, end_s in turns.dead_air]
    assert silences_s == [pytest.approx(silence_s, abs=off_ms / 1000) for silence_s in truth.dead_air_s]


def test_speech_of_clean_calls_is_as_long_as_it_was() -> None:
    for call in CALLS[:2]:
        turns = turns_in(call)
        for side in Side:
            said_s = sum(says.end_s - says.start_s for says in call.says if says.side == side.value)
            assert turns.talk_s[side] == pytest.approx(said_s, abs=0.1)
