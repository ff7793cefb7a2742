"""The objects of a bucket below a path, as a place that an index is of.

There the store lists a thousand names in a tenth of a second, and each JSON is a request of its own: so the index is a
file of this user, filled when calls are asked for, and only JSON that is new or changed is read.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from audiosocket_cli.calls_index.bucket_scan import BucketScan
from audiosocket_cli.calls_index.cache_folder import cache_folder
from audiosocket_cli.calls_index.filling import Filling
from audiosocket_cli.calls_index.object_reader import ObjectReader
from audiosocket_cli.calls_index.row import Row
from audiosocket_cli.disk import PREFIX
from audiosocket_cli.errors import OutputError
from audiosocket_cli.stores.listing import Gap
from audiosocket_cli.stores.requests import Requests
from audiosocket_cli.stores.store import endpoint_of, open_store
from audiosocket_cli.stores.store_error import StoreError
from audiosocket_cli.stores.store_url import StoreUrl

MAX_REQUESTS: Final = 48
"""At once."""
_TIMEOUT_S: Final = 15.0
"""For a page of names or the JSON of a call. Somebody waits for the list."""
_DOWNLOAD_TIMEOUT_S: Final = 1800.0
"""For a recording, which may be large."""


class BucketPlace:
    """The path of --upload, or any above it."""

    def __init__(self, url: StoreUrl) -> None:
        """Nothing is asked of the store yet. Raises `UsageError` and `MissingLibraryError`."""
        self.url = url
        self.name = str(url)
        self.root = self.name.encode()
        self.index_file = cache_folder() / _file_name(url)
        self._store = open_store(url, timeout_s=_TIMEOUT_S)
        self._for_downloads = open_store(url, timeout_s=_DOWNLOAD_TIMEOUT_S)
        self._requests = Requests(MAX_REQUESTS)

    def close(self) -> None:
        """Ask no more of the store."""
        self._requests.close()

    def fill(self, filling: Filling, *, quick: bool) -> None:
        """List all objects, read JSON that is new or changed, and forget what is gone.

        Where the store goes away, the index stays as far as it came, and `filling.updated` has a line that says so.
        Raises `StoreError` where it answers that it will not.
        """
        scan = BucketScan(self._store, self._requests, filling)
        try:
            with ObjectReader(self._store, self._requests, filling) as reader:
                for page in scan.changed():
                    reader.read(page)
                reader.finish()
            scan.forget_gone()
            _note_listed(filling)
            if scan.gaps:
                filling.updated.incomplete.append(f"{self.name} is not complete: {gaps_line(scan.gaps)}")
        except StoreError as error:
            if not error.is_away:
                raise
            reason = str(error).removeprefix(f"{self.name}: ")
            filling.updated.incomplete.append(f"{self.name} is not complete: {reason}; {_known(filling)}")
        finally:
            filling.end()
            scan.close()

    @contextmanager
    def at_hand(self, row: Row, names: Sequence[str]) -> Iterator[Path]:
        """Download files of a call, each under its name, into a temporary folder; what is gone is not there. Raises
        `StoreError`, and `OutputError` where there is no room."""
        with tempfile.TemporaryDirectory(prefix=PREFIX) as temporary:
            for name in names:
                self._download(row, name, Path(temporary))
            yield Path(temporary)

    def _download(self, row: Row, name: str, to: Path) -> None:
        folder = row.folder.removeprefix(self.name).strip("/")
        try:
            self._requests.ask(self._for_downloads.download, f"{folder}/{name}".lstrip("/"), to / name)
        except StoreError as error:
            if not error.is_missing:
                raise
        except OSError as error:
            raise OutputError(f"cannot write to {to}: {(error.strerror or str(error)).lower()}") from None


def _file_name(url: StoreUrl) -> str:
    """Return a name for the index, of its own for each path, in each bucket, of each store."""
    parts = [str(url), endpoint_of(url.scheme), os.environ.get("AZURE_STORAGE_ACCOUNT_NAME", "")]
    digest = hashlib.blake2b("\n".join(parts).encode(errors="surrogateescape"), digest_size=8)
    return f"{url.scheme}-{re.sub(r'[^A-Za-z0-9.-]', '_', url.bucket)[:100]}-{digest.hexdigest()}.sqlite"


def gaps_line(gaps: Sequence[Gap]) -> str:
    """Say why a listing is not complete."""
    names = f"the name {gaps[0].odd!r:.80}" if len(gaps) == 1 else f"{len(gaps)} names such as {gaps[0].odd!r:.80}"
    return f"obstore cannot list {names}, nor what is on the same page of the list: remove that object"


def _note_listed(filling: Filling) -> None:
    filling.begin()
    filling.database.execute("INSERT OR REPLACE INTO folders VALUES (x'', ?, 1, x'')", (time.time_ns(),))
    filling.commit()


def _known(filling: Filling) -> str:
    """Say what is shown instead of all."""
    found = filling.database.execute("SELECT mtime_ns FROM folders WHERE path = x''").fetchone()
    if found is None or not isinstance(found[0], int):
        return "only calls that were read so far are known"
    try:
        return f"all calls were last known on {datetime.fromtimestamp(found[0] / 1e9):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return "the time of the last whole list is not known"
