"""When each frame of a load is due."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.bench.schedule import SteadyPacer


@given(st.floats(0, 1e6), st.integers(0, 10_000), st.sampled_from([0.01, 0.02, 0.03, 0.06]))
def test_frames_keep_their_place_and_no_deadline_slips(start_s: float, caller: int, ptime_s: float) -> None:
    pacer = SteadyPacer(ptime_s, caller, epoch_s=0.0)
    pacer.restart(start_s)
    first_s = pacer.deadline_s
    assert start_s <= first_s <= start_s + 0.0201
    for number in range(5):
        assert pacer.take(first_s + 3.0) == pytest.approx(first_s + number * ptime_s)
    assert pacer.slips == 0
    assert list(pacer.sent_s) == pytest.approx([first_s + 3.0] * 5)
    assert pacer.unsent(first_s + 10 * ptime_s + 0.001) == 5


def test_callers_who_begin_together_send_apart() -> None:
    firsts = []
    for caller in range(20):
        pacer = SteadyPacer(0.02, caller, epoch_s=0.0)
        pacer.restart(100.0)
        firsts.append(pacer.deadline_s)
    assert min(np.diff(sorted(firsts))) > 0.0003
