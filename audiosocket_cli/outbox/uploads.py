"""Uploads: the calls that wait in a spool, sent to an object store by a few threads.

A store that is away stops them all but one, which tries again: after 1 s, and up to 60 s later each time. What goes
wrong with one call postpones that call only. Nothing is given up, except a call whose files are gone, or whose objects'
names are too long for any store.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final, Literal, Protocol

from audiosocket_cli.outbox.back_off import MAX_WAIT_S, wait_after
from audiosocket_cli.outbox.call_upload import (
    CallUpload,
    GoneError,
    NoFolderError,
    Notes,
    ObjectStore,
    StoppedUploadError,
)
from audiosocket_cli.outbox.news import News
from audiosocket_cli.outbox.store_state import StoreState
from audiosocket_cli.outbox.waiting import SpoolFigures, WaitingCall
from audiosocket_cli.stores.object_name import ObjectNames
from audiosocket_cli.stores.store import open_store
from audiosocket_cli.stores.store_error import StoreError, StoreFault
from audiosocket_cli.text import counted, printable

Then = Literal["keep", "remove"]

_LOOK_AGAIN_S: Final = 0.25
"""How often it is looked whether to end, while all threads are busy."""

_LAST_S: Final = 5.0
"""How long objects that are on their way at the end are waited for; what is not there then is sent again next time."""

_FOLDER_TRIES: Final = 80
"""How often a call is tried whose folder is gone, be it a disk that is not mounted: about an hour."""

_OF_ALL: Final = (StoreFault.AWAY, StoreFault.DENIED, StoreFault.NO_BUCKET)


class CallSpool(Notes, Protocol):
    """What uploads need of a spool."""

    def due_calls(self, most: int) -> list[WaitingCall]:
        """Hand out calls that are to be sent now."""

    def finish_call(self, id: int) -> None:
        """All objects of a call are there."""

    def postpone_call(self, id: int, seconds: float, reason: str) -> None:
        """Hand a call out again later."""

    def give_up_call(self, id: int, reason: str) -> None:
        """A call is not sent, ever."""

    def figures(self) -> SpoolFigures:
        """Return how much waits."""

    @property
    def news(self) -> News:
        """Tells when a call was put."""


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """A store, and how calls' objects are named in it."""

    store: ObjectStore
    names: ObjectNames


def open_target(url: str) -> UploadTarget:
    """Open the store of `--upload`; nothing is asked of it yet. Raises `UsageError`, `MissingLibraryError`."""
    names = ObjectNames(url)
    return UploadTarget(open_store(names.store), names)


class Uploads:
    """Sends what waits until it is stopped. Figures are of this process, since its start."""

    def __init__(
        self, spool: CallSpool, target: UploadTarget, parallel: int, then: Then, tell: Callable[[str], object]
    ) -> None:
        """`parallel` calls at once; `then` says what becomes of local files; `tell` gets a line when the store goes,
        and when it is back. Raises nothing."""
        self._spool = spool
        self._target = target
        self._parallel = parallel
        self._removes = then == "remove"
        self.state = StoreState(str(target.names.store), lambda: spool.figures().waiting_calls, tell)
        self._tell = tell
        self._queue: SimpleQueue[WaitingCall | None] = SimpleQueue()
        self._free = threading.Semaphore(parallel)
        self._stop = threading.Event()
        self._replace: set[str] = set()
        self._failures: Counter[int] = Counter()
        """By call: how often it failed for a reason of its own."""
        self._lock = threading.Lock()
        self.calls = self.objects = self.bytes = self.postponed = 0
        """Calls that are all there, objects and bytes that were sent, and how often a call was postponed."""

    @property
    def problem(self) -> str | None:
        """Why nothing can be sent now, in one line; None while the store takes what is sent."""
        return self.state.problem

    def work(self, stop: threading.Event) -> None:
        """Send what waits and what comes until `stop` is set; then wait a few seconds for what is on its way."""
        threads = [
            threading.Thread(target=self._work, name=f"upload-{number}", daemon=True)
            for number in range(1, self._parallel + 1)
        ]
        for thread in threads:
            thread.start()
        is_new = threading.Event()
        self._spool.news.listen("calls", is_new.set)
        try:
            while not stop.is_set():
                if not self._hand_out(stop):
                    is_new.wait(min(self._spool.news.look_s, self.state.wait_s() or math.inf))
                is_new.clear()
        finally:  # also where the spool cannot be read: others take over then
            self._stop.set()
            for _ in threads:
                self._queue.put(None)
            for thread in threads:
                thread.join(_LAST_S / len(threads))

    def _hand_out(self, stop: threading.Event) -> bool:
        """Give calls to threads that are free; False where there is none to give, or it is not the time."""
        if self.state.wait_s() > 0:
            return False
        if not self._free.acquire(timeout=_LOOK_AGAIN_S):
            return True
        most = 1
        while not self.state.is_away and self._free.acquire(blocking=False):
            most += 1
        calls = [] if stop.is_set() else self._spool.due_calls(most)
        for call in calls:
            self._queue.put(call)
        for _ in range(most - len(calls)):
            self._free.release()
        if calls and self.state.is_away:  # one tries, and its answer says how it goes on
            self._wait_for_all(stop)
        return bool(calls)

    def _wait_for_all(self, stop: threading.Event) -> None:
        """Wait until nothing is on its way."""
        taken = 0
        while taken < self._parallel and not stop.is_set():
            taken += self._free.acquire(timeout=_LOOK_AGAIN_S)
        for _ in range(taken):
            self._free.release()

    def _work(self) -> None:
        while True:
            call = self._queue.get()
            if call is None:
                return
            try:
                self._send(call)
            except BaseException as error:  # a panic in obstore is not an `Exception`, and would end the thread
                if not self._stop.is_set():  # the spool may be closed by now
                    self._postpone(
                        call, MAX_WAIT_S, f"internal error while uploading {printable(call.files.name)}: {error!r}"
                    )
            finally:
                self._free.release()

    def _send(self, call: WaitingCall) -> None:
        upload = CallUpload(call, self._target.store, self._target.names, self._spool, replace=self._replace)
        name = printable(call.files.name)
        try:
            waits = self._failures[call.id] < _FOLDER_TRIES
            upload.send(must_note_all=self._removes, waits_for_folders=waits, go_on=self._goes_on)
        except StoppedUploadError:
            return
        except StoreError as error:
            self._failed(call, error)
        except NoFolderError as error:
            self._failed_itself(call, f"cannot upload {name}: there is no folder {printable(str(error.folder))}")
        except GoneError:
            self._give_up(call, "its files were removed before they were sent")
        except OSError as error:
            self._failed_itself(call, f"cannot upload {name}: {_why(error)}")
        else:
            self.state.succeeded()
            self._end(call, upload)
        finally:
            with self._lock:
                self.objects += upload.sent_objects
                self.bytes += upload.sent_bytes

    def _goes_on(self) -> bool:
        return not self._stop.is_set()

    def _failed(self, call: WaitingCall, error: StoreError) -> None:
        if error.fault in _OF_ALL:
            self._postpone(call, self.state.failed(error), "")
        elif error.fault is StoreFault.TOO_LONG:
            self._give_up(call, str(error))
        else:
            self.state.succeeded()
            self._failed_itself(call, f"cannot upload to {error}")

    def _failed_itself(self, call: WaitingCall, reason: str) -> None:
        """Postpone a call for a reason of its own, which is told the first time and then ever more seldom."""
        with self._lock:
            failures = self._failures[call.id]
            self._failures[call.id] += 1
        self._postpone(
            call,
            wait_after(failures + 1),
            f"{reason} (trying again)" if failures in (0, 10) or failures % 100 == 0 else "",
        )

    def _give_up(self, call: WaitingCall, reason: str) -> None:
        self._forget(call)
        self._spool.give_up_call(call.id, f"not uploaded: {printable(call.files.name)}: {reason}")

    def _forget(self, call: WaitingCall) -> None:
        with self._lock:
            self._failures.pop(call.id, None)

    def _postpone(self, call: WaitingCall, wait_s: float, reason: str) -> None:
        with self._lock:
            self.postponed += 1
        self._spool.postpone_call(call.id, wait_s, reason)

    def _end(self, call: WaitingCall, upload: CallUpload) -> None:
        """Remove a call's files, if that is wanted, and finish it."""
        missing = upload.missing
        if missing:
            names = ", ".join(printable(path.name) for path in missing[:3])
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            what = counted(len(missing), "file")
            self._tell(f"{printable(call.files.name)}: {what} removed before being sent: {names}{more}")
        if self._removes:
            try:
                self._remove(call, upload)
            except OSError as error:
                self._failed_itself(call, f"cannot remove what was uploaded: {_why(error)}")
                return
        self._spool.finish_call(call.id)
        self._forget(call)
        with self._lock:
            self.calls += 1

    def _remove(self, call: WaitingCall, upload: CallUpload) -> None:
        """Remove a call's files, the JSON last: what has one is whole. Raises `OSError`."""
        for path in call.files.paths:
            if not upload.is_as_sent(path):
                what = f"{printable(path.name)} is not what was uploaded, and stays"
                self._tell(f"{printable(call.files.name)}: {what}: it has changed, or is of another call")
                return
            path.unlink(missing_ok=True)


def _why(error: OSError) -> str:
    text = error.strerror or str(error)
    name = f": {error.filename}" if isinstance(error.filename, str) else ""
    return printable(f"{text[:1].lower()}{text[1:]}{name}")
