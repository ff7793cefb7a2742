"""What the figures were measured on: processor, kernel, Python, and what of ours is compiled."""

from __future__ import annotations

import os
import platform
import re
import sys
import sysconfig
import timeit
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import audiosocket_cli

_FEATURES = ("sha_ni", "avx2", "avx512f")
"""Of the processor: libraries choose their code by them, and checksums are many times as fast with the first."""


def describe() -> dict[str, Any]:
    """Return the facts by name: texts, numbers, and what the processor has."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^(?:model name|Model)\s*: (.*)", info, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*: (.*)", info, re.MULTILINE)
    has = flags[1].split() if flags else []
    return {
        "processor": model[1] if model else platform.machine(),
        "features": {name: name in has for name in _FEATURES},
        "cores": len(os.sched_getaffinity(0)),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "python_of": sys.base_prefix,
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "compiled_modules": count_compiled(),
        "python_turn_ns": time_a_turn_ns(),
    }


def time_a_turn_ns() -> float:
    """Return the time of an addition in a loop, at its best: how fast this Python is here and now, for comparison."""
    turns = 200_000
    return min(timeit.repeat("x += 1", "x = 0", number=turns, repeat=5)) / turns * 1e9


def count_compiled() -> int:
    """Return how many of our modules are compiled."""
    names = [path.name for path in Path(audiosocket_cli.__file__).parent.rglob("*")]
    return sum(any(name.endswith(suffix) for suffix in EXTENSION_SUFFIXES) for name in names)


def in_words(facts: dict[str, Any]) -> str:
    """Return the facts in a line."""
    has = [name for name, is_there in facts["features"].items() if is_there]
    lacks = [name for name, is_there in facts["features"].items() if not is_there]
    features = f"with {', '.join(has) or 'nothing'}" + (f", without {', '.join(lacks)}" if lacks else "")
    python = f"{facts['python']} of {facts['python_of']}{', free-threaded' * facts['free_threaded']}"
    compiled = facts["compiled_modules"]
    ours = f"{compiled} modules of ours compiled" if compiled else "nothing of ours compiled"
    speed = f"{facts['python_turn_ns']:.0f} ns a turn of a loop"
    return f"{facts['cores']} cores of {facts['processor']} ({features}), {facts['kernel']}, {python} ({speed}), {ours}"
