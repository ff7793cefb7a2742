"""What is installed with the package is what was declared, and under licences that somebody has looked at."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import audiosocket_cli

PACKAGE = Path(audiosocket_cli.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if PACKAGE / "docs" not in path.parents)  # those are examples
PROJECT = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
DECLARED = {Requirement(line).name for line in PROJECT["dependencies"]}
EXTRAS = {"prometheus_client": "server/exporter.py",
          "locust": "bench/locust.py bench/locust_load.py bench/locust_verdict.py",
          "gevent": "bench/locust.py bench/locust_load.py bench/locust_callers.py",
          "G722": "audio/sample_readers.py", "duckdb": "calls_index/parquet.py", "sounddevice": "libraries.py",
          "obstore": "stores/store.py", "nats": "outbox/nats_bus.py", "distributed": "calls_analysis/cluster.py",
          "websockets": "websocket/link.py websocket/handshake.py", "uvicorn": "web/connections.py",
          "starlette": " ".join(f"web/{name}.py" for name in (
              "answers", "app", "bounds", "connections", "ended_calls", "events", "gatekeeper", "listening",
              "live_calls"))}  # fmt: skip
"""What only an extra brings, and the modules that need it."""

OURS = {"audiosocket_cli", "_typeshed"}  # the latter is for type checkers only

LICENCES = {
    "click": "BSD-3-Clause",
    "numpy": "BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0",
    "rich": "MIT",
    "markdown-it-py": "MIT",
    "mdurl": "MIT",
    "pygments": "BSD-2-Clause",
    "soundfile": "BSD-3-Clause",
    "cffi": "MIT",
    "pycparser": "BSD-3-Clause",
    "soxr": "LGPL-2.1-or-later",
    "uvloop": "MIT",
    "typing-extensions": "PSF-2.0",
}
"""All that `pip install audiosocket-cli` brings along. Not permissive are soxr and, in the wheel of
soundfile, libsndfile: as libraries under the LGPL they leave our code alone."""

FAMILIES = ("MIT", "BSD", "Apache", "PSF", "LGPL")


def brought_by(name: str) -> set[str]:
    """Return the names of all that comes with a distribution, without extras."""
    found: set[str] = set()
    for line in metadata.requires(name) or []:
        requirement = Requirement(line)
        needed = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if needed and requirement.name.lower() not in found:
            found |= {requirement.name.lower()} | brought_by(requirement.name)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_is_imported_is_declared(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in {name.split(".")[0] for name in names} - sys.stdlib_module_names - OURS:
            assert name in DECLARED or path.relative_to(PACKAGE).as_posix() in EXTRAS.get(name, "").split(), name


def test_all_that_is_brought_along_is_known_with_its_licence() -> None:
    brought = brought_by("audiosocket-cli")
    assert brought <= LICENCES.keys(), "look at the licence of what is new"
    for name in brought:
        facts = metadata.metadata(name)
        told = [facts.get("License-Expression") or "", facts.get("License") or "", *facts.get_all("Classifier", [])]
        families = {family for family in FAMILIES if re.search(rf"\b{family}\b", "\n".join(told))}
        expected = LICENCES[name].split("-")[0].split(" ")[0]
        assert expected in families, (name, told)
        assert "GPL" not in "\n".join(told).replace("LGPL", "") or name == "soxr", name
