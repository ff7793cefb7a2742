"""`upload`: sends what waits in a spool, when no server does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from audiosocket_cli.call.recording.destinations import FileOutput
from audiosocket_cli.errors import NothingError, UsageError
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.jobs.sending import Sending, SendingWanted
from audiosocket_cli.outbox.spool import DEFAULT_NAME
from audiosocket_cli.outbox.spool_file import NAME, noted
from audiosocket_cli.text import printable
from audiosocket_cli.ui.console import say
from audiosocket_cli.ui.event_log import EventLog


@dataclass(frozen=True, slots=True)
class UploadWanted:
    """The command line."""

    folder: Path
    all_calls: bool
    sending: SendingWanted
    as_json: bool


def upload(wanted: UploadWanted) -> Outcome:
    """Send what waits. Raises `UsageError`, and `NothingError` where there is no spool."""
    record = FileOutput.in_folder(wanted.folder)
    spool = wanted.sending.spool or record.folder / DEFAULT_NAME
    try:
        if not record.folder.is_dir():
            raise UsageError(f"there is no folder {printable(str(record.folder))}: name a folder of recordings")
        is_there = (spool / NAME).exists()
    except OSError as error:  # a name that is too long, or a folder that may not be looked into
        raise UsageError(f"cannot look into {error.filename}: {(error.strerror or str(error)).lower()}") from None
    if not is_there and not wanted.all_calls:
        raise NothingError(
            f"nothing waits in {printable(str(wanted.folder))}: it has no spool; add --all to upload all its calls, "
            f"or name the --spool"
        )
    url = wanted.sending.upload or (noted(spool, "upload") if is_there else None)
    if url is None and (wanted.all_calls or wanted.sending.events is None):
        raise UsageError("the spool does not say where to upload: add --upload URL, such as s3://BUCKET/calls")
    log = EventLog(as_json=wanted.as_json)
    sending = Sending(replace(wanted.sending, upload=url, spool=spool), log, record=record, as_json=wanted.as_json)
    with log:
        try:
            if wanted.all_calls:
                sending.take_all()
        except BaseException:
            sending.end(at_once=True)
            raise
        sent = sending.end(patient=True)
    say(sent.line)
    return Outcome(failed=bool(log.lost) or sent.is_lost or sent.is_left)
