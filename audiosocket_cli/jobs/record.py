"""`record`: the next call, or one that we place, into a file."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.phases import Limits
from audiosocket_cli.call.recording.destinations import FileOutput, Output, PipeOutput
from audiosocket_cli.call.recording.recording import Decode, Layout
from audiosocket_cli.call.sources.basic import QuietLine, Silence
from audiosocket_cli.errors import UsageError
from audiosocket_cli.jobs.job import Job
from audiosocket_cli.jobs.outputs import capture_output, prepare
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.target import Target

if TYPE_CHECKING:
    from audiosocket_cli.jobs.sending import SendingWanted


@dataclass(frozen=True, slots=True)
class RecordWanted:
    """The command line."""

    out: str
    target: Target | None
    listen: Address | None
    calls: int | None
    duration: float | None
    until_silence: float | None
    layout: str | None
    rate: int | None
    decode: str
    capture: str | None
    detect_dtmf: bool
    raw: bool
    force: bool
    uuid: UUID | None
    kind: int | None
    as_json: bool


def record_job(wanted: RecordWanted, sending: SendingWanted | None = None) -> Job:
    """Return the job. Raises `UsageError`, before anything listens, connects or is created."""
    is_placed = wanted.target is not None
    if is_placed:
        _refuse("is for calls to us: leave it out, or the TARGET", listen=wanted.listen, calls=wanted.calls)
    else:
        _refuse("needs a TARGET to call: name one, or leave it out", uuid=wanted.uuid, kind=wanted.kind)
    return Job(
        _call_options(wanted, _output(wanted), is_placed=is_placed),
        as_json=wanted.as_json,
        uuids=[wanted.uuid or uuid4()],
        calls=wanted.calls or 1,
        is_logged=True,
        sending=sending,
    )


def _call_options(wanted: RecordWanted, output: Output, *, is_placed: bool) -> CallOptions:
    if wanted.capture == "-" and output.has_stdout:
        raise UsageError("the recording and the capture both go to standard output: name a file for one of them")
    return CallOptions(
        make_source=partial(QuietLine, wanted.kind) if is_placed else Silence,
        record=output,
        layout=Layout(wanted.layout or ("server" if is_placed else "caller")),
        rate_hz=wanted.rate,
        decode=Decode(wanted.decode),
        capture=capture_output(wanted.capture, force=wanted.force),
        until_silence_s=wanted.until_silence,
        detect_dtmf=wanted.detect_dtmf,
        limits=Limits(duration_s=wanted.duration or math.inf),
    )


def _output(wanted: RecordWanted) -> Output:
    """Refuse what cannot be recorded to before anything is listened to, connected or made."""
    output: Output
    if wanted.out == "-":
        _refuse("is for files: leave it out", force=wanted.force or None)
        if sys.stdout.isatty():
            raise UsageError("cannot record to a terminal: pipe it to a program (| sox - …) or name a file")
        output = PipeOutput(sys.stdout.fileno(), headerless=wanted.raw)
    else:
        _refuse("works only with -: for a file, use the suffix .raw (call.raw)", raw=wanted.raw or None)
        output = FileOutput(wanted.out, overwrite=wanted.force)
    calls = wanted.calls or 1
    if output.single and calls > 1:
        raise UsageError(f"{output} has room for one call, not {calls}: name a folder, or use {{uuid}} in the name")
    if isinstance(output, FileOutput):
        prepare(output)
    return output


def _refuse(why: str, **options: Any) -> None:
    for name, value in options.items():
        if value is not None:
            raise UsageError(f"--{name} {why}")
