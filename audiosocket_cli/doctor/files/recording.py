"""A recording alone: noise, levels, and silence of one side, judged by its samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from audiosocket_cli.analysis.recording_figures import Channel, RecordingFigures, measure_recording
from audiosocket_cli.asterisk.findings import Heard, findings_on_caller, findings_on_server
from audiosocket_cli.codec import KIND_BY_RATE, Kind
from audiosocket_cli.doctor.files.findings_told import diagnosis, status_of
from audiosocket_cli.finding import Diagnosis, Status, id_of, untagged
from audiosocket_cli.model import Side

_MIN_HEARD_S: Final = 0.1
"""So much of a channel is loud where somebody can be heard."""

_KINDS_OF_NOISE: Final = frozenset(
    {"caller-ulaw", "server-ulaw", "byte-swapped", "byte-shifted", "sample-format", "compressed-bytes"}
)

_MAX_SILENT_DBFS: Final = -55.0
"""A channel that is never louder than speech, but has samples above this, is quiet rather than silent."""

_NAMES: Final = (
    "left channel (here the caller)",
    "right channel (here the server)",
)


def judge_recording(path: Path) -> list[Diagnosis]:
    """Return what is wrong with a recording; one that is ok where nothing is.

    Of two channels the left one is the caller, and the right one the server, as in our recordings; one channel is taken
    for the caller. Raises `FileError` for a file that cannot be read, and `OSError`.
    """
    return judge_figures(measure_recording(path))


def judge_figures(figures: RecordingFigures, sides: Sequence[Side] = tuple(Side)) -> list[Diagnosis]:
    """Return what is wrong with a recording whose channels are those of `sides`; one that is ok where nothing is."""
    evidence = [_in_words(figures), *(_channel_in_words(figures, number) for number in range(len(figures.channels)))]
    damaged = [diagnosis("file-damaged", Status.WARNING, text) for text in figures.remarks]
    silent = _silence(figures, evidence)
    found = [*damaged, *silent]
    for number, (side, channel) in enumerate(zip(sides, figures.channels, strict=False)):
        if channel.loud_s >= _MIN_HEARD_S:
            found += _judged(figures, side, channel, number)
    found.sort(key=lambda each: each.status is not Status.FAULT)
    return found or [diagnosis("nothing-found", Status.OK, "nothing is wrong with the recording", evidence)]


def _silence(figures: RecordingFigures, evidence: list[str]) -> list[Diagnosis]:
    """Find channels in which nobody can be heard."""
    mute = [number for number, each in enumerate(figures.channels) if each.loud_s < _MIN_HEARD_S]
    quiet = [number for number in mute if figures.channels[number].peak_dbfs > _MAX_SILENT_DBFS]
    if quiet:
        names = " and the ".join(_name(figures, number) for number in quiet)
        return [diagnosis("quiet", Status.WARNING, f"the {names} is so quiet that it is hard to hear", evidence)]
    if len(mute) == len(figures.channels):
        return [diagnosis("all-silent", Status.FAULT, evidence=evidence)]
    if mute and len(figures.channels) == len(Side):
        what = f"one-way sound: the {_name(figures, mute[0])} is silent, and the other one is not"
        return [diagnosis("one-way-sound", Status.FAULT, what, evidence)]
    return []


def _judged(figures: RecordingFigures, side: Side, channel: Channel, number: int) -> list[Diagnosis]:
    """Judge a channel as the audio of a live call."""
    heard = Heard(
        kind=KIND_BY_RATE.get(figures.rate_hz, Kind.SLIN), pace=0.0, law=channel.law, disorder=channel.disorder,
        has_wav_header=False, odd_bytes=0, audio_s=figures.duration_s, peak=channel.peak, offset=channel.offset,
        clipped=channel.clipped, longest_pause_s=0.0, worst_burst_s=0.0,
        texture="compressed" if channel.is_compressed else None,
    )  # fmt: skip
    texts = findings_on_caller(heard) if side is Side.CALLER else findings_on_server(heard)
    where = _channel_in_words(figures, number)
    found = [_as_diagnosis(text, where) for text in texts]
    if channel.is_noise and not {each.id for each in found} & _KINDS_OF_NOISE:
        return [diagnosis("noise", Status.FAULT, evidence=[where])]  # clipping and an offset follow from that
    return found


def _as_diagnosis(text: str, where: str) -> Diagnosis:
    finding_id = id_of(text) or ""
    return diagnosis(finding_id, status_of(finding_id), untagged(text), [where])


def _in_words(figures: RecordingFigures) -> str:
    count = len(figures.channels)
    return f"{figures.duration_s:.2f} s at {figures.rate_hz} Hz, {count} channel{'' if count == 1 else 's'}"


def _channel_in_words(figures: RecordingFigures, number: int) -> str:
    channel = figures.channels[number]
    heard = f"sound in {channel.loud_s:.2f} s" if channel.loud_s else "no sound"
    return f"{_name(figures, number)}: {heard}, {channel.level_dbfs:.1f} dBFS, peak {channel.peak_dbfs:.1f} dBFS"


def _name(figures: RecordingFigures, number: int) -> str:
    if len(figures.channels) == len(_NAMES):
        return _NAMES[number]
    return "channel" if len(figures.channels) == 1 else f"channel {number + 1}"
