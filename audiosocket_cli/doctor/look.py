"""One thing to look at: what `doctor` does is a list of these, one after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from audiosocket_cli.finding import Diagnosis


class Look(NamedTuple):
    """Something to look at, and how."""

    title: str
    """What is looked at: "Asterisk (asterisk -rx)", "the log /var/log/asterisk/messages", "the server bot:9092"."""
    run: Callable[[], Awaitable[Sequence[Diagnosis]]]
    """Looks. It raises an `AudioSocketError` only for a wrong command line: what cannot be looked at is a finding."""


class Looked(NamedTuple):
    """What came of it."""

    title: str
    found: Sequence[Diagnosis]
