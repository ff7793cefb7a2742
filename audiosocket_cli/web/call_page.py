"""The page of a recorded call as a server shows it: the same page as `report` makes, with its files at their URLs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from audiosocket_cli.report.call_files import PagePlace, files_of_json, page_data
from audiosocket_cli.report.call_page import call_page


def data_of(path: Path, call: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the data of the page of a call, whose JSON is in `path`; `name` is that of the call below the folder.

    Raises `FileError` when its recording cannot be read.
    """
    data = page_data(files_of_json(path, call), PagePlace(path.parent))
    recordings = f"/recordings/{quote(name)}/"
    if data["sound"] is not None:
        data["sound"]["src"] = recordings + _name_of(data["sound"]["src"])
    json_name = f"{os.path.basename(name)}.json"
    data["links"] = [
        [text, f"/api/ended/{quote(name)}/data" if _name_of(href) == quote(json_name) else recordings + _name_of(href)]
        for text, href in data["links"]
    ]
    data["links"].insert(0, ["all calls", "/"])
    return data


def page_of(path: Path, call: Mapping[str, Any], name: str) -> bytes:
    """Return the page of a call. Raises as `data_of`."""
    return call_page(data_of(path, call, name))


def _name_of(href: str) -> str:
    return href.rpartition("/")[2]
