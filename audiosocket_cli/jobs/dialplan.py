"""`dialplan`: the files of a form are made for the Asterisk that is here or wished, and printed or written."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audiosocket_cli.asterisk.dialplan.catalogue import FORMS, form_named
from audiosocket_cli.asterisk.dialplan.plan import PlanFile, Style
from audiosocket_cli.asterisk.dialplan.wish import wish
from audiosocket_cli.asterisk.releases import NEWEST, Release, parse_release
from audiosocket_cli.doctor.pbx.asterisk_cli import release_of
from audiosocket_cli.errors import OutputError, UsageError
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.ui.console import put_lines, say

_PATIENCE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class DialplanWanted:
    """The command line."""

    words: tuple[str, ...]
    """Servers."""
    form: str
    list_forms: bool
    style: Style
    asterisk: str | None
    codec: str | None
    extension: str | None
    context: str | None
    variables: str | None
    api: str | None
    output: Path | None
    force: bool


def write_dialplan(wanted: DialplanWanted) -> Outcome:
    """Print what is wanted, or write it into a folder. Raises `UsageError`, and `OutputError`."""
    if wanted.list_forms:
        put_lines(_list_lines())
        return Outcome()
    form = form_named(wanted.form)
    release, whose = _release(wanted.asterisk)
    made = wish(
        wanted.words,
        release,
        wanted.style,
        extension=form.extension if wanted.extension is None else wanted.extension,
        context=wanted.context,
        codec=wanted.codec,
        variables=wanted.variables,
        api=wanted.api,
    )
    files = form.make(made)
    if whose:
        say(f"written for Asterisk {release}, {whose} (--asterisk for another)")
    if wanted.output:
        _write(files, wanted.output, overwrite=wanted.force)
    else:
        put_lines(_together(files))
    return Outcome()


def _list_lines() -> Iterator[str]:
    longest = max(len(form.name) for form in FORMS)
    for form in FORMS:
        yield f"{form.name:{longest}}  {form.about}"


def _release(text: str | None) -> tuple[Release, str]:
    """Return the release to write for, and how we came to it, where nobody said."""
    if text is not None:
        return parse_release(text), ""
    here = _release_here()
    return (here, "which is here") if here else (NEWEST, "the newest, as none is here that says its release")


def _release_here() -> Release | None:
    """Ask the Asterisk of this machine, which need not run."""
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin"  # an ordinary user's may lack these
    with contextlib.suppress(OSError, subprocess.SubprocessError, IndexError):
        done = subprocess.run(
            ["asterisk", "-V"], capture_output=True, timeout=_PATIENCE_S, check=True, env={**os.environ, "PATH": path}
        )
        return release_of(done.stdout.decode(errors="replace").split()[1])
    return None


def _together(files: Sequence[PlanFile]) -> Iterator[str]:
    """Yield one file as it is; of several each after a line with its name, as `head` does it."""
    for number, file in enumerate(files):
        if len(files) > 1:
            yield from ([""] if number else [])
            yield f"==> {file.name} <=="
        yield from file.lines


def _write(files: Sequence[PlanFile], folder: Path, *, overwrite: bool) -> None:
    """Write files into a folder, which is made; no one is overwritten unless told so. Raises `UsageError`."""
    taken = [str(folder / file.name) for file in files if os.path.exists(folder / file.name)]
    if taken and not overwrite:
        raise UsageError(f"{', '.join(taken)} would be overwritten: add --force, or choose another folder")
    for file in files:
        path = folder / file.name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write_file(file, path)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from None
        say(f"wrote {path}")


def _write_file(file: PlanFile, path: Path) -> None:
    mode = (0o700 if file.is_program else 0o600) if file.is_secret else 0o755 if file.is_program else 0o644
    path.unlink(missing_ok=True)  # so that a link is replaced, and a mode is ours
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode)
    with open(descriptor, "w", encoding="utf-8") as stream:
        stream.write("".join(f"{line}\n" for line in file.lines))
