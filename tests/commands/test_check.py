"""`audiosocket check`: what is chosen, what is printed, and exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path
from uuid import UUID
from xml.etree import ElementTree

import pytest

from support.faulty import FAULTY, serving
from support.peers import free_port
from support.running import COMMAND, MAX_WAIT_S, is_running, run
from support.talkers import FAULTY_TALKERS, TalkServer

QUICK = ["--only", "frame/split", "--only", "uuid/with-audio"]
"""Cases that take less than a second."""

LONG = 300 * "x"
"""A name that no file can have."""

CLOSED = "127.0.0.1:1"
"""A port that nobody listens on."""

SUPPORT = Path(__file__).parents[1]
FAULTY_COMMAND = [sys.executable, str(SUPPORT / "support" / "faulty.py"), "{port}"]


@pytest.fixture(autouse=True)
def _support_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def test_cases_are_listed() -> None:
    done = run("check", "--list", "--only", "idle", "--level", "must")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("idle/says-something  MUST    The server sends something every 2 s")
    assert max(map(len, lines)) <= 80
    content = json.loads(run("check", "--list", "--json").stdout)
    assert content["schema"] == "audiosocket.check-cases/1"
    assert len(content["cases"]) == 58
    assert set(content["cases"][0]) == {
        "id", "level", "requirement", "expected", "asterisk", "versions", "cure", "finding",
    }  # fmt: skip


def test_a_server_that_does_all_passes() -> None:
    with serving() as server:
        done = run("check", f"127.0.0.1:{server.port}", *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[0] == "passed: no case that counts failed, of 4: 4 passed, 0 failed, 0 skipped,"
    assert done.stderr.startswith("a first call: the server echoes (")


def test_a_must_that_fails_is_told_with_its_cure_and_its_evidence(tmp_path: Path) -> None:
    with serving(FAULTY["frame/other-lengths"]) as server:
        target = f"127.0.0.1:{server.port}"
        done = run("check", target, "--only", "frame/other-lengths", "--evidence", tmp_path / "seen")
        (capture,) = (tmp_path / "seen").iterdir()
        assert done.returncode == 1
        assert done.stdout.startswith("failed: 1 case (1 MUST) of 1: 0 passed, 1 failed, 0 skipped, 0 unknown\n")
        text = " ".join(done.stdout.split())
        assert "failed: frame/other-lengths (MUST) required Frames of 10, 30, 40 and 60 ms are read." in text
        assert "observed heard 0 of the 4 frames, and 5 of the 5 that followed" in text
        assert "cure take the length of each frame from its header" in text
        assert f"audiosocket check {target} --only frame/other-lengths" in done.stdout
        again = re.search(rf"audiosocket (replay \S+{capture.name} {target})", done.stdout)
        assert again is not None
        replayed = run(*again[1].split(), "--capture", tmp_path / "again.pcapng")
    assert replayed.returncode in (0, 1), replayed.stderr
    sizes = [json.loads(line).get("bytes") for line in run("dump", capture, "--json").stdout.splitlines()]
    assert {160, 480, 640, 960} <= set(sizes)


def test_a_should_counts_only_where_it_is_strict() -> None:
    with serving(FAULTY["frame/unknown-kind"]) as server:
        words = ["check", f"127.0.0.1:{server.port}", "--only", "frame/unknown-kind"]
        lenient, strict = run(*words), run(*words, "--strict")
    assert lenient.returncode == 0
    assert lenient.stdout.startswith("passed: no case that counts failed, of 1: 0 passed, 1 failed")
    assert "failed: frame/unknown-kind (SHOULD)" in lenient.stdout
    assert strict.returncode == 1


def test_json_is_alone_and_a_baseline_of_the_next_run(tmp_path: Path) -> None:
    only = ["--only", "frame/other-lengths", "--only", "frame/split-header"]
    with serving(FAULTY["frame/other-lengths"]) as server:
        first = run("check", f"127.0.0.1:{server.port}", *only, "--json", "--github")
        content = json.loads(first.stdout)
        assert (first.returncode, content["failed"]) == (1, ["frame/other-lengths"])
        assert "::error title=frame/other-lengths (MUST)::" in first.stderr
        known = tmp_path / "known.json"
        known.write_text(first.stdout)
        same = run("check", f"127.0.0.1:{server.port}", *only, "--baseline", known)
    assert same.returncode == 0
    assert "new failures: none; known failures: frame/other-lengths; mended: none" in " ".join(same.stdout.split())
    with serving() as server:
        mended = run("check", f"127.0.0.1:{server.port}", *only, "--baseline", known)
    assert mended.returncode == 0
    assert "mended: frame/other-lengths" in " ".join(mended.stdout.split())
    with serving(FAULTY["frame/split-header"]) as server:
        new = run("check", f"127.0.0.1:{server.port}", *only, "--baseline", known)
    assert new.returncode == 1
    assert "new failures: frame/split-header" in " ".join(new.stdout.split())


def test_each_attempt_is_shown() -> None:
    with serving() as server:
        done = run("check", f"127.0.0.1:{server.port}", "--only", "frame/split-header", "--repeat", "3")
    assert done.returncode == 0
    assert "frame/split-header: pass, pass, pass" in done.stdout


def test_turns_are_measured_against_what_is_given() -> None:
    with serving(TalkServer) as server:
        words = ["check", f"127.0.0.1:{server.port}", "--only", "turn/answers"]
        done = run(*words, "--turn-within", "3s", "--repeat", "2")
        skipped = run(*words)
    assert done.returncode == 0, done.stdout
    measured = r"\d\.\d\d s"
    shown = rf"pass \({measured}\), pass \({measured}\): p50 {measured}, p95 {measured}, max {measured}"
    assert re.search(f"turn/answers: {shown}", " ".join(done.stdout.split()))
    assert skipped.returncode == 6
    reason = "how fast the server has to answer is not given: add --turn-within, such as 1.5s"
    assert f"skipped: turn/answers {reason}" in " ".join(skipped.stdout.split())


def test_a_late_answer_is_told_with_when_each_spoke() -> None:
    with serving(FAULTY_TALKERS["turn/answers"]) as server:
        target = f"127.0.0.1:{server.port}"
        done = run("check", target, "--only", "turn/answers", "--turn-within", "1.2s", "--strict")
    assert done.returncode == 1
    assert re.search(r"s  caller  falls silent\n +\d\.\d{3} s  server  begins to speak", done.stdout)
    assert f"audiosocket check {target} --only turn/answers --turn-within 1.2s\n" in done.stdout


def test_a_server_that_admits_known_calls_only_is_called_with_their_uuids(tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.write_text("".join(f"{UUID(int=number)}\n" for number in range(1, 5)))
    server = [*COMMAND, "serve", "--echo", "--listen", "127.0.0.1:{port}", "--allow-uuid", known]
    only = ["--only", "uuid", "--only", "start/goes-on", "--only", "load/10-calls"]
    done = run("check", *only, "--uuid", known, "--json", "--", *server)
    verdicts = {case["id"]: case["verdict"] for case in json.loads(done.stdout)["cases"]}
    assert verdicts == {
        "uuid/any-bytes": "skip", "uuid/with-audio": "pass", "uuid/late": "pass", "uuid/split": "pass",
        "start/goes-on": "pass", "load/10-calls": "skip",
    }  # fmt: skip
    assert run("check", "--only", "start/goes-on", "--", *server).returncode == 1


def test_a_release_that_sends_no_digits_skips_them() -> None:
    with serving() as server:
        done = run("check", f"127.0.0.1:{server.port}", "--only", "kind/digits", "--asterisk", "20.12")
    assert done.returncode == 6
    assert "skipped: kind/digits\n         Asterisk 20.12 sends no digits" in done.stdout


def test_junit_and_the_summary_of_a_job_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary, junit = tmp_path / "summary.md", tmp_path / "new" / "check.xml"
    summary.write_text("before\n")
    with serving(FAULTY["frame/other-lengths"]) as server:
        words = ["check", f"127.0.0.1:{server.port}", "--only", "frame/other-lengths", "--junit", junit, "--github"]
        done = run(*words, GITHUB_STEP_SUMMARY=str(summary))
        refused = run(*words)
        forced = run(*words, "--force")
    assert (done.returncode, refused.returncode, forced.returncode) == (1, 2, 1)
    assert f"{junit} exists; choose another name or add --force" in refused.stderr
    (case,) = ElementTree.parse(junit).iter("testcase")
    assert case.find("failure") is not None
    assert re.search(r"^::error title=frame/other-lengths \(MUST\)::Frames of .*Cure: ", done.stdout, re.MULTILINE)
    page = summary.read_text()
    assert page.startswith("before\n## audiosocket check\n")
    assert "| frame/other-lengths | MUST | heard 0 of the 4 frames" in page


def test_a_command_is_started_and_its_log_stands_beside_what_failed() -> None:
    done = run("check", "--only", "frame/other-lengths", "--", *FAULTY_COMMAND, "frame/other-lengths")
    assert done.returncode == 1, done.stderr
    assert "again      audiosocket check --only frame/other-lengths -- " in done.stdout
    assert "{port}" in done.stdout
    fine = run("check", *QUICK, "--", *FAULTY_COMMAND)
    assert fine.returncode == 0, fine.stdout


def test_a_case_is_tried_again_with_the_times_that_were_set() -> None:
    times = ["--hold", "5s", "--start-within", "30s", "--turn-within", "1.5s"]
    done = run("check", *times, "--only", "frame/other-lengths", "--", *FAULTY_COMMAND, "frame/other-lengths")
    (again,) = (line for line in done.stdout.splitlines() if line.startswith("  again "))
    assert "--only frame/other-lengths --turn-within 1.5s --hold 5s --start-within 30s -- " in again


def test_a_check_that_tells_nothing_has_not_passed(tmp_path: Path) -> None:
    html = tmp_path / "check.html"
    with serving() as server:
        words = ["check", f"127.0.0.1:{server.port}", "--only", "turn/", "--html", html, "--force"]
        done, as_json = run(*words), run(*words, "--json")
    assert (done.returncode, as_json.returncode) == (6, 6), done
    assert done.stdout.startswith("unknown: no case passed or failed, of 3: 0 passed, 0 failed, 3 skipped,")
    assert json.loads(as_json.stdout)["passed"] is False
    assert "? unknown no case passed or failed" in re.sub("<[^>]*>", "", html.read_text())


def test_a_server_that_dies_of_each_call_has_failed_and_was_there() -> None:
    script = (
        "import os, socket, sys\n"
        "with socket.create_server(('127.0.0.1', int(sys.argv[1]))) as listener:\n"
        "    while True:\n"
        "        call, _ = listener.accept()\n"
        "        while data := call.recv(4096):\n"
        "            call.sendall(data[19:] if data[0] == 1 else data)\n"
        "            if data[0] == 3:\n"
        "                os._exit(7)\n"
    )
    done = run("check", "--only", "kind/digits", "--repeat", "3", "--", sys.executable, "-c", script, "{port}")
    assert done.returncode == 1, done
    assert "the server exited with code 7 during this case" in done.stdout
    assert re.search(r"and was started again \(\d times\)", " ".join(done.stdout.split()))


def test_a_command_without_a_field_listens_on_the_target() -> None:
    port = str(free_port())
    command = [word.replace("{port}", port) for word in FAULTY_COMMAND]
    assert run("check", f"127.0.0.1:{port}", *QUICK, "--", *command).returncode == 0


def test_a_server_of_our_own_is_not_left_behind(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    command = ["sh", "-c", f"echo $$ > {pid}; exec {' '.join(FAULTY_COMMAND)}"]
    assert run("check", *QUICK, "--", *command).returncode == 0
    assert not is_running(pid.read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_what_is_known(number: int, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    command = ["sh", "-c", f"echo $$ > {pid}; exec {' '.join(FAULTY_COMMAND)}"]
    words = [*COMMAND, "check", "--only", "frame/split", "--only", "idle/hold", "--json", "--", *command]
    near, far = pty.openpty()
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=far, text=True)
    os.close(far)
    progress = b""
    while b"3 of 4" not in progress:
        assert select.select([near], [], [], MAX_WAIT_S)[0], progress
        progress += os.read(near, 65536)
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    os.close(near)
    assert process.returncode == 128 + number
    content = json.loads(out)
    assert content["signal"] == number
    assert [case["id"] for case in content["cases"]] == [
        "frame/split-header", "frame/split-after-header", "frame/split-payload"
    ]  # fmt: skip
    assert not is_running(pid.read_text())


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ([CLOSED], 3, f"cannot connect to {CLOSED}: connection refused"),
        (["no-such-host.invalid"], 3, "is the host name right?"),
        (["--start-within", "0.5s", "--", "sleep", "60"], 3, "did not listen on 127.0.0.1:9092 within 0.5 s"),
        (["--", "sh", "-c", "exit 4", "{port}"], 3, "the server exited with code 4 before it listened"),
        (["--", "/no/such/server"], 2, "cannot start '/no/such/server'"),
        (["--"], 2, "-- needs a command after it"),
        (["one", "two"], 2, "one TARGET, not 2"),
        (["99999"], 2, "has a number for a host"),
        (["host:99999"], 2, "is not an address"),
        (["--asterisk", "17.3"], 2, "has no AudioSocket"),
        (["--asterisk", "new"], 2, "is not a release of Asterisk"),
        (["--only", "frame/splt"], 2, "did you mean"),
        (["--skip", "xyzzy"], 2, "there is no case 'xyzzy'"),
        (["--only", "frame", "--skip", "frame/"], 6, "no case is left to run"),
        (["--only", "frame/largest", "--level", "MUST"], 6, "no case is left to run"),
        (["--level", "MAY"], 2, "MAY"),
        (["--repeat", "0"], 2, "is not a count"),
        (["--jobs", "65"], 2, "from 1 to 64"),
        (["--hold", "0"], 2, "is not more than 0"),
        (["--hold", "soon"], 2, "is not a length of time"),
        (["--pid", "0"], 2, "0"),
        (["--pid", "4194305"], 2, "there is no such process"),
        (["--pid", "1", "--", "true"], 2, "--pid is for a server that runs already"),
        (["--force"], 2, "--force does nothing without --junit"),
        (["--start-within", "3"], 2, "--start-within does nothing without"),
        (["--baseline", "/no/such/file"], 5, "cannot read /no/such/file"),
        (["--baseline", __file__], 5, "is not a result of check --json"),
        (["--evidence", "/dev/null/x"], 2, "cannot keep evidence in /dev/null/x"),
        (["--list", "host:9092"], 2, "--list needs no server"),
        (["--list", "--", "true"], 2, "--list needs no server"),
        (["--list", "--repeat", "2"], 2, "--list runs nothing: leave out --repeat"),
        (["--turn-within", "0"], 2, "is not more than 0"),
        (["--bargein-within", "31s"], 2, "--bargein-within 31 s is too long: 30 s at most"),
        (["--speech", "said.wav"], 2, "--speech does nothing without --turn-within or --bargein-within"),
        (["--turn-within", "1s", "--speech", "/no/such/file"], 5, "cannot read /no/such/file"),
        (["--uuid", "/no/such/file"], 2, "is neither a UUID nor a file of UUIDs"),
        (["--uuid", __file__], 5, "line 1 is not a UUID"),
        (["--uuid", LONG], 2, "is neither a UUID nor a file of UUIDs"),
        (["--html", LONG], 2, "file name too long"),
        (["--junit", "/proc/check.xml"], 2, "cannot write /proc/check.xml: "),
        (["--evidence", "/proc"], 2, "cannot keep evidence in /proc: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_an_error_of_one_line(words: list[str], code: int, text: str) -> None:
    done = run("check", *words)
    assert (done.returncode, done.stdout) == (code, ""), done
    assert text in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_port_that_is_taken_is_not_taken_for_the_command() -> None:
    with serving() as server:
        done = run("check", f"127.0.0.1:{server.port}", *QUICK, "--", "sleep", "60")
    assert done.returncode == 3
    assert "something listens on" in done.stderr
