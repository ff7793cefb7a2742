"""All that a call's page shows, as one JSON value (`audiosocket.page/1`): what `call_page` draws.

It is made of a call's JSON, whoever wrote that, of the rows of a capture, and of a recording; each may be missing, and
what is not known for that reason is said.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from audiosocket_cli.analysis.recording_layout import layout_of, sides_of
from audiosocket_cli.analysis.rows import Row
from audiosocket_cli.analysis.sound_picture import ChannelPicture, SoundPicture
from audiosocket_cli.analysis.spectrogram import CEILING_DBFS, FLOOR_DBFS, Spectrogram
from audiosocket_cli.analysis.turns import turns_of
from audiosocket_cli.report.call_facts import facts_of, findings_of, not_measured_in, title_of
from audiosocket_cli.report.call_marks import marks_of
from audiosocket_cli.report.json_values import mapping_of, number_of, text_of
from audiosocket_cli.report.png import grey_png
from audiosocket_cli.report.told_turns import told_turns
from audiosocket_cli.text import printable

PAGE_SCHEMA: Final = "audiosocket.page/1"

MAX_TILE: Final = 4096
"""Columns of one picture of a spectrogram: browsers draw no larger ones on all devices."""

MAX_STRETCHES: Final = 20_000
"""Stretches of a side that a page has, of each sort: those of an hour are a thousand."""

_MAX_CALL_S: Final = 31 * 86_400.0
"""A longer call is a wrong number."""

_MAX_SHORTER_S: Final = 1.0
"""A recording may end so long before its call: its last frames, and the time in which the connection is closed."""


@dataclass(frozen=True, slots=True)
class ShownCall:
    """What is known of a call."""

    name: str
    """Its name where it has no UUID: that of its file."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """Its JSON, or what `dump --stats --json` says; nothing, of a recording alone."""
    rows: Sequence[Row] = ()
    """The rows of a capture."""
    links: Sequence[tuple[str, str]] = ()
    """Texts and relative URLs of what belongs to it."""
    not_measured: Sequence[tuple[str, str]] = ()
    """Other values that are not known, and why; besides those that its JSON lacks."""


@dataclass(frozen=True, slots=True)
class ShownSound:
    """The recording of a call, and where a page finds it."""

    picture: SoundPicture
    src: str | None
    """A URL; None where there is no sound to be played."""
    is_embedded: bool = False
    layout: str | None = None
    """stereo, caller, server or mix, where that is known besides the JSON."""


def call_data(call: ShownCall, sound: ShownSound | None) -> dict[str, Any]:
    """Return the data of a call's page; without a recording, of its figures alone."""
    duration_s = _duration_of(call, sound)
    marks = marks_of(call.figures, call.rows, duration_s)
    tracks, layout = ([], "mono") if sound is None else _tracks(call, sound)
    turns = told_turns(call.figures, duration_s) or (_turns(sound.picture) if layout == "stereo" and sound else None)
    missing = [*not_measured_in(call.figures), *call.not_measured]
    if turns is None:
        missing.append(("turns", _why_no_turns(layout, sound)))
    missing += [(f"{kind} marks", f"{count} more are left out") for kind, count in marks.left_out.items()]
    if sound is not None:
        missing += _after_sound(duration_s, sound.picture.duration_s)
        missing += [("all of the recording", printable(remark)) for remark in sound.picture.remarks[:20]]
    return {
        "schema": PAGE_SCHEMA,
        "title": printable(title_of(call.figures, call.name)),
        "started_at": text_of(call.figures.get("started_at"), 40) or None,
        "duration_s": round(duration_s, 3),
        "facts": [list(fact) for fact in (*facts_of(call.figures), *_facts_of_sound(call, sound, tracks))],
        "links": [[printable(text), href] for text, href in call.links],
        "tracks": tracks,
        "marks": [mark.as_json() for mark in marks.marks],
        "findings": findings_of(call.figures, call.rows),
        "turns": turns,
        "sound": None if sound is None or sound.src is None else _sound(sound, layout),
        "not_measured": [list(each) for each in missing],
    }


def _after_sound(duration_s: float, sound_s: float) -> Iterator[tuple[str, str]]:
    """Yield that a recording ends long before its call does."""
    if duration_s - sound_s > _MAX_SHORTER_S:
        yield f"sound after {sound_s:.1f} s", f"the recording ends there, and the call after {duration_s:.1f} s"


def _facts_of_sound(
    call: ShownCall, sound: ShownSound | None, tracks: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Yield what a recording says of itself, where there is no JSON that does."""
    if sound is None or mapping_of(call.figures.get("recording")):
        return
    picture = sound.picture
    channels = "two channels" if len(tracks) > 1 else "one channel"
    yield "recording", f"{channels}, {picture.rate_hz} Hz, {picture.duration_s:.1f} s"
    for track in tracks if "caller" not in call.figures else ():
        if track["level_dbfs"] is not None:
            side = "sound" if track["side"] == "mixed" else f"{track['side']}'s audio"
            levels = f"{track['level_dbfs']:.1f} dBFS, peak {track['peak_dbfs']:.1f} dBFS"
            yield side, levels.replace("-", "\N{MINUS SIGN}")
    if len(tracks) > 1 and "caller" not in call.figures:
        yield "sides", "the left channel is taken for the caller, the right one for the server"


def _turns(picture: SoundPicture) -> dict[str, Any] | None:
    caller, server = (channel.stretches for channel in picture.channels)
    return turns_of(caller, server).as_dict()


def _why_no_turns(layout: str, sound: ShownSound | None) -> str:
    if sound is None:
        return "there is no recording to find them in, and no JSON that has them"
    if layout != "stereo":
        return "they need both sides, each in a channel of its own"
    return "one side hands the sound of the other back: an echo takes no turns"


def _duration_of(call: ShownCall, sound: ShownSound | None) -> float:
    said_s = number_of(call.figures.get("duration_s"), most=_MAX_CALL_S) or 0.0
    return max(said_s, sound.picture.duration_s if sound is not None else 0.0)


def _sound(sound: ShownSound, layout: str) -> dict[str, Any]:
    return {
        "src": sound.src,
        "embedded": sound.is_embedded,
        "layout": "stereo" if layout == "stereo" else "mono",
        "duration_s": round(sound.picture.duration_s, 3),
        "offset_s": 0.0,
    }


def _tracks(call: ShownCall, sound: ShownSound) -> tuple[list[dict[str, Any]], str]:
    """Return the channels of a recording with the side that each is of, and the layout."""
    channels = sound.picture.channels
    named = sound.layout or text_of(mapping_of(call.figures.get("recording")).get("layout"), 20)
    layout = layout_of(named, len(channels))
    tracks = [_track(side, channel, sound.picture) for side, channel in zip(sides_of(layout), channels, strict=True)]
    return tracks, layout


def _track(side: str, channel: ChannelPicture, picture: SoundPicture) -> dict[str, Any]:
    return {
        "side": side,
        "rate_hz": picture.rate_hz,
        "start_s": 0.0,
        "duration_s": round(picture.duration_s, 3),
        "level_dbfs": _rounded(channel.level_dbfs),
        "peak_dbfs": _rounded(channel.peak_dbfs),
        "peaks": [
            {"step_s": round(level.step_s, 6), "count": len(level.pairs), "data": _base64(level.pairs.tobytes())}
            for level in channel.peaks
        ],
        "spectrogram": _spectrogram(channel.spectrogram),
        "stretches": {
            "speech": [list(span) for span in channel.stretches.speech[:MAX_STRETCHES]],
            "digital_silence": [list(span) for span in channel.stretches.digital_silence[:MAX_STRETCHES]],
        },
    }


def _spectrogram(spectrogram: Spectrogram) -> dict[str, Any] | None:
    shades = np.ascontiguousarray(spectrogram.shades().T[::-1])  # high frequencies on top, as people draw them
    rows, columns = shades.shape
    if not columns:
        return None
    tiles = (shades[:, first : first + MAX_TILE] for first in range(0, columns, MAX_TILE))
    return {
        "column_s": spectrogram.column_s,
        "rows": rows,
        "top_hz": spectrogram.top_hz,
        "floor_dbfs": FLOOR_DBFS,
        "ceiling_dbfs": CEILING_DBFS,
        "columns": columns,
        "tiles": [_base64(grey_png(tile)) for tile in tiles],
    }


def _rounded(level_dbfs: float | None) -> float | None:
    return None if level_dbfs is None else round(level_dbfs, 1)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
