"""Calls that have ended, over HTTP: their list, their data and pages, and their recordings, whole and in parts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from support.peers import opening
from support.web import Web, recorded, running

BASE = {"schema": "audiosocket.call/1", "dtmf": [], "findings": [], "finding_ids": [], "recording": None}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("web") / "calls"


@pytest.fixture(scope="module")
def web(folder: Path) -> Iterator[Web]:
    with running("--record", folder, "--echo") as started:
        recorded(started, 1, "0042")
        recorded(started, 2, "7", frames=100)
        yield started


def write(folder: Path, name: str, **facts: object) -> None:
    path = folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(BASE | facts))


def test_calls_are_listed_the_newest_first_with_digits_as_text(web: Web) -> None:
    told = web.ask("/api/ended").json
    assert [(row["call"], row["digits"], row["files"]) for row in told["calls"][:2]] == [
        (opening(2)[0], "7", [f"{opening(2)[0]}.wav"]), (opening(1)[0], "0042", [f"{opening(1)[0]}.wav"]),
    ]  # fmt: skip
    assert (told["schema"], told["count"], told["offset"]) == ("audiosocket.web/1", 2, 0)
    assert "folder" not in told["calls"][0]
    totals = told["totals"]
    assert (totals["calls"], totals["with_digits"]) == (2, 2)
    assert totals["latency_max_ms"] is None  # of an echo no turns are measured
    assert totals["last_at"] == told["calls"][0]["started_at"]
    assert web.ask(f"/api/ended/{opening(1)[0]}").json["digits"] == "0042"


@pytest.mark.parametrize(
    ("query", "numbers"),
    [("digits=42", [1]), ("digits=%3D7", [2]), ("longer=3600", []), ("shorter=3600", [2, 1]),
     ("uuid=00000000-", [2, 1]), ("peer=127.0.0.1", [2, 1]), ("peer=10.*", []), ("sort=oldest", [1, 2]),
     ("limit=1", [2]),     ("limit=1&offset=1", [1]), ("since=2000-01-01", [2, 1]), ("before=2000-01-01", []),
     ("finding=uuid-example", []), ("limit=0", [])],
)  # fmt: skip
def test_lists_are_filtered_sorted_and_in_pages(web: Web, query: str, numbers: list[int]) -> None:
    rows = web.ask(f"/api/ended?{query}").json["calls"]
    assert [row["uuid"] for row in rows] == [opening(number)[0] for number in numbers]


@pytest.mark.parametrize(
    "query",
    ["limit=x", "limit=-1", "longer=x", "longer=nan", "longer=-1", "since=x", "x=1", "sort=x", f"peer={'x' * 300}"],
)
def test_odd_questions_are_refused_in_one_line(web: Web, query: str) -> None:
    answer = web.ask(f"/api/ended?{query}")
    assert (answer.status, set(answer.json)) == (400, {"schema", "error"})
    assert web.ask("/api/ended").json["count"] == 2


def test_a_call_has_its_page_and_the_data_of_that(web: Web) -> None:
    call = opening(1)[0]
    page = web.ask(f"/calls/{call}")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["content-security-policy"]
    assert "'sha256-" in policy
    assert "frame-ancestors 'none'" in policy
    assert f"/recordings/{call}/{call}.wav".encode() in page.body
    data = web.ask(f"/api/ended/{call}/data").json
    assert (data["schema"], data["sound"]["src"]) == ("audiosocket.page/1", f"/recordings/{call}/{call}.wav")
    assert [mark["label"] for mark in data["marks"] if mark["kind"] == "digit"] == list("0042")
    assert web.ask(f"/calls/uuid/{call}").headers["location"] == f"/calls/{call}"


def test_of_a_recording_parts_can_be_had(web: Web, folder: Path) -> None:
    call = opening(1)[0]
    path, whole = f"/recordings/{call}/{call}.wav", (folder / f"{call}.wav").read_bytes()
    answer = web.ask(path)
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "audio/wav", whole)
    part = web.ask(path, Range="bytes=100-199")
    assert (part.status, part.headers["content-range"], part.body) == (
        206, f"bytes 100-199/{len(whole)}", whole[100:200],
    )  # fmt: skip
    assert web.ask(path, Range=f"bytes={len(whole) - 10}-").body == whole[-10:]
    assert web.ask(path, Range=f"bytes={len(whole)}-").status == 416
    head = web.ask(path, "HEAD")
    assert (head.status, head.headers["content-length"], head.headers["accept-ranges"], head.body) == (
        200, str(len(whole)), "bytes", b"",
    )  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["/recordings/{call}/../secret.wav", "/recordings/{call}/%2e%2e%2fsecret.wav", "/recordings/../secret/secret.wav",
     "/recordings/{call}/{call}.json", "/recordings/{call}/link.wav", "/calls/..%2fsecret", "/calls/../secret",
     "/calls/%2fetc%2fpasswd", "/calls/link", "/calls/sub/../{call}", "/calls/{call}%00", "/calls/", "/calls/x",
     "/api/ended/..%2fsecret", "/api/ended/..%2fsecret/data", "/api/ended/%ff", "/calls/{long}",
     "/api/ended/{call}%00", "/api/ended/%00/data", "/recordings/%00/x.wav", "/api/ended/{long}"],
)  # fmt: skip
def test_no_name_leads_out_of_the_folder(web: Web, folder: Path, path: str) -> None:
    write(folder.parent, "secret", uuid="secret", recording={"files": ["secret.wav"]})
    (folder.parent / "secret.wav").write_bytes(b"secret")
    for name, target in (("link.json", "../secret.json"), ("link.wav", "../secret.wav")):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(target)
    answer = web.ask(path.format(call=opening(1)[0], long="x" * 5000))
    assert answer.status == 404, answer
    assert b"secret" not in answer.body


def test_calls_below_the_folder_and_hostile_ones_are_shown_as_text(web: Web, folder: Path) -> None:
    name = "2026-11-30/<b>\u202e#?%"
    write(folder, name, uuid="<script>alert(1)</script>", peer="\u202eevil", started_at="2026-11-30T00:00:00Z",
          duration_s=1.0, result='"><img src=x onerror=alert(1)>')  # fmt: skip
    rows = web.until("/api/ended", lambda told: told["count"] == 3)["calls"]
    row = next(row for row in rows if row["uuid"] == "<script>alert(1)</script>")
    assert (row["call"], row["peer"]) == (name, "\\u202eevil")
    page = web.ask(f"/calls/{quote(name)}")
    assert page.status == 200
    assert b"<script>alert" not in page.body
    assert b"<img src=x" not in page.body
    (folder / f"{name}.json").unlink()
    web.until("/api/ended", lambda told: told["count"] == 2)


def test_broken_files_hide_no_others(web: Web, folder: Path) -> None:
    (folder / "broken.json").write_text("{")
    write(folder, "gone", uuid="x", recording={"files": ["gone.wav"], "layout": "stereo"})
    assert web.ask("/calls/broken").status == 404
    assert web.ask("/calls/gone").status == 200
    assert web.ask("/recordings/gone/gone.wav").status == 404
    assert web.ask("/api/ended").status == 200
    (folder / "broken.json").unlink()
    (folder / "gone.json").unlink()
    web.until("/api/ended", lambda told: told["count"] == 2)


def test_without_recordings_it_says_so() -> None:
    with running() as web:
        for path in ("/api/ended", "/calls/x", "/recordings/x/y.wav", "/api/ended/x/data"):
            answer = web.ask(path)
            assert (answer.status, "--record" in answer.json["error"]) == (404, True)
        assert b"add --record DIR" in web.ask("/").body
