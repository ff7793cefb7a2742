"""Notes on a dumped capture, on stderr: damage, what was left out, why it is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audiosocket_cli.analysis.dumping import Reading
from audiosocket_cli.capture.items import CapturedCall, Damage
from audiosocket_cli.capture.lacks import left_out_of
from audiosocket_cli.errors import FileError
from audiosocket_cli.ui.capture_rows import damage_line, short_name
from audiosocket_cli.ui.console import say, shown_path

if TYPE_CHECKING:
    from audiosocket_cli.call.recording.wav_export import WavExport


class SaidNotes:
    """Says the notes on captures that are dumped."""

    def damaged(self, damage: Damage, file: str, *, is_beyond_resync: bool) -> None:
        line = damage_line(damage, cure="" if is_beyond_resync else "--resync searches on")
        say(f"{file}: {line}" if file else line)

    def remarked(self, call: CapturedCall, file: str) -> None:
        for text in call.remarks:
            say(f"{f'{file}: ' if file else ''}call {short_name(call)}: {text}")

    def ended(self, reading: Reading) -> None:
        name, capture, found = reading.name, reading.capture, reading.found
        for text in left_out_of(capture):
            say(f"{name}: {text}")
        if not found.calls:
            say(f"{name}: {_why_no_call(reading)}")
        elif not found.frames and not found.is_full:
            say(f"{name}: {_why_nothing(reading)}")

    def failed(self, error: FileError) -> None:
        say(str(error))


def _why_no_call(reading: Reading) -> str:
    capture, wanted = reading.capture, reading.request.selection.call
    if wanted is not None and not reading.found.damages:
        return f"no call in it has a UUID that begins with {wanted!r}"
    if capture.format == "raw":
        return "there is no call in it; is it a capture? dump reads pcapng, pcap, JSON lines and raw bytes"
    others = f", only {capture.ignored} other TCP connections" if capture.ignored else ""
    cut = "; their packets are cut, and tcpdump -s 0 keeps them whole" if capture.is_cut else ""
    return f"there is no call in it{others}{cut}"


def _why_nothing(reading: Reading) -> str:
    if reading.request.selection.is_part_of_calls:
        return "--kind, --side, --from and --to select nothing in it"
    return "it holds no complete frame"


def say_wav(export: WavExport) -> None:
    """Say which WAV files were written, and the notes on them."""
    if export.is_one_file and len(export.files) > 1:
        say(f"{export.name} has room for one call, the first: the others are in files beside it")
    for path in export.files:
        say(f"wrote {shown_path(path)}")
    for note in export.notes:
        say(note)
    for pause in export.pauses:
        say(f"a WAV file is not complete: {pause}; write the rest with --from {pause.to_s:.0f}")
    for error in export.errors:
        say(f"a WAV file is not complete: {error}")
