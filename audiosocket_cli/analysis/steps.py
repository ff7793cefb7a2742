"""From one frame of a side to its next: what a gap, jitter and a burst are, in live calls, captures and loads alike.

step     how long after the one before it a frame arrives. The audio that it holds was said in that time: a step that is
         as long as its frame is neither early nor late.
gap      a step that is longer than its frame by more than `GAP_S`: the side paused, or the network stood still.
jitter   by how much all other steps differ from the length of their frame. `jitter_ms` of a call is that, smoothed as
         RFC 3550, section 6.4.1, does it; a load (`bench`) has its distribution.
tight    a step within `TIGHT` of the length of its frame, which no clock is wrong by.
burst    frames with tight steps, one after the other, that run too far ahead of the clock, by what they hold beyond the
         time that they came in (`asterisk.facts.is_burst`). The clock starts with the frame before the first of them.

Where audio is placed in time, `timeline` looks further ahead: there, a gap whose audio follows in a burst is none.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.asterisk.facts import GAP_MS

GAP_S: Final = GAP_MS / 1000
"""A longer pause than this between frames is a gap."""

TIGHT: Final = 0.75
"""A share of a frame's length."""

Values = NDArray[np.float64]


def jitter_of(steps_s: Values, duration_s: Values | float) -> Values:
    """Return by how much steps differ from the length of their frames, both of shape (n,), gaps left out.

    A step that is not a number, as that to the first frame, is left out, too.
    """
    late_s = np.abs(steps_s - duration_s)
    return late_s[late_s <= GAP_S]
