"""`serve --events`, as users run it: what a real NATS server and a real receiver get, beside the log and the schema."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from audiosocket_cli.asterisk.facts import EXAMPLE_UUID
from audiosocket_cli.codec import Frame, Kind, digit_frame, encode, uuid_frame
from support.nats_bus import NatsServer, nats_server
from support.pages import EXAMPLES
from support.peers import FRAME, connected, free_port, opening
from support.running import Serve, Serving, run, wait_until
from support.webhook_receiver import SECRET, Receiver, receiving

HANGUP = encode(Frame(Kind.HANGUP))
MAX_WAIT_S = 90

SCHEMA = json.loads(EXAMPLES["event-schema.json"])
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with nats_server(tmp_path_factory.mktemp("nats")) as server:
        yield server


def call(serving: Serving, number: int, *frames: bytes, first: bytes | None = None) -> str:
    """Place a short call, and return its UUID."""
    uuid, opened = opening(number)
    with connected(serving, first or opened, FRAME * 10, *frames, HANGUP) as peer:
        while peer.recv(4096):
            pass
    return uuid


def test_the_schema_is_one_and_knows_each_event_of_its_page() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    page = (Path(__file__).parents[2] / "audiosocket_cli/docs/events.md").read_text()
    named = {name for row in re.findall(r"^\| (`[a-z`, -]+) \| .* \| .* \|$", page, re.MULTILINE)
             for name in re.findall(r"`([a-z-]+)`", row)}  # fmt: skip
    conditions = [rule["if"]["properties"]["event"] for rule in SCHEMA["allOf"]]
    named.remove("event")  # the head of the table
    assert {name for each in conditions for name in each.get("enum", [each.get("const")])} == named
    assert not VALIDATOR.is_valid(
        {"schema": "audiosocket.event/1", "event": "digit", "at": "now", "id": "1", "server": "x"}
    )


def test_the_bus_has_the_objects_of_the_log_each_under_its_subject(serve: Serve, bus: NatsServer) -> None:
    bus.add_stream("CALLS", ["calls.>"])
    serving = serve(
        "--json", "--record", "calls", "--events", f"{bus.url}/calls", "--calls", "2", "--allow-from", "127.0.0.1",
    )  # fmt: skip
    digit = encode(digit_frame("5"))
    call(serving, 1, digit, digit)
    call(serving, 0, first=encode(uuid_frame(EXAMPLE_UUID)))
    code, lines, told = serving.end(0)
    assert code == 0
    logged = [json.loads(line) for line in lines]
    messages = bus.messages("CALLS")
    assert f"sent {len(messages)} events" in told
    sent: list[dict[str, Any]] = []
    for subject, event, event_id in messages:
        VALIDATOR.validate(event)
        assert subject == f"calls.{event['event']}"
        assert event.pop("id") == event_id
        assert event.pop("server") == platform.node()
        sent.append(event)
    assert {event["event"] for event in sent} == {"call", "digit", "finding", "ended"}

    def those_of(events: list[dict[str, Any]], uuid: str) -> list[dict[str, Any]]:
        return [{**event, "at": ""} for event in events if event.get("uuid") == uuid]

    for uuid in {event["uuid"] for event in sent}:
        assert those_of(sent, uuid) == those_of(logged, uuid), "in the same order, too"


def test_a_bus_without_a_stream_is_told_at_once_with_its_cure(answer: Callable[..., Serving], bus: NatsServer) -> None:
    serving = answer("serve", "--record", "calls", "--events", f"{bus.url}/other", "--spool-wait", "100ms")
    cure = 'nats stream add OTHER --subjects "other.>" --defaults'
    line = serving.told_in("events wait")  # which is said before it listens or after
    assert line == f"events wait: {bus.url}/other: no stream takes other.ended: {cure}"
    call(serving, 1)
    _, _, told = serving.end()
    assert "sent 0 events, 2 events left in " in told.splitlines()[-1]
    bus.add_stream("OTHER", ["other.>"])
    serving = answer("serve", "--record", "calls", "--events", f"{bus.url}/other", "--calls", "1")
    call(serving, 2)
    assert serving.end(0)[0] == 0
    assert [event["event"] for _, event, _ in bus.messages("OTHER")] == ["call", "ended"] * 2


def test_refused_connections_are_events_too_but_no_flood(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIOSOCKET_EVENTS_SECRET", SECRET)
    with receiving(Receiver()) as receiver:
        serving = serve("--record", "calls", "--events", receiver.url.geturl(), "--allow-from", "192.0.2.0/24")
        for _ in range(30):
            with connected(serving) as peer:
                while peer.recv(100):
                    pass
        wait_until(lambda: len(receiver.events) >= 10)
        assert serving.end()[0] == 130
        names = [event["event"] for event in receiver.events]
        assert sorted(names) == ["more-refused", *["refused"] * 10]
        [more] = [event for event in receiver.events if event["event"] == "more-refused"]
        assert more["count"] == 20
        for event in receiver.events:
            VALIDATOR.validate(event)


def test_events_that_are_refused_are_lost_and_that_is_told(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIOSOCKET_EVENTS_SECRET", SECRET)
    receiver = Receiver(lambda event: (422 if event["event"] == "digit" else 204, {}, b""))
    with receiving(receiver):
        serving = serve("--record", "calls", "--events", receiver.url.geturl(), "--log-file", "log")
        call(serving, 1, encode(digit_frame("5")))
        wait_until(lambda: "digit" in [event["event"] for event in receiver.events])

        def is_told() -> bool:
            call(serving, 2)
            return "dropped" in [event["event"] for event in receiver.events]

        wait_until(is_told)
        code, _, told = serving.end()
        assert code == 130
        assert "1 event dropped" in told.splitlines()[-1]
        dropped = next(event for event in receiver.events if event["event"] == "dropped")
        VALIDATOR.validate(dropped)
        assert dropped["count"] == 1


def test_wrong_use_is_told_in_a_line(tmp_path: Path) -> None:
    def told(*options: str, **env: str) -> str:
        done = run("serve", "--listen", f"127.0.0.1:{free_port()}", "--spool", str(tmp_path / "spool"), *options, **env)
        assert done.returncode == 2
        assert done.stdout == ""
        [line] = done.stderr.splitlines()[-1:]
        assert "Traceback" not in done.stderr
        return line

    assert "is not a URL for --events: write https://HOST/PATH for a webhook" in told("--events", "crm.example")
    assert "names no subject" in told("--events", "nats://127.0.0.1")
    assert "hunter2" not in told("--events", "nats://me:hunter2@127.0.0.1/calls")
    assert "--events to a webhook needs a secret" in told("--events", "https://crm.example/")
    missing = str(tmp_path / "none")
    assert "cannot read the secret" in told("--events", "https://crm.example/", "--events-secret-file", missing)
    assert "cannot use NATS_CA" in told("--events", "tls://127.0.0.1/calls", NATS_CA=missing)
