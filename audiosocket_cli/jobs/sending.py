"""Sending calls on while a command answers or places them: their recordings to a store, their events to a bus.

Calls go into the spool by their events, which are reported to the log first; a courier delivers from it.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from audiosocket_cli.audio.containers import UNCONVERTED_SUFFIX
from audiosocket_cli.call.events import CallEnded, Event, Listening, ProgramSaid
from audiosocket_cli.call.recording.destinations import FileOutput, Output
from audiosocket_cli.call.sending_events import CallCut, DeliveryState, EventsDropped
from audiosocket_cli.capture.writing import SUFFIX, CaptureFolder, CaptureOutput
from audiosocket_cli.errors import UsageError
from audiosocket_cli.name_pattern import FIELD
from audiosocket_cli.outbox.call_files import CallFiles
from audiosocket_cli.outbox.courier import Courier, Delivery, Left
from audiosocket_cli.outbox.event_sender import EventSender
from audiosocket_cli.outbox.event_target import SECRET_VARIABLE, parse_target
from audiosocket_cli.outbox.processes import SpoolProcess
from audiosocket_cli.outbox.reconcile import Found, find
from audiosocket_cli.outbox.spool import DEFAULT_NAME, Spool
from audiosocket_cli.outbox.uploads import Uploads, open_target
from audiosocket_cli.outbox.waiting import SpoolFigures
from audiosocket_cli.text import counted, counted_with_commas, printable
from audiosocket_cli.ui.event_text import event_json, event_object

_NOT_SENT: Final = (Listening, ProgramSaid, DeliveryState)
"""Events of the command itself, and talk."""

_STATES: Final = {"uploading": ("store", "waiting_calls"), "sending": ("bus", "waiting_events")}
"""By delivery: what it delivers to, and the figure of what waits for that."""


class Log(Protocol):
    """Where events and lines go."""

    def report(self, event: Event) -> None:
        """Log one event."""

    def complain(self, line: str) -> None:
        """Log a line about the command itself."""


@dataclass(frozen=True, slots=True)
class SendingWanted:
    """The part of the command line about it."""

    upload: str | None
    then: Any
    parallel: int
    events: str | None
    secret_file: Path | None
    spool: Path | None
    max_bytes: int
    wait_s: float


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of it."""

    line: str
    """To be shown; empty where there is nothing to tell."""
    is_lost: bool
    """Whether something is not sent, and will not be."""
    is_left: bool
    """Whether something still waits."""


class Sending:
    """What is sent on by a process."""

    def __init__(
        self,
        wanted: SendingWanted,
        log: Log,
        *,
        record: Output | None,
        capture: CaptureOutput | None = None,
        delivers: bool = True,
        as_json: bool = False,
    ) -> None:
        """Open the spool, and begin to deliver from it unless another process does: one of this command that
        `delivers` not, or another command. `as_json`: states of store and bus are events, too. Raises `UsageError`."""
        self._wanted = wanted
        self._log = log
        self._host = platform.node()
        self._reports_states = as_json
        self._capture = _capture_folder(wanted, capture, log.complain if delivers else lambda line: None)
        self._pattern = _pattern(wanted, record)
        target = None if wanted.events is None else parse_target(wanted.events)
        about = {
            "upload": wanted.upload,
            "events": None if target is None else target.mark,
            "record": self._pattern,
            "capture": None if self._capture is None else os.path.abspath(self._capture),
        }
        self._uploads = open_target(wanted.upload) if wanted.upload and delivers else None
        self._bus = target.open(wanted.secret_file) if target is not None and delivers else None
        os.environ.pop(SECRET_VARIABLE, None)  # no program gets it
        self._spool = Spool(
            _spool_folder(wanted, record),
            max_bytes=wanted.max_bytes,
            tell=log.complain,
            about=about,
        )
        self._before = self._spool.figures()
        self._courier: Courier | None = None
        try:
            if delivers:
                self._refuse_others(about)
                if wanted.upload is not None and self._pattern is not None:
                    self._spool.note_pattern(self._pattern)
                self._courier = Courier(
                    self._spool,
                    list(self._deliveries()),
                    log.complain,
                    on_found=self._take_found,
                    on_state=self._report_state,
                )
        except BaseException:
            self._spool.close()
            raise

    @property
    def figures(self) -> SpoolFigures:
        """How much waits, and what came of all that did, a second ago at most."""
        return self._before if self._courier is None else self._courier.figures

    def _refuse_others(self, about: dict[str, str | None]) -> None:
        """Refuse a spool that another process uses for another store or bus."""
        for process in self._spool.processes.others():
            for option, theirs in (("upload", process.upload), ("events", process.events)):
                ours = about[option]
                if ours is not None and theirs is not None and ours != theirs:
                    shown, wanted = printable(theirs.partition("#")[0]), printable(ours.partition("#")[0])
                    path = " and another path" if shown == wanted else ""
                    raise UsageError(
                        f"the spool {printable(str(self._spool.folder))} is in use with --{option} {shown}{path}: "
                        f"name another --spool for --{option} {wanted}"
                    )

    def _deliveries(self) -> Iterator[Delivery]:
        spool, wanted, tell = self._spool, self._wanted, self._log.complain
        if self._uploads is not None:
            target = self._uploads

            def upload() -> Uploads:
                self._direct()
                return Uploads(spool, target, wanted.parallel, wanted.then, tell)

            yield Delivery("uploading", upload, spool.take_back_calls, lambda figures: figures.waiting_calls, "call")
        if self._bus is not None:
            bus = self._bus
            yield Delivery(
                "sending",
                lambda: EventSender(spool, bus, tell, on_dropped=lambda count: self.report(EventsDropped(count))),
                spool.take_back_events,
                lambda figures: figures.waiting_events,
                "event",
            )

    def _direct(self) -> None:
        url = str(self._wanted.upload)
        before, waiting = self._spool.direct_calls(url)
        if before is not None and waiting:
            what = f"{counted(waiting, 'call')} that waited for {printable(before)}"
            self._log.complain(f"{what}: sent to {printable(url)} now")

    def take_all(self) -> None:
        """Put all calls whose files are there, and that are not known to be in the store. Raises `OSError` when that
        cannot be written."""
        self._direct()
        self._spool.forget_given_up()
        patterns = self._spool.patterns() | {self._pattern}
        capture = None if self._capture is None else str(self._capture)
        processes = [
            SpoolProcess(
                "", 0.0, self._wanted.upload, None, pattern, capture or os.path.dirname(FIELD.split(pattern)[0])
            )
            for pattern in patterns
            if pattern is not None
        ]
        for found in find(self._spool, processes, since=0.0, with_lives=False):
            self._take_found(found)
        self._spool.sync()

    # While calls go on.

    def report(self, event: Event) -> None:
        """Log an event, and put what is to be sent into the spool; never waits."""
        self._log.report(event)
        self._put(event)

    def _put(self, event: Event) -> None:
        # The event first: a call whose files are known to be complete has told of its end.
        if self._wanted.events is not None and not isinstance(event, _NOT_SENT):
            body = self._object(event_json(event))
            self._spool.put_event(event.name, body.get("uuid"), body)
        if self._wanted.upload is not None and isinstance(event, CallEnded):
            files = self._files(event)
            if files is not None:
                self._spool.put_call(files)

    def _object(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the object that is sent of one of `--json`; the sender adds its id."""
        return {**body, "server": self._host}

    def _files(self, event: CallEnded) -> CallFiles | None:
        """Return the files of a call that is over; None where there are none."""
        mirrored = [path for path in event.mirrored if path.suffix != SUFFIX or self._capture is not None]
        recordings = (*event.files, *mirrored)
        capture = event.capture if self._capture is not None else None
        if not recordings and capture is None:
            return None
        name = str(event.call.uuid)
        if event.json is not None:
            name = event.json.stem
        elif event.files:
            name = event.files[0].stem.removesuffix(Path(UNCONVERTED_SUFFIX).stem)
        return CallFiles(
            name,
            str(event.call.uuid),
            event.call.peer,
            event.call.started_at.isoformat(timespec="milliseconds"),
            recordings,
            event.json,
            capture,
        )

    def _take_found(self, found: Found) -> None:
        """Put what a process that died has left, and tell of a call that it cut.

        If that process sent events, so is the last of the call's, be it by a later process that has --events again.
        """
        started, files = found.started, found.files
        uuid = files.uuid if files is not None else found.lives[0].uuid
        if found.result is not None:
            recordings = [] if files is None else [str(path) for path in files.recordings]
            ended = event_object("ended", uuid=uuid, files=recordings, call=found.result)
            self._spool.put_cut(files, found.lives, *([self._object(ended)] if found.lives else []))
            return
        peer, started_at = _text(started.get("peer")), _text(started.get("started_at"))
        if files is not None and started_at is not None:
            files = replace(files, peer=peer or files.peer, started_at=started_at)
        event = CallCut(uuid, peer, started_at, () if files is None else files.recordings)
        self._log.report(event)
        has_events = bool(found.lives) or (self._wanted.events is not None and not found.is_old)
        bodies = [event_json(event)] if has_events else []
        if bodies and not found.lives:  # it died before it had put that either
            bodies.insert(0, event_object("call", uuid=uuid, peer=peer, started_at=started_at))
        self._spool.put_cut(files, found.lives, *map(self._object, bodies))

    def _report_state(self, name: str, problem: str | None) -> None:
        """Report that a store or a bus went away, with the reason, or is back."""
        if not self._reports_states:
            return
        figures = self._spool.figures()
        what, waiting = _STATES[name]
        self._log.report(DeliveryState(what, problem, getattr(figures, waiting)))

    # Their end.

    def end(self, *, patient: bool = False, at_once: bool = False) -> Sent:
        """Deliver what is left, for as long as --spool-wait says, or not any more if `at_once`; then close the spool.
        `patient`: so long after the last success."""
        wait_s = 0.0 if at_once else self._wanted.wait_s
        try:
            left = None if self._courier is None else self._courier.end(wait_s, patient=patient)
        finally:
            if self._bus is not None:
                self._bus.close()
            unwritten = self._spool.unwritten + self._spool.close()
        if left is None:
            return Sent("", is_lost=unwritten > 0, is_left=False)
        return self._sum_up(left, unwritten)

    def _sum_up(self, left: Left, unwritten: int) -> Sent:
        now, before = left.figures, self._before
        uploaded, given_up = now.uploaded - before.uploaded, now.given_up - before.given_up
        sent, dropped = now.sent - before.sent, now.dropped - before.dropped
        parts = []
        if self._wanted.upload is not None:
            parts.append(f"uploaded {counted(uploaded, 'call')}")
        if given_up:
            parts.append(f"{counted(given_up, 'call')} given up")
        if self._wanted.events is not None:
            parts.append(f"sent {counted_with_commas(sent, 'event')}")
        if dropped:
            parts.append(f"{counted_with_commas(dropped, 'event')} dropped")
        if unwritten:
            parts.append(f"{counted(unwritten, 'change')} of the spool could not be written")
        waiting = _waiting(now)
        if waiting:
            where = printable(str(self._spool.folder))
            who = "which another process sends" if left.is_elsewhere else "for the next start, or audiosocket upload"
            parts.append(f"{waiting} left in {where}, {who}")
        return Sent(", ".join(parts), is_lost=bool(given_up or dropped or unwritten), is_left=bool(waiting))


def _waiting(figures: SpoolFigures) -> str:
    counts = ((figures.waiting_calls, "call"), (figures.waiting_events, "event"))
    return " and ".join(counted_with_commas(count, noun) for count, noun in counts if count)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _pattern(wanted: SendingWanted, record: Output | None) -> str | None:
    """Return the names of recordings, where they are files. Raises `UsageError` where there are none to upload."""
    if isinstance(record, FileOutput):
        return record.pattern
    if wanted.upload is not None:
        raise UsageError("--upload sends recordings that are files: add --record DIR, or name a file")
    return None


def _capture_folder(wanted: SendingWanted, capture: CaptureOutput | None, tell: Callable[[str], object]) -> Path | None:
    """Return the folder of captures, where each call has its own."""
    if isinstance(capture, CaptureFolder):
        return capture.folder
    if wanted.upload is not None and capture is not None:
        tell(
            f"the capture {printable(str(capture))} holds all calls, so it is not uploaded: name a folder for --capture"
        )
    return None


def _spool_folder(wanted: SendingWanted, record: Output | None) -> Path:
    if wanted.spool is not None:
        return wanted.spool
    if isinstance(record, FileOutput):
        return record.folder / DEFAULT_NAME
    raise UsageError("--events needs a folder in which events wait: add --spool DIR, or --record DIR")
