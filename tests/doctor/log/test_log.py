from __future__ import annotations

import re
from pathlib import Path

import pytest

from audiosocket_cli.asterisk.log_lines import LINES
from audiosocket_cli.asterisk.releases import parse_release
from audiosocket_cli.doctor.log.log import look_at_logs
from audiosocket_cli.doctor.log.log_causes import MEANINGS
from audiosocket_cli.finding import Diagnosis, Status
from support.pages import DOCS, PAGES

SERVER = "127.0.0.1:9092"


def record(text: str, call: int = 1, second: int = 0, level: str = "WARNING", file: str = "res_audiosocket.c") -> str:
    return f"[2026-11-29 10:{second // 60:02}:{second % 60:02}] {level}[{1000 + call}][C-{call:08x}] {file}: {text}"


def step(call: int, second: int = 0) -> str:
    text = f'Executing [100@bot:3] AudioSocket("PJSIP/1-{call:08x}", "u,{SERVER}") in new stack'
    return record(text, call, second, "VERBOSE", "pbx.c")


def end(call: int, second: int = 0) -> str:
    text = f"Failed to receive frame from channel 'PJSIP/1-{call:08x}' connected to AudioSocket server '{SERVER}'"
    return record(text, call, second, file="app_audiosocket.c")


def refused(call: int, second: int = 0) -> list[str]:
    return [
        record(f"Connecting to '{SERVER}' failed for url '{SERVER}': Connection refused", call, second),
        record("Failed to connect to AudioSocket service", call, second, "ERROR"),
    ]


@pytest.fixture
def look(tmp_path: Path):  # type: ignore[no-untyped-def]
    def look_at(*lines: str, release: str | None = None) -> list[Diagnosis]:
        (tmp_path / "full").write_text("\n".join(lines) + "\n")
        return look_at_logs([str(tmp_path / "full")], None if release is None else parse_release(release))

    return look_at


def test_calls_that_ended_in_order_are_ok(look) -> None:  # type: ignore[no-untyped-def]
    (found,) = look(*[text for call in range(1, 51) for text in (step(call, call), end(call, call + 1))])
    assert (found.id, found.status, found.where) == ("normal-end", Status.OK, SERVER)
    assert "50 calls, first 2026-11-29 10:00:02, last 2026-11-29 10:00:51" in found.what


def test_the_same_cause_of_many_calls_is_one_finding(look) -> None:  # type: ignore[no-untyped-def]
    lines = [text for call in range(1, 31) for text in (step(call, call), *refused(call, call))]
    (found,) = look(*lines)
    assert (found.id, found.status, found.where) == ("server-refuses", Status.FAULT, SERVER)
    assert "30 calls, first 2026-11-29 10:00:01, last 2026-11-29 10:00:30" in found.what
    assert found.evidence == (lines[1], lines[4])


def test_faults_come_first_and_the_most_frequent_of_them(look) -> None:  # type: ignore[no-untyped-def]
    lines = [step(1), end(1), record("Invalid message length received from AudioSocket server. ", 2)]
    found = look(*lines, *refused(3), *refused(4))
    assert [each.id for each in found] == ["server-refuses", "server-sends-empty-audio", "normal-end"]


def test_a_line_that_nobody_knows_is_shown_once_with_its_count(look) -> None:  # type: ignore[no-untyped-def]
    lines = [record(f"The AudioSocket number {call} has a new trouble", call) for call in range(5)]
    (unknown,) = (each for each in look(step(9), *lines) if each.id == "log-line-unknown")
    assert unknown.status is Status.UNKNOWN
    assert unknown.evidence == (f"5 lines: {lines[0]}",)


def test_a_path_that_has_its_name_is_no_line_about_it(look) -> None:  # type: ignore[no-untyped-def]
    text = "Unable to register extension at line 7 of /etc/asterisk/audiosocket.conf"
    assert [each.id for each in look(step(1), end(1), record(text, file="pbx_config.c"))] == ["normal-end"]


def test_no_number_of_unknown_lines_is_too_many(look) -> None:  # type: ignore[no-untyped-def]
    lines = [record(f"AudioSocket {'x' * number}") for number in range(100)]
    (unknown,) = (each for each in look(step(9), *lines) if each.id == "log-line-unknown")
    assert unknown.what.startswith("100 lines")
    assert unknown.evidence[-1] == "and 80 further lines"


def test_verbose_lines_that_only_mention_it_are_no_riddle(look) -> None:  # type: ignore[no-untyped-def]
    text = "Channel AudioSocket/127.0.0.1:9092-u joined 'simple_bridge' basic-bridge <b>"
    assert look(step(1), end(1), record(text, 1, level="VERBOSE", file="bridge_channel.c"))[-1].id == "normal-end"


def test_what_the_log_cannot_show_is_said(look) -> None:  # type: ignore[no-untyped-def]
    (nothing,) = look("[2026-11-29 10:00:00] NOTICE[1] loader.c: 50 modules will be loaded.")
    assert (nothing.id, nothing.status) == ("log-too-quiet", Status.UNKNOWN)
    assert "no line about AudioSocket" in nothing.what
    assert look(end(1))[-1].what.startswith("the log has no verbose lines")


def test_a_release_that_leaves_such_frames_out_is_told_so(look) -> None:  # type: ignore[no-untyped-def]
    lines = (step(1), record("Received non-audio AudioSocket message"))
    assert "which this release leaves out" in look(*lines, release="20.12")[0].what
    assert "which ends the call" in look(*lines, release="22.10")[0].what


def test_a_descriptor_that_was_closed_counts_where_connections_failed(look) -> None:  # type: ignore[no-untyped-def]
    alert = "[2026-11-29 10:00:00] WARNING[5] alertpipe.c: read() failed: Bad file descriptor"
    assert [each.id for each in look(step(1), end(1), alert)] == ["normal-end"]
    assert "descriptor-closed-twice" in [each.id for each in look(step(1), *refused(1), alert)]


def test_more_servers_than_are_kept_apart_are_counted_together(look) -> None:  # type: ignore[no-untyped-def]
    lines = [text.replace("9092", str(port)) for port in range(1, 151) for text in refused(port)]
    found = [each for each in look(*lines) if each.id == "server-refuses"]
    assert len(found) == 101
    assert sum(1 for each in found if not each.where) == 1
    assert any("50 calls" in each.what for each in found)


def test_the_example_of_the_page_is_found_as_it_says(look) -> None:  # type: ignore[no-untyped-def]
    page = PAGES[DOCS / "asterisk-log.md"]
    log = re.search(r"^```text\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert log is not None
    rows = re.findall(r"^\| \[([a-z-]+)\]\(\S+\) \| ([a-z ]+) \| (.*) \|$", page, re.MULTILINE)
    found = look(*log[1].splitlines())
    assert [(each.id, each.status.value) for each in found] == [row[:2] for row in rows]
    for each, (_, _, text) in zip(found, rows, strict=True):
        first, _, last = text.partition(": ")
        assert each.what.startswith(first)
        assert last in each.what


def test_the_page_names_lines_that_asterisk_writes() -> None:
    table = PAGES[DOCS / "asterisk-log.md"].partition("## The lines")[2]
    texts = [only_words(re.sub(r"%[sd]", "", line.text)) for line in LINES]
    shown = [
        part for row in re.findall(r"^\| (.*?) \| .*\|$", table, re.MULTILINE)[2:] for part in re.split(r"; |, ", row)
    ]
    lines = [part for part in shown if not part.startswith(("Broken pipe", "Connection reset"))]
    assert len(lines) > 20
    for part in lines:
        words = only_words(re.split(r": |…| \(", part.removeprefix("alertpipe.c: "))[0])
        assert any(words in text for text in texts), part


def only_words(text: str) -> str:
    """Return a text without numbers and marks."""
    return " ".join(re.findall(r"[A-Za-z_]+", text))


def test_each_id_of_the_table_has_a_meaning() -> None:
    assert {line.finding for line in LINES if line.finding} <= set(MEANINGS)
    assert all(meaning.cure or meaning.status is Status.OK for meaning in MEANINGS.values())


def test_the_server_that_was_silent_is_named_and_not_the_channel(look) -> None:  # type: ignore[no-untyped-def]
    text = "Reached timeout after 2000 ms of no activity on AudioSocket connection between 'PJSIP/1-{:08x}' and '{}'"
    found = look(*[record(text.format(call, SERVER), call, file="app_audiosocket.c") for call in range(9)])
    assert [(each.id, each.where) for each in found][:1] == [("server-silent", SERVER)]
    assert "9 calls" in found[0].what


@pytest.mark.parametrize("level", ["VERBOSE", "DEBUG"])
def test_what_a_dialplan_quotes_is_no_cause(look, level: str) -> None:  # type: ignore[no-untyped-def]
    quoted = record("Poll timed out while waiting for data", level=level, file="app_verbose.c")
    assert [each.id for each in look(step(1), quoted + " of AudioSocket", end(1))] == ["normal-end"]


def test_the_calls_of_an_asterisk_that_began_anew_are_others(look) -> None:  # type: ignore[no-untyped-def]
    began = "[2026-11-29 10:00:00] Asterisk 22.10.1 built by nobody @ there on a x86_64 running Linux on 2026-07-20"
    often = [line for _ in range(5) for line in (began, step(1), *refused(1))]
    (first, second) = look(*often, began, step(1), record("Invalid message length received from AudioSocket server. "))
    assert (first.id, first.where) == ("server-refuses", SERVER)
    assert "5 calls" in first.what
    assert (second.id, second.where) == ("server-sends-empty-audio", SERVER)


def test_a_step_of_the_dialplan_names_the_server_where_no_line_does(look) -> None:  # type: ignore[no-untyped-def]
    dial = f'Executing [100@bot:3] Dial("PJSIP/1-00000001", "AudioSocket/{SERVER}/u/c(slin)") in new stack'
    queue = record(
        "Exceptionally long voice queue length (97 voice / 97 total) queuing to Local/1@b;1", file="channel.c"
    )
    for begun in (record(dial, level="VERBOSE", file="pbx.c"), step(1)):
        assert [(each.id, each.where) for each in look(begun, queue)] == [("server-bursts", SERVER)]


def test_verbose_lines_in_which_no_call_begins_are_no_quiet_log(look) -> None:  # type: ignore[no-untyped-def]
    text = "Channel AudioSocket/127.0.0.1:9092-u joined 'simple_bridge' stasis-bridge <b>"
    (found,) = look(record(text, level="VERBOSE", file="bridge_channel.c"))
    assert (found.id, found.status, found.lines) == ("log-too-quiet", Status.UNKNOWN, ())
    assert "the log has verbose lines" in found.what
