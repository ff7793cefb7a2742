"""Who may call: networks, lists of UUIDs and programs that are asked; pure, then `serve` as a user runs it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.codec import Frame, FrameDecoder, Kind, digit_frame, encode
from audiosocket_cli.errors import UsageError
from audiosocket_cli.server.admission import Admission, AdmissionOptions, parse_network
from support.peers import FRAME, connected, in_time, opening, read_to_end
from support.running import CLOCK, COMMAND, Serve, Serving, is_running, rest_of, run, wait_until

PEER = r"127\.0\.0\.1:\d+"

HANGUP = Frame(Kind.HANGUP)

LISTED = uuid.UUID("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee")


@pytest.mark.parametrize(
    ("networks", "host", "admitted"),
    [
        ([], "203.0.113.9", True),
        (["10.0.0.0/8"], "10.255.0.1", True),
        (["10.0.0.0/8"], "11.0.0.1", False),
        (["192.0.2.7"], "192.0.2.7", True),
        (["192.0.2.7"], "192.0.2.8", False),
        (["10.0.0.0/255.0.0.0"], "10.1.2.3", True),
        (["10.0.0.0/8", "192.0.2.0/24"], "192.0.2.1", True),
        (["10.0.0.0/8"], "::ffff:10.1.2.3", True),
        (["10.0.0.0/8"], "::ffff:11.1.2.3", False),
        (["::ffff:10.0.0.0/104"], "10.1.2.3", True),
        (["::ffff:10.0.0.0/104"], "::ffff:10.1.2.3", True),
        (["::ffff:10.0.0.0/104"], "11.1.2.3", False),
        (["::ffff:0:0/96"], "203.0.113.9", True),
        (["2001:db8::/32"], "2001:db8:1::5", True),
        (["2001:db8::/32"], "2001:db9::5", False),
        (["fe80::/10"], "fe80::1%eth0", True),
        (["0.0.0.0/0"], "::1", False),
        (["::/0"], "127.0.0.1", False),
        (["0.0.0.0/0", "::/0"], "::1", True),
        (["::1"], "0:0:0:0:0:0:0:1", True),
    ],
)
def test_a_peer_is_let_in_from_the_networks_named(networks: list[str], host: str, admitted: bool) -> None:
    admission = Admission(AdmissionOptions([parse_network(text) for text in networks]))
    refusal = admission.why_not_from((host, 5) if "." in host and ":" not in host else (host, 5, 0, 0))
    assert (refusal is None) == admitted
    assert admitted or str(refusal).endswith(" is not in a network of --allow-from")


@pytest.mark.parametrize(
    "text",
    ["", "/8", "10", "10.0.0", "10.0.0.0/33", "10.0.0.1/8", "010.0.0.0/8", "256.0.0.0/8", "10.0.0.0/8/8",
     " 10.0.0.0/8", "10.0.0.0-10.0.0.9", "localhost", "2001:db8::/129", "2001:db8::1/32", "[::1]", "fe80::1%eth0",
     "::ffff:10.0.0.1/104", "10.0.0.0/8\n", "\u0661\u0660.0.0.0/8"],
)  # fmt: skip
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a network: write 192"):
        parse_network(text)


@given(st.text(st.characters(codec="ascii"), max_size=20) | st.ip_addresses(network="::ffff:0:0/96").map(str))
def test_any_text_is_a_network_or_a_usage_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert parse_network(str(parse_network(text))) == parse_network(text)


def test_without_a_list_every_uuid_may_call() -> None:
    assert Admission(AdmissionOptions()).why_not(LISTED) is None


def admit(serving: Serving, number: int) -> None:
    """Call, hang up, and see that it became a call (with `serve --json` only)."""
    call, first = opening(number)
    with connected(serving, first):
        assert json.loads(serving.wait_for('"event": "(call|refused)"'))["event"] == "call"
    serving.wait_for_end(call)


def refuse(serving: Serving, number: int) -> str:
    """Call, be hung up on, and return the reason (with `serve --json` only)."""
    with connected(serving, opening(number)[1]) as peer:
        assert read_to_end(peer)[-1] == HANGUP
    event = json.loads(serving.wait_for('"event": "(call|refused)"'))
    assert event["event"] == "refused"
    reason: str = event["reason"]
    return reason


def program(folder: Path, script: str, name: str = "judge") -> Path:
    """Write a shell script that can be run by its path."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return path


def pid_in(path: Path) -> str:
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"))
    return path.read_text().strip()


@contextmanager
def served(tmp_path: Path, *wrapped: str) -> Iterator[Serving]:
    """A server that a program of its own starts, whose last arguments are the command."""
    process = subprocess.Popen(
        [*wrapped[:-1], *COMMAND, "serve", "--listen", "127.0.0.1:0", *wrapped[-1].split()],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert process.stderr is not None
    listening = process.stderr.readline()
    try:
        yield Serving(process, int(re.findall(r":(\d+)", listening)[0]), listening)
    finally:
        process.kill()
        rest_of(process)


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--allow-from", "10.0.0.1/8"], 2, r"Invalid value for '--allow-from': '10.0.0.1/8' is not a network: .*"),
        (["--allow-from", "10.0.0.0/8", "--allow-from", "lan"], 2, r".*'lan' is not a network: .*"),
        (["--allow-uuid", "missing"], 5, r"cannot read missing: no such file or directory"),
        (["--allow-uuid", "/"], 5, r"cannot read /: is a directory"),
        (["--allow-uuid", __file__], 5, r"cannot read .*: line 1 is not a UUID: .*"),
        (["--authorize-timeout", "0"], 2, r".*'--authorize-timeout'.*"),
        (["--authorize-timeout", "nan"], 2, r".*'--authorize-timeout'.*"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_asked_for_is_one_line(args: list[str], code: int, message: str) -> None:
    done = run("serve", "--listen", "127.0.0.1:0", *args)
    assert (done.returncode, done.stdout) == (code, "")
    assert re.fullmatch(f"audiosocket: error: {message}\n", done.stderr), done.stderr


def test_a_peer_of_another_network_gets_a_hangup_and_one_line(serve: Serve) -> None:
    serving = serve("--allow-from", "192.0.2.0/24", "--allow-from", "2001:db8::/32")
    with connected(serving, opening()[1], FRAME) as peer:
        assert read_to_end(peer) == [HANGUP]
    line = serving.wait_for("refused")
    assert re.fullmatch(CLOCK + rf"refused {PEER}: 127\.0\.0\.1 is not in a network of --allow-from", line)
    code, lines, err = serving.end()
    assert (code, lines, err) == (130, [line], "answered 0 calls with 0.0 s of caller audio, refused 1\n")


def test_an_ipv4_network_holds_on_an_ipv6_socket(serve: Serve) -> None:
    serving = serve("--allow-from", "::ffff:127.0.0.0/104", "--json", host="")
    for number, host, event in [(1, "127.0.0.1", "call"), (2, "::1", "refused")]:
        with connected(serving, opening(number)[1], host=host):
            told = json.loads(serving.wait_for('"event": "(call|refused)"'))
            assert (told["event"], told["peer"].rsplit(":", 1)[0].strip("[]")) == (event, host)


def test_only_listed_uuids_may_call(serve: Serve, tone_file: Path, tmp_path: Path) -> None:
    (tmp_path / "uuids").write_text(f"{LISTED}  # the lift\n")
    serving = serve("--allow-uuid", "uuids", "--record", "calls")
    assert run("play", tone_file, serving.target, "--uuid", str(LISTED), "--duration", "0.2").returncode == 0
    serving.wait_for("ended by")
    refused = run("play", tone_file, serving.target, "--uuid", str(uuid.UUID(int=1)))
    assert refused.returncode == 1
    assert "ended by server (hangup)" in refused.stdout
    line = serving.wait_for("refused")
    assert re.fullmatch(CLOCK + rf"refused {PEER}: {uuid.UUID(int=1)} is not in uuids", line)
    code, lines, err = serving.end()
    assert (code, len(lines), lines[-1]) == (130, 3, line)
    assert err == "answered 1 call with 0.2 s of caller audio, refused 1\n"
    assert sorted(path.name for path in (tmp_path / "calls").iterdir()) == [f"{LISTED}.json", f"{LISTED}.wav"]


def test_a_refusal_is_one_json_event(serve: Serve) -> None:
    serving = serve("--allow-uuid", "/dev/null", "--json")
    refuse(serving, 1)
    code, lines, _ = serving.end()
    events = [json.loads(line) for line in lines]
    assert (code, [event["event"] for event in events]) == (130, ["listening", "refused"])
    assert events[1]["reason"] == f"{opening(1)[0]} is not in /dev/null"


def reload(serving: Serving) -> str:
    assert serving.process.stderr is not None
    serving.process.send_signal(signal.SIGHUP)
    return serving.process.stderr.readline()


def test_sighup_reads_the_list_again_and_a_bad_one_leaves_the_old(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "uuids"
    path.write_text(opening(1)[0])
    serving = serve("--allow-uuid", "uuids", "--json")
    with connected(serving, opening(1)[1]) as early:
        serving.wait_for('"call"')
        refuse(serving, 2)
        path.write_text(f"{opening(2)[0]}\n{opening(3)[0]}\n")
        assert reload(serving) == "2 UUIDs may call now\n"
        admit(serving, 2)
        path.write_text("oops\n")
        assert reload(serving) == "cannot read uuids: line 1 is not a UUID: 'oops'; the old list stays\n"
        admit(serving, 3)
        path.unlink()
        assert reload(serving) == "cannot read uuids: no such file or directory; the old list stays\n"
        admit(serving, 3)
        path.write_text(f"{opening(4)[0]}")
        assert reload(serving) == "1 UUID may call now\n"
        refuse(serving, 3)
        early.sendall(FRAME)  # who is in stays in
    assert serving.wait_for_end(opening(1)[0])["ended_by"] == "caller"
    assert serving.end()[:1] == (130,)


def test_a_file_of_uuids_that_is_empty_is_told_and_obeyed_at_the_start_only(tmp_path: Path) -> None:
    (tmp_path / "uuids").write_text("")
    for workers in ("1", "2"):
        process = subprocess.Popen(
            [*COMMAND, "serve", "--listen", "127.0.0.1:0", "--workers", workers, "--allow-uuid", "uuids"],
            stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        )  # fmt: skip
        assert process.stderr is not None
        assert process.stderr.readline() == (
            "the file of --allow-uuid holds no UUID: nobody may call until it has one and is read again (SIGHUP)\n"
        )
        assert process.stderr.readline().startswith("listening")
        process.terminate()
        assert process.wait(timeout=20) == 143
        process.stderr.close()


def test_sixty_sighups_with_a_long_list_hold_up_no_end(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "uuids").write_text("".join(f"{uuid.UUID(int=number)}\n" for number in range(200_000)))
    serving = serve("--allow-uuid", "uuids")
    with connected(serving, opening(1)[1]) as peer:
        assert peer.recv(3)
        for _ in range(60):
            serving.process.send_signal(signal.SIGHUP)
            time.sleep(0.01)
        serving.process.send_signal(signal.SIGINT)
        assert read_to_end(peer)[-1] == Frame(Kind.HANGUP)
        code, _, err = serving.end(0)
    assert code == 130
    assert err.count("may call now") < 20  # each takes a quarter of a second: one by one they would hold up the end


def test_under_nohup_sighup_reads_the_list_again(tmp_path: Path) -> None:
    (tmp_path / "uuids").write_text(opening(1)[0])
    with served(tmp_path, "sh", "-c", "trap '' HUP; exec \"$@\"", "sh", "--allow-uuid uuids --json") as serving:
        (tmp_path / "uuids").write_text(opening(2)[0])
        assert reload(serving) == "1 UUID may call now\n"
        admit(serving, 2)
        assert serving.end(signal.SIGTERM)[0] == 143


TAKE_TERMINAL = "import os, sys; os.open(sys.argv[1], os.O_RDWR); os.execvp(sys.argv[2], sys.argv[2:])"


@contextmanager
def on_terminal(
    tmp_path: Path, *args: str, before: str = "", log: int | None = None, term: str = "dumb"
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A server that leads a terminal's session, and the terminal's other end; its output goes there or to `log`."""
    master, slave = os.openpty()
    command = [*COMMAND, "serve", "--listen", "127.0.0.1:0", *args]
    process = subprocess.Popen(
        ["sh", "-c", f'{before} exec "$@"', "sh", sys.executable, "-c", TAKE_TERMINAL, os.ttyname(slave), *command],
        stdin=slave, stdout=log or slave, stderr=log or slave, start_new_session=True, cwd=tmp_path,
        env={**os.environ, "TERM": term},
    )  # fmt: skip
    os.close(slave)
    try:
        yield process, master
    finally:
        process.kill()
        process.wait()
        with contextlib.suppress(OSError):
            os.close(master)


@pytest.mark.parametrize("nohup", [False, True], ids=["plain", "nohup"])
def test_a_terminal_that_goes_away_ends_the_server_but_not_under_nohup(tmp_path: Path, nohup: bool) -> None:
    (tmp_path / "uuids").write_text(opening(1)[0])
    path = tmp_path / "log"
    before = "trap '' HUP;" if nohup else ""
    with (
        path.open("w") as log,
        on_terminal(tmp_path, "--allow-uuid", "uuids", before=before, log=log.fileno()) as (process, master),
    ):
        wait_until(lambda: "listening" in path.read_text())
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: "1 UUID may call now" in path.read_text())
        os.close(master)
        if nohup:
            wait_until(lambda: path.read_text().count("1 UUID may call now") == 2)
            process.terminate()
        assert process.wait(timeout=60) == (143 if nohup else 129)
    assert path.read_text().endswith("answered 0 calls with 0.0 s of caller audio\n")


@pytest.mark.parametrize("term", ["dumb", "xterm"])
@pytest.mark.parametrize("options", [[], ["--allow-uuid", "uuids"]], ids=["plain", "allow-uuid"])
def test_a_server_whose_output_goes_with_its_terminal_ends_in_order(
    tmp_path: Path, options: list[str], term: str
) -> None:
    (tmp_path / "uuids").write_text(opening(1)[0])
    with on_terminal(tmp_path, "--record", "calls", *options, term=term) as (process, master):
        told = b""
        while b"recording to calls" not in told:
            told += os.read(master, 1000)
        port = int(re.findall(rb"127\.0\.0\.1:(\d+)", told)[0])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
            peer.sendall(opening(1)[1] + FRAME)
            wait_until(lambda: (tmp_path / "calls" / f"{opening(1)[0]}.wav").exists())
            os.close(master)
            assert read_to_end(peer)[-1] == HANGUP
        assert process.wait(timeout=60) == 129
    result = json.loads((tmp_path / "calls" / f"{opening(1)[0]}.json").read_text())
    assert result["ended_reason"] == "server stopped"


JUDGE = """
case "$AUDIOSOCKET_UUID" in
    *1) exit 0;;
    *2) echo "no credit" >&2; exit 3;;
    *3) kill -SEGV $$;;
    *4) sleep 60;;
    *5) exec yes >&2;;
    *6) sleep 100 & echo $! > grandchild; exit 0;;
    *7) printf '\\033[31mred\\n' >&2; exit 1;;
esac
"""


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (2, "./judge exited with code 3: no credit"),
        (3, "./judge was killed by SIGSEGV"),
        (4, "./judge took longer than 1 s and was killed"),
        (5, "./judge took longer than 1 s and was killed"),
        (7, r"./judge exited with code 1: \\u001b\[31mred"),
    ],
    ids=["says-no", "crashes", "hangs", "floods", "paints"],
)
def test_who_is_not_authorized_gets_a_hangup_and_one_line_and_harms_no_other_call(
    serve: Serve, tmp_path: Path, number: int, reason: str
) -> None:
    program(tmp_path, JUDGE)
    timeout = "1" if "took longer" in reason else "60"  # a busy machine takes its time for those that end, too
    serving = serve("--authorize", "./judge", "--authorize-timeout", timeout)
    with connected(serving, opening(1)[1]) as good:
        serving.wait_for("call 0000")
        with connected(serving, opening(number)[1], FRAME) as bad:
            frames = read_to_end(bad)
        assert frames[-1] == HANGUP
        assert set(frames[:-1]) <= {Frame(Kind.SLIN, bytes(320))}
        line = serving.wait_for("refused")
        assert re.fullmatch(CLOCK + rf"refused {PEER}: {opening(number)[0]} is not authorized: {reason}", line)
        good.sendall(FRAME * 5)
        good.shutdown(socket.SHUT_WR)
        read_to_end(good)
    code, lines, err = serving.end()
    assert (code, len(lines)) == (130, 3)
    assert "no gaps" in lines[-1]
    assert err == "answered 1 call with 0.1 s of caller audio, refused 1\n"


def test_an_authorizer_that_has_gone_refuses_and_one_that_is_back_admits(serve: Serve, tmp_path: Path) -> None:
    path = program(tmp_path, "exit 0")
    serving = serve("--authorize", "./judge", "--json")
    path.unlink()
    assert "cannot run ./judge: no such file or directory" in refuse(serving, 1)
    program(tmp_path, "exit 0")
    admit(serving, 1)


def test_an_authorizer_that_leaves_something_running_is_not_waited_for(serve: Serve, tmp_path: Path) -> None:
    program(tmp_path, JUDGE)
    serving = serve("--authorize", "./judge", "--authorize-timeout", "1000", "--json")
    begun_s = time.monotonic()
    admit(serving, 6)
    assert time.monotonic() - begun_s < 30
    wait_until(lambda: not is_running(pid_in(tmp_path / "grandchild")))


def test_an_authorizer_is_told_who_calls_and_run_without_a_shell(serve: Serve, tmp_path: Path) -> None:
    program(tmp_path, 'echo "$1|$2|$AUDIOSOCKET_UUID|$AUDIOSOCKET_PEER" > asked')
    serving = serve("--authorize", "./judge 'a b' $HOME;", "--calls", "1")
    call, first = opening()
    with connected(serving, first) as peer:
        serving.wait_for("call 0000")
        name = "{}:{}".format(*peer.getsockname())
    assert serving.end(0)[0] == 0
    assert (tmp_path / "asked").read_text() == f"a b|$HOME;|{call}|{name}\n"


def test_a_shell_asks_when_told_to(serve: Serve) -> None:
    serving = serve("--shell", "--json", "--authorize", 'case "$AUDIOSOCKET_UUID" in *1) ;; *) false;; esac && true')
    admit(serving, 1)
    refuse(serving, 2)


def test_only_listed_uuids_are_asked_about(serve: Serve, tmp_path: Path) -> None:
    program(tmp_path, "echo $AUDIOSOCKET_UUID >> asked")
    (tmp_path / "uuids").write_text(opening(1)[0])
    serving = serve("--authorize", "./judge", "--allow-uuid", "uuids", "--json")
    refuse(serving, 2)
    admit(serving, 1)
    assert (tmp_path / "asked").read_text() == f"{opening(1)[0]}\n"


def test_what_is_said_until_the_answer_is_recorded_in_place_and_the_caller_hears_silence(
    serve: Serve, tmp_path: Path
) -> None:
    program(tmp_path, "until [ -e answer ]; do sleep 0.02; done")
    serving = serve(
        "--authorize-timeout",
        "60",
        "--authorize",
        "./judge",
        "--record",
        "calls",
        "--layout",
        "stereo",
        "--tone",
        "440",
        "--json",
    )
    call, first = opening()
    sent_s: list[float] = []
    with connected(serving) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in in_time(75):
            frame = encode(Frame(Kind.SLIN, (1000 + number).to_bytes(2, "little") * 160))
            peer.sendall(frame if number else first + frame)
            sent_s.append(time.monotonic())
            if number == 20:
                peer.sendall(encode(digit_frame("5")))
            if number == 50:
                (tmp_path / "answer").touch()
        decoder, said = FrameDecoder(), list[Frame]()
        while not any(any(frame.payload) for frame in said):  # a busy machine takes its time to see the answer
            said += decoder.feed(peer.recv(65536))
        peer.shutdown(socket.SHUT_WR)
        while data := peer.recv(65536):
            said += decoder.feed(data)
    result = serving.wait_for_end(call)
    assert result["caller"]["frames"]["slin"]["frames"] == 75
    # A busy machine may have held up what we sent, or the server: that is as long a gap, or as late.
    held_up_s = max(after - before for before, after in pairwise(sent_s)) + result["server"]["worst_lateness_ms"] / 1000
    assert result["caller"]["gaps"] == [] or held_up_s > 0.05
    silent = [not any(frame.payload) for frame in said]
    answered_s = silent.index(False) * 0.02
    (press,) = result["dtmf"]
    assert press["digit"] == "5"
    assert 0 < press["at_s"] < answered_s
    samples, _ = soundfile.read(tmp_path / "calls" / f"{call}.wav", dtype="int16")
    caller, server = samples.T
    assert sorted(set(caller[caller > 0])) == [1000 + number for number in range(75)]
    start = int((caller > 0).argmax())
    assert start < 0.1 * 8000
    assert (caller[caller > 0] == [1000 + number for number in range(75) for _ in range(160)]).all()
    pauses = 75 * 160 - (int(np.flatnonzero(caller)[-1]) + 1 - start)
    assert pauses == 0 or held_up_s > 0.05
    assert int((server != 0).argmax()) / 8000 == pytest.approx(answered_s, abs=0.1 + held_up_s)


def test_silence_is_paced_while_we_ask(serve: Serve) -> None:
    serving = serve("--authorize", "sleep 2", "--silence", "full")
    with connected(serving, opening()[1]) as peer:
        decoder, arrivals = FrameDecoder(), []
        while len(arrivals) < 76:
            arrivals += [time.monotonic()] * len(decoder.feed(peer.recv(65536)))
    # What a busy machine holds up is made up for: the usual pause between two frames stays the same.
    assert statistics.median(after - before for before, after in pairwise(arrivals)) == pytest.approx(0.02, abs=0.005)


@pytest.mark.parametrize("goodbye", [b"", encode(HANGUP)], ids=["closes", "hangup"])
def test_a_caller_that_goes_while_we_ask_ends_the_question(serve: Serve, tmp_path: Path, goodbye: bytes) -> None:
    program(tmp_path, "echo $$ > pid; sleep 60")
    serving = serve("--authorize", "./judge", "--authorize-timeout", "60")
    with connected(serving, opening()[1], FRAME) as peer:
        pid = pid_in(tmp_path / "pid")
        if goodbye:
            peer.sendall(goodbye)
        peer.shutdown(socket.SHUT_WR)
        read_to_end(peer)
    line = serving.wait_for("no call")
    assert re.fullmatch(CLOCK + rf"no call from {PEER}: caller (closed|hung up), before it was let in", line)
    wait_until(lambda: not is_running(pid))
    code, lines, err = serving.end()
    assert (code, lines, err) == (130, [line], "answered 0 calls with 0.0 s of caller audio, 1 connection failed\n")


@pytest.mark.parametrize("signals", [1, 2], ids=["once", "twice"])
def test_a_server_that_ends_asks_no_longer(serve: Serve, tmp_path: Path, signals: int) -> None:
    program(tmp_path, "echo $$ > pid; sleep 100")
    serving = serve("--authorize", "./judge", "--authorize-timeout", "100")
    with connected(serving, opening()[1]) as peer:
        pid = pid_in(tmp_path / "pid")
        begun_s = time.monotonic()
        serving.process.send_signal(signal.SIGINT)
        assert read_to_end(peer)[-1] == HANGUP
        if signals == 2:
            serving.process.send_signal(signal.SIGINT)
        else:
            peer.close()
        code, lines, _ = serving.end(0)
    assert time.monotonic() - begun_s < 30
    assert code == 130
    assert [line.split(": ", 1)[1] for line in lines] == ["server stopped"]
    wait_until(lambda: not is_running(pid))


def test_fifty_callers_at_once_are_asked_about_at_once_and_hold_up_no_call(serve: Serve, tmp_path: Path) -> None:
    program(tmp_path, 'test "$AUDIOSOCKET_UUID" = 00000000-0000-0000-0000-000000000063 || sleep 1')
    serving = serve("--authorize", "./judge", "--authorize-timeout", "60", "--json")
    with connected(serving, opening(99)[1]) as other, contextlib.ExitStack() as stack:
        serving.wait_for('"call"')
        begun_s = time.monotonic()
        peers = [stack.enter_context(connected(serving, opening(number + 1)[1], FRAME)) for number in range(50)]
        worst_s, last_s = 0.0, time.monotonic()
        while last_s < begun_s + 1.5:
            assert other.recv(65536)
            worst_s, last_s = max(worst_s, time.monotonic() - last_s), time.monotonic()
        admitted = {json.loads(serving.wait_for('"event": "call"'))["uuid"] for _ in range(50)}
        assert time.monotonic() - begun_s < 30  # one after the other they would wait for 50 s
        assert worst_s < 5  # each waits a second for its answer, and a busy machine adds to that
        assert admitted == {opening(number + 1)[0] for number in range(50)}
        for peer in peers:
            peer.close()
        for number in range(50):
            assert serving.wait_for_end("0000")["caller"]["frames"] == {"slin": {"frames": 1, "bytes": 320}}, number
    assert serving.end()[2].startswith("answered 51 calls with 1.0 s of caller audio")


def test_the_first_who_is_let_in_is_the_one_call(serve: Serve, tmp_path: Path) -> None:
    program(tmp_path, 'case "$AUDIOSOCKET_UUID" in *1) sleep 60;; *2) sleep 0.3;; esac')
    serving = serve("--authorize", "./judge", "--calls", "1", "--authorize-timeout", "60")
    with connected(serving, opening(1)[1]) as slow, connected(serving, opening(2)[1]):
        assert serving.wait_for("call 0000").split()[2] == opening(2)[0]
        assert read_to_end(slow)[-1] == HANGUP
    code, lines, err = serving.end(0)
    assert code == 0
    assert sum("enough calls" in line for line in lines) == 1
    assert err == "answered 1 call with 0.0 s of caller audio, 1 connection failed\n"


def test_an_answer_is_heard_even_where_a_parent_ignored_its_children(tmp_path: Path) -> None:
    ignore = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execvp(sys.argv[1], sys.argv[1:])"
    )
    judge = program(tmp_path, "test $AUDIOSOCKET_UUID != 00000000-0000-0000-0000-000000000002")
    with served(tmp_path, sys.executable, "-c", ignore, f"--authorize {judge} --json") as serving:
        admit(serving, 1)
        assert "exited with code 1" in refuse(serving, 2)
