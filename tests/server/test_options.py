"""What a server is asked for: how many open files that takes, and whether there are enough."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.recording.destinations import FileOutput
from audiosocket_cli.call.sources.basic import Silence
from audiosocket_cli.net.address import Address
from audiosocket_cli.server.admission import AdmissionOptions
from audiosocket_cli.server.options import API_CONNECTIONS, ApiOptions, MirrorOptions, RelayOptions, ServeOptions

LISTEN = Address("127.0.0.1", 9092)


def options(max_calls: float = math.inf, *, authorize: bool = False, metrics: bool = False) -> ServeOptions:
    admission = AdmissionOptions(authorize=("true",)) if authorize else AdmissionOptions()
    return ServeOptions(
        LISTEN, CallOptions(Silence), max_calls=max_calls, admission=admission, metrics=LISTEN if metrics else None
    )


def test_a_call_takes_its_socket_and_the_question_whether_it_may() -> None:
    assert options().descriptors_of_call == 1
    assert options(authorize=True).descriptors_of_call == 3


def test_who_watches_takes_open_files_of_the_server() -> None:
    assert options(metrics=True).own_descriptors > options().own_descriptors
    assert math.isinf(options().descriptors)


@pytest.mark.parametrize(
    ("api", "servers"),
    [(ApiOptions(), 0), (ApiOptions(LISTEN), 1), (ApiOptions(twilio=LISTEN), 1), (ApiOptions(LISTEN, LISTEN), 1),
     (ApiOptions(LISTEN, Address("127.0.0.1", 1)), 2)],
)  # fmt: skip
def test_each_address_that_asks_about_calls_come_to_takes_open_files(api: ApiOptions, servers: int) -> None:
    asked = ServeOptions(LISTEN, CallOptions(Silence), api=api)
    assert asked.own_descriptors - options().own_descriptors >= servers * 2 * API_CONNECTIONS
    assert api.servers == servers


@pytest.mark.parametrize(("limit", "lacks"), [(132, False), (131, True), (math.inf, False)])
def test_too_few_for_all_calls_are_told_with_what_to_raise(limit: float, lacks: bool) -> None:
    said = options(100).lack_of_descriptors(limit)
    assert (said is not None) is lacks
    assert said is None or said == (
        "--max-calls 100 may take 132 open files, and 131 are allowed: "
        "raise `ulimit -n`, or LimitNOFILE= of a unit file"
    )
    assert options().lack_of_descriptors(10) is None


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 50))
def test_there_is_room_for_another_call_while_all_those_there_are_fit(limit: int, calls: int, refused: int) -> None:
    asked = options(authorize=True)
    needed = asked.own_descriptors + refused + (calls + 1) * asked.descriptors_of_call
    assert asked.has_descriptors(limit, calls, refused) is (needed <= limit)


def test_the_line_that_says_where_calls_are_accepted_names_what_was_asked_for() -> None:
    listening = options().listening([Address("127.0.0.1", 5), Address("::1", 5)])
    assert (listening.port, listening.addresses) == (5, ("127.0.0.1:5", "[::1]:5"))
    assert (listening.record, listening.capture, listening.program) == (None, None, None)


def test_a_call_that_is_passed_on_takes_two_connections_and_a_mirror_all_of_it_again(tmp_path: Path) -> None:
    record = FileOutput.in_folder(tmp_path)

    def taken(call: CallOptions, mirror: MirrorOptions | None) -> int:
        return ServeOptions(LISTEN, call, relay=RelayOptions([LISTEN], mirror=mirror)).descriptors_of_call

    assert taken(CallOptions(), None) == 2
    assert taken(CallOptions(), MirrorOptions(LISTEN)) == 3
    assert taken(CallOptions(record=record), None) == 4
    assert taken(CallOptions(record=record), MirrorOptions(LISTEN, record.beside("mirror"))) == 7


def test_the_line_of_a_proxy_says_who_hears_calls_and_whether_its_port_is_open() -> None:
    relay = RelayOptions([Address("bot", 1)], mirror=MirrorOptions(Address("new", 2)))
    asked = ServeOptions(LISTEN, CallOptions(), relay=relay)
    said = [asked.listening([Address("127.0.0.1", 5)], is_open=is_open).sentence() for is_open in (True, False)]
    assert said[0].startswith("listening on 127.0.0.1:5 (")
    assert said[1].startswith("listening on 127.0.0.1:5 once a server is up (")
    assert said[0].endswith("passing calls on to bot:1, mirrored to new:2, not recording")
