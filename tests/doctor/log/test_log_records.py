from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.doctor.log.log_records import record_of

TEXT = b"Channel is not answered"

FORMS = {
    "file": b"[Nov 29 10:00:00] ERROR[1234][C-0000000a] app_audiosocket.c: " + TEXT,
    "crlf": b"[Nov 29 10:00:00] ERROR[1234][C-0000000a] app_audiosocket.c: " + TEXT + b"\r",
    "plain": b"[2026-11-29 10:00:00.123] ERROR[1234][C-0000000a]: app_audiosocket.c:123 audiosocket_run: " + TEXT,
    "console": b"[Nov 29 10:00:00] \x1b[1;31mERROR\x1b[0m[1234][C-0000000a]: \x1b[1;37mapp_audiosocket.c\x1b[0m:"
    b"\x1b[1;37m123\x1b[0m \x1b[1;37maudiosocket_run\x1b[0m: " + TEXT,
    "syslog": b"Nov 29 10:00:00 pbx asterisk[99]: ERROR[1234][C-0000000a]: app_audiosocket.c:123 in audiosocket_run: "
    + TEXT,
    "journal": b"2026-11-29T10:00:00+0100 pbx asterisk[99]: ERROR[1234][C-0000000a]: app_audiosocket.c:1 in f: " + TEXT,
    "docker": b"2026-11-29T10:00:00.123456789Z [Nov 29 10:00:00] ERROR[1234][C-0000000a]: app_audiosocket.c:1 run: "
    + TEXT,
    "epoch": b"[1796018159.269398] ERROR[1234][C-0000000a] app_audiosocket.c: " + TEXT,
    "json": json.dumps(
        {
            "hostname": "pbx", "timestamp": "Nov 29 10:00:00", "identifiers": {"lwp": 1234, "callid": "[C-0000000a]"},
            "logmsg": {
                "location": {"filename": "app_audiosocket.c", "function": "audiosocket_run", "line": 123},
                "level": "ERROR", "message": TEXT.decode() + "\n",
            },
        }
    ).encode(),
    "journal json": json.dumps(
        {
            "__REALTIME_TIMESTAMP": "1796018159269398",
            "MESSAGE": f"ERROR[1234][C-0000000a]: app_audiosocket.c:123 in audiosocket_run: {TEXT.decode()}",
        }
    ).encode(),
    "journal json of bytes": json.dumps(
        {"MESSAGE": list(b"ERROR[1234][C-0000000a]: app_audiosocket.c:123 in audiosocket_run: " + TEXT)}
    ).encode(),
    "docker json": json.dumps(
        {
            "log": f"[Nov 29 10:00:00] ERROR[1234][C-0000000a]: app_audiosocket.c:1 run: {TEXT.decode()}\n",
            "time": "2026-11-29T10:00:00Z",
        }
    ).encode(),
}  # fmt: skip


@pytest.mark.parametrize("line", FORMS.values(), ids=FORMS)
def test_each_form_of_a_log_says_the_same(line: bytes) -> None:
    record = record_of(line)
    assert record[1:6] == (b"ERROR", b"1234", b"0000000a", b"app_audiosocket.c", TEXT)


def test_without_the_number_of_a_call() -> None:
    record = record_of(b"[Nov 29 10:00:00] WARNING[77] res_audiosocket.c: text")
    assert (record.thread, record.call, record.text) == (b"77", b"", b"text")


def test_a_verbose_line_of_a_console_has_no_head() -> None:
    record = record_of(b'[Nov 29 10:00:00]     -- Executing [100@bot:3] AudioSocket("PJSIP/1", "u,h:1") in new stack')
    assert record.text.startswith(b"Executing [100@bot:3]")
    assert record.time == b"[Nov 29 10:00:00]"
    assert record.level == b""


@pytest.mark.parametrize(
    "line", [b"", b"{", b"{}", b'{"logmsg": 3}', b'{"MESSAGE": 5}', b'{"MESSAGE": ["x", -1]}', b"[" * 50]
)
def test_what_has_no_form_is_text(line: bytes) -> None:
    record_of(line)


@given(st.binary(max_size=300))
def test_nothing_makes_it_fail(line: bytes) -> None:
    record_of(line)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["logmsg", "MESSAGE", "log", "message", "location", "x"]), inner)
        ),
    )
)
def test_no_json_makes_it_fail(content: object) -> None:
    record_of(json.dumps(content).encode())


def test_a_very_long_line_is_taken_apart_by_its_beginning() -> None:
    head = b"[2026-11-29 10:00:00] DEBUG[12] res.c: "
    record = record_of(head + b"x " * 8000 + b"AudioSocket WARNING[1] res_audiosocket.c: Poll timed out")
    assert (record.level, record.file) == (b"DEBUG", b"res.c")
    began = time.process_time()
    for _ in range(200):
        record_of(b"x " * 8000)
    assert time.process_time() - began < 0.1
