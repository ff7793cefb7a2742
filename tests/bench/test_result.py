"""The result of a load, and the file that it is kept in."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiosocket_cli.bench.figures import METRICS, Figures
from audiosocket_cli.bench.result import NAMES, BenchResult, read_result
from audiosocket_cli.errors import FileError


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


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"schema": "x"}', '{"schema": "audiosocket.bench/1"}', b"\xff\xfe".decode("latin-1")]
)
def test_a_file_that_is_no_result_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(content)
    with pytest.raises(FileError, match="cannot read"):
        read_result(path)
