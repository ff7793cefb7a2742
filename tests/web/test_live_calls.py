"""Live calls over HTTP: which there are, what is known of each, and hanging up."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from support.peers import opening, read_to_end
from support.web import Web, calling, running


@pytest.fixture(scope="module", params=["1", "2"], ids=["one process", "workers"])
def web(request: pytest.FixtureRequest) -> Iterator[Web]:
    with running("--workers", request.param) as started:
        yield started


@pytest.fixture(scope="module")
def single() -> Iterator[Web]:
    with running() as started:
        yield started


def known(call: dict[str, Any]) -> int:
    """How many digits and findings are known of a call."""
    return len(call["digits"]) + len(call["findings"])


def test_live_calls_are_listed_with_digits_and_findings(web: Web) -> None:
    example = uuid.UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
    with calling(web, 1, "0042#"), calling(web, uuid_of=example):
        told = web.until(
            "/api/calls",
            lambda told: told["count"] == 2 and {known(call) for call in told["calls"]} == {5, 1},
        )
        assert told["schema"] == "audiosocket.web/1"
        by_uuid = {call["uuid"]: call for call in told["calls"]}
        first = by_uuid[opening()[0]]
        assert (first["state"], first["digits"], first["digit_count"], first["findings"], first["listeners"]) == (
            "live", "0042#", 5, [], [],
        )  # fmt: skip
        assert [one["finding_id"] for one in by_uuid[str(example)]["findings"]] == ["uuid-example"]
        assert web.ask(f"/api/calls/{first['id']}").json["uuid"] == first["uuid"]
        assert web.ask(f"/api/calls/{first['uuid']}").json["id"] == first["id"]
    web.until("/api/calls", lambda told: told["count"] == 0)
    assert web.ask(f"/api/calls/{first['id']}").json["state"] == "ended"


def test_a_call_is_hung_up_with_a_result_and_the_reason_says_how(web: Web) -> None:
    with calling(web, 1) as peer, calling(web, 2):
        told = web.until("/api/calls", lambda told: told["count"] == 2)
        call = next(each for each in told["calls"] if each["uuid"] == opening(1)[0])
        answer = web.ask(f"/api/calls/{call['id']}/hangup", "POST", "result=operator")
        assert (answer.status, answer.json["result"]) == (200, "operator")
        read_to_end(peer)
        ended = web.until(f"/api/calls/{call['id']}", lambda told: told["state"] == "ended")
        assert (ended["ended_by"], ended["ended_reason"]) == ("server", "hung up through --web")
        assert web.ask("/api/calls").json["count"] == 1


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/calls/0-99/hangup", "", 404),
        ("/api/calls/x/hangup", "", 404),
        ("/api/calls/{id}/hangup", "result=", 400),
        ("/api/calls/{id}/hangup", "other=1", 400),
        ("/api/calls/{id}/hangup", "result=%00", 400),
        ("/api/calls/{id}/hangup", "x" * 9000, 413),
    ],
)
def test_what_cannot_be_hung_up_is_told_in_one_line(single: Web, path: str, body: str, status: int) -> None:
    web = single
    with calling(web):
        told = web.until("/api/calls", lambda told: told["count"] == 1)
        answer = web.ask(path.format(id=told["calls"][0]["id"]), "POST", body)
        assert (answer.status, set(answer.json)) == (status, {"schema", "error"})
        assert web.ask("/api/calls").json["count"] == 1


def test_a_body_that_does_not_come_is_given_up(single: Web) -> None:
    web = single
    with calling(web), web.raw() as peer:
        call = web.until("/api/calls", lambda told: told["count"] == 1)["calls"][0]
        head = f"POST /api/calls/{call['id']}/hangup HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\nres"
        peer.sendall(head.encode())
        assert b" 408 " in peer.recv(65536)
        assert web.ask("/api/calls").json["count"] == 1


def test_ten_thousand_digits_and_hostile_results_are_bounded_and_whole(single: Web) -> None:
    web = single
    with calling(web, 1) as peer:
        peer.sendall(b"\x03\x00\x011" * 10_000)
        told = web.until("/api/calls", lambda told: told["calls"] and told["calls"][0]["digit_count"] >= 50)
        assert len(told["calls"][0]["digits"]) <= 200
        hostile = "<script>alert(1)</script>"
        answer = web.ask(f"/api/calls/{told['calls'][0]['id']}/hangup", "POST", f"result={hostile}")
        assert answer.json["result"] == hostile
        assert answer.headers["content-type"] == "application/json"
