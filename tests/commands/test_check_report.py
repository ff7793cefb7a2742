"""`audiosocket check report`, and `check --html`: results beside each other, as text and as a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audiosocket_cli.check.model import Report
from audiosocket_cli.check.nature import Nature
from audiosocket_cli.check.results import report_json
from support.checked import FAIL, MUST_ID, PASS, SHOULD_ID, report, result
from support.faulty import FAULTY, serving
from support.markup import parsed, text_of, with_class
from support.running import run


def kept(path: Path, whole: Report) -> Path:
    path.write_text(json.dumps(report_json(whole, Nature())))
    return path


@pytest.fixture
def results(tmp_path: Path) -> list[Path]:
    """What two runs kept."""
    good = report([result(MUST_ID, PASS), result(SHOULD_ID, PASS)])
    bad = report([result(MUST_ID, FAIL, observed="heard 1 of the 10")], name="bot 2")
    return [kept(tmp_path / "good.json", good), kept(tmp_path / "bad.json", bad)]


def test_results_are_beside_each_other(results: list[Path]) -> None:
    done = run("check", "report", *results)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "1  127.0.0.1:9092: passed: no case that counts failed, of 2: 2 passed, 0 failed,",
        "   0 skipped, 0 unknown",
        "2  bot 2: failed: 1 case (1 MUST) of 1: 0 passed, 1 failed, 0 skipped, 0 unknown",
        "",
        "case             level   1        2",
        "frame/coalesced  MUST    passed   failed",
        "pace/rate        SHOULD  passed   -",
    ]


def test_as_json_they_are_verdicts(results: list[Path]) -> None:
    content = json.loads(run("check", "report", *results, "--json").stdout)
    assert content["schema"] == "audiosocket.check-report/1"
    assert [server["name"] for server in content["servers"]] == ["127.0.0.1:9092", "bot 2"]
    assert content["cases"][0] == {"id": MUST_ID, "level": "MUST", "verdicts": ["pass", "fail"]}


def test_a_page_is_written_and_not_over_another(results: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "new" / "servers.html"
    words = ["check", "report", *results, "--html", path]
    assert run(*words).returncode == 0
    page = path.read_bytes()
    chips = [text_of(chip) for chip in with_class(next(parsed(page).iter("table")), "chip")]
    assert chips == ["✓ passed", "✗ failed", "✓ passed"]
    refused = run(*words)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"{path} exists; choose another name or add --force" in refused.stderr
    path.write_text("old")
    assert run(*words, "--force").returncode == 0
    assert path.read_bytes() == page


def test_a_run_writes_its_own_page_and_is_read_from_standard_input(tmp_path: Path) -> None:
    path = tmp_path / "check.html"
    with serving(FAULTY["frame/other-lengths"]) as server:
        done = run("check", f"127.0.0.1:{server.port}", "--only", "frame/other-lengths", "--html", path, "--json",
                   "--name", "<b>ours</b>")  # fmt: skip
    assert done.returncode == 1
    assert json.loads(done.stdout)["name"] == "<b>ours</b>"
    root = parsed(path.read_bytes())
    assert text_of(next(root.iter("h1"))) == "Does <b>ours</b> survive Asterisk?"
    assert "heard 0 of the 4 frames" in text_of(next(with_class(root, "evidence")))
    again = tmp_path / "again.html"
    shown = run("check", "report", "-", "--html", again, stdin=done.stdout.encode())
    assert shown.returncode == 0, shown.stderr
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["report"], 2, "to check a server on a host named report, write report:9092"),
        (["report", "--", "true"], 2, "check report needs results of check --json"),
        (["report", "nothing.json"], 5, "cannot read nothing.json: no such file"),
        (["report", __file__], 5, "is not a result of check --json"),
        (["report", "-"], 5, "standard input is not a result of check --json"),
        (["report", "x.json", "--repeat", "2"], 2, "check report runs nothing: leave out --repeat"),
        (["report", "x.json", "--list"], 2, "check report runs nothing: leave out --list"),
        (["report", "x.json", "--force"], 2, "--force does nothing without --junit or --html"),
        (["127.0.0.1:1", "--html", "/dev/null/x"], 2, "cannot write /dev/null/x"),
        (["127.0.0.1:1", "--html", "/"], 2, "is a directory"),
        (["127.0.0.1:1", "--html", "/tmp/x", "--junit", "/tmp/x"], 2, "give each its own name"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_what_cannot_be_done_is_an_error_of_one_line(words: list[str], code: int, text: str) -> None:
    done = run("check", *words)
    assert (done.returncode, done.stdout) == (code, ""), done
    assert text in done.stderr
    assert len(done.stderr.splitlines()) == 1
