"""How long to wait before something that failed is tried again."""

from __future__ import annotations

import random
from typing import Final

FIRST_WAIT_S: Final = 1.0
MAX_WAIT_S: Final = 60.0
MAX_ASKED_WAIT_S: Final = 3600.0
"""The longest that the other side may ask to be left alone."""


def wait_after(failures: int, asked_s: float | None = None, *, first_s: float = FIRST_WAIT_S) -> float:
    """Return the seconds until the next try, after one or more failures in a row.

    The wait begins with at most `first_s`, and doubles each time up to a minute. It has jitter (half of it to all of
    it), so that many senders do not come back together. `asked_s` is what the other side asked for.
    """
    wait_s = min(MAX_WAIT_S, first_s * 2.0 ** min(failures - 1, 16))
    wait_s *= random.uniform(0.5, 1.0)
    return wait_s if asked_s is None else max(wait_s, min(asked_s, MAX_ASKED_WAIT_S))
