"""The page of a folder of calls, written to a file or with a page for each call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audiosocket_cli.errors import FileError, NothingError, UsageError
from audiosocket_cli.report.day import address_of, page_path, write_day
from audiosocket_cli.report.day_call import DayCall
from audiosocket_cli.report.day_data import COLUMNS
from support.days import make_day
from support.markup import parsed, text_of


@pytest.fixture
def day(tmp_path: Path) -> Path:
    make_day(tmp_path / "calls", 4, length_s=(1, 2))
    return tmp_path / "calls"


def data_of(path: Path) -> list[dict[str, object]]:
    (found,) = (each for each in parsed(path.read_bytes()).iter("script") if each.get("id") == "day")
    return [dict(zip(COLUMNS, values, strict=True)) for values in json.loads(found.text or "")["calls"]]


def test_a_file_is_written_that_leads_to_the_recordings(day: Path, tmp_path: Path) -> None:
    written = write_day([day], tmp_path / "page.html")
    assert (written.path, written.calls, written.pages, written.remarks) == (tmp_path / "page.html", 4, 0, ())
    assert written.path.stat().st_mode & 0o777 == 0o600
    assert text_of(next(parsed(written.path.read_bytes()).iter("h1"))) == "Calls in calls"
    for call in data_of(written.path):
        assert call["sounds"] == [f"./calls/{call['uuid']}.wav"]
        assert call["page"] == ""


def test_a_folder_gets_a_page_for_each_call(day: Path, tmp_path: Path) -> None:
    asked: list[tuple[DayCall, Path]] = []

    def make_page(call: DayCall, path: Path) -> bytes:
        asked.append((call, path))
        return f"page of {call.key}".encode()

    written = write_day([day], f"{tmp_path}/pages/", make_page=make_page)
    assert (written.path, written.pages) == (tmp_path / "pages" / "index.html", 4)
    for call in data_of(written.path):
        assert call["sounds"] == [f"../calls/{call['uuid']}.wav"]
        page = written.path.parent / str(call["page"])
        assert page.read_text() == f"page of {call['uuid']}"
    assert [path for _, path in asked] == [tmp_path / "pages" / "calls" / f"{call.key}.html" for call, _ in asked]


def test_a_call_whose_page_fails_is_left_without_one(day: Path, tmp_path: Path) -> None:
    def make_page(call: DayCall, path: Path) -> bytes:
        if call.key == first:
            raise FileError("cannot read it")
        return b"page"

    first = min(path.stem for path in day.glob("*.json"))
    (tmp_path / "pages").mkdir()
    written = write_day([day], tmp_path / "pages", make_page=make_page)
    assert (written.pages, written.remarks) == (3, ("cannot read it",))
    assert {call["key"]: bool(call["page"]) for call in data_of(written.path)}[first] is False


def test_a_page_is_not_written_over_another(day: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine")
    with pytest.raises(UsageError, match=r"page\.html: it exists; choose another name or add --force"):
        write_day([day], page)
    assert page.read_text() == "mine"
    write_day([day], page, force=True)
    assert page.read_bytes().startswith(b"<!DOCTYPE html>")


def test_several_folders_are_one_page(day: Path, tmp_path: Path) -> None:
    make_day(tmp_path / "more", 2, length_s=(1, 2), seed=2)
    written = write_day([day, tmp_path / "more"], tmp_path / "page.html")
    assert written.calls == 6
    assert {str(call["key"]).partition("/")[0] for call in data_of(written.path)} == {"calls", "more"}
    assert text_of(next(parsed(written.path.read_bytes()).iter("h1"))) == "Calls in calls, more"


def test_what_else_is_in_the_folder_is_told(day: Path, tmp_path: Path) -> None:
    (day / "notes.txt").touch()
    (day / "a.json").write_text("{")
    written = write_day([day], tmp_path / "page.html")
    assert written.remarks == ("1 JSON file that cannot be read", "1 other file")


def test_a_folder_that_cannot_be_read_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"cannot read .*gone: no such file or directory"):
        write_day([tmp_path / "gone"], tmp_path / "page.html")


def test_a_folder_without_a_call_is_said_with_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(NothingError, match=r"there is no call in .*, which holds nothing$"):
        write_day([tmp_path], tmp_path / "page.html")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(NothingError, match=r"there is no call in .*, which holds 1 other file$"):
        write_day([tmp_path], tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("name", "address"),
    [("a.wav", "./a.wav"), ("a#?%\"<'.wav", "./a%23%3F%25%22%3C%27.wav"), ("b/ä\n.wav", "./b/%C3%A4%0A.wav"),
     ("javascript:x.wav", "./javascript%3Ax.wav"), ("../c.wav", "../c.wav"), ("..c.wav", "./..c.wav")],
)  # fmt: skip
def test_addresses_are_relative_and_quoted(tmp_path: Path, name: str, address: str) -> None:
    assert address_of(tmp_path / name, tmp_path) == address


def test_a_folder_is_one_or_ends_in_a_slash(tmp_path: Path) -> None:
    assert page_path(tmp_path) == (tmp_path / "index.html", True)
    assert page_path(f"{tmp_path}/new/") == (tmp_path / "new" / "index.html", True)
    assert page_path(f"{tmp_path}/new") == (tmp_path / "new", False)
