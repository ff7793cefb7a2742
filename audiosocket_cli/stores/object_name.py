"""Names of a call's objects: a pattern with fields for the stem, and what the local file's name ends with.

The fields are those of `--record`: {uuid}, {date}, {time} and {peer}.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import PurePath
from typing import Final

from audiosocket_cli.errors import UsageError
from audiosocket_cli.name_pattern import FIELD, FIELDS
from audiosocket_cli.stores.store_url import StoreUrl, parse_store_url
from audiosocket_cli.text import printable

_APPENDED: Final = "{date}/{uuid}"
_PACKED: Final = (".gz", ".bz2", ".xz", ".zst", ".lz4")

CONTENT_TYPES: Final = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".mp3": "audio/mpeg",
    ".aiff": "audio/aiff",
    ".au": "audio/basic",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".pcap": "application/vnd.tcpdump.pcap",
    ".pcapng": "application/vnd.tcpdump.pcap",
}
"""By the suffix of a file's name."""


def content_type_of(name: str) -> str:
    """Return the media type of a file by its name."""
    return CONTENT_TYPES.get(PurePath(name).suffix.lower(), "application/octet-stream")


class ObjectNames:
    """A URL with fields: where the store is opened, and the stems of calls below that."""

    def __init__(self, url: str) -> None:
        """Take a URL; one without a field gets a date and the UUID. Raises `UsageError`."""
        parsed = parse_store_url(url)
        shown = printable(str(parsed))
        unknown = set(FIELD.findall(parsed.path)) - set(FIELDS)
        if unknown:
            known = ", ".join(f"{{{field}}}" for field in FIELDS)
            raise UsageError(f"{shown} has an unknown field {{{min(unknown)}}}: choose from {known}")
        if FIELD.search(parsed.bucket) or re.search(r"[{}]", FIELD.sub("", parsed.path)):
            raise UsageError(f"{shown} has a brace that is not part of a field: write fields as {{date}}")
        parts = parsed.path.split("/") if parsed.path else []
        if PurePath(parsed.path).suffix.lower() in CONTENT_TYPES:
            suffix = PurePath(parsed.path).suffix
            raise UsageError(f"{shown} ends with {suffix}: leave it out, each file of a call brings its own")
        first = next((number for number, part in enumerate(parts) if FIELD.search(part)), len(parts))
        pattern = "/".join(parts[first:])
        if not pattern:
            pattern = _APPENDED
        elif url.endswith("/"):
            pattern += "/{uuid}"
        self.store: StoreUrl = parsed.at("/".join(parts[:first]))
        """Where the store is to be opened: the path's parts before the first field."""
        self.pattern = pattern

    def __str__(self) -> str:
        return f"{self.store}/{self.pattern}"

    def stem(self, name: str, uuid: str | None, peer: str, started_at: str) -> str:
        """Return the stem of a call's objects, below the store's URL. `name` stands for a UUID that is not known.

        `started_at` is RFC 3339; the date and the time are the local ones, as in names of files.
        """
        try:
            start = datetime.fromisoformat(started_at).astimezone()
            date, time = f"{start:%Y-%m-%d}", f"{start:%H-%M-%S}"
        except ValueError:  # it is read from a file, and may be anything
            date = time = "unknown"
        values = {"uuid": uuid or name, "date": date, "time": time, "peer": re.sub(r"[^\w.-]+", "_", peer)}
        return FIELD.sub(lambda field: _clean(values[field[1]]), self.pattern)


def numbered(stem: str, number: int) -> str:
    """Return a stem for the `number`-th call of a name: STEM, STEM-2, STEM-3."""
    return stem if number == 1 else f"{stem}-{number}"


def ending_of(name: str, own: str) -> str:
    """Return what a file's name has after the stem `own` of its call: ".wav", ".part2.wav".

    Of a file with another stem, as a capture may be, it is the suffix: a number of its own says nothing here.
    """
    rest = name.removeprefix(own)
    if rest == name or not rest.startswith("."):
        suffixes = PurePath(name).suffixes
        rest = "".join(suffixes[-2:] if suffixes and suffixes[-1].lower() in _PACKED else suffixes[-1:])
    return _clean(rest)


def _clean(text: str) -> str:
    """Return a text as a part of a name: what a store or a terminal does not take becomes an underscore."""
    text = re.sub(r"[^\w.+@=:,() -]+", "_", text)
    return text if text.strip(".") else text.replace(".", "_")
