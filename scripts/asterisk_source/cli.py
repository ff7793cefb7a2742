"""scripts/releases: the table of releases beside what Asterisk's source says."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from asterisk_source.rows import OPEN_FAULTS, ROWS
from asterisk_source.trees import Tree, trees_at
from audiosocket_cli.asterisk.release_faults import FAULTS
from audiosocket_cli.asterisk.releases import NEWEST, Release, parse_release
from audiosocket_cli.errors import UsageError

_WORDS = {True: "yes", False: "no", None: "cannot tell"}

_ABOUT = """
Show which rows of the table of releases Asterisk's source confirms (audiosocket_cli/asterisk/releases.py).

A SOURCE is a directory with the source in it, or a git repository (bare, or without files) of which all release tags
are read. Ends with 1 where source and table disagree, or where the source does not tell.
"""


class Answer(NamedTuple):
    """One row: what the source says, and the table."""

    row: str
    source: bool | None
    table: bool | None
    """None where the release is not known."""

    @property
    def agrees(self) -> bool:
        return self.source is not None and self.table in (None, self.source)


def answers_of(tree: Tree, release: Release | None) -> list[Answer]:
    """Ask a tree for each row and for each fault that is open."""
    rows = [
        Answer(behaviour.name, question(tree), None if release is None else release.has(behaviour))
        for behaviour, question in ROWS.items()
    ]
    faults = {fault.id: fault for fault in FAULTS}
    return rows + [
        Answer(fault, question(tree), None if release is None else faults[fault].is_in(release))
        for fault, question in OPEN_FAULTS.items()
    ]


def release_of(tree: Tree) -> Release | None:
    """Return the release that a tree is, or None where its name says none; a candidate is its release."""
    try:
        return parse_release(tree.name.split("-rc")[0].split("-pre")[0])
    except UsageError:
        return None


def main(args: Sequence[str] | None = None) -> int:
    """Run it: 0 where all agrees."""
    parser = argparse.ArgumentParser(
        prog="scripts/releases", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", nargs="+", type=Path)
    parser.add_argument("--candidates", action="store_true", help="read the tags of release candidates too")
    parser.add_argument("--release", help="what the source is, where its file .version does not say: 22.10")
    wanted = parser.parse_args(args)
    try:
        named = None if wanted.release is None else parse_release(wanted.release)
        trees = [tree for path in wanted.source for tree in trees_at(path, candidates=wanted.candidates)]
    except (ValueError, UsageError) as error:
        print(f"scripts/releases: {error}", file=sys.stderr)
        return 2
    asked = [(tree, answers_of(tree, named or release_of(tree))) for tree in trees]
    if len(asked) == 1:
        print("\n".join(_table(*asked[0])))
    else:
        print("\n".join(_summary(asked)))
    return int(not all(answer.agrees for _, answers in asked for answer in answers))


def _table(tree: Tree, answers: Iterable[Answer]) -> Iterator[str]:
    yield f"{tree.name or 'unnamed':<26}{'source':<13}table"
    for answer in answers:
        table = "?" if answer.table is None else _WORDS[answer.table]
        yield f"{answer.row:<26}{_WORDS[answer.source]:<13}{table}{'' if answer.agrees else '   <-- differs'}"


def _summary(asked: Sequence[tuple[Tree, Sequence[Answer]]]) -> Iterator[str]:
    """Yield for each row the first release of each branch that has it, then what differs, then a count."""
    for row in range(len(asked[0][1])):
        yield f"{asked[0][1][row].row:<26}{', '.join(_firsts(asked, row)) or 'never'}"
    differing = [(tree, answer) for tree, answers in asked for answer in answers if not answer.agrees]
    for tree, answer in differing:
        table = "?" if answer.table is None else _WORDS[answer.table]
        yield f"{tree.name} {answer.row}: source {_WORDS[answer.source]}, table {table}"
    count = sum(len(answers) for _, answers in asked)
    yield f"{len(asked)} trees, {count} answers, {len(differing)} differ"


def _firsts(asked: Iterable[tuple[Tree, Sequence[Answer]]], row: int) -> Iterator[str]:
    seen: set[tuple[bool, int]] = set()
    for tree, answers in asked:
        release = release_of(tree)
        branch = (release.certified, release.major) if release else (False, NEWEST.major)
        if answers[row].source and branch not in seen:
            seen.add(branch)
            yield tree.name
