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

FLOORS = (
    "errors text signals",
    "codec quantities libraries model",
    "asterisk disk write_behind __init__",
    "audio",
    "mixed_runs",
    "runs",
    "capture",
    "analysis",
    "call",
    "net",
    "server bench",
    "ui",
    "jobs",
    "commands",
    "cli",
    "entry",
    "__main__",
)
"""The rooms, from the ground up. A module imports from its own room and from lower floors; two rooms of one floor do
not know each other."""

FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}

HOMES = {
    "click": {"cli", "commands"},
    "rich": {"ui"},
    "asyncio": {"call", "net", "server", "bench"},
    "uvloop": {"net"},
    "prometheus_client": {"server"},
    "numpy": {"audio", "mixed_runs", "runs", "capture", "analysis", "call", "bench"},
    "soundfile": {"libraries", "audio"},
    "soxr": {"libraries", "audio", "call"},
    "socket": {"capture", "call", "net", "server"},
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
            if other in FLOOR_OF and other != room:
                assert FLOOR_OF[other] < FLOOR_OF[room], f"{room} imports {name}"


def test_all_rooms_are_on_the_plan() -> None:
    assert {room_of(path) for path in MODULES} == set(FLOOR_OF)


def test_files_import_each_other_in_no_circle() -> None:
    """Not even for types alone: who needs the other's types belongs into one file, or below it."""
    paths = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in MODULES}
    imports = {name: modules_in(path, paths) - {name} for name, path in paths.items()}
    del imports["audiosocket_cli"]  # whose names are loaded when they are first asked for
    while leaves := {name for name, others in imports.items() if not others & imports.keys()}:
        for name in leaves:
            del imports[name]
    assert not imports, f"in a circle, or above one: {sorted(imports)}"


def modules_in(path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of ours that a file imports from, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else str(node.module))
    return found & known.keys()


def test_the_picture_of_the_house_shows_its_rooms() -> None:
    picture = audiosocket_cli.__doc__ or ""
    rooms = {
        line.split()[0].rstrip("/") for line in picture.splitlines() if line.startswith("    ") and "  " in line.strip()
    }
    shown = {room for room in FLOOR_OF if not room.startswith("__")}
    assert rooms == shown


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
    expected = {"pyproject.toml", "README.md", "LICENSE", "audiosocket_cli", "tests", "scripts"}
    assert {name for name in top if not name.startswith(".")} - {"calls", "findings"} == expected
