"""All that a load is counted in: what several processes counted adds up, and passes between them whole."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.bench.figures import METRICS, Figures

names = st.sampled_from(["placed", "refused", "a reason\nin words"])


@st.composite
def figures(draw: st.DrawFn) -> Figures:
    made = Figures()
    for name in draw(st.lists(st.sampled_from(METRICS), max_size=5)):
        made.times[name].add_one(draw(st.integers(0, 10_000)) / 4)
    for counter in (made.counts, made.reasons, made.findings, made.finding_ids):
        counter.update(draw(st.dictionaries(names, st.integers(1, 1000))))
    made.heard_audio_s, made.call_s, made.worst_stall_s = (draw(st.integers(0, 1000)) / 4 for _ in range(3))
    return made


@given(figures())
def test_they_pass_between_processes_whole(one: Figures) -> None:
    again = Figures.from_json(json.loads(json.dumps(one.as_json())))
    assert again.as_json() == one.as_json()


@given(figures(), figures())
def test_what_two_counted_adds_up_but_for_the_worst(one: Figures, other: Figures) -> None:
    both = Figures.from_json(one.as_json())
    both.merge(other)
    for name in METRICS:
        assert both.times[name].count == one.times[name].count + other.times[name].count
    assert both.counts == one.counts + other.counts
    assert both.reasons == one.reasons + other.reasons
    assert both.findings == one.findings + other.findings
    assert both.finding_ids == one.finding_ids + other.finding_ids
    assert (both.heard_audio_s, both.call_s) == (
        one.heard_audio_s + other.heard_audio_s, one.call_s + other.call_s,
    )  # fmt: skip
    assert both.worst_stall_s == max(one.worst_stall_s, other.worst_stall_s)


def test_the_findings_of_a_call_are_counted_by_their_lines_and_once_by_each_id() -> None:
    figures = Figures()
    figures.find(["0.2 s came at once [server-bursts]", "0.3 s came at once [server-bursts]", "odd [clipped]"])
    figures.find(["0.2 s came at once [server-bursts]"])
    assert figures.findings == {
        "0.2 s came at once [server-bursts]": 2, "0.3 s came at once [server-bursts]": 1, "odd [clipped]": 1,
    }  # fmt: skip
    assert figures.finding_ids == {"server-bursts": 2, "clipped": 1}
