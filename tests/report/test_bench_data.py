"""What the charts of a bench page show."""

from __future__ import annotations

import json

from audiosocket_cli.report.bench_data import chart_data
from support.bench_results import bench_result


def test_each_chart_has_lines_of_one_length_and_a_plot_for_each_result() -> None:
    data = chart_data([bench_result(failing="lost"), bench_result(seconds=20)])
    charts = {chart["name"]: chart for chart in data["charts"]}
    assert list(charts) == ["turn", "connect", "jitter", "lateness", "calls_open", "errors", "cpu", "memory"]
    for chart in charts.values():
        assert [len(plot["lines"]) for plot in chart["plots"]] == [len(chart["labels"])] * 2
        assert [{len(line) for line in plot["lines"]} for plot in chart["plots"]] == [{30}, {20}]
    assert charts["turn"]["labels"] == ["p50", "p95", "p99"]
    assert [line[5] for line in charts["turn"]["plots"][0]["lines"]] == [None, None, None]
    assert charts["errors"]["labels"] == ["reset"]
    assert [sum(plot["lines"][0]) for plot in charts["errors"]["plots"]] == [19, 0]
    assert charts["cpu"]["plots"][0]["lines"][0][3] == 10.0
    json.dumps(data, allow_nan=False)


def test_a_histogram_has_the_same_ranges_for_both_and_holds_all_values() -> None:
    results = [bench_result(), bench_result(500.0)]
    for histogram in chart_data(results)["histograms"]:
        times = [result.figures.times[histogram["name"]] for result in results]
        assert [sum(counts) for counts in histogram["counts"]] == [each.count for each in times]
        assert {len(counts) + 1 for counts in histogram["counts"]} == {len(histogram["edges_ms"])}
        assert histogram["edges_ms"] == sorted(histogram["edges_ms"])
        assert len(histogram["counts"][0]) <= 48


def test_of_nothing_there_is_nothing_to_draw() -> None:
    assert chart_data([bench_result(seconds=0)]) == {"charts": [], "histograms": []}
