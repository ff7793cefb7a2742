"""Errors of use, as whoever causes one reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

import pytest

from audiosocket_cli.errors import UsageError

_Given = ParamSpec("_Given")


def refusal(act: Callable[_Given, object], *args: _Given.args, **kwargs: _Given.kwargs) -> str:
    """Return what is said of an act that has to be refused, in one line."""
    with pytest.raises(UsageError) as told:
        act(*args, **kwargs)
    text = str(told.value)
    assert len(text.splitlines()) == 1
    return text
