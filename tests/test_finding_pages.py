"""The pages of findings: one for each id that the code has, in one form, and the sounds of those that can be heard."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import audiosocket_cli
from audiosocket_cli.finding_pages import cure_of, finding_ids, read_finding, sentence_of, sound_of

PACKAGE = Path(audiosocket_cli.__file__).parent
FOLDER = PACKAGE / "docs" / "finding"

ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")

SECTIONS = ["What it means", "How it sounds", "Why it happens", "Cure"]

each_id = pytest.mark.parametrize("finding_id", finding_ids())


def parsed() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if PACKAGE / "docs" not in path.parents:
            yield path, ast.parse(path.read_text())


def ids_in_code() -> Iterator[tuple[str, str]]:
    """Yield each id that the code gives to a finding, as it is written there, and where."""
    for path, tree in parsed():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            named = [word.value for word in node.keywords if word.arg in ("finding", "finding_id")]
            if name in ("tagged", "Diagnosis", "diagnosis"):
                named += [*node.args[:1], *(word.value for word in node.keywords if word.arg == "id")]
            for value in named:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value, f"{path.relative_to(PACKAGE)}:{value.lineno}"


def test_each_id_in_the_code_has_a_page() -> None:
    found = list(ids_in_code())
    assert len({finding_id for finding_id, _ in found}) > 50
    assert [(finding_id, where) for finding_id, where in found if finding_id not in finding_ids()] == []


def test_each_page_is_that_of_an_id_in_the_code() -> None:
    words = {
        node.value
        for _, tree in parsed()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert [finding_id for finding_id in finding_ids() if finding_id not in words] == []


def test_each_finding_of_a_call_has_an_id() -> None:
    bare = []
    for path, tree in parsed():
        for node in ast.walk(tree):
            is_note = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("call.note")
            if is_note and isinstance(node.args[0], ast.Constant | ast.JoinedStr):
                bare.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert bare == []


@each_id
def test_a_page_has_its_form_and_size(finding_id: str) -> None:
    page = read_finding(finding_id)
    assert ID.fullmatch(finding_id)
    assert 400 <= len(page.encode()) <= 2500
    title, sentence, _ = page.split("\n\n", 2)
    assert title == f"# {finding_id}"
    assert re.fullmatch(r"[A-ZÀ-Ýµ].+\.", sentence, re.DOTALL)
    assert sentence.count(". ") == 0
    sections = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert sections == [each for each in SECTIONS if each in sections]
    assert {"What it means", "Cure"} <= set(sections)
    assert max(map(len, re.sub(r"^[|!`].*$", "", page, flags=re.MULTILINE).splitlines())) <= 130


@each_id
def test_the_cure_begins_with_a_sentence_that_can_stand_alone(finding_id: str) -> None:
    cure = cure_of(finding_id)
    assert re.fullmatch(r"[A-Z].+[.:]", cure)
    assert "`" not in cure
    assert "](" not in cure
    assert len(cure) < 260


@each_id
def test_who_can_be_heard_has_a_sound_and_a_picture_of_it(finding_id: str) -> None:
    page, sound = read_finding(finding_id), sound_of(finding_id)
    pictures = re.findall(r"^!\[Spectrogram of .+\]\((.*)\)$", page, re.MULTILINE)
    assert pictures == ([] if sound is None else [f"{finding_id}.png"])
    assert sound is None or "## How it sounds" in page


def test_all_else_in_the_folder_belongs_to_a_page() -> None:
    names = {f"{each}{suffix}" for each in finding_ids() for suffix in (".md", ".wav", ".png")}
    assert {path.name for path in FOLDER.iterdir()} <= names


def test_sounds_stay_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.wav")) < 400_000


def test_an_id_without_a_page_has_no_cure() -> None:
    assert cure_of("no-such-finding") == ""
    assert sentence_of("caller-ulaw") == "The caller's audio is µ-law, A-law or another codec, labelled as slin."
    assert cure_of("caller-ulaw") == "Name slin in the dialplan: c(slin) as the last part of the destination."
