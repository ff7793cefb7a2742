"""What is wrong with the audio that a server sent in a short call: another codec, rate or order of bytes than its
kind says, frames of an odd length, a pace that is not that of a clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from audiosocket_cli.analysis.side_measure import SideMeasure
from audiosocket_cli.asterisk.findings import findings_on_server
from audiosocket_cli.capture.items import Captured, CapturedCall
from audiosocket_cli.capture.runs import Run, in_runs
from audiosocket_cli.check.probe import Probe
from audiosocket_cli.codec import FrameDecoder
from audiosocket_cli.doctor.files.findings_told import diagnosis, status_of
from audiosocket_cli.finding import Diagnosis, id_of, untagged
from audiosocket_cli.model import Side

MISLABELLED: Final = frozenset({"server-ulaw", "server-short-frames", "server-wrong-rate"})
"""What comes too fast because of these comes in no burst."""

_TOLD: Final = MISLABELLED | {
    "audio-slow", "byte-shifted", "byte-swapped", "clipped", "odd-length", "off-centre", "sample-format",
    "server-frame-length", "wav-header",
}  # fmt: skip
"""Silence and bursts are judged by the call itself; and what sounds like compressed bytes may be the noise that we
said, changed by the server."""


def audio_findings(probe: Probe, said: Sequence[bytes], where: str) -> list[Diagnosis]:
    """Judge the audio of a call as that of any other is judged; `said` are the payloads that it was told."""
    measure = SideMeasure()
    for run in in_runs(_frames(probe)):
        if isinstance(run, Run):
            measure.take(run)
    heard = measure.heard(probe.since_s)
    if any(payload in probe.audio for payload in said):  # it sends back our noise, which looks like any codec
        heard = heard._replace(law=None, disorder=None, texture=None)
    found = [(id_of(text) or "", untagged(text)) for text in findings_on_server(heard)]
    return [diagnosis(finding, status_of(finding), text, where=where) for finding, text in found if finding in _TOLD]


def _frames(probe: Probe) -> Iterator[Captured]:
    passed, decoder, offset = probe.passed, FrameDecoder(), 0
    call = CapturedCall("1")
    for event in passed.events:
        if event.side is Side.SERVER:
            at_s = event.at_s - passed.connected_s
            for frame in decoder.feed(event.data):
                yield Captured(call, at_s, Side.SERVER, frame, at_s, offset)
                offset += len(frame.payload)
