"""What is wrong with a captured call: each kind of finding once, in its place among the call's rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from audiosocket_cli.analysis.call_rows import CallRows
from audiosocket_cli.analysis.rows import Row
from audiosocket_cli.analysis.selection import Selection
from audiosocket_cli.analysis.side_figures import SideFigures
from audiosocket_cli.asterisk.facts import EXAMPLE_UUID, is_burst
from audiosocket_cli.asterisk.findings import (
    EXAMPLE_UUID_FINDING,
    finding_on_burst,
    finding_on_silence,
    findings_on_caller,
    findings_on_server,
)
from audiosocket_cli.capture.items import CapturedCall
from audiosocket_cli.capture.runs import MAX_RUN_S
from audiosocket_cli.model import Side

_MAX_FINDINGS: Final = 50
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)? (?=m?s\b)")


class CallFindings:
    """The findings of one call, in the order in which they were found, and what has to be remembered to find them."""

    def __init__(self, call: CapturedCall, selection: Selection, rows: CallRows) -> None:
        """Findings become rows, too; of what is not selected nothing is found."""
        self.texts: list[str] = []
        self._call = call
        self._selection = selection
        self._rows = rows
        self._templates: set[str] = set()
        self._last_sent_s: float | None = None
        """When either side last sent anything."""
        self._longest_silence_s = 0.0
        self._worst_ahead_s = 0.0
        """The most that the server's audio ran ahead, before the last run."""

    def find(self, found: Iterable[str], at_s: float, *, last: bool = False) -> None:
        """Note findings, each kind once, whatever numbers it has; with `last`, after all others of the same time."""
        for text in found:
            template = _NUMBER.sub("#", text)
            if template not in self._templates:
                self._templates.add(template)
                self._note(text, at_s, last=last)

    def _note(self, text: str, at_s: float, *, last: bool) -> None:
        if len(self.texts) < _MAX_FINDINGS:
            self.texts.append(text)
            self._rows.put(Row(at_s, None, "finding", text), last=last)

    def note_sent(self, first_s: float, last_s: float) -> None:
        """Hear that a side sent something from then to then; where neither had sent for long, that is found."""
        self.note_silent_until(first_s)
        self._last_sent_s = max(last_s, self._last_sent_s or 0.0)

    def note_lost(self, at_s: float) -> None:
        """Note that a side may have sent something by then that the capture missed."""
        self._last_sent_s = max(at_s, self._last_sent_s or 0.0)

    def note_silent_until(self, until_s: float) -> None:
        """Find that neither side sent anything, at the place where that begins."""
        since_s = self._last_sent_s
        if since_s is None or self._call.started_ns is None or self._selection.kinds:
            return
        if until_s - since_s <= self._longest_silence_s:
            return
        if until_s < max(0.0, self._selection.from_s) or since_s > self._selection.to_s:
            return
        self._longest_silence_s = until_s - since_s
        finding = finding_on_silence(self._longest_silence_s)
        if finding:
            self._note(finding, since_s, last=True)

    def find_burst(self, server: SideFigures, last_s: float) -> None:
        """Add a finding when the server sent too much at once.

        Called for the run after the burst, so the finding is put back to about where the burst was, after its row.
        """
        ahead_s, self._worst_ahead_s = self._worst_ahead_s, server.worst_ahead_s
        if is_burst(ahead_s) and not server.is_evenly_fast:
            self.find(finding_on_burst(ahead_s), max(0.0, last_s - MAX_RUN_S), last=True)

    def judge(self, sides: Mapping[Side, SideFigures], talked_until_s: float, end_s: float) -> None:
        """Find what can be found at the end only."""
        self.find(self._judged(sides, talked_until_s), end_s, last=True)

    def _judged(self, sides: Mapping[Side, SideFigures], talked_until_s: float) -> Iterator[str]:
        call, selection = self._call, self._selection
        caller, server = (sides[side] for side in Side)
        if call.uuid == EXAMPLE_UUID and (caller.frames or server.frames):
            yield EXAMPLE_UUID_FINDING
        if caller.frames and call.me is not Side.CALLER:  # who stands in for a phone may well be silent
            yield from findings_on_caller(caller.heard(talked_until_s))
        is_silent = (
            call.started_ns is not None and caller.frames and call.whole and selection.takes_side(Side.SERVER)
            and call.unseen is not Side.SERVER
        )  # fmt: skip
        if server.frames or is_silent:
            heard = server.heard(talked_until_s)
            # Where some kinds are left out, there are pauses that were none.
            yield from findings_on_server(heard._replace(longest_pause_s=0.0) if selection.kinds else heard)
