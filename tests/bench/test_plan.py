"""All that a load is: it passes between processes whole, and says when this machine cannot hold it."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.bench.load import Load, Stage
from audiosocket_cli.bench.plan import Plan, lack_of_room, make_speech, plan_from_json, plan_json
from audiosocket_cli.codec import Kind
from audiosocket_cli.errors import FileError
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.target import WebSocketTarget
from audiosocket_cli.websocket.url import parse_url

WEBSOCKET = WebSocketTarget(
    parse_url("wss://me:word@bot:8443/{uuid}?a=b"),
    False,
    "twilio",
    (("A", "b"),),
    Path("headers"),
    Path("ca.pem"),
    (("a", "b"),),
    8000,
)
loads = st.builds(
    Load,
    calls=st.integers(1, 1000),
    rate=st.none() | st.floats(0.1, 100),
    max_calls=st.none() | st.integers(1, 100),
    stages=st.lists(st.builds(Stage, st.integers(0, 100), st.floats(0.1, 100)), max_size=3).map(tuple),
    duration_s=st.floats(0.1, 1000),
).filter(lambda load: load.most_calls > 0)  # `parse_stages` sees to that
plans = st.builds(
    Plan,
    target=st.builds(Address, st.sampled_from(["", "host", "::1"]), st.integers(1, 65535)) | st.just(WEBSOCKET),
    load=loads,
    kind=st.sampled_from([Kind.SLIN, Kind.SLIN16]),
    audio=st.none() | st.just(Path("a/b.wav")),
    processes=st.none() | st.integers(1, 64),
)


@given(plans)
def test_it_passes_between_processes_whole(plan: Plan) -> None:
    assert plan_from_json(json.loads(json.dumps(plan_json(plan)))) == plan


@given(plans)
def test_no_process_is_without_a_call(plan: Plan) -> None:
    assert 1 <= plan.process_count <= plan.load.most_calls
    if plan.processes is None:
        assert plan.process_count <= (os.cpu_count() or 1)


def test_calls_to_websocket_bots_are_spread_over_more_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    of = [Plan(target, Load(240), Kind.SLIN).process_count for target in (Address("bot", 9092), WEBSOCKET)]
    assert of == [1, 2]


def test_too_many_calls_for_this_machine_are_told_with_what_to_change() -> None:
    assert lack_of_room(10, 1) is None
    assert "net.ipv4.ip_local_port_range" in str(lack_of_room(65_000, 1))
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = before[1] - 32
    if 0 < files < 28_000:
        assert "ulimit -Hn" in str(lack_of_room(files + 1, 1))
        assert lack_of_room(files + 1, 2) is None
        assert f"need {3 * (files // 3 + 1)} open files" in str(lack_of_room(files // 3 + 1, 1, 3))


def test_callers_say_what_is_in_a_file_or_what_is_made(tmp_path: Path) -> None:
    plan = Plan(Address("", 1), Load(), Kind.SLIN)
    assert len(make_speech(plan).utterances) == 8
    with pytest.raises(FileError, match="there are no files in that folder"):
        make_speech(Plan(Address("", 1), Load(), Kind.SLIN, audio=tmp_path))
