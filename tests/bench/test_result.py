"""The result of a load, and the file that it is kept in."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import audiosocket_cli.bench.result
from audiosocket_cli.bench.figures import ERRORS, METRICS, Figures
from audiosocket_cli.bench.load import Load
from audiosocket_cli.bench.plan import Plan, Progress
from audiosocket_cli.bench.result import COUNTS, NAMES, BenchResult, read_result, result_from_json, result_of
from audiosocket_cli.codec import Kind
from audiosocket_cli.errors import FileError
from audiosocket_cli.net.address import Address
from audiosocket_cli.text import printable
from audiosocket_cli.ui.bench_report import bench_lines, csv_lines, verdict_lines
from support.bench_results import SETTINGS


def result(**times_ms: float) -> BenchResult:
    figures = Figures()
    for name, value in times_ms.items():
        figures.times[name].add_one(value)
    figures.counts.update(placed=100, connected=98, refused=2)
    return BenchResult({}, "2026-11-25T00:00:00+00:00", 10.0, figures, 5, None, [])


def test_all_names_have_values() -> None:
    assert set(result().values()) == set(NAMES)
    assert set(result().figures.times) == set(METRICS)


def test_a_file_gives_the_same_values_again(tmp_path: Path) -> None:
    before = result(turn=500.0, echo=1.0)
    before.save(tmp_path / "new" / "result.json")
    assert read_result(tmp_path / "new" / "result.json").as_json() == before.as_json()


def test_a_load_that_placed_no_call_shows_nothing() -> None:
    plan = Plan(Address("127.0.0.1", 9), Load(), Kind.SLIN)
    assert result_of(plan, Progress(), started_at="", max_lateness_ms=10).invalid == ["no call was placed"]


amounts = st.floats(0, 1e5)
texts = st.sampled_from(
    ["cannot connect", "reset \x1b[2J\u202e\udc80", "0.2 s at once [server-bursts]", "odd [clipped]"]
)


@st.composite
def results(draw: st.DrawFn) -> BenchResult:
    figures = Figures()
    for name in draw(st.lists(st.sampled_from(METRICS), max_size=5)):
        figures.times[name].add_one(draw(amounts))
    figures.counts.update(draw(st.dictionaries(st.sampled_from((*COUNTS, *ERRORS)), st.integers(0, 1000))))
    figures.reasons.update(draw(st.dictionaries(texts, st.integers(1, 9))))
    for found in draw(st.lists(st.lists(texts, max_size=3), max_size=3)):
        figures.find(found)
    figures.heard_audio_s, figures.call_s = draw(amounts), draw(amounts)
    used = draw(st.none() | st.fixed_dictionaries({"cpu_percent": amounts, "rss_mib": amounts}))
    return BenchResult(
        SETTINGS, "2026-11-25T00:00:00+00:00", draw(amounts), figures, draw(st.integers(0, 1000)), used,
        draw(st.lists(texts, max_size=2)), gone_s=draw(st.none() | amounts),
    )  # fmt: skip


@given(results())
@example(dataclasses.replace(result(), settings=SETTINGS, elapsed_s=2.0503))
@example(dataclasses.replace(result(), settings=SETTINGS, gone_s=2.54))
def test_what_is_printed_of_a_kept_result_is_what_was_printed_at_once(now: BenchResult) -> None:
    later = result_from_json(json.loads(printable(json.dumps(now.as_file(), ensure_ascii=False))), "kept.json")
    for text in (bench_lines, csv_lines, BenchResult.as_json, lambda one: verdict_lines(one, [], [], 0)):
        assert text(later) == text(now)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"schema": "x"}',
        '{"schema": "audiosocket.bench/1"}',
        b"\xff\xfe".decode("latin-1"),
        "[" * 100_000,
    ],
    ids=lambda content: content[:20],
)
def test_a_file_that_is_no_result_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(content)
    with pytest.raises(FileError, match="cannot read"):
        read_result(path)


def test_what_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audiosocket_cli.bench.result, "_MAX_BYTES", 1000)
    with pytest.raises(FileError, match="longer than 1,000 bytes; name a file of what bench --output wrote"):
        read_result(Path("/dev/zero"))
