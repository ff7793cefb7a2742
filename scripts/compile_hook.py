"""Hatchling's build hook that compiles with mypyc what each frame of a call passes through.

`scripts/setup compiled` uses it, as does HATCH_BUILD_HOOK_ENABLE_CUSTOM=1 when a wheel is built. The source stays in
the wheel, and does the same where nothing was compiled. `hatch-mypyc` would leave the compiled modules in the checkout,
where they would be run in place of source that has been changed since.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_PACKAGE: Final = "audiosocket_cli"

_MODULES: Final = [
    "chunks", "codec", "model",
    *(f"call/{name}" for name in (
        "deferred", "driver", "feed", "flow", "lane", "overhearing", "passing", "phases", "poll", "reader", "receiver",
        "relay", "relay_driver", "roles", "sender", "session", "slices", "tap_queue", "wire", "faults/faulted_relay",
        "bots/child", "bots/process", "bots/speaker", "bots/speech_queue", "bots/streams", "bots/watch",
    )),
]  # fmt: skip
"""What is compiled: each class in it has subclasses in it alone, as a compiled class can have no others."""


class CompileHook(BuildHookInterface[Any]):
    """Compiles modules into a wheel; an editable install stays as it is, since its source may change."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        self._made_in = TemporaryDirectory()
        root = Path(self._made_in.name)
        shutil.copytree(Path(self.root) / _PACKAGE, root / _PACKAGE, ignore=shutil.ignore_patterns("*.so", "docs"))
        self._compile(root)
        for made in root.rglob(f"*{'.pyd' if sys.platform == 'win32' else '.so'}"):
            build_data["force_include"][str(made)] = str(made.relative_to(root))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self._made_in.cleanup()

    def _compile(self, root: Path) -> None:
        from contextlib import chdir

        from mypyc.build import mypycify
        from setuptools import Distribution  # type: ignore[import-untyped,unused-ignore]

        with chdir(root):
            options = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent"]  # numpy is not there
            extensions = mypycify([*options, *(f"{_PACKAGE}/{name}.py" for name in _MODULES)], opt_level="3")
            build = Distribution({"ext_modules": extensions}).get_command_obj("build_ext")
            build.inplace = True
            build.ensure_finalized()
            build.run()
            shutil.rmtree("build", ignore_errors=True)
