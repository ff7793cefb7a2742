"""Where indexes are that no folder beside the calls can hold: in the cache of this user."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

_OURS: Final = "audiosocket"


def cache_folder() -> Path:
    """Return the folder, which is made if that is possible, for this user alone."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(given if os.path.isabs(given) else os.path.expanduser("~/.cache"))  # as its specification says
    if not base.is_absolute():  # nobody knows where the user's home is
        return Path(os.devnull)
    with contextlib.suppress(OSError):
        (base / _OURS).mkdir(mode=0o700, parents=True, exist_ok=True)
    return base / _OURS
