"""Findings of calls as diagnoses: how bad each kind is, and what its page says to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.finding_pages import cure_of, finding_ids, sentence_of

_WARNINGS: Final = frozenset(
    {
        "audio-late", "audio-undelivered", "backlog", "bad-digit", "bot-close", "bot-command", "bot-message-ignored",
        "bot-not-ended", "bot-odd-bytes", "caller-error", "caller-sends-empty-audio", "caller-sends-unknown-kind",
        "caller-silent", "clipped", "clock-drift", "digits-left-out", "digits-twice", "digits-unsent", "frame-cut",
        "kind-changed", "left-open", "more-findings", "no-id", "off-centre", "peer-not-reading", "second-uuid",
        "server-frame-length", "server-silent", "sound-card", "sound-file", "sound-late", "uuid-example",
        "variables-odd",
    }
)  # fmt: skip
"""What a call may live with, or may be meant. All other findings are faults: calls fail of them, or sound wrong."""


def status_of(finding_id: str) -> Status:
    """Return how bad a finding of a call is."""
    return Status.WARNING if finding_id in _WARNINGS else Status.FAULT


def in_words(finding_id: str, otherwise: str = "") -> str:
    """Return the sentence of a finding's page without its full stop; `otherwise` where there is no such page, as for
    an id of a newer release."""
    if finding_id not in finding_ids():
        return otherwise
    sentence = sentence_of(finding_id).rstrip(".")
    is_name = sentence[:2].isalpha() and sentence[:2].isupper()
    return sentence if is_name else sentence[0].lower() + sentence[1:]


def diagnosis(
    finding_id: str, status: Status, what: str = "", evidence: Sequence[str] = (), *, where: str = ""
) -> Diagnosis:
    """Return a diagnosis with the cure of the page of its id; without `what`, the page's sentence says what it is."""
    said = what or in_words(finding_id)
    return Diagnosis(finding_id, status, said, tuple(evidence), cure_of(finding_id), where=where)
