"""Where a source tree is: a directory of files, or a tag in a git repository (bare or not)."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_RELEASE_TAG = re.compile(r"(?:certified[-/])?(?:1[89]|2\d)\.\d+(?:\.\d+)?(?:-cert\d+)?(?P<candidate>-(?:rc|pre)\d+)?")


class Tree(Protocol):
    """One source tree."""

    @property
    def name(self) -> str:
        """The release that it is, as 22.10.1; empty where that is not known."""
        ...

    def read(self, path: str) -> str | None:
        """Return the text of a file, or None where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Checkout:
    """A directory with the source in it, whose file `.version` names the release."""

    directory: Path

    @property
    def name(self) -> str:
        return (self.read(".version") or "").strip()

    def read(self, path: str) -> str | None:
        try:
            return (self.directory / path).read_text("utf-8", "replace")
        except OSError:
            return None


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of a repository."""

    repository: Path
    name: str

    def read(self, path: str) -> str | None:
        done = _git(self.repository, "cat-file", "blob", f"{self.name}:{path}")
        return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def trees_at(path: Path, *, candidates: bool = False) -> Iterator[Tree]:
    """Yield what is at `path`: its tree where it is a directory of files, else the release tags of its repository.

    `candidates`: the tags of release candidates too. Raises `ValueError` where there is neither.
    """
    if (path / "res").is_dir():
        yield Checkout(path)
        return
    done = _git(path, "tag", "--sort=version:refname") if path.is_dir() else None
    tags = [] if done is None else done.stdout.decode().split()
    matches = [match for match in map(_RELEASE_TAG.fullmatch, tags) if match]
    if not matches:
        raise ValueError(f"{path} is neither Asterisk's source nor a git repository with its release tags")
    yield from (Tag(path, match[0]) for match in matches if candidates or not match["candidate"])


def _git(repository: Path, *args: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", repository, *args], capture_output=True, check=False)
