from __future__ import annotations

from itertools import count

import pytest

from audiosocket_cli.asterisk.log_lines import find_line
from audiosocket_cli.doctor.log.log_calls import CallTable, Cause, causes_of
from audiosocket_cli.doctor.log.log_records import record_of

STEP = 'VERBOSE[7][C-0000000a] pbx.c: Executing [100@bot:3] AudioSocket("PJSIP/1-00000001", "u,bot:9092") in new stack'


def line(text: str, at: str = "10:00:00.000", head: str = "WARNING[7][C-0000000a] res_audiosocket.c: ") -> str:
    return f"[2026-11-29 {at}] {head}{text}"


def causes(*lines: str) -> list[Cause]:
    table = CallTable()
    calls = []
    for each in lines:
        record = record_of(each.encode())
        calls += table.add(record, find_line(record.text))
    return [cause for call in [*calls, *table.rest()] for cause in causes_of(call)]


def ids(*lines: str) -> list[str]:
    return [cause.finding for cause in causes(*lines)]


CHANNEL = "PJSIP/1-00000001"
END = f"Failed to receive frame from channel '{CHANNEL}' connected to AudioSocket server 'bot:9092'"
FROM_SERVER = f"Failed to receive frame from AudioSocket server 'bot:9092' connected to channel '{CHANNEL}'"
TO_SERVER = f"Failed to forward frame from channel '{CHANNEL}' to AudioSocket server 'bot:9092'"
REFUSED = "Connecting to '10.0.0.1:9092' failed for url 'bot:9092': Connection refused"
NOBODY = "Failed to connect to AudioSocket service"

WRITE = "Failed to write data to AudioSocket because: "
READ = "Failed to read header from AudioSocket because: "
PAYLOAD = "Failed to read payload from AudioSocket: "
AGAIN = "Resource temporarily unavailable"
RESET = "Connection reset by peer"

TOGETHER = {
    "caller hung up": ([END], "normal-end"),
    "server hung up on an old release": (
        [f"Failed to receive frame from AudioSocket message forchannel {CHANNEL}"], "normal-end",
    ),
    "split": (["Poll timed out while waiting for data", PAYLOAD + AGAIN, FROM_SERVER], "server-splits-frames"),
    "split, before 20.15": ([PAYLOAD + AGAIN, FROM_SERVER], "server-splits-frames"),
    "died": (["Insufficient payload read from AudioSocket", FROM_SERVER], "server-dies-in-frame"),
    "reset inside a frame": ([PAYLOAD + RESET, FROM_SERVER], "server-dies-in-frame"),
    "reset": ([READ + RESET, FROM_SERVER], "server-closes-unread"),
    "header split, before 20.17": ([READ + AGAIN, FROM_SERVER], "server-splits-frames"),
    "stalled": ([WRITE + AGAIN, TO_SERVER], "server-stalls"),
    "closed while written to": ([WRITE + "Broken pipe", TO_SERVER], "server-closes-unread"),
    "descriptor": ([WRITE + "Bad file descriptor", TO_SERVER], "descriptor-closed-twice"),
    "refused": ([REFUSED, NOBODY], "server-refuses"),
    "no route": ([REFUSED.replace("Connection refused", "No route to host"), NOBODY], "server-unreachable"),
    "black hole": (
        ["AudioSocket connection to 'bot:9092' timedout after MAX_CONNECT_TIMEOUT_MSEC (2000) milliseconds.", NOBODY],
        "server-black-hole",
    ),
    "no IPv6": (
        ["Connection to '[2001:db8::1]:9092' failed with unexpected error: Network is unreachable"],
        "server-wrong-family",
    ),
    "port": (["Connecting to '127.0.0.1:34463' failed for url '127.0.0.1:99999': Connection refused", NOBODY],
             "port-out-of-range"),
    "name": (
        ["Failed to resolve AudioSocket service using 'bto:9092' - requires a valid hostname and port"],
        "server-name-unknown",
    ),
    "name, and the resolver": (
        ['getaddrinfo("bto", "9092", ...): Temporary failure in name resolution',
         "Failed to resolve AudioSocket service using 'bto:9092' - requires a valid hostname and port"],
        "name-server-silent",
    ),
    "no port": (["Failed to resolve AudioSocket service using 'bot' - requires a valid hostname and port"], "no-port"),
    "brackets": (["Destination '::1:9092' could not be parsed"], "address-without-brackets"),
    "codec": (["Codec 'slin8' not found for AudioSocket connection to 'bot:9092'"], "unknown-codec"),
    "codecs": (["'AudioSocket' channel options 'c(slin16' parse error"], "many-codecs"),
    "options": (["'AudioSocket' channel options 'g(x' parse error"], "bracket-missing"),
    "codec of the caller": (["No path to translate from PJSIP/1-0001 to AudioSocket/bot:9092-u"], "codec-missing"),
    "comfort noise": (["Unsupported frame type 10 for AudioSocket", TO_SERVER], "comfort-noise"),
    "another frame": (["Unsupported frame type 7 for AudioSocket", TO_SERVER], "frame-unsupported"),
    "files": (["Unable to create socket: 'Too many open files'", NOBODY], "too-many-files"),
    "bursts": (["Exceptionally long voice queue length (97 voice / 97 total) queuing to AudioSocket/bot:9092-u"],
               "server-bursts"),
    "no uuid function": (["Function UUID not registered", "UUID is required"], "func-missing"),
    "Dial alone": (["Unable to create channel of type 'AudioSocket' (cause 38 - Network out of order)"],
                   "server-unreachable"),
    "no driver": (["No channel type registered for 'AudioSocket'",
                   "Unable to create channel of type 'AudioSocket' (cause 66 - Channel not implemented)"],
                  "module-missing"),
    "gone while connecting": ([f"Failed to stop autoservice for channel '{CHANNEL}'"], "caller-gone-early"),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "finding"), TOGETHER.values(), ids=TOGETHER)
def test_lines_of_a_call_have_one_cause(lines: list[str], finding: str) -> None:
    assert ids(*map(line, lines)) == [finding]


def test_a_normal_end_after_a_cause_is_not_one() -> None:
    assert ids(line("Unsupported frame type 10 for AudioSocket"), line(END)) == ["comfort-noise"]


def test_where_one_address_refused_and_another_answered_the_call_went_on() -> None:
    cause, end = causes(line(REFUSED), line(END))
    assert (cause.works, end.finding) == (True, "normal-end")


def test_the_server_of_a_call_is_that_of_any_of_its_lines() -> None:
    (cause,) = causes(line("Invalid message length received from AudioSocket server."), line(FROM_SERVER))
    assert cause.server == "bot:9092"


def test_what_the_resolver_says_is_no_second_cause() -> None:
    failed = "Failed to resolve AudioSocket service using 'bto:9092' - requires a valid hostname and port"
    (cause,) = causes(line('getaddrinfo("bto", "9092", ...): Name or service not known'), line(failed))
    assert (cause.finding, cause.server) == ("server-name-unknown", "bto:9092")


def test_a_name_that_takes_seconds_is_a_dead_name_server() -> None:
    unknown = "Failed to resolve AudioSocket service using 'bot:9092' - requires a valid hostname and port"
    assert ids(line("", head=STEP), line(unknown, "10:00:10.010")) == ["name-server-silent"]
    assert ids(line("", head=STEP), line(unknown, "10:00:00.010")) == ["server-name-unknown"]


def test_a_reset_right_at_the_beginning_is_a_server_that_takes_no_calls() -> None:
    assert ids(line("", head=STEP), line(READ + RESET, "10:00:00.005")) == ["server-accepts-and-closes"]
    assert ids(line("", head=STEP), line(READ + RESET, "10:00:05.000")) == ["server-closes-unread"]


def test_lines_that_are_not_of_an_audiosocket_call_say_nothing() -> None:
    assert ids(line("Exceptionally long voice queue length queuing to PJSIP/2-00000002")) == []
    assert ids(line('getaddrinfo("sip.example", "5060", ...): Name or service not known')) == []
    assert ids(line("No path to translate from PJSIP/1-0 to PJSIP/2-0")) == []


def test_a_burst_in_an_audiosocket_call_counts_whatever_channel_it_is() -> None:
    found = ids(line("Exceptionally long voice queue length queuing to Local/1@x-0;1"), line(END))
    assert found == ["server-bursts"]


def test_calls_are_kept_apart_by_number_thread_and_channel() -> None:
    other = "WARNING[8][C-0000000b] res_audiosocket.c: "
    both = ids(line("Poll timed out while waiting for data"), line(REFUSED, head=other), line(NOBODY, head=other))
    assert sorted(both) == ["server-refuses", "server-splits-frames"]
    for head in ("WARNING[7] res_audiosocket.c: ", ""):
        assert ids(line(FROM_SERVER, head=head)) == ["server-closes-unread"]
    thread = "WARNING[7] res_audiosocket.c: "
    assert ids(line("Poll timed out while waiting for data", head=thread), line(FROM_SERVER, head=thread)) == [
        "server-splits-frames"
    ]


def test_a_number_that_comes_again_is_another_call() -> None:
    again = STEP.replace("PJSIP/1-00000001", "PJSIP/9-00000009")
    refused = [line(REFUSED), line(NOBODY)]
    assert ids(line(END), line("", head=again), *refused) == ["normal-end", "server-refuses"]


def test_many_calls_are_judged_as_they_are_replaced() -> None:
    table, numbers, judged = CallTable(), count(1), 0
    for _ in range(10_000):
        head = f"WARNING[7][C-{next(numbers):08x}] res_audiosocket.c: "
        record = record_of(line("Poll timed out while waiting for data", head=head).encode())
        judged += sum(1 for _ in table.add(record, find_line(record.text)))
    assert 5_000 < judged < 10_000
    assert judged + sum(1 for _ in table.rest()) == 10_000


def test_a_call_with_many_lines_keeps_some() -> None:
    burst = line("Exceptionally long voice queue length queuing to AudioSocket/bot:9092-u")
    assert ids(*[burst] * 5000) == ["server-bursts"]
