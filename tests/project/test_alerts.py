"""The rules of the page `alerts`, against what a real server tells: each metric and each label in them is there, and
what compares a metric with a number does not fire while all is well."""

from __future__ import annotations

import re
import time
import urllib.request
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from audiosocket_cli.codec import Frame, Kind, encode
from support.pages import DOCS, FILES, PAGES
from support.peers import FRAME, connected, free_port, opening
from support.running import Serve
from support.webhook_receiver import SECRET

Samples = dict[str, list[tuple[dict[str, str], float]]]
"""By name: the labels of each sample, and its value."""

RULES: list[dict[str, Any]] = yaml.safe_load(FILES["audiosocket-alerts.yml"])["groups"][0]["rules"]
METRIC = re.compile(r"\baudiosocket_\w+")
SELECTOR = re.compile(r"(\baudiosocket_\w+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)=~?"([^"]*)"')
COMPARED = re.compile(r"audiosocket_\w+(?: \+ audiosocket_\w+)* > [\d.e]+")
KNOWN_VALUES = {"side": {"caller", "server"}, "how": {"hangup", "closed", "reset", "fault"}}
"""Of labels whose values depend on what has happened."""


def samples_of(text: str) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


def fires(expression: str, samples: Samples) -> bool:
    """Whether a sum of metrics is over a number."""
    sum_text, limit = expression.split(" > ")
    return sum(samples[name][0][1] for name in sum_text.split(" + ")) > float(limit)


def test_each_rule_is_about_what_a_server_tells_and_is_silent_while_all_is_well(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIOSOCKET_EVENTS_SECRET", SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "word")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    port = free_port()
    serving = serve(
        "--record", "calls", "--upload", "s3://nowhere/{uuid}", "--events", f"http://127.0.0.1:{free_port()}/",
        "--spool-wait", "0", "--metrics", f"127.0.0.1:{port}", "--echo",
    )  # fmt: skip
    with connected(serving, opening()[1], FRAME * 10, encode(Frame(Kind.HANGUP))) as peer:
        while peer.recv(4096):
            pass
    until_s = time.monotonic() + 90
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            samples = samples_of(answer.read().decode())
        if "audiosocket_calls_total" in samples and samples["audiosocket_events_waiting"][0][1]:
            break
        assert time.monotonic() < until_s
        time.sleep(0.1)
    for rule in RULES:
        expression = rule["expr"]
        assert set(METRIC.findall(expression)) <= samples.keys(), rule["alert"]
        for name, matchers in SELECTOR.findall(expression):
            for label, value in MATCHER.findall(matchers):
                assert all(label in labels for labels, _ in samples[name]), rule["alert"]
                assert set(value.split("|")) <= KNOWN_VALUES[label], rule["alert"]
        if COMPARED.fullmatch(expression):
            assert not fires(expression, samples), rule["alert"]
    compared = [rule["alert"] for rule in RULES if COMPARED.fullmatch(rule["expr"])]
    assert {"AudioSocketHangs", "AudioSocketDoesNotKeepUp", "AudioSocketSpoolFills"} <= set(compared)
    values = {name: [({}, 9e9)] for name in samples}
    assert all(fires(rule["expr"], values) for rule in RULES if rule["alert"] in compared)


def test_each_rule_says_whom_it_calls_and_what_to_do() -> None:
    table = PAGES[DOCS / "alerts.md"].partition("## What to do then")[2]
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert "$labels.instance" in rule["annotations"]["summary"]
        assert rule["alert"].removeprefix("AudioSocket") in table
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
