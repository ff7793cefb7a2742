"""`audiosocket serve` as a user runs it: whole output, files left behind, exit codes, peers that misbehave."""

from __future__ import annotations

import contextlib
import json
import re
import resource
import signal
import socket
import subprocess
import time
import uuid
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.codec import Frame, FrameDecoder, Kind, digit_frame, encode, uuid_frame
from support.peers import FRAME, connected, in_time, opening, read_to_end, reset
from support.running import CLOCK, COMMAND, Serve, need, run, wait_until

FINDINGS = "findings in 1 call (audiosocket help finding ID tells more)"


def test_a_played_file_is_recorded_sample_for_sample_with_its_json(
    serve: Serve, tone_file: Path, tmp_path: Path
) -> None:
    serving = serve("--record", "calls")
    call = "5d3ab4a6-4b36-4b24-9e49-8f6a1c1fcf3f"
    played = run("play", tone_file, serving.target, "--uuid", call)
    assert played.returncode == 0, played.stderr
    serving.wait_for("ended by")
    code, lines, rest = serving.end()

    assert serving.listening == (
        f"listening on 127.0.0.1:{serving.port} (this machine only; --listen :{serving.port} opens it to the network), "
        "recording to calls"
    )
    assert (code, rest) == (130, "answered 1 call with 1.5 s of caller audio\n")
    assert len(lines) == 2
    assert re.fullmatch(CLOCK + rf"call {call} from 127\.0\.0\.1:\d+", lines[0])
    assert re.fullmatch(
        CLOCK
        + rf"{call} ended by caller \((closed|reset)\) after \d+\.\d\d s, caller -15\.0 dBFS, no gaps, digits none, "
        rf"(\d+ frames? late, )?calls/{call}\.wav",
        lines[1],
    )
    folder = tmp_path / "calls"
    assert sorted(path.name for path in folder.iterdir()) == [f"{call}.json", f"{call}.wav"]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    recorded, rate_hz = soundfile.read(folder / f"{call}.wav", dtype="int16")
    original, _ = soundfile.read(tone_file, dtype="int16")
    assert rate_hz == 8000
    np.testing.assert_array_equal(recorded, original)

    result = json.loads((folder / f"{call}.json").read_text())
    assert result["schema"] == "audiosocket.call/1"
    assert result["uuid"] == call
    assert (result["ended_by"], result["dtmf"], result["findings"]) == ("caller", [], [])
    assert 1.4 <= result["duration_s"] < 12
    assert result["caller"]["frames"] == {"slin": {"frames": 75, "bytes": 24000}}
    assert result["caller"]["level_dbfs"] == -15.0
    assert result["recording"] == {
        "files": [f"{call}.wav"], "layout": "caller", "rate_hz": 8000, "duration_s": 1.5, "error": None,
    }  # fmt: skip


def test_json_lines_tell_the_same_events(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--json", "--calls", "1")
    call, first = opening()
    with connected(serving, first, FRAME, encode(digit_frame("7"))):
        serving.wait_for('"digit"')
    code, lines, _ = serving.end(0)
    events = [json.loads(line) for line in lines]
    assert code == 0
    assert [event["event"] for event in events] == ["listening", "call", "digit", "ended"]
    assert {event["schema"] for event in events} == {"audiosocket.event/1"}
    assert events[0]["port"] == serving.port
    assert {event["uuid"] for event in events[1:]} == {call}
    assert events[2]["digit"] == "7"
    assert events[3]["call"]["dtmf"] == [{"at_s": events[2]["at_s"], "digit": "7"}]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("misbehave", "line"),
    [
        (lambda peer: peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
         r"no call from PEER: not an AudioSocket peer: it began with 'GET / HTTP/1.1' \(a web browser, or a .*"),
        (lambda peer: peer.sendall(b"\x9c\xd0\x01\x02\x03\x04\x05\x06"),
         r"no call from PEER: not an AudioSocket peer: it began with 9c d0 01 02 03 04 05 06, not with a UUID fra.*"),
        (lambda peer: peer.sendall(b"\x01\x00\x0f" + bytes(15)),
         r"no call from PEER: its UUID has 15 bytes, not 16 .*"),
        (lambda peer: (peer.sendall(opening()[1][:9]), peer.close()),
         r"no call from PEER: closed after 9 bytes, before its UUID was complete"),
        (lambda peer: peer.sendall(FRAME + opening()[1]),
         r"no call from PEER: slin audio came before the UUID; the first frame must be the UUID \[uuid-not-first\]"),
        (lambda peer: None, r"no call from PEER: no UUID within 1 s \(is an Answer\(\) missing .*\) \[no-answer\]"),
    ],
    ids=["http", "random", "uuid-of-15-bytes", "half-a-frame", "audio-first", "says-nothing"],
)  # fmt: skip
def test_a_peer_that_misbehaves_costs_one_line_and_no_other_call(
    serve: Serve, misbehave: Callable[[socket.socket], object], line: str
) -> None:
    serving = serve("--uuid-timeout", "1", "--json")
    call, first = opening()
    with connected(serving, first) as good:
        serving.wait_for('"call"')
        with connected(serving) as bad:
            misbehave(bad)
            event = json.loads(serving.wait_for("no-call"))
            assert re.fullmatch(line, f"no call from PEER: {event['reason']}")
        good.sendall(FRAME * 10)
        good.shutdown(socket.SHUT_WR)
        assert {frame.kind for frame in read_to_end(good)} <= {Kind.SLIN}
    assert serving.wait_for_end(call)["caller"]["frames"] == {"slin": {"frames": 10, "bytes": 3200}}
    code, _, err = serving.end()
    assert code == 130
    assert err == "answered 1 call with 0.2 s of caller audio, 1 connection failed\n"


def test_half_a_frame_at_the_end_is_a_finding(serve: Serve) -> None:
    serving = serve("--calls", "1")
    _, first = opening()
    with connected(serving, first, FRAME, FRAME[:100]) as peer:
        serving.wait_for("call")
        peer.shutdown(socket.SHUT_WR)
        read_to_end(peer)
    code, lines, _ = serving.end(0)
    assert code == 0
    assert lines[-2].endswith(
        "finding: the last frame is cut: ended inside the frame at byte 342: 100 of 323 bytes [frame-cut]"
    )
    assert lines[-1].endswith("not recorded")


def test_a_reset_in_mid_call_keeps_all_that_came_before(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--record", "calls", "--json")
    call, first = opening()
    with connected(serving, first, FRAME * 50) as peer:
        time.sleep(0.3)
        reset(peer)
    result = serving.wait_for_end(call)
    assert (result["ended_by"], result["ended_how"]) == ("caller", "reset")
    recorded, _ = soundfile.read(tmp_path / "calls" / f"{call}.wav", dtype="int16")
    np.testing.assert_array_equal(recorded[:8000].tobytes(), FRAME[3:] * 50)


def test_a_reset_right_behind_the_last_audio_ends_the_call(serve: Serve) -> None:
    """libuv polls a socket no further once it saw the reset: what is behind the first chunk is read then or never."""
    serving = serve("--json")
    for number in range(1, 21):
        call, first = opening(number)
        with connected(serving, first) as peer:
            serving.wait_for('"event": "call"')
            time.sleep(0.05)  # what we never read makes the close a reset
            peer.sendall(FRAME)
        result = serving.wait_for_end(call)
        assert result["caller"]["frames"] == {"slin": {"frames": 1, "bytes": 320}}


def test_hangup_after_the_prompt(serve: Serve, tone_file: Path) -> None:
    serving = serve("--play", tone_file, "--hangup", "--json")
    call, first = opening()
    with connected(serving, first, FRAME) as peer:
        frames = read_to_end(peer)
    assert frames[-1] == Frame(Kind.HANGUP)
    said = b"".join(frame.payload for frame in frames)
    assert len(said) == (75 + 15) * 320
    assert said[:24000] == soundfile.read(tone_file, dtype="int16")[0].tobytes()
    assert not any(said[24000:])
    result = serving.wait_for_end(call)
    assert (result["ended_by"], result["ended_how"], result["ended_reason"]) == ("server", "hangup", "end of audio")
    assert 1.7 <= result["duration_s"] < 12


def test_ten_seconds_of_frames_take_ten_seconds(serve: Serve) -> None:
    serving = serve("--tone", "440", "--json")
    call, first = opening()
    with connected(serving, first) as peer:
        decoder, arrivals = FrameDecoder(), []
        while len(arrivals) < 501:
            frames = decoder.feed(peer.recv(65536))
            arrivals += [time.monotonic()] * len(frames)
    lateness_s = np.array(arrivals[:500]) - np.arange(500) * 0.02
    # The least of each fifth: what a busy machine delays, it delays for a moment.
    # Beyond 60 ms the product gives up its schedule for a later one, and says by how much.
    slipped_s = serving.wait_for_end(call)["server"]["slipped_ms"] / 1000
    assert np.ptp(lateness_s.reshape(5, 100).min(1)) < 0.02 + slipped_s


def test_max_calls_refuses_the_next_with_a_hangup(serve: Serve) -> None:
    serving = serve("--max-calls", "1", "--json")
    _, first = opening(1)
    with connected(serving, first):
        serving.wait_for('"call"')
        with connected(serving, opening(2)[1]) as second:
            assert read_to_end(second) == [Frame(Kind.HANGUP)]
        assert json.loads(serving.wait_for("refused"))["reason"] == "--max-calls 1 is reached"
    serving.wait_for('"ended"')
    with connected(serving, opening(3)[1]):
        serving.wait_for('"call"')
    assert serving.end()[2] == "answered 2 calls with 0.0 s of caller audio, refused 1\n"


def test_calls_n_ends_after_n_calls_and_ignores_what_was_no_call(serve: Serve) -> None:
    serving = serve("--calls", "2")
    with connected(serving, b"nonsense") as peer:
        peer.recv(10)
    for number in (1, 2):
        with connected(serving, opening(number)[1]):
            serving.wait_for("call 0000")
    code, lines, err = serving.end(0)
    assert code == 0
    assert [("ended by" in line) for line in lines].count(True) == 2
    assert err == "answered 2 calls with 0.0 s of caller audio, 1 connection failed\n"


def test_sigint_in_mid_call_hangs_up_and_completes_the_files(serve: Serve, tone_file: Path, tmp_path: Path) -> None:
    serving = serve("--record", "calls", "--play", tone_file, "--loop")
    peers = []
    for number in range(3):
        peer = socket.create_connection(("127.0.0.1", serving.port), timeout=10)
        peer.sendall(opening(number + 1)[1] + FRAME * 10)
        peers.append(peer)
        serving.wait_for("call 0000")
    time.sleep(0.7)
    serving.process.send_signal(signal.SIGINT)
    for peer in peers:
        frames = read_to_end(peer)
        assert frames[-1] == Frame(Kind.HANGUP)
        peer.close()
    code, lines, err = serving.end(0)
    assert (code, err) == (130, "answered 3 calls with 0.6 s of caller audio\n")
    ended = [line for line in lines if "ended by server (hangup: server stopped)" in line]
    assert len(ended) == 3
    for path in (tmp_path / "calls").glob("*.wav"):
        assert soundfile.info(path).duration >= 0.6
        assert json.loads(path.with_suffix(".json").read_text())["ended_reason"] == "server stopped"


def test_a_second_signal_does_not_wait_for_peers(serve: Serve) -> None:
    def end_s() -> float:
        serving = serve()
        with connected(serving, opening()[1]):  # never reads, never closes
            serving.wait_for("call")
            begun_s = time.monotonic()
            serving.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            code, lines, _ = serving.end(signal.SIGTERM)
            took_s = time.monotonic() - begun_s
        assert code == 143
        assert "ended by server" in lines[-1]
        return took_s

    # A peer is waited for at least 2 s, which no option changes: the quickest of three ends judges, mostly the first.
    assert any(end_s() < 1.8 for _ in range(3))


def test_sigkill_leaves_files_that_open_everywhere_and_lack_a_second_at_most(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--record", "calls")
    first = opening()[1]
    before_s = time.monotonic()
    with connected(serving, first) as peer:
        serving.wait_for("call")
        begun_s = time.monotonic()
        for _ in in_time(175):
            peer.sendall(FRAME)
        length_s = time.monotonic() - begun_s
        serving.end(signal.SIGKILL)
        most_s = time.monotonic() - before_s
    (path,) = (tmp_path / "calls").glob("*.wav")
    seconds = soundfile.info(path).duration
    # The promise is a second; a second more is a machine's that stood still just then. All 3.5 s would be lost else.
    assert length_s - 2 <= seconds <= most_s
    with wave.open(str(path)) as file:
        assert file.getnframes() == round(seconds * 8000)
    sox = subprocess.run([need("sox"), path, "-n", "stat"], capture_output=True, text=True, check=True)
    assert re.search(rf"Length \(seconds\): +{seconds:.4f}", sox.stderr)
    subprocess.run([need("ffmpeg"), "-v", "error", "-xerror", "-i", path, "-f", "null", "-"], check=True)


def test_fifty_calls_at_once_make_fifty_right_files(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--record", "calls", "--json")
    rng = np.random.default_rng(7)
    said = {uuid.UUID(int=n + 1): rng.integers(1, 9000, 160 * 150).astype("<i2") for n in range(50)}
    peers = {}
    for call, samples in said.items():
        peer = socket.create_connection(("127.0.0.1", serving.port), timeout=10)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.sendall(encode(uuid_frame(call)))
        peers[call] = (peer, samples.tobytes())
    for number in in_time(150):
        for peer, data in peers.values():
            peer.sendall(encode(Frame(Kind.SLIN, data[number * 320 : number * 320 + 320])))
    for peer, _ in peers.values():
        peer.shutdown(socket.SHUT_WR)
    for peer, _ in peers.values():
        read_to_end(peer)
        peer.close()
    results = {}
    while len(results) < 50:
        event = json.loads(serving.wait_for('"ended"'))
        results[event["uuid"]] = event["call"]
    for call, samples in said.items():
        recorded, _ = soundfile.read(tmp_path / "calls" / f"{call}.wav", dtype="int16")
        start = np.flatnonzero(recorded)[0]
        np.testing.assert_array_equal(recorded[start : start + len(samples)], samples)
        assert results[str(call)]["caller"]["gaps"] == []


def test_a_full_disk_ends_the_recording_and_not_the_call(tmp_path: Path, serve: Serve) -> None:
    resource_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource_limit[1]))
    try:
        serving = serve("--record", "calls", "--json", "--calls", "1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, resource_limit)
    call, first = opening()
    with connected(serving, first, FRAME * 100) as peer:
        failed = json.loads(serving.wait_for("recording-failed"))
        assert (failed["uuid"], failed["reason"]) == (call, "File too large")
        peer.shutdown(socket.SHUT_WR)
        assert read_to_end(peer)
    code, lines, err = serving.end(0)
    assert code == 1
    assert err == f"answered 1 call with 2.0 s of caller audio, 1 recording failed, {FINDINGS}\n"
    assert json.loads(lines[-1])["call"]["recording"]["error"] == "File too large"
    soundfile.info(tmp_path / "calls" / f"{call}.wav")


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--listen", "no.such.host.invalid:9092"], 3, "cannot listen on no.such.host.invalid:9092: *"),
        (["--listen", "9092"], 2, "*has a number for a host: write :9092 *"),
        (["--listen", ":99999"], 2, "*':99999' is not an address: write host:port, :port or [[]::1]:port *"),
        (["--record", "/dev/null"], 2, "cannot record to /dev/null: it is a file; name a folder"),
        (["--record", "/proc/calls"], 2, "cannot record to /proc/calls: *"),
        (["--play", "missing.wav"], 5, "cannot read missing.wav: no such file or directory"),
        (["--play", __file__], 5, f"cannot play {__file__}: it is text, not sound; name a sound file"),
        (
            ["--echo", "--tone", "440"],
            2,
            "--play, --echo, --tone, --exec, --bot and --bridge exclude each other: choose one",
        ),
        (["--hangup"], 2, "--hangup needs a file to play: add --play FILE"),
        (["--loop", "--echo"], 2, "--loop needs a file to play: add --play FILE"),
        (["--layout", "stereo"], 2, "--layout stereo needs a recording: add --record DIR"),
        (["--calls", "0"], 2, "*'--calls'*"),
        (["--layout", "surround"], 2, "*'--layout'*"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_what_cannot_be_served_is_one_line_with_a_cure(args: list[str], code: int, message: str) -> None:
    from fnmatch import fnmatch

    done = run("serve", *args)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.count("\n") == 1
    assert fnmatch(done.stderr.strip(), f"audiosocket: error: {message}"), done.stderr


def test_a_port_in_use_is_one_line_with_exit_code_3(serve: Serve) -> None:
    serving = serve()
    done = run("serve", "--listen", serving.target)
    cure = "the port is in use; stop the other program or choose another port with --listen"
    assert (done.returncode, done.stderr) == (3, f"audiosocket: error: cannot listen on {serving.target}: {cure}\n")


def test_all_interfaces_means_ipv4_and_ipv6(serve: Serve) -> None:
    serving = serve("--json", host="")
    assert serving.listening == f"listening on port {serving.port} of all interfaces, not recording"
    for number, host in enumerate(["127.0.0.1", "::1"], 1):
        with socket.create_connection((host, serving.port), timeout=20) as peer:
            peer.sendall(opening(number)[1])
            peer_name = json.loads(serving.wait_for('"event": "call"'))["peer"]
            assert peer_name.startswith("127.0.0.1:" if number == 1 else "[::1]:")


def test_a_log_that_nobody_reads_any_more_does_not_end_the_recording(tmp_path: Path, serve: Serve) -> None:
    serving = serve("--record", "calls")
    assert serving.process.stdout is not None
    serving.process.stdout.close()
    serving.process.stdout = None
    call, first = opening()
    with connected(serving, first, FRAME * 60):
        time.sleep(0.5)
    wait_until((tmp_path / "calls" / f"{call}.json").exists)
    code, _, err = serving.end()
    assert (code, err) == (
        130,
        f"answered 1 call with 1.2 s of caller audio, {FINDINGS}\n",
    )


def test_a_log_that_is_read_slowly_holds_up_no_call(serve: Serve) -> None:
    serving = serve("--json")  # nobody reads the 64 KiB that a pipe holds, and then some
    for number in range(60):
        with connected(serving, opening(number + 1)[1], encode(digit_frame("1")) * 20) as peer:
            peer.shutdown(socket.SHUT_WR)
            read_to_end(peer)  # which gives up on a server that says nothing for 10 s
    code, lines, err = serving.end()
    assert (code, len(lines)) == (130, 1 + 60 * 22)
    assert err == "answered 60 calls with 0.0 s of caller audio\n"


def test_a_flooding_peer_holds_up_no_other_call_and_no_signal(serve: Serve) -> None:
    serving = serve("--json", "--silence", "full")
    flood = FRAME * 200
    with connected(serving, opening(1)[1]) as flooder, connected(serving, opening(2)[1]) as other:
        flooder.settimeout(0.2)
        begun_s = time.monotonic()
        heard = 0
        while heard / 323 < 100:  # which are due within 2 s
            assert time.monotonic() - begun_s < 20
            with contextlib.suppress(BlockingIOError, TimeoutError):
                flooder.sendall(flood)
                flooder.recv(65536, socket.MSG_DONTWAIT)
            with contextlib.suppress(BlockingIOError):
                heard += len(other.recv(65536, socket.MSG_DONTWAIT))
        begun_s = time.monotonic()
        serving.process.send_signal(signal.SIGINT)
        for peer in (flooder, other):
            peer.close()
        assert serving.end(0)[0] == 130
        assert time.monotonic() - begun_s < 20


@pytest.mark.parametrize("options", [[], ["--idle-timeout", "1"]], ids=["plain", "idle-timeout"])
def test_a_stall_of_ours_shifts_no_recording_and_hangs_up_nobody(
    serve: Serve, tmp_path: Path, options: list[str]
) -> None:
    serving = serve("--record", "calls", "--json", *options)
    call, first = opening()
    said = np.random.default_rng(5).integers(1, 9000, 160 * 200).astype("<i2")
    with connected(serving, first) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        serving.wait_for('"event": "call"')
        for number in in_time(200):
            peer.sendall(encode(Frame(Kind.SLIN, said[number * 160 : number * 160 + 160].tobytes())))
            if number == 50:
                serving.process.send_signal(signal.SIGSTOP)
            elif number == 125:
                serving.process.send_signal(signal.SIGCONT)
        peer.shutdown(socket.SHUT_WR)
        read_to_end(peer)
    result = serving.wait_for_end(call)
    recorded, _ = soundfile.read(tmp_path / "calls" / f"{call}.wav", dtype="int16")
    loud = np.flatnonzero(recorded)
    np.testing.assert_array_equal(recorded[loud], said)
    assert loud[-1] - loud[0] - len(said) < 8000  # a pause of this caller's may be in it, but not our 1.5 s
    assert result["ended_by"] == "caller"
    assert 1 <= result["server"]["slips"] < 10  # a busy machine may add some to that of the stall


def test_frames_of_a_single_byte_do_no_harm(serve: Serve) -> None:
    serving = serve("--record", "calls", "--json")
    call, first = opening()
    with connected(serving, first, b"\x10\x00\x01a") as peer:
        time.sleep(0.7)
        peer.sendall(FRAME)
    result = serving.wait_for_end(call)
    assert result["caller"]["odd_bytes"] == 1
    assert result["caller"]["frames"] == {"slin": {"frames": 2, "bytes": 321}}


def test_max_calls_holds_when_many_come_at_once(serve: Serve) -> None:
    serving = serve("--max-calls", "3", "--json")
    serving.process.send_signal(signal.SIGSTOP)
    peers = [socket.create_connection(("127.0.0.1", serving.port), timeout=10) for _ in range(20)]
    for number, peer in enumerate(peers):
        peer.sendall(opening(number + 1)[1])
    serving.process.send_signal(signal.SIGCONT)
    for _ in range(10):  # seven more are told of as a number
        serving.wait_for('"refused"')
    for peer in peers:
        peer.close()
    assert serving.end()[2].startswith("answered 3 calls with 0.0 s of caller audio, refused 17")


def test_the_rate_is_that_of_the_first_audio_however_late_it_comes(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--record", "calls", "--json")
    call, first = opening()
    with connected(serving, first) as peer:
        time.sleep(1.7)
        peer.sendall(encode(Frame(Kind.SLIN48, bytes(1920))))
        time.sleep(0.1)
    serving.wait_for_end(call)
    assert soundfile.info(tmp_path / "calls" / f"{call}.wav").samplerate == 48000


def test_a_json_file_that_is_there_is_not_overwritten(serve: Serve, tmp_path: Path) -> None:
    call, first = opening()
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls" / f"{call}.json").write_text("mine")
    serving = serve("--record", "calls", "--json")
    with connected(serving, first, FRAME):
        serving.wait_for('"event": "call"')
    serving.wait_for_end(call)
    assert sorted(path.name for path in (tmp_path / "calls").iterdir()) == [
        f"{call}-2.json", f"{call}-2.wav", f"{call}.json",
    ]  # fmt: skip
    assert (tmp_path / "calls" / f"{call}.json").read_text() == "mine"


def test_many_kinds_of_nonsense_make_few_findings(serve: Serve) -> None:
    serving = serve("--json")
    call, first = opening()
    nonsense = b"".join(encode(Frame(Kind.DTMF, n.to_bytes(3, "big"))) for n in range(20_000))
    with connected(serving, first, nonsense) as peer:
        peer.shutdown(socket.SHUT_WR)
        read_to_end(peer)
    findings = serving.wait_for_end(call)["findings"]
    assert len(findings) == 20
    assert findings[-1] == "and more of the kind [more-findings]"


@pytest.mark.parametrize(("trap", "number", "code"), [("INT", "INT", 130), ("HUP", "HUP", None)], ids=["int", "nohup"])
def test_a_background_job_of_a_script_ends_by_sigint_and_nohup_keeps_it(
    trap: str, number: str, code: int | None
) -> None:
    command = " ".join([*COMMAND, "serve", "--listen", "127.0.0.1:0"])
    process = subprocess.Popen(
        ["sh", "-c", f"trap '' {trap}; exec {command}"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stderr is not None
    assert "listening" in process.stderr.readline()
    process.send_signal(getattr(signal, f"SIG{number}"))
    if code is None:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        process.terminate()
    assert process.wait(timeout=30) == (code or 143)
    process.stderr.close()


def test_a_uuid_that_two_calls_share_is_found(serve: Serve) -> None:
    serving = serve("--json")
    call, first = opening()
    with connected(serving, first), connected(serving, first):
        serving.wait_for('"event": "call"')
        serving.wait_for('"event": "call"')
    for _ in range(2):
        ended = serving.wait_for_end(call)
        assert any("same UUID at the same time" in finding for finding in ended["findings"])
        assert "uuid-fixed" in ended["finding_ids"]


def test_the_uuid_of_the_protocol_page_is_found(serve: Serve) -> None:
    serving = serve("--json")
    example = uuid.UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
    with connected(serving, encode(uuid_frame(example))):
        serving.wait_for('"event": "call"')
    (finding,) = serving.wait_for_end(str(example))["findings"]
    assert finding.startswith("the UUID is the protocol page's example")
    assert finding.endswith(" [uuid-example]")


@pytest.mark.parametrize(
    ("size", "says", "finding_id"),
    [
        (640, "slin16 (16000 Hz) labelled slin", "caller-wrong-rate"),
        (160, "(frames of 160 bytes hold 10 ms each)", "caller-short-frames"),
    ],
)
def test_a_rate_that_does_not_fit_its_kind_is_found(serve: Serve, size: int, says: str, finding_id: str) -> None:
    serving = serve("--json")
    call, first = opening()
    frame = encode(Frame(Kind.SLIN, bytes(range(1, 81)) * (size // 80)))
    with connected(serving, first) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in in_time(80):
            peer.sendall(frame)
    ended = serving.wait_for_end(call)
    assert any(says in finding for finding in ended["findings"])
    assert finding_id in ended["finding_ids"]


def test_signals_that_come_twice_at_once_leave_the_summary(serve: Serve, tone_file: Path) -> None:
    for gap_s in (0.0, 0.002, 0.005, 0.01):
        serving = serve()
        assert run("play", tone_file, serving.target, "--duration", "0.1").returncode == 0
        serving.wait_for("ended")
        serving.process.send_signal(signal.SIGINT)
        time.sleep(gap_s)
        code, _, err = serving.end()
        assert code in (130, -signal.SIGINT)  # which a shell calls 130 too: the second came when all was done
        assert err == "answered 1 call with 0.1 s of caller audio\n"
