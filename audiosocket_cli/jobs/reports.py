"""Files that report the result of a run: checked before anything runs, and written at the end."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from audiosocket_cli.disk import prove_folder, write_file
from audiosocket_cli.errors import OutputError, UsageError
from audiosocket_cli.ui.console import say


def prepare_reports(*, force: bool, **paths: Path | None) -> None:
    """Check that the reports of these options can be written, if they are wanted. Raises
    `UsageError`."""
    wanted = [path for path in paths.values() if path is not None]
    if len(set(wanted)) < len(wanted):
        options = " and ".join(f"--{name}" for name in paths)
        raise UsageError(f"{options} are both {wanted[0]}: give each its own name")
    for path in wanted:
        _prepare(path, force=force)


def _prepare(path: Path, *, force: bool) -> None:
    if os.path.isdir(path):
        raise UsageError(f"cannot write {path}: it is a folder; name a file in it")
    if os.path.isfile(path) and not force:
        raise UsageError(f"{path} exists; choose another name or add --force")
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe with a name, or a device
        return
    try:
        prove_folder(path.parent)
        with contextlib.suppress(FileNotFoundError):
            path.lstat()  # a name may be too long
    except OSError as error:
        raise UsageError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from None


def write_report(path: Path, content: bytes, *, force: bool) -> bool:
    """Write a report; False, with a line on standard error, if that fails: the result is also shown elsewhere."""
    try:
        write_file(str(path), [content], force=force)
    except (OutputError, UsageError) as error:
        say(str(error))
        return False
    return True
