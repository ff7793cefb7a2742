"""All objects of a store, also of one with names that obstore does not take.

A name with an empty part, with . or .. as a part, or with a control character ends a listing with an error at the page
of a thousand that it is in, whoever made that object. So the listing begins again after it. What the page had before it
is looked for in the folder of the last object that was listed; more cannot be asked for, and `Gap` says so.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Final, NamedTuple

from audiosocket_cli.stores.object_info import ObjectInfo
from audiosocket_cli.stores.store import Store
from audiosocket_cli.stores.store_error import StoreError

MAX_GAPS: Final = 100
"""Names that a listing gets past. Each costs a page."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class Gap(NamedTuple):
    """Part of a listing that is not known: names after one and up to another, which obstore does not take."""

    after: str
    odd: str


def list_past_odd_names(store: Store, gaps: list[Gap]) -> Iterator[ObjectInfo]:
    """Yield all objects; where names are odd, `gaps` gets what is left out. Raises `StoreError`."""
    after = last = ""
    while True:
        try:
            for info in store.list(after=after or None):
                last = info.name
                yield info
            return
        except StoreError as error:
            odd = _below(store, error.odd_name)
            resumed = None if odd is None else _after(odd)
            if odd is None or resumed is None or resumed <= after or len(gaps) == MAX_GAPS:
                raise
        last = yield from _rest_of_folders(store, last, odd)
        gaps.append(Gap(max(last, after), odd))
        after = resumed


def _below(store: Store, name: str | None) -> str | None:
    """Return the name of an object below the URL of the store."""
    path = f"{store.url.path}/" if store.url.path else ""
    return name.removeprefix(path) if name is not None and name.startswith(path) else None


def _rest_of_folders(store: Store, last: str, odd: str) -> Generator[ObjectInfo, None, str]:
    """Yield what comes after an object in its folder, and those above, as far as the odd name is in none of them.

    Returns the name of the last one.
    """
    folder = last.rpartition("/")[0]
    while folder and not odd.startswith(f"{folder}/"):
        for info in store.list(folder, after=last):
            last = max(last, info.name)
            yield info
        folder = folder.rpartition("/")[0]
    return last


def _after(odd: str) -> str | None:
    """Return a name after all that are odd in the same way, and before any other name; None where none is known."""
    parts = odd.split("/")
    for number, part in enumerate(parts):
        before = "".join(f"{each}/" for each in parts[:number])
        if control := _CONTROL.search(part):
            return f"{before}{part[: control.start()]}{' ' if control[0] < ' ' else chr(0x80)}"
        if part in ("", ".", ".."):
            return f"{before}{part} " if part and number == len(parts) - 1 else f"{before}{part}0"  # "0" follows "/"
    return None
