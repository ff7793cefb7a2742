"""The verdict of `bench` on a load that Locust placed: options for Locust's command line, a table, an exit code.

The result is that of all workers together. It is a file as `bench --output` writes it, and what is printed at the end
is what `bench report` prints of it: so there is one table and one rule.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import WorkerRunner

from audiosocket_cli.bench.load import Load
from audiosocket_cli.bench.locust_load import load_of
from audiosocket_cli.bench.plan import Plan
from audiosocket_cli.bench.result import BenchResult, result_of
from audiosocket_cli.bench.verdict import parse_threshold
from audiosocket_cli.disk import prove_folder
from audiosocket_cli.errors import ExitCode, UsageError
from audiosocket_cli.net.target import PROTOCOLS

_REPORT: Final = [sys.executable, "-P", "-m", "audiosocket_cli", "bench", "report"]


@dataclass(slots=True)
class Verdict:
    """What a load is to come to, and what it came to."""

    environment: Environment
    plan: Plan
    max_lateness_ms: float
    printed: str = ""

    @property
    def thresholds(self) -> list[str]:
        """What was asked for on the command line."""
        return list(option_of(self.environment, "threshold") or ())

    def judge(self) -> None:
        """Judge the load that is over, and set Locust's exit code if thresholds were given."""
        load = load_of(self.environment)
        load.end()
        if load.is_empty:
            return
        progress = load.add_up()
        shape = Load(calls=max(1, progress.peak_calls), duration_s=round(progress.elapsed_s, 1))
        shape = replace(shape, call_duration_s=self.plan.load.call_duration_s)
        plan = replace(self.plan, load=shape, processes=max(1, load.processes))
        result = result_of(plan, progress, started_at=load.started_at, max_lateness_ms=self.max_lateness_ms,
                           thresholds=self.thresholds)  # fmt: skip
        self._keep(result)
        code, self.printed = _reported(result, self.thresholds)
        if self.thresholds:
            none_connected = not result.figures.counts["connected"] and result.figures.reasons
            self.environment.process_exit_code = ExitCode.UNREACHABLE if none_connected else code

    def _keep(self, result: BenchResult) -> None:
        path = option_of(self.environment, "result")
        if path:
            try:
                result.save(Path(path))
            except OSError as error:
                logging.error("cannot write %s: %s", path, (error.strerror or str(error)).lower())

    def tell(self) -> None:
        """Print what it came to: as the last there is, after Locust's own tables."""
        if self.printed:
            is_data = bool(option_of(self.environment, "json"))
            print(self.printed, file=sys.stderr if is_data else sys.stdout, flush=True)


def add_options(parser: LocustArgumentParser) -> None:
    """Add our options to Locust's."""
    parser.add_argument(
        "--threshold", action="append", metavar="'NAME<VALUE'", env_var="LOCUST_THRESHOLD", include_in_web_ui=False,
        help="Exit with 1 unless this holds for all workers together, such as 'turn_p95<800ms' (repeatable)",
    )  # fmt: skip
    parser.add_argument(
        "--result", metavar="FILE", env_var="LOCUST_RESULT", include_in_web_ui=False,
        help="Keep everything in a new file, for audiosocket report and bench report",
    )  # fmt: skip
    parser.add_argument(
        "--protocol", choices=PROTOCOLS, env_var="LOCUST_PROTOCOL", include_in_web_ui=False,
        help="With a --host such as ws://bot:8765/ws: the protocol of the bot",
    )  # fmt: skip
    parser.add_argument(
        "--headers-file", metavar="FILE", env_var="LOCUST_HEADERS_FILE", include_in_web_ui=False,
        help="With ws://: send the headers in this file of each worker",
    )  # fmt: skip


def option_of(environment: Environment, name: str) -> Any:
    """Return an option of Locust's command line; None where it is not given, or there is no command line."""
    return getattr(environment.parsed_options, name, None)


def check_options(environment: Environment) -> None:
    """Raise `UsageError` for thresholds that are not valid, and for a result file that exists, or cannot be
    written."""
    for text in option_of(environment, "threshold") or ():
        parse_threshold(text)
    path = option_of(environment, "result")
    if not path or isinstance(environment.runner, WorkerRunner):
        return
    if os.path.lexists(path):
        raise UsageError(f"{path} exists; choose another name for --result")
    try:
        prove_folder(Path(path).parent)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from None


def _reported(result: BenchResult, thresholds: list[str]) -> tuple[int, str]:
    """Return what `bench report` says of a result, and its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        result.save(path)
        words = [*_REPORT, str(path)]
        for text in thresholds:
            words += ["--threshold", text]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AUDIOSOCKET_BENCH_")}
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    return done.returncode, (done.stdout + done.stderr).rstrip()
