"""Turns and interruptions, as a caller measures them."""

from __future__ import annotations

import numpy as np
import pytest

from audiosocket_cli.bench.figures import Figures
from audiosocket_cli.bench.turns import Turns


def turns_of(*heard: float) -> tuple[Figures, Turns]:
    figures = Figures()
    turns = Turns(figures)
    turns.hear(np.array(heard))
    return figures, turns


def test_a_turn_is_from_the_end_of_our_speech_to_the_start_of_theirs() -> None:
    figures, turns = turns_of()
    turns.we_begin(1.0)
    turns.we_end(2.0, late_s=0.1)
    turns.hear(np.array([2.5, 2.52]))
    assert figures.times["turn"].max_ms == pytest.approx(500)
    assert figures.times["turn_actual"].max_ms == pytest.approx(400)


def test_who_speaks_while_we_do_takes_no_turn() -> None:
    figures, turns = turns_of(*np.arange(1.0, 1.9, 0.02))
    turns.we_end(1.9)
    turns.hear(np.array([1.92, 1.94]))
    assert figures.times["turn"].count == 0


def test_an_interruption_lasts_until_they_are_silent() -> None:
    figures, turns = turns_of(*np.arange(0.0, 1.0, 0.02))
    turns.we_begin(1.0)
    turns.hear(np.array([1.02, 1.1, 1.25]))
    turns.look(1.4)
    assert figures.times["barge_in"].count == 0
    turns.look(1.5)
    assert figures.times["barge_in"].max_ms == pytest.approx(250)
