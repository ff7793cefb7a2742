"""`scripts/man`: man pages of the commands and of the documentation, as groff reads them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from audiosocket_cli.cli import COMMANDS
from audiosocket_cli.finding_pages import finding_ids, sentence_of
from audiosocket_cli.ui.pages import TOPICS
from support.pages import ROOT
from support.running import need

NAMES = ["audiosocket.1", *(f"audiosocket-{name}.1" for name in COMMANDS)]
NAMES += [f"audiosocket-{topic}.7" for topic in TOPICS] + ["audiosocket-finding.7"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made") / "man"
    done = subprocess.run([sys.executable, ROOT / "scripts" / "man", made], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"wrote {len(NAMES)} pages to {made}")
    return made


def shown(page: Path) -> str:
    """Return a page as plain text of 100 columns, which groff makes without a complaint."""
    done = subprocess.run(
        [need("groff"), "-man", "-Tutf8", "-P-cbou", "-Kutf8", "-ww", "-rLL=100n", page],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout


def test_there_is_one_for_each_command_and_topic(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_groff_makes_text_of_each_without_a_complaint(folder: Path, name: str) -> None:
    text = shown(folder / name)
    assert re.search(r"^NAME\n +audiosocket[\w-]* - \S.*$", text, re.MULTILINE)
    assert re.search(r"^DESCRIPTION$", text, re.MULTILINE)
    assert "**" not in text
    assert "](" not in text


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_a_command_says_what_its_help_says(folder: Path, name: str) -> None:
    text = shown(folder / f"audiosocket-{name}.1")
    sections = re.findall(r"^([A-Z][A-Z ]+)$", text, re.MULTILINE)
    assert sections[:5] == ["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "OPTIONS"]
    assert {"ENVIRONMENT", "EXIT STATUS", "SEE ALSO"} <= set(sections)
    done = subprocess.run(
        [sys.executable, "-m", "audiosocket_cli", name, "--help"], capture_output=True, text=True, check=True
    )
    words = " ".join(text.split())
    for option in re.findall(r"^  (?:-\w, )?(--[\w-]+)", done.stdout, re.MULTILINE):
        assert option in words
    for line in re.findall(r"^    (audiosocket .*)$", done.stdout, re.MULTILINE):
        assert " ".join(line.split()) in words
    assert re.search(r"\baudiosocket-[\w-]+\(7\)", text)


def test_the_main_page_lists_commands_and_topics(folder: Path) -> None:
    text = shown(folder / "audiosocket.1")
    commands, topics = text.partition("\nCOMMANDS\n")[2], text.partition("\nTOPICS\n")[2]
    assert all(re.search(rf"^ +{name}\b", commands, re.MULTILINE) for name in COMMANDS)
    assert all(f"audiosocket-{topic}(7)" in topics for topic in TOPICS)


def test_one_page_holds_all_findings(folder: Path) -> None:
    text = shown(folder / "audiosocket-finding.7")
    headings = set(re.findall(r"^([\w-]+)$", text, re.MULTILINE))
    assert {each.upper() for each in finding_ids()} <= {each.upper() for each in headings}
    assert all(" ".join(sentence_of(each).split()) in " ".join(text.split()) for each in finding_ids())
    assert ".png" not in text


def test_man_itself_shows_one(folder: Path) -> None:
    done = subprocess.run(
        [need("man"), "-l", "-Tutf8", folder / "audiosocket-play.1"], capture_output=True, text=True, check=True
    )
    assert "AUDIOSOCKET" in done.stdout.upper()
