"""`scripts/plan`: its arithmetic, its figures, and that the documentation shows what it prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.pages import DOCS, PAGES, ROOT


def plan(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "plan", *words], capture_output=True, text=True, timeout=60, check=False
    )


def cells(text: str, what: str) -> list[float]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {what}")]
    return [float(cell.replace(",", "")) for cell in line.strip("| ").split(" | ")[1:]]


def test_the_page_shows_what_the_script_prints() -> None:
    done = plan()
    assert done.returncode == 0
    assert done.stderr == ""
    page = PAGES[DOCS / "planning.md"]
    for printed in done.stdout.strip().split("\n\n"):
        assert printed in page


def test_the_arithmetic_is_that_of_the_figures() -> None:
    figures = ["record_ms=2", "begin_end_ms=10", "core_share=0.5", "call_s=100", "cores_a_machine=4", "files=3",
               "json_bytes=1000", "wav_bytes=16000", "busy_hours=10", "price_core_hour=0.1", "price_gb_month=0.02",
               "price_put=0.00001", "price_get=0.000001", "objects=2", "requests=2"]  # fmt: skip
    done = plan("--calls", "1000", *(word for each in figures for word in ("--set", each)))
    assert cells(done.stdout, "cores") == [5]  # 1000 calls of 2 ms, 10 begins of 10 ms, half of a core
    assert cells(done.stdout, "machines of 4 cores") == [3]  # two, and one to spare
    assert cells(done.stdout, "open files") == [3000]
    assert cells(done.stdout, "disk: MB/s") == [16]
    assert cells(done.stdout, "store: requests a second") == [40]
    assert cells(done.stdout, "store: objects a day") == [720_000]  # 10 a second for 10 hours, two each
    assert cells(done.stdout, "store: TB a month") == [17.3]  # 10.8 million calls of 1,601,000 bytes
    assert cells(done.stdout, "machines, all day") == [48]  # $28.8 a day for 600,000 minutes
    assert cells(done.stdout, "store, a month") == [19.2]  # 600,000 calls: 960.6 GB
    assert cells(done.stdout, "store, requests") == [13.2]


def test_who_speaks_needs_more_and_a_proxy_has_both_sides() -> None:
    heard, spoken, passed = (plan("--job", job, "--calls", "1000").stdout for job in ("record", "echo", "proxy"))
    assert cells(passed, "packets a second") == [2 * cells(spoken, "packets a second")[0]]
    assert cells(spoken, "disk: MB/s") == [2 * cells(heard, "disk: MB/s")[0]]  # both sides are recorded


def test_all_figures_say_where_they_are_from() -> None:
    lines = plan("--figures").stdout.splitlines()[2:]
    assert len(lines) > 20
    assert all(all(cell.strip() for cell in line.strip("| ").split(" | ")[::3]) for line in lines)
    assert "| `record_ms` | 2 |" in plan("--figures", "--set", "record_ms=2").stdout


def test_figures_of_the_costs_are_those_of_its_page() -> None:
    """When costs are measured anew, the plan follows."""
    costs, figures = PAGES[DOCS / "costs.md"], plan("--figures").stdout
    for row, name in (
        ("record, random instants: CPU a call-second", "record_ms"),
        ("echo, random instants: CPU a call-second", "echo_ms"),
        ("play: CPU a call-second", "play_ms"),
        ("exec cat: CPU a call-second", "exec_ms"),
        ("echo: CPU of a call's begin and end, ms", "begin_end_ms"),
    ):
        (line,) = [line for line in costs.splitlines() if line.startswith(f"| {row} |")]
        ours = float(line.split(" | ")[2].removesuffix(" ms"))
        assert f"| `{name}` | {ours:g} |" in figures


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--set", "record=2"], "scripts/plan: there is no figure 'record': scripts/plan --figures lists them\n"),
        (["--set", "call_s=long"], "scripts/plan: 'call_s=long' has no number: write call_s=VALUE\n"),
        (["--set", "call_s=0"], "scripts/plan: 'call_s=0': call_s is from 1e-12 to 1e+09\n"),
        (["--set", "call_s=1e308"], "scripts/plan: 'call_s=1e308': call_s is from 1e-12 to 1e+09\n"),
        (["--set", "call_s=nan"], "scripts/plan: 'call_s=nan': call_s is from 1e-12 to 1e+09\n"),
        (["--set", "busy_hours=30"], "scripts/plan: 'busy_hours=30': busy_hours is from 1e-12 to 24\n"),
        (["--set", "core_share=2"], "scripts/plan: 'core_share=2': core_share is from 1e-12 to 1\n"),
        (["--calls", "many"], "invalid numbers value: 'many'"),
        (["--job", "sing"], "invalid choice: 'sing'"),
    ],
)
def test_wrong_input_is_told(words: list[str], reason: str) -> None:
    done = plan(*words)
    assert done.returncode == 2
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("value", ["1e-12", "max"])
def test_all_that_figures_can_be_gives_numbers(value: str) -> None:
    most = {"busy_hours": "24", "core_share": "1"}
    names = [line.split("`")[1] for line in plan("--figures").stdout.splitlines()[2:]]
    words = [f"{name}={most.get(name, '1e9') if value == 'max' else value}" for name in names]
    done = plan("--calls", "1,1000000000", *(word for each in words for word in ("--set", each)))
    assert (done.returncode, done.stderr) == (0, "")
    assert "inf" not in done.stdout
    assert "nan" not in done.stdout


def test_the_script_can_be_run_as_it_is() -> None:
    assert Path(ROOT / "scripts" / "plan").stat().st_mode & 0o111
