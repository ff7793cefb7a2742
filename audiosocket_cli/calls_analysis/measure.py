"""One call measured: from its files to its row. The same files give the same row, wherever that is done."""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.analysis.recording_layout import MIXED, layout_of, sides_of
from audiosocket_cli.analysis.turns import Turns, turns_of
from audiosocket_cli.calls_analysis.columns import DATE, SIDES, Row, empty_row
from audiosocket_cli.calls_analysis.listed_call import ListedCall, parts_in_order, utf8
from audiosocket_cli.calls_analysis.sound import MeasuredSound, measure_sound
from audiosocket_cli.calls_index.call_json import OTHER_JSON, CallJson, read_call
from audiosocket_cli.calls_index.row import row_of
from audiosocket_cli.disk import PREFIX
from audiosocket_cli.doctor.files.recording import judge_figures
from audiosocket_cli.errors import FileError, MissingLibraryError
from audiosocket_cli.finding import Status, tagged
from audiosocket_cli.model import Side
from audiosocket_cli.stores.store import Store, open_store
from audiosocket_cli.stores.store_url import StoreUrl, is_store_url
from audiosocket_cli.text import printable, shortened

_MAX_TEXT: Final = 500
_MAX_IN_MEMORY: Final = 64 << 20
_SAID_IN_JSON: Final = ("uuid", "started_at", "duration_s", "peer", "result", "digits")


def measure(call: ListedCall) -> Row | None:
    """Return the row of a call; None where its files hold none, as JSON of something else.

    What is wrong with a file is in the row, and stays so. Raises `OSError`, of a store `StoreError`, where the same may
    succeed another time, `FileNotFoundError` where a file is gone, and `MissingLibraryError`.
    """
    with _local(call) as folder:
        found = _json_of(call, folder)
        if found.problem == OTHER_JSON and not call.sounds:
            return None
        row = _row_of_json(call, found)
        names = _recording_of(call, () if found.call is None else row_of(found.call).files)
        row["files"] = [utf8(name) for name in names]
        if not names:
            row["not_measured"] = ["all that needs sound: there is no recording"]
            return row
        try:
            _add_sound(row, measure_sound([folder / name for name in names]), _named_layout(found.call), folder)
        except MissingLibraryError:
            raise
        except FileError as error:
            row["problem"] = _text(_without_folder(str(error), folder))
            row["not_measured"] = ["all that needs sound: the recording cannot be read"]
        return row


def _json_of(call: ListedCall, folder: Path) -> CallJson:
    """Return what a call's JSON holds. Raises `OSError` for a file that is gone, or that we may not read."""
    if call.json is None:
        return CallJson(None, None)
    path = os.fsencode(folder / call.json.name)
    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    return read_call(path)


@contextlib.contextmanager
def _local(call: ListedCall) -> Iterator[Path]:
    """Yield the folder of a call's files; those of a store are downloaded for as long as they are needed."""
    if not is_store_url(call.folder):
        yield Path(call.folder)
        return
    store = _opened(call.folder)
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        for file in call.files:
            if file.size > _MAX_IN_MEMORY:
                store.download(file.name, Path(folder) / file.name)
            else:  # a download is synced to the disk, which takes longer than to measure it
                (Path(folder) / file.name).write_bytes(store.read(file.name, max_bytes=2 * _MAX_IN_MEMORY))
        yield Path(folder)


@functools.lru_cache(8)
def _opened(url: str) -> Store:
    """A store has connections, which the next call of the same folder uses again."""
    return open_store(StoreUrl.of_folder(url))


def _row_of_json(call: ListedCall, found: CallJson) -> Row:
    row = empty_row(call)
    if found.call is not None:
        said = row_of(found.call)
        row |= {name: getattr(said, name) for name in _SAID_IN_JSON}
        row["bot"] = _bot_of(found.call)
    elif found.problem is not None and found.problem != OTHER_JSON:
        row["problem"] = _text(f"{call.call}.json: {found.problem}")
    if row["started_at"]:
        row[DATE] = row["started_at"][:10]
    return row


def _bot_of(call: Mapping[str, Any]) -> str | None:
    """Return who answered, as the JSON says it: a server, a URL, a function or a program."""
    for key, name in (("relay", "target"), ("bridge", "url"), ("bot", "function"), ("program", "command")):
        found = call.get(key)
        said = found.get(name) if isinstance(found, dict) else None
        if isinstance(said, list):
            said = " ".join(each for each in said if isinstance(each, str))
        if isinstance(said, str) and said:
            return _text(said)
    return None


def _recording_of(call: ListedCall, told: Sequence[str]) -> list[str]:
    """Return the names of the files of a call's recording: those that its JSON tells of, if they are there."""
    there = [file.name for file in call.sounds]
    named = [name for name in told if name in there]
    return named or (parts_in_order(there) if there else [])


def _named_layout(call: Mapping[str, Any] | None) -> str:
    recording = call.get("recording") if call is not None else None
    layout = recording.get("layout") if isinstance(recording, dict) else None
    return layout if isinstance(layout, str) else ""


# What was measured.


def _add_sound(row: Row, sound: MeasuredSound, named_layout: str, folder: Path) -> None:
    figures = sound.figures
    layout = layout_of(named_layout, len(figures.channels))
    sides = sides_of(layout)
    row |= {"recorded_s": round(figures.duration_s, 3), "rate_hz": figures.rate_hz, "layout": layout}
    for side in SIDES:
        if side not in sides and side != MIXED:
            row["not_measured"].append(f"{side}: {_why_not(layout)}")
    if figures.duration_s:
        _add_levels(row, sound, sides)
        _add_or_explain_turns(row, sound, layout)
    else:
        row["not_measured"].append("all that needs sound: the recording holds none")
    judged_sides = tuple(Side(side) for side in sides) if MIXED not in sides else tuple(Side)
    found = [each for each in judge_figures(figures, judged_sides) if each.status is not Status.OK]
    row["finding_ids"] = list(dict.fromkeys(each.id for each in found))
    row["findings"] = [_text(_without_folder(tagged(each.id, each.what), folder)) for each in found]
    if figures.remarks:
        row["problem"] = _text(_without_folder(figures.remarks[0], folder))


def _add_levels(row: Row, sound: MeasuredSound, sides: Sequence[str]) -> None:
    for side, channel, speech, tones in zip(sides, sound.figures.channels, sound.speech, sound.tones, strict=True):
        row |= {
            f"{side}_level_dbfs": _decibels(channel.level_dbfs),
            f"{side}_peak_dbfs": _decibels(channel.peak_dbfs),
            f"{side}_speech_dbfs": _decibels(speech.speech_dbfs),
            f"{side}_noise_dbfs": _decibels(speech.noise_dbfs),
            f"{side}_tones": tones,
        }
    if None in sound.tones:
        row["not_measured"].append(f"tones: the sample rate is {sound.figures.rate_hz} Hz, which is too low for them")


def _add_or_explain_turns(row: Row, sound: MeasuredSound, layout: str) -> None:
    turns, reason = _turns(sound, layout)
    if turns is None:
        row["not_measured"].append(f"turns: {reason}")
    else:
        _add_turns(row, turns)


def _why_not(layout: str) -> str:
    return "it was not recorded" if layout in tuple(Side) else "the recording has one channel for both sides"


def _turns(sound: MeasuredSound, layout: str) -> tuple[Turns | None, str]:
    if layout != "stereo":
        return None, "they need both sides, each in a channel of its own"
    for side, channel in zip(Side, sound.figures.channels, strict=True):
        if channel.law is not None:
            return None, f"the {side}'s audio is {channel.law}, read as samples"
    turns = turns_of(*(each.stretches for each in sound.speech))
    if turns.is_echo:
        return None, "one side hands the sound of the other back: an echo takes no turns"
    return turns, ""


def _add_turns(row: Row, turns: Turns) -> None:
    figures = turns.as_dict() or {}
    latency = figures["latency_ms"] or {"count": 0, "p50": None, "p95": None, "max": None}
    row |= {
        "answers": latency["count"],
        "latency_p50_ms": latency["p50"],
        "latency_p95_ms": latency["p95"],
        "latency_max_ms": latency["max"],
        "latencies_ms": turns.latencies_ms[: len(figures["list"])],
        "overlap_s": figures["overlap_s"],
        "dead_air_s": figures["dead_air"]["total_s"],
        "dead_air_longest_s": figures["dead_air"]["longest_s"],
        "turns": figures["list"],
    }
    for side in Side:
        row[f"interruptions_by_{side}"] = figures["interruptions"][side.value]
        row[f"backchannels_by_{side}"] = figures["backchannels"][side.value]
        row[f"talk_{side}_s"] = figures["talk_s"][side.value]
    if figures["left_out"]:
        row["not_measured"].append(f"turns: {figures['left_out']} more are counted, and not listed")
    if "until_s" in figures:
        row["not_measured"].append(f"turns after {figures['until_s']} s: there are too many stretches of speech")


def _decibels(level_dbfs: float | None) -> float | None:
    return None if level_dbfs is None else round(level_dbfs, 1)


def _text(text: str) -> str:
    return printable(utf8(shortened(text, _MAX_TEXT)))


def _without_folder(text: str, folder: Path) -> str:
    """A reason must not hold the name of a temporary folder, or two machines have two rows of one call."""
    return text.replace(f"{folder}{os.sep}", "")
