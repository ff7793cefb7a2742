"""The house keeps its order: imports run one way, and heavy libraries live in the rooms that need them."""

from __future__ import annotations

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

import audiosocket_cli

PACKAGE = Path(audiosocket_cli.__file__).parent
ROOT = PACKAGE.parent

LAYERS = {
    "errors": 0, "text": 0, "signals": 0, "codec": 1, "quantities": 1, "libraries": 1, "asterisk": 2, "media": 2,
    "capture": 3, "call": 4, "review": 5, "net": 5, "bench": 6, "ui": 7, "commands": 8, "cli": 9, "entry": 10,
    "__init__": 2, "__main__": 11,
}  # fmt: skip
"""A module imports from its own room and from lower ones; two rooms of one height do not know each other."""

HOMES = {
    "click": {"cli", "commands"},
    "rich": {"ui"},
    "asyncio": {"call", "net", "bench"},
    "uvloop": {"net"},
    "prometheus_client": {"net"},
    "numpy": {"media", "capture", "call", "review", "bench"},
    "soundfile": {"libraries", "media"},
    "soxr": {"libraries", "media", "call"},
    "socket": {"capture", "call", "net"},
    "locust": {"bench"},
    "gevent": {"bench"},
}

MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" if node.module == "audiosocket_cli" else str(node.module)
                      for alias in node.names}  # fmt: skip
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    room = room_of(path)
    for name in imports_of(path):
        if name.startswith("audiosocket_cli."):
            other = name.split(".")[1]
            if other in LAYERS and other != room:
                assert LAYERS[other] < LAYERS[room], f"{room} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_libraries_live_in_their_rooms(path: Path) -> None:
    for name in imports_of(path):
        homes = HOMES.get(name.split(".")[0])
        assert homes is None or room_of(path) in homes, f"{room_of(path)} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_module_says_what_lives_there(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_the_top_level_holds_nothing_else() -> None:
    """Names with a dot are for tools. Without git we see what is there, which may be a user's own."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
        top = {name.split("/")[0] for name in listed.stdout.splitlines()}
    else:
        top = {path.name for path in ROOT.iterdir()}
    expected = {"pyproject.toml", "README.md", "LICENSE", "audiosocket_cli", "examples", "tests", "scripts"}
    assert {name for name in top if not name.startswith(".")} - {"calls", "findings"} == expected
