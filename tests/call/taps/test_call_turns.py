"""Who spoke when, as the stats of a live call tell it at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from audiosocket_cli.audio.pcm import encode_mu_law, to_slin
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.taps.stats import CallStats, call_result
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.model import Call, Ending, How, Side, now_utc
from audiosocket_cli.runs import in_runs, note_echo
from support.fakes import UUID_1

Sound = Callable[[float], bytes]
"""What a side says at a time, as the payload of a frame."""

GENERATOR = np.random.default_rng(11)


def speaks(*spans: tuple[float, float]) -> Sound:
    """Noise in syllables where it speaks, digital silence elsewhere."""

    def at(at_s: float) -> bytes:
        loud = any(start_s <= at_s < end_s for start_s, end_s in spans)
        level = (900 if round(at_s / 0.02) % 10 > 5 else 4000) * loud
        return np.rint(GENERATOR.standard_normal(160) * level).astype("<i2").tobytes()

    return at


def call_of(
    heard: Sound | None,
    said: Sound | None,
    me: Side = Side.SERVER,
    *,
    stats: CallStats | None = None,
    echo: bool = False,
    at_once: bool = False,
) -> dict[str, Any]:
    """A call of 8 s, in batches of 0.8 s; returns its JSON. With `at_once`, the server sends 1.6 s at a time."""
    stats = stats or CallStats()
    call = Call(me, "peer", UUID_1, now_utc(), Pacer(0.0))
    stats.opened(call)
    for batch in range(10):
        times_s = [batch * 0.8 + number * 0.02 for number in range(40)]
        ours = [] if said is None else [(at_s, 0.0, 1, encode(Frame(Kind.SLIN, said(at_s)))) for at_s in times_s]
        sounds = [] if heard is None else [encode(Frame(Kind.SLIN, heard(at_s))) for at_s in times_s]
        theirs = [(at_s + 0.02, 0.0, 1, frame) for at_s, frame in zip(times_s, sounds, strict=False)]
        if echo:
            ours = [(at_s, 0.0, 1, frame) for at_s, _, _, frame in theirs]
        if at_once:
            ours = [(0.8 * batch, 0.0, 1, frame) for *_, frame in [*ours, *ours]] if batch % 2 else []
        runs = in_runs(theirs), in_runs(ours)
        note_echo(*runs)
        stats.frames(*runs, (batch + 1) * 0.8)
    call.ending, call.duration_s = Ending(Side.CALLER, How.CLOSED, ""), 8.0
    stats.closed(call)
    return call_result(call, stats, None)


CALLER, SERVER = speaks((1.6, 2.4), (5.0, 6.0)), speaks((0.2, 1.2), (3.2, 5.6))


def test_the_turns_of_a_call_are_in_its_json() -> None:
    turns = call_of(CALLER, SERVER)["turns"]
    assert [tuple(turn.values()) for turn in turns["list"]] == [
        ("server", 0.2, 1.2, "turn", None), ("caller", 1.6, 2.4, "turn", 400), ("server", 3.2, 5.6, "turn", 800),
        ("caller", 5.0, 6.0, "interruption", -600),
    ]  # fmt: skip
    assert turns["latency_ms"] == {"count": 1, "p50": 800, "p95": 800, "max": 800}
    assert turns["talk_s"] == {"caller": 1.8, "server": 3.4}


def test_who_places_the_call_is_the_caller() -> None:
    turns = call_of(SERVER, CALLER, me=Side.CALLER)["turns"]
    assert [turn["side"] for turn in turns["list"]] == ["server", "caller", "server", "caller"]


def test_what_passes_a_proxy_is_measured_on_both_sides() -> None:
    turns = call_of(CALLER, SERVER, stats=CallStats(passes_on=True))["turns"]
    assert [turn["kind"] for turn in turns["list"]] == ["turn", "turn", "turn", "interruption"]
    assert turns["latency_ms"]["max"] == pytest.approx(800, abs=20)


def test_when_a_server_is_heard_that_sends_ahead_of_its_time_is_not_known() -> None:
    assert call_of(CALLER, SERVER, stats=CallStats(passes_on=True), at_once=True)["turns"] is None
    assert call_of(CALLER, SERVER, stats=CallStats(passes_on=True))["turns"] is not None


def test_a_server_that_says_silence_is_known_to_be_silent() -> None:
    turns = call_of(CALLER, speaks())["turns"]
    assert turns["talk_s"] == {"caller": 1.8, "server": 0}
    assert turns["latency_ms"] is None


@pytest.mark.parametrize(("heard", "said"), [(None, SERVER), (CALLER, None), (None, None)])
def test_without_audio_of_a_side_nothing_is_measured(heard: Sound | None, said: Sound | None) -> None:
    assert call_of(heard, said)["turns"] is None


def test_an_echo_takes_no_turns() -> None:
    assert call_of(CALLER, None, echo=True)["turns"] is None


@pytest.mark.parametrize("idle", [b"\x08\0" * 160, GENERATOR.integers(-200, 200, 160, "<i2").tobytes()])
def test_idle_lines_that_sound_the_same_are_no_echo(idle: bytes) -> None:
    """As those of A-law do: nobody speaks for the first 1.6 s, and all frames of both sides are alike."""

    def with_idle(*spans: tuple[float, float]) -> Sound:
        said = speaks(*spans)
        return lambda at_s: said(at_s) if any(start_s <= at_s < end_s for start_s, end_s in spans) else idle

    turns = call_of(with_idle((1.6, 2.4)), with_idle((3.2, 5.6)))["turns"]
    assert turns["latency_ms"] == {"count": 1, "p50": 800, "p95": 800, "max": 800}


def test_what_is_no_slin_is_not_measured() -> None:
    def law(at_s: float) -> bytes:
        tone = np.sin(2 * np.pi * 440 * (at_s + np.arange(160) / 8000)) * 8000
        return encode_mu_law(to_slin(tone.astype(np.int16)))

    assert call_of(law, SERVER)["turns"] is None


def test_nobody_who_does_not_ask_gets_turns() -> None:
    assert call_of(CALLER, SERVER, stats=CallStats(with_turns=False))["turns"] is None
