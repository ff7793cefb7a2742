"""What a user meets who may not do everything, also where the tests run as root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NOBODY = 65534


@contextmanager
def as_nobody(*own: Path) -> Iterator[None]:
    """Go on as a user without rights, who owns the paths `own`; anybody but root goes on as the user that they are.

    pytest's folders are root's alone, so nobody reaches a path in them from the current folder only.
    """
    if os.geteuid() != 0:
        yield
        return
    for path in own:
        os.chown(path, _NOBODY, _NOBODY)
    os.setresuid(_NOBODY, _NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
