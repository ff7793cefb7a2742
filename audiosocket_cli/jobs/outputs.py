"""The inputs and outputs of calls: recordings, captures, sounds; checked before anything connects."""

from __future__ import annotations

import os
from pathlib import Path

from audiosocket_cli import __version__
from audiosocket_cli.audio.files import Sound
from audiosocket_cli.call.recording.destinations import FileOutput
from audiosocket_cli.call.recording.disk_thread import Disk, FreeSpace
from audiosocket_cli.call.sources.prompts import Prompt
from audiosocket_cli.capture.writing import CaptureOutput, parse_capture
from audiosocket_cli.errors import UsageError
from audiosocket_cli.ui.console import say


def refuse_of_a_placed_call(**options: object) -> None:
    """Refuse options of a call that we place where we answer one. Raises `UsageError`."""
    for name, value in options.items():
        if value is not None:
            raise UsageError(f"--{name} works only with TARGET: with --listen the caller sets it")


def output_for(record: str | None, *, force: bool, played: Path | None = None) -> FileOutput | None:
    """Return where to record to, checked before anything connects. Raises `UsageError`."""
    if record is None:
        return None
    if played is not None and os.path.exists(record) and os.path.exists(played) and played.samefile(record):
        raise UsageError(f"cannot record to {record}: it is the file to play")
    output = FileOutput(record, overwrite=force)
    prepare(output)
    return output


def folder_output(folder: Path | None, min_free: int | None) -> tuple[FileOutput | None, Disk]:
    """Return where to record all calls to, checked, and what writes there as long as `min_free` bytes are free. Raises
    `UsageError`."""
    if folder is None:
        return None, Disk()
    output = FileOutput.in_folder(folder)
    prepare(output)
    return output, Disk(FreeSpace(output.folder, min_free) if min_free is not None else None)


def prepare(output: FileOutput) -> None:
    """Check where to record to, and say what a process that died has left unconverted there. Raises `UsageError`."""
    output.prepare()
    if output.unconverted:
        first, others = output.unconverted[0], len(output.unconverted) - 1
        left = f"{first} and {others} more were" if others else f"{first} was"
        say(f"{left} left unconverted by a process that died: kept as WAV, to be played or converted")


def open_prompt(sound: Sound) -> Prompt:
    """Open what is to be played, before anything connects, and say what is odd about it. Raises `FileError`."""
    prompt = Prompt(sound)
    for line in prompt.take_remarks():
        say(line)
    return prompt


def capture_output(capture: str | None, *, force: bool | None = None) -> CaptureOutput | None:
    """Return where --capture goes to, checked before anything connects. Raises `UsageError`.

    `force` is None for a command that has no --force.
    """
    if capture is None:
        return None
    return parse_capture(capture, f"audiosocket {__version__}", overwrite=force)


def close_capture(output: CaptureOutput | None) -> bool:
    """Complete what --capture wrote, once all calls are over; False, and a line, where some of it is lost."""
    try:
        if output is not None:
            output.close()
    except BrokenPipeError:  # its reader has closed the pipe
        pass
    except OSError as error:
        say(f"the capture to {output} is not complete: {(error.strerror or str(error)).lower()}")
        return False
    return True
