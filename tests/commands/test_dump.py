"""`audiosocket dump` as a user runs it: whole output, exit codes, files left behind, input of every sort."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import signal
import subprocess
import time
import wave
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from audiosocket_cli.audio.pcm import from_slin
from audiosocket_cli.capture.exports import as_bytes, as_pcapng
from audiosocket_cli.capture.items import Captured, Item
from audiosocket_cli.codec import Frame, Kind, digit_frame, encode, uuid_frame
from audiosocket_cli.model import Side
from support import packets
from support.captured import (
    UUID_1,
    UUID_2,
    a_call,
    a_normal_call,
    as_lines,
    sent,
    speech,
    steady,
    whole,
    write_lines,
)
from support.running import COMMAND, Serving, need, run, wait_until
from support.terminal import Terminal

HEADING = f"call {UUID_1}, from 10.0.0.5:40000 to 10.0.0.9:9092, at 2023-11-14 22:13:20.000 UTC\n"


def some_call() -> list[Item]:
    """A caller who presses 7, and a server that answers, one frame of it split."""
    call = a_call()
    caller = sent(call, Side.CALLER, [*speech(0.5), digit_frame("7"), *speech(0.5)],
                  [*steady(0.02, 25), 0.51, *steady(0.52, 25)])  # fmt: skip
    server = sent(call, Side.SERVER, [*speech(0.8), Frame(Kind.HANGUP)], [*steady(0.21, 40), 1.01])
    server[5] = server[5]._replace(begun_s=round(server[5].at_s - 0.012, 9), gap_s=0.012)
    return whole(call, caller, server, 1.05)


SPLIT = (
    "a frame of the server came in parts 12 ms apart: Asterisk ends a call in which 5 ms pass inside a frame; send "
    "each frame with one send, and set TCP_NODELAY [server-splits-frames]"
)
CALL_LINE = HEADING.replace(", at", ",\n     at")
"""The same where rows follow: no line of those is wider than 80 columns."""

COLUMNS = " " * 16 + "caller" + " " * 29 + "server\n"
TIMELINE = (
    CALL_LINE + COLUMNS + f"00:00.000       uuid {UUID_1}\n"
    "00:00.020 ███▊  audio x25 0.50 s -15 dBFS\n"
    "00:00.210                                    ███▊  audio x40 0.80 s -15 dBFS\n"
    "00:00.210 finding: a frame of the server came in parts 12 ms apart: Asterisk\n"
    "          ends a call in which 5 ms pass inside a frame; send each frame with\n"
    "          one send, and set TCP_NODELAY [server-splits-frames]\n"
    "00:00.510       digit 7\n"
    "00:00.520 ███▊  audio x25 0.50 s -15 dBFS\n"
    "00:01.010                                          hangup\n"
    "00:01.050       closed\n"
    "00:01.050                                          closed\n"
    "call 11111111 over after 1.050 s: digits 7; 1 finding\n"
    "          52 frames, 1.00 s, -15.0 dBFS      41 frames, 0.80 s, -15.0 dBFS\n"
)


@pytest.fixture
def pcapng(tmp_path: Path) -> Path:
    path = tmp_path / "call.pcapng"
    path.write_bytes(b"".join(as_pcapng(some_call(), "test")))
    return path


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """The caller's bytes, as nc keeps them."""
    path = tmp_path / "capture.bin"
    items = [item for item in some_call() if getattr(item, "side", Side.CALLER) is Side.CALLER]
    path.write_bytes(b"".join(as_bytes(items)))
    return path


def ran(*args: str | Path, **kept: bytes) -> tuple[int, str, str]:
    done = run("dump", *args, **kept)  # type: ignore[arg-type]
    return done.returncode, done.stdout, done.stderr


def error(text: str) -> str:
    return f"audiosocket: error: {text}\n"


def test_a_capture_is_a_timeline(pcapng: Path) -> None:
    assert ran(pcapng) == (0, TIMELINE, "")


@pytest.mark.parametrize("form", ["jsonl", "gzip", "standard input", "pcap"])
def test_whatever_its_format_a_capture_tells_the_same(tmp_path: Path, pcapng: Path, form: str) -> None:
    path, stdin = tmp_path / "same", b""
    data = pcapng.read_bytes()
    if form == "jsonl":
        write_lines(path, some_call())
    elif form == "pcap":
        need("editcap")
        subprocess.run(["editcap", "-F", "nsecpcap", pcapng, path], check=True, timeout=60)
    elif form == "standard input":
        path, stdin = Path("-"), data
    else:
        path.write_bytes(gzip.compress(data))
    assert ran(path, stdin=stdin) == (0, TIMELINE, "")


def test_raw_bytes_have_offsets_and_media_time(raw: Path) -> None:
    assert ran(raw) == (
        0,
        (f"call {UUID_1}, without a clock: media time\n"
        "                           caller                       server\n"
        f"@0         00:00.000       uuid {UUID_1}\n"
        "@19        00:00.020 ███▊  audio x25 0.50 s -15 dBFS\n"
        "@8094      00:00.500       digit 7\n"
        "@8098      00:00.520 ███▊  audio x25 0.50 s -15 dBFS\n"
        "call 11111111 over: digits 7\n"
        "                     52 frames, 1.00 s, -15.0 dBFS\n"),
        "",
    )  # fmt: skip


def test_each_frame_has_a_line(pcapng: Path) -> None:
    code, out, err = ran(pcapng, "--each")
    lines = out.splitlines()
    assert (code, err, len(lines)) == (0, "", 1 + 52 + 41 + 2)
    assert lines[1:3] == [
        "@0         00:00.000000 caller uuid 16 bytes 11111111222243338444555555555555",
        "@19        00:00.020000 caller slin 320 bytes 20 ms -15.0 dBFS",
    ]
    assert "@8094      00:00.510000 caller dtmf 1 byte '7'" in lines
    assert "@1615      00:00.310000 server slin 320 bytes 20 ms -15.0 dBFS in parts over 12.0 ms" in lines
    assert lines[-3:] == [
        "@12920     00:01.010000 server hangup 0 bytes",
        "           00:01.050000 caller closed",
        "           00:01.050000 server closed",
    ]


def test_hex_is_below_its_frame(pcapng: Path) -> None:
    code, out, _ = ran(pcapng, "--hex", "--limit", "2")
    lines = out.splitlines()
    assert code == 0
    assert lines[2] == '    0000  11 11 11 11 22 22 43 33 84 44 55 55 55 55 55 55  ....""C3.DUUUUUU'
    assert len(lines) == 1 + 2 + 1 + 20


def test_what_is_selected_is_shown_and_no_more(pcapng: Path) -> None:
    rest = "call 11111111 over after 1.050 s, selected: "
    assert ran(pcapng, "--kind", "dtmf", "--kind", "hangup") == (
        0,
        CALL_LINE + COLUMNS + f"00:00.510       digit 7\n00:01.010{'':42}hangup\n" + rest
        + f"digits 7\n{'':10}1 frame{'':28}1 frame\n",
        "",
    )  # fmt: skip
    assert ran(pcapng, "--side", "server", "--from", "0.6", "--to", "1.0") == (
        0,
        CALL_LINE + COLUMNS + f"00:00.610{'':36}███▊  audio x20 0.40 s -15 dBFS\n" + rest
        + f"digits none\n{'':45}20 frames, 0.40 s, -15.0 dBFS\n",
        "",
    )  # fmt: skip
    assert ran(pcapng, "--kind", "0x03", "--each") == (
        0,
        HEADING + "@8094      00:00.510000 caller dtmf 1 byte '7'\n",
        "",
    )


def test_figures_of_both_sides_are_beside_each_other(pcapng: Path) -> None:
    assert ran(pcapng, "--stats") == (
        0,
        (f"call {UUID_1}, from 10.0.0.5:40000 to 10.0.0.9:9092,\n"
        "     1.050 s, ended by server (hangup)\n"
        "                             caller            server\n"
        "  uuid frames          1 (16 bytes)                 -\n"
        "  slin frames      50 (16000 bytes)  40 (12800 bytes)\n"
        "  dtmf frames            1 (1 byte)                 -\n"
        "  hangup frames                   -       1 (0 bytes)\n"
        "  audio                       1.0 s             0.8 s\n"
        "  share of time             95.24 %           76.19 %\n"
        "  first audio at             0.02 s            0.21 s\n"
        "  first speech at            0.02 s            0.21 s\n"
        "  level                  -15.0 dBFS        -15.0 dBFS\n"
        "  peak                   -12.0 dBFS        -12.0 dBFS\n"
        "  spacing p50               20.0 ms           20.0 ms\n"
        "  spacing p95               20.0 ms           20.0 ms\n"
        "  spacing p99               20.0 ms           20.0 ms\n"
        "  spacing max               20.0 ms           20.0 ms\n"
        "  digits                          7                 -\n"
        "  speech                     0.00 s            0.80 s\n"
        "  turns: both spoke for 0.00 s; no dead air\n"
        "  finding: a frame of the server came in parts 12 ms apart: Asterisk ends a call\n"
        "  in which 5 ms pass inside a frame; send each frame with one send,\n"
        "  and set TCP_NODELAY [server-splits-frames]\n"),
        "",
    )  # fmt: skip


def test_figures_are_json_too(pcapng: Path) -> None:
    code, out, err = ran(pcapng, "--stats", "--json")
    result = json.loads(out)
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert (result["schema"], result["call"]) == ("audiosocket.dump/1", str(UUID_1))
    assert (result["ended_by"], result["ended_how"], result["findings"]) == ("server", "hangup", [SPLIT])
    assert result["finding_ids"] == ["server-splits-frames"]
    assert result["turns"]["latency_ms"] is None
    assert result["caller"]["dtmf"] == [{"at_s": 0.51, "digit": "7"}]


def test_json_lines_read_as_they_were_written(tmp_path: Path, pcapng: Path) -> None:
    code, out, err = ran(pcapng, "--json")
    assert (code, err) == (0, "")
    assert out == "".join(as_lines(some_call()))
    again = tmp_path / "again"
    again.write_text(out)
    assert ran(again, "--json") == (0, out, "")
    digit = [json.loads(line) for line in out.splitlines() if '"digit"' in line]
    assert [(line["t"], line["side"], line["digit"]) for line in digit] == [(0.51, "caller", "7")]


def test_several_captures_are_told_one_after_the_other(tmp_path: Path, pcapng: Path, raw: Path) -> None:
    missing = tmp_path / "missing"
    code, out, err = ran(pcapng, missing, raw)
    assert code == 5
    assert err == f"cannot read {missing}: no such file or directory\n"
    headings = re.findall(r"^call \S+,.*?(?=^ +caller)", out, re.DOTALL | re.MULTILINE)
    assert [" ".join(heading.split()) for heading in headings] == [
        f"{HEADING.strip()}, in {pcapng}", f"call {UUID_1}, without a clock: media time, in {raw}",
    ]  # fmt: skip


def test_calls_at_once_are_told_apart(tmp_path: Path) -> None:
    first, second = some_call(), a_normal_call(1.0, UUID_2)
    mixed = [item for pair in zip(first, second, strict=False) for item in pair]
    mixed += first[len(second) :] + second[len(first) :]
    path = write_lines(tmp_path / "two.jsonl", mixed)
    code, out, _ = ran(path)
    assert code == 0
    assert out.startswith(TIMELINE)
    assert out[len(TIMELINE) :].startswith(f"call {UUID_2}, ")
    assert ran(path, "--call", "1111") == (0, TIMELINE, "")
    each = ran(path, "--each")[1].splitlines()
    assert [line[:9] for line in each if "uuid" in line] == ["11111111 ", "22222222 "]
    assert len(json.loads(ran(path, "--stats", "--json", "--call", "2222")[1])) == 15


# Limits


def test_a_limit_counts_rows_frames_or_calls(tmp_path: Path, pcapng: Path) -> None:
    assert ran(pcapng, "--limit", "2") == (0, "".join(TIMELINE.splitlines(True)[:5]), "")
    assert len(ran(pcapng, "--limit", "3", "--each")[1].splitlines()) == 4
    assert ran(pcapng, "--limit", "1", "--kind", "dtmf", "--json")[1].count('"digit"') == 1
    two = write_lines(tmp_path / "two", [*some_call(), *a_normal_call(1.0, UUID_2)])
    assert ran(two, "--stats", "--limit", "1")[1] == ran(pcapng, "--stats")[1]
    assert ran(two, "--to", "jsonl", "-", "--limit", "1")[1].count("\n") == 2


# Other formats


@pytest.mark.parametrize(
    ("form", "how"),
    [
        ("pcapng", ["--to", "FORMAT", "OUT"]),
        ("jsonl", ["--to=FORMAT", "OUT"]),
        ("bin", ["--convert", "FORMAT", "OUT"]),
    ],
    ids=["pcapng", "jsonl", "bin"],
)
def test_a_capture_is_written_in_another_format(tmp_path: Path, pcapng: Path, form: str, how: list[str]) -> None:
    out = tmp_path / "new" / "out"
    asked = [word.replace("FORMAT", form).replace("OUT", str(out)) for word in how]
    side = ["--side", "caller"] if form == "bin" else []
    assert ran(pcapng, *asked, *side) == (0, "", "")
    assert out.stat().st_mode & 0o777 == 0o600
    shown = ran(out)
    assert shown[0] == 0
    if form != "bin":
        assert shown[1] == TIMELINE
    assert ran(pcapng, *asked, *side) == (
        2, "", error(f"cannot write {out}: it exists; choose another name or add --force")
    )  # fmt: skip
    assert ran(pcapng, *asked, *side, "--force") == (0, "", "")


def test_both_meanings_of_to_go_together(tmp_path: Path, pcapng: Path) -> None:
    out = tmp_path / "out.bin"
    assert ran(pcapng, "--to", "bin", out, "--to", "0.1", "--side", "server", "--from", "0")[0] == 6
    assert ran(pcapng, "--to", "0.3", "--side", "server", "--to", "bin", out, "--force") == (0, "", "")
    assert out.stat().st_size == 5 * 323


def test_both_sides_are_not_written_as_one(tmp_path: Path, pcapng: Path) -> None:
    out = tmp_path / "out.bin"
    assert ran(pcapng, "--to", "bin", out) == (
        2, "", error("cannot write both sides as bytes of one: choose with --side caller or --side server")
    )  # fmt: skip
    assert not out.exists()


def test_a_capture_is_not_written_over_itself(pcapng: Path) -> None:
    before = pcapng.read_bytes()
    assert ran(pcapng, "--to", "jsonl", pcapng, "--force") == (
        2, "", error(f"cannot write {pcapng}: it is the capture itself; choose another name")
    )  # fmt: skip
    assert pcapng.read_bytes() == before


def test_wav_files_are_written_beside_what_is_shown(tmp_path: Path, pcapng: Path, raw: Path) -> None:
    folder = tmp_path / "calls"
    code, out, err = ran(pcapng, "--wav", folder)
    assert (code, out) == (0, TIMELINE)
    assert err in {f"wrote {shown}/{UUID_1}.wav\n" for shown in (folder, os.path.relpath(folder))}
    assert ran(raw, "--json", "--wav", folder)[2].endswith(f"calls/{UUID_1}-2.wav\n")
    items = [item for item in some_call() if isinstance(item, Captured) and item.frame.kind == Kind.SLIN]
    spoken = {
        side: np.concatenate([from_slin(item.frame.payload) for item in items if item.side is side]) for side in Side
    }
    with wave.open(str(folder / f"{UUID_1}.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
    np.testing.assert_array_equal(samples[:8000, 0], spoken[Side.CALLER])
    begins = int(np.flatnonzero(samples[:, 1])[0]) - int(np.flatnonzero(spoken[Side.SERVER])[0])
    assert begins == pytest.approx(0.2 * 8000, abs=161)
    np.testing.assert_array_equal(samples[begins : begins + 6400, 1], spoken[Side.SERVER])
    with wave.open(str(folder / f"{UUID_1}-2.wav")) as file:
        assert (file.getnchannels(), file.getnframes()) == (1, 8000)


def test_wav_files_are_complete_though_a_copy_fails(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "long.jsonl", a_normal_call(8.0))
    code, out, err = ran(path, "--wav", tmp_path / "x.wav", "--side", "caller", "--to", "bin", "/dev/full")
    wrote, failed = err.splitlines()
    assert code != 0
    assert (out, failed) == ("", "audiosocket: error: cannot write /dev/full: no space left on device")
    assert wrote.endswith("x.wav")
    written = (1 << 16) // 323 * 0.02  # as much as fills the first buffer, which cannot be written
    assert len(wav(tmp_path / "x.wav")) / 8000 == pytest.approx(written, abs=0.05)


# Findings


@pytest.mark.parametrize("form", [[], ["--stats"], ["--each"], ["--to", "jsonl", "-"]], ids=" ".join)
def test_findings_fail_a_strict_run_in_whatever_form_it_is_shown(pcapng: Path, form: list[str]) -> None:
    plain = ran(pcapng, *form)
    assert ran(pcapng, *form, "--strict") == (1, *plain[1:])
    assert plain[0] == 0
    assert ran(pcapng, *form, "--strict", "--side", "caller")[0] == 0


@pytest.mark.parametrize("form", [[], ["--json"]], ids=" ".join)
def test_a_strict_run_of_a_normal_call_is_fine(tmp_path: Path, form: list[str]) -> None:
    path = write_lines(tmp_path / "normal", a_normal_call())
    code, out, err = ran(path, "--strict", *form)
    assert (code, err) == (0, "")
    assert "finding" not in out


# What goes wrong


def test_damage_is_told_with_its_offset_and_all_before_it_is_shown(tmp_path: Path, raw: Path) -> None:
    data = raw.read_bytes()
    path = tmp_path / "damaged"
    path.write_bytes(data[: 19 + 323 * 10] + b"\x55\xaa" * 100 + data[19 + 323 * 10 :])
    code, out, err = ran(path)
    assert code == 5
    assert err == (
        "damaged at byte 3249: not an AudioSocket frame: its kind would be 0x55, its length 43605; "
        "reading ends here; --resync searches on\n"
    )
    assert "███▊  audio x10 0.20 s" in out
    code, out, err = ran(path, "--resync", "--each")
    assert (code, len(out.splitlines())) == (5, 1 + 52)
    assert err.endswith("skipped 200 bytes\n")


@pytest.mark.parametrize("form", [["--stats"], ["--json"]], ids=" ".join)
def test_a_capture_that_is_cut_is_shown_to_its_end(tmp_path: Path, pcapng: Path, form: list[str]) -> None:
    path = tmp_path / "cut"
    path.write_bytes(pcapng.read_bytes()[:20_000])
    code, out, err = ran(path, *form)
    assert code == 5
    assert err.startswith("damaged at byte 19")
    assert "the file ends inside a block" in err
    assert str(UUID_1) in out


def test_damage_of_one_of_several_names_the_file(tmp_path: Path, pcapng: Path) -> None:
    path = tmp_path / "garbage"
    path.write_bytes(b"\x99" * 100)
    code, out, err = ran(path, pcapng)
    assert code == 5
    assert out == TIMELINE.replace("UTC\n", f"UTC, in\n     {pcapng}\n")
    assert err == (
        f"{path}: damaged at byte 0: not an AudioSocket frame: its kind would be 0x99, its length 39321; "
        "reading ends here; --resync searches on\n"
        f"{path}: there is no call in it; is it a capture? dump reads pcapng, pcap, JSON lines and raw bytes\n"
    )


@pytest.mark.parametrize(
    ("args", "code", "line"),
    [
        (["missing"], 5, error("cannot read missing: no such file or directory")),
        (["."], 5, error("cannot read .: is a directory")),
        (["/dev/null"], 5, error("cannot read /dev/null: it is empty")),
        (["-"], 5, error("cannot read standard input: it is empty")),
        (["x", "--kind", "speech"], 2, "'speech' is not a kind: choose from hangup, "),
        (["x", "--from", "soon"], 2, "or a time in the call, as 1:12.5 or 1:00:12.5"),
        (["x", "--from", "2", "--to", "1:00", "--from", "70"], 2,
         error("--from 70 is not before --to 60: there is no time between them")),
        (["x", "--to", "wav", "out.wav"], 2, "; or a format and a name: pcapng, jsonl, bin FILE (--wav DIR writes"),
        (["x", "--to", "pcapng"], 2, error("--to pcapng needs a name to write to: --to pcapng FILE, or - for a pipe "
                                           "(see audiosocket dump --help)")),
        (["x", "--to", "bin", "--force"], 2, "--to bin needs a name to write to"),
        (["x", "--to", "bin", "out", "--json"], 2, "leave out --each, --hex, --json and --stats"),
        (["x", "--stats", "--each"], 2, error("--stats and --each exclude each other: choose one")),
        (["x", "--json", "--hex"], 2,
         error("--json is a line for each frame, with its payload: leave out --each and --hex")),
        (["x", "--force"], 2, "--force overwrites what --to FORMAT OUT writes"),
        (["x", "y", "--to", "jsonl", "out"], 2, error("--to jsonl takes one capture, not 2")),
        (["x", "y", "--follow"], 2, error("--follow takes one capture, not 2: it has no end")),
        (["x", "--limit", "0"], 2, "0 is not in the range x>=1"),
        ([], 2, "Missing argument 'CAPTURE…'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_errors_are_one_line(args: list[str], code: int, line: str) -> None:
    found, out, err = ran(*args)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert err == line if line.startswith("audiosocket") else line in err


def test_nothing_that_is_selected_is_told(pcapng: Path) -> None:
    nothing = f"{pcapng}: --kind, --side, --from and --to select nothing in it\n"
    for form in ([], ["--stats"], ["--each"]):
        assert ran(pcapng, "--kind", "error", *form) == (6, "", nothing)
    assert ran(pcapng, "--call", "ffff") == (6, "", f"{pcapng}: no call in it has a UUID that begins with 'ffff'\n")


def test_other_connections_are_counted_and_what_is_no_call_is_told(tmp_path: Path) -> None:
    path = tmp_path / "web.pcap"
    web = packets.Talk(server=("10.0.0.2", 80)).open().say(0, b"GET / HTTP/1.1\r\n\r\n").close()
    path.write_bytes(packets.pcap(web.packets))
    assert ran(path) == (6, "", f"{path}: there is no call in it, only 1 other TCP connections\n")
    web = packets.Talk().open().say(0, b"GET / HTTP/1.1\r\n\r\n").close()
    path.write_bytes(packets.pcap(web.packets))
    code, out, _ = ran(path)
    assert code == 6
    assert out.startswith(
        "no call from 10.0.0.1:40000 to 10.0.0.2:9092 at 2023-11-14 22:13:20.123 UTC: not an AudioSocket"
    )


def test_what_a_terminal_would_obey_is_not_printed(tmp_path: Path) -> None:
    path = tmp_path / "evil.jsonl"
    lines = list(as_lines(a_normal_call(0.1)))
    lines.insert(2, json.dumps({"call": str(UUID_1), "t": 0.0, "event": "comment", "text": "\x1b[2Jx\ny"}) + "\n")
    path.write_text("".join(lines))
    for form in ([], ["--each"]):
        code, out, _ = ran(path, *form)
        assert code == 0
        assert "comment: \\u001b[2Jx\\ny\n" in out


def test_options_come_from_the_environment(pcapng: Path) -> None:
    done = run(
        "dump", pcapng, AUDIOSOCKET_DUMP_KIND="dtmf hangup", AUDIOSOCKET_DUMP_EACH="1", AUDIOSOCKET_DUMP_TO="1.0"
    )
    assert (done.returncode, done.stdout) == (0, HEADING + "@8094      00:00.510000 caller dtmf 1 byte '7'\n")


@pytest.mark.parametrize("form", [[], ["--json"], ["--follow"]], ids=" ".join)
def test_whoever_has_read_enough_closes_the_pipe(tmp_path: Path, form: list[str]) -> None:
    path = tmp_path / "long.bin"
    path.write_bytes((encode(uuid_frame(UUID_1)) + encode(Frame(Kind.SLIN, bytes(range(160)) * 2))) * 3000)
    with subprocess.Popen([*COMMAND, "dump", path, *form], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 0
        assert process.stderr.read() == b""


# Growing files


def test_a_growing_file_is_followed_until_somebody_interrupts(tmp_path: Path) -> None:
    path = tmp_path / "grows.jsonl"
    lines = list(as_lines(some_call()))
    path.write_text("".join(lines[:40]))
    with subprocess.Popen([*COMMAND, "dump", path, "--follow"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() + process.stdout.readline() == CALL_LINE
        assert process.stdout.readline() == f"{'':25}caller{'':24}server\n"
        assert process.stdout.readline() == f"11111111 00:00.000       uuid {UUID_1}\n"
        with path.open("a") as file:
            file.write("".join(lines[40:70]))
        seen = ""
        while "digit 7" not in seen:
            seen += process.stdout.readline()
        time.sleep(0.5)  # it waits for more
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(30) == 130
    assert "11111111 00:00.020 ███▊  audio x25 0.50 s -15 dBFS\n" in seen
    assert rest.splitlines()[-2].startswith("call 11111111 over after ")


def has_read_all(pid: int, path: Path) -> bool:
    """Whether a process that has a file open is at the file's end."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            if link.readlink() == path:
                place = Path(f"/proc/{pid}/fdinfo/{link.name}").read_text()
                return int(place.split()[1]) == path.stat().st_size
    return False


def test_a_file_that_is_followed_can_be_kept_in_another_format(tmp_path: Path) -> None:
    path, out = tmp_path / "grows.jsonl", tmp_path / "out.pcapng"
    lines = list(as_lines(some_call()))
    path.write_text("".join(lines[:40]))
    with subprocess.Popen([*COMMAND, "dump", path, "--follow", "--to", "pcapng", out]) as process:
        wait_until(lambda: out.exists() and has_read_all(process.pid, path))
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    code, shown, _ = ran(out)
    assert code == 0
    assert shown.startswith(CALL_LINE)
    assert "audio x" in shown


# Real calls


def test_what_the_other_commands_capture_is_shown(
    serve: Callable[..., Serving], tone_file: Path, tmp_path: Path
) -> None:
    serving = serve("--echo", "--capture", "captures", "--calls", "1")
    ours = tmp_path / "ours.pcapng"
    done = run("inject-dtmf", "4#", serving.target, "--audio", tone_file, "--capture", ours)
    assert done.returncode == 0, done.stderr
    serving.end(0)
    (theirs,) = (tmp_path / "captures").iterdir()
    code, out, err = ran(ours, theirs, "--stats", "--json")
    assert (code, err) == (0, "")
    first, second = map(json.loads, out.splitlines())
    assert first["uuid"] == second["uuid"]
    for side in Side:
        assert first[side]["frames"] == second[side]["frames"]
        assert first[side]["level_dbfs"] == second[side]["level_dbfs"]
    assert [press["digit"] for press in first["caller"]["dtmf"]] == ["4", "#"]
    code, out, _ = ran(theirs)
    assert code == 0
    assert [line.split(" ", 1)[1] for line in out.splitlines() if "digit " in line] == [
        "      digit 4",
        "      digit #",
    ]


# WAV files of a part, and by a name of their own


def wav(path: Path) -> np.ndarray:  # type: ignore[type-arg]
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())


def spoken_at(number: int) -> Frame:
    """A frame that tells its place: second n of the call has samples of n times 100 and more."""
    return Frame(Kind.SLIN, np.full(160, 100 + number, "<i2").tobytes())


def numbered_call(seconds: float, uuid: UUID = UUID_1) -> list[Item]:
    call, count = a_call(uuid), round(seconds * 50)
    frames = [spoken_at(number) for number in range(count)]
    return whole(call, sent(call, Side.CALLER, frames, steady(0.02, count)),
                 sent(call, Side.SERVER, frames, steady(0.0, count)))  # fmt: skip


@pytest.mark.parametrize("form", [[], ["--json"], ["--stats"], ["--each"]], ids=" ".join)
def test_a_wav_of_a_part_begins_where_it_was_asked_to(tmp_path: Path, form: list[str]) -> None:
    path = write_lines(tmp_path / "call.jsonl", numbered_call(8.0))
    out = tmp_path / "part.wav"
    assert ran(path, "--from", "2.1", "--to", "5.1", "--wav", out, *form)[0] == 0
    samples = wav(out)
    assert len(samples) == pytest.approx(3.0 * 8000, abs=320)
    for side in (0, 1):  # what is said at 2.1 s of the call is at 0 s of the file
        assert samples[80, side] == pytest.approx(100 + 2.1 * 50, abs=1)
        assert samples[16000, side] == pytest.approx(100 + 4.1 * 50, abs=1)


def test_a_pause_at_the_start_of_a_part_stays_and_its_end_is_filled(tmp_path: Path) -> None:
    call = a_call()
    caller = sent(call, Side.CALLER, speech(0.5), steady(3.02, 25))
    path = write_lines(tmp_path / "call.jsonl", whole(call, caller, [], 9.0))
    out = tmp_path / "part.wav"
    assert ran(path, "--from", "2", "--to", "5", "--wav", out)[0] == 0
    samples = wav(out)[:, 0]
    assert len(samples) == pytest.approx(24000, abs=320)
    assert np.flatnonzero(samples)[0] == pytest.approx(8000, abs=170)


def test_a_named_wav_is_that_file_and_more_calls_are_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "two.jsonl"
    path.write_text("".join(as_lines([*numbered_call(1.0), *numbered_call(2.0, UUID_2)])))
    out = tmp_path / "new" / "x.wav"
    code, _, err = ran(path, "--wav", out)
    assert code == 0
    assert "has room for one call, the first: the others are in files beside it" in err
    assert sorted(file.name for file in out.parent.iterdir()) == ["x-2.wav", "x.wav"]
    assert [round(len(wav(out.with_name(name))) / 8000) for name in ("x.wav", "x-2.wav")] == [1, 2]
    code, _, err = ran(path, "--call", str(UUID_2), "--wav", out)
    assert (code, err) == (2, error(f"cannot record to {out}: it exists; choose another name or add --force"))
    assert ran(path, "--call", str(UUID_2), "--wav", out, "--force")[0] == 0
    assert round(len(wav(out)) / 8000) == 2


@pytest.mark.parametrize("name", ["call.flac", "call.MP3", "calls.raw"])
def test_a_file_that_is_not_wav_is_refused_and_no_folder(tmp_path: Path, name: str) -> None:
    path = write_lines(tmp_path / "call.jsonl", numbered_call(1.0))
    code, _, err = ran(path, "--wav", tmp_path / name)
    assert code == 2
    wav = tmp_path / f"{name.partition('.')[0]}.wav"
    assert err.endswith(f"--wav writes WAV; name it {wav}, or {tmp_path / name}/ for a folder\n")
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["folder", "folder.wav/", "there.wav", "pbx.2026-11-29", "calls.flac/"])
def test_a_folder_is_a_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "there.wav").mkdir()
    path = write_lines(tmp_path / "call.jsonl", numbered_call(1.0))
    assert ran(path, "--wav", f"{tmp_path}/{name}")[0] == 0
    assert (tmp_path / name / f"{UUID_1}.wav").is_file()


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["colours", "NO_COLOR", "dumb"])
@pytest.mark.parametrize("how", [(), ("--follow",)], ids=["whole", "followed"])
def test_a_terminal_of_80_columns_shows_the_same_with_colours(
    pcapng: Path, how: tuple[str, ...], env: dict[str, str]
) -> None:
    with Terminal("dump", *how, pcapng, columns=80, **env) as terminal:
        terminal.wait_for("over after")
        terminal.end(signal.SIGINT if how else 0)
    shown = terminal.text.replace("\r\n", "\n").replace("^C", "")
    if not how:
        assert shown == TIMELINE
    assert max(map(len, shown.splitlines())) <= 80
    assert ("\x1b[32m███▊\x1b[0m" in terminal.raw) == (not env)
    assert ("\x1b[35mfinding:\x1b[0m" in terminal.raw) == (not env)


def test_no_row_is_wider_than_80_columns_unless_a_path_is(tmp_path: Path) -> None:
    """Of a call of hours, gaps, long words, another kind of audio, and many frames."""
    call = a_call()
    caller = sent(
        call,
        Side.CALLER,
        [*speech(0.5), *speech(0.5), digit_frame("7")],
        [*steady(0.02, 25), *steady(4000.0, 25), 4001.0],
    )
    frames = [Frame(Kind.SLIN192, frame.payload) for frame in speech(0.8)]
    server = sent(call, Side.SERVER, frames, [*steady(0.21, 20), *steady(4000.9, 20)])
    path = tmp_path / "call.pcapng"
    path.write_bytes(b"".join(as_pcapng(whole(call, caller, server, 4002.0), "test")))
    code, out, _ = ran(path)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "1:06:40.000" in out
    assert "slin192" in out
