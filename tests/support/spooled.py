"""Calls with files that wait in a spool, and uploads that work on it in a thread."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from audiosocket_cli.outbox.call_files import CallFiles
from audiosocket_cli.outbox.spool import Spool
from audiosocket_cli.outbox.uploads import Then, Uploads, UploadTarget
from audiosocket_cli.stores.object_name import ObjectNames
from support.opened_stores import opened
from support.running import wait_until

STARTED_AT = "2026-11-30T12:00:00+00:00"
LONG_S = 60.0


def recorded(folder: Path, name: str | None = None, *, uuid: str | None = None, size: int = 1000) -> CallFiles:
    """Files of a call as a server leaves them: a recording, and JSON."""
    name = name or str(uuid4())
    folder.mkdir(parents=True, exist_ok=True)
    wav, own_json = folder / f"{name}.wav", folder / f"{name}.json"
    wav.write_bytes(os.fsencode(name) + bytes(size))
    own_json.write_text(json.dumps({"uuid": uuid or name, "name": name}))
    return CallFiles(name, uuid or name, "127.0.0.1:5000", STARTED_AT, (wav,), own_json)


def contents(files: CallFiles) -> dict[str, bytes]:
    """The call's files by their names."""
    return {path.name: path.read_bytes() for path in files.paths}


def target_of(url: str, environment: Mapping[str, str], *, retries: int = 0) -> UploadTarget:
    names = ObjectNames(url)
    return UploadTarget(opened(str(names.store), environment, retries=retries), names)


@contextmanager
def uploading(
    spool: Spool, target: UploadTarget, *, parallel: int = 4, then: Then = "keep", tell: Callable[[str], object]
) -> Iterator[Uploads]:
    """Upload while the test goes on."""
    uploads = Uploads(spool, target, parallel, then, tell)
    stop = threading.Event()
    thread = threading.Thread(target=uploads.work, args=(stop,))
    thread.start()
    try:
        yield uploads
    finally:
        stop.set()
        thread.join()


def until_sent(spool: Spool, calls: int, told: list[str] | None = None) -> None:
    """Wait until so many calls are in the store, and none waits."""
    wait_until(lambda: (figures := spool.figures()).uploaded == calls and not figures.waiting_calls, told)
