"""`doctor FILE`: the JSON of a call, of other commands, captures and recordings, each with its findings and cures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from audiosocket_cli.audio.files import HELLO
from audiosocket_cli.audio.pcm import encode_mu_law, tone
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.doctor.files.call_file import look_at_file
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.model import Side
from support.lacking import cut, encrypted, with_a_hole
from support.nobody import as_nobody
from support.packets import CALLER, OPENING, SERVER, Talk, a_call, audio, pcap, speech
from support.running import Serve, run

SILENT = "the server sent nothing for 2.5 s: send silence [server-silent]"
ULAW = "µ-law labelled slin, which is noise: use c(slin) [caller-ulaw]"


def call_of(number: int = 1, *findings: str, **more: Any) -> dict[str, Any]:
    name = f"00000000-0000-0000-0000-{number:012}"
    return {"schema": "audiosocket.call/1", "uuid": name, "duration_s": 2.0, "findings": list(findings), **more}


def looked(path: Path, *objects: object) -> list[Diagnosis]:
    file = path / "x.json"
    file.write_text("".join(json.dumps(each) + "\n" for each in objects))
    return look_at_file(file)


def test_a_call_without_findings_is_ok_and_its_figures_are_the_evidence(tmp_path: Path) -> None:
    sides = {"caller": {"level_dbfs": -20.0}, "server": {"level_dbfs": -18.5}, "ended_by": "caller"}
    (found,) = looked(tmp_path, call_of(**sides, ended_how="closed"))
    assert (found.id, found.status, found.what) == ("nothing-found", Status.OK, "nothing is wrong with the call")
    (evidence,) = found.evidence
    assert evidence.endswith("1: 2.00 s, caller -20.0 dBFS, server -18.5 dBFS, ended by caller (closed)")


def test_findings_are_told_with_their_cure_the_faults_first(tmp_path: Path) -> None:
    silent, ulaw = looked(tmp_path, call_of(1, SILENT, ULAW))[::-1]
    assert (ulaw.id, ulaw.status, silent.id, silent.status) == (
        "caller-ulaw", Status.FAULT, "server-silent", Status.WARNING
    )  # fmt: skip
    assert ulaw.what == "the caller's audio is µ-law, A-law or another codec, labelled as slin"
    assert ulaw.evidence == (
        "00000000-0000-0000-0000-000000000001: µ-law labelled slin, which is noise: use c(slin)",
    )  # fmt: skip
    assert ulaw.cure == "Name slin in the dialplan: c(slin) as the last part of the destination."


def test_the_same_finding_of_many_calls_is_one_with_their_number(tmp_path: Path) -> None:
    (found,) = looked(tmp_path, *(call_of(number, ULAW) for number in range(20)), call_of(99))
    assert found.what.endswith(" (in 20 of 21 calls)")
    assert len(found.evidence) == 6
    assert found.evidence[-1] == "and 15 more"


def test_why_a_call_ended_counts_where_it_is_a_finding(tmp_path: Path) -> None:
    reason = "the server sent a frame of kind dtmf; Asterisk ends the call here [server-sends-digits]"
    (found,) = looked(tmp_path, call_of(1, ended_reason=reason))
    assert (found.id, found.status) == ("server-sends-digits", Status.FAULT)
    assert [each.id for each in looked(tmp_path, call_of(1, ended_reason="caller closed"))] == ["nothing-found"]


def test_calls_inside_results_events_and_figures_are_found(tmp_path: Path) -> None:
    (found,) = looked(tmp_path, {"schema": "audiosocket.play/1", "call": call_of(1, ULAW)})
    assert found.id == "caller-ulaw"
    events = [{"schema": "audiosocket.event/1", "event": "listening"},
              {"schema": "audiosocket.event/1", "event": "ended", "call": call_of(1, SILENT)}]  # fmt: skip
    assert [each.id for each in looked(tmp_path, *events)] == ["server-silent"]
    assert [each.id for each in looked(tmp_path, {"schema": "audiosocket.bench/1", "findings": {ULAW: 3}})] == [
        "caller-ulaw"
    ]


def test_failed_cases_of_a_check_are_told_by_their_finding(tmp_path: Path) -> None:
    cases = [{"id": "pace/bursts", "verdict": "fail", "finding": "server-bursts", "observed": "0.5 s at once"},
             {"id": "pace/rate", "verdict": "pass", "finding": "audio-slow", "observed": "in time"},
             {"id": "uuid/late", "verdict": "fail", "finding": None, "observed": "closed"}]  # fmt: skip
    (found,) = looked(tmp_path, {"schema": "audiosocket.check/1", "cases": cases})
    assert (found.id, found.evidence) == ("server-bursts", ("pace/bursts: 0.5 s at once",))


def test_a_finding_without_an_id_is_told_as_it_is(tmp_path: Path) -> None:
    (found,) = looked(tmp_path, call_of(1, "clipped: 3 % of the caller's samples are at the limit"))
    assert (found.id, found.status) == ("no-id", Status.WARNING)
    assert found.what == "clipped: 3 % of the caller's samples are at the limit"


def test_an_id_of_a_newer_release_is_told_without_a_cure(tmp_path: Path) -> None:
    (found,) = looked(tmp_path, call_of(1, "something new [of-a-newer-release]"))
    assert (found.id, found.what, found.cure) == ("of-a-newer-release", "something new", "")


@pytest.mark.parametrize(
    "content",
    [
        {"schema": "audiosocket.call/1", "uuid": 5, "findings": [1, {"a": 2}, None]},
        {"schema": "audiosocket.call/1", "findings": [], "caller": 3, "server": {"level_dbfs": "x"}, "duration_s": "y"},
        {"schema": "audiosocket.check/1", "cases": [None, {"verdict": "fail", "finding": []}], "findings": {}},
        {"schema": "audiosocket.call/1", "findings": "text"},
        {"schema": ["x"], "findings": []},
        {"a": 1},
    ],
)
def test_json_of_another_form_is_no_traceback(tmp_path: Path, content: dict[str, Any]) -> None:
    assert {each.id for each in looked(tmp_path, content)} <= {"nothing-found", "file-unread", "no-call"}


def test_many_kinds_and_many_calls_stay_bounded(tmp_path: Path) -> None:
    found = looked(tmp_path, *(call_of(number, *(f"odd [kind-{n}]" for n in range(300))) for number in range(20)))
    assert len(found) == 200
    assert max(len(each.evidence) for each in found) == 6


def test_a_server_that_sent_nothing_to_a_caller_is_one_way_sound(tmp_path: Path) -> None:
    silent, heard, short = {"audio_s": 0.0}, {"audio_s": 2.5}, {"audio_s": 1.5}
    (found,) = looked(tmp_path, call_of(caller=heard, server=silent))
    assert (found.id, found.status) == ("one-way-sound", Status.FAULT)
    assert "the server sent no audio while the caller sent 2.5 s" in found.evidence[0]
    for caller, server in ((short, silent), (silent, silent), (silent, heard), (heard, heard)):
        (found,) = looked(tmp_path, call_of(caller=caller, server=server))
        assert found.status is Status.OK


def as_capture(path: Path, data: bytes) -> list[Diagnosis]:
    (path / "x.pcap").write_bytes(data)
    return look_at_file(path / "x.pcap")


def test_a_capture_is_judged(tmp_path: Path) -> None:
    (found,) = as_capture(tmp_path, pcap(a_call()))
    assert (found.id, found.status) == ("nothing-found", Status.OK)
    talk = Talk().open().say(CALLER, OPENING, *speech(20)).say(SERVER, encode(Frame(Kind.DTMF, b"5")))
    (found, *_) = as_capture(tmp_path, pcap(talk.close().packets))
    assert (found.id, found.status) == ("server-sends-digits", Status.FAULT)


def test_a_connection_that_is_no_call_is_told_where_there_is_no_call(tmp_path: Path) -> None:
    empty = Talk().open().close().packets
    (found,) = as_capture(tmp_path, pcap(empty))
    assert (found.id, found.status) == ("no-answer", Status.FAULT)
    assert [each.id for each in as_capture(tmp_path, pcap([*a_call(), *empty]))] != ["no-answer"]


def test_a_capture_without_a_call_and_a_damaged_one_are_not_looked_at(tmp_path: Path) -> None:
    (found,) = as_capture(tmp_path, pcap([]))
    assert (found.id, found.status) == ("no-call", Status.UNKNOWN)
    found, *others = as_capture(tmp_path, pcap(a_call())[:-30])
    assert "file-damaged" in {found.id, *(each.id for each in others)}


def test_raw_bytes_are_a_capture_too(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(OPENING + b"".join(audio(number) for number in range(50)))
    assert [each.id for each in look_at_file(tmp_path / "x.bin")] == ["nothing-found"]


@pytest.mark.parametrize("name", ["missing", "folder", "empty", "noise", "text"])
def test_what_cannot_be_looked_at_is_said_in_one(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "noise").write_bytes(bytes(range(7, 256)) * 9)
    (tmp_path / "text").write_text("Dear reader, this is a letter and nothing else.\n" * 5)
    (found,) = look_at_file(tmp_path / name)
    assert (found.id, found.status) == ("file-unread", Status.UNKNOWN)
    assert "\n" not in found.what


def test_the_command_looks_at_a_call_that_serve_kept_and_a_recording(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--record", "calls", "--capture", "calls", "--calls", "1", "--json")
    assert run("inject-dtmf", "1", serving.target, "--after", "0.1", "--wait", "0.1").returncode == 0
    assert serving.end(0)[0] == 0
    files = sorted((tmp_path / "calls").iterdir())
    assert [file.suffix for file in files] == [".json", ".pcapng", ".wav"]
    done = run("doctor", *files[:2], HELLO)
    assert (done.returncode, done.stderr) == (0, "")
    looked_at = json.loads(run("doctor", *files[:2], HELLO, "--json").stdout)["looked_at"]
    ids = [{found["id"] for found in each["findings"]} for each in looked_at]
    assert ids[2] == {"nothing-found"}
    assert set().union(*ids) <= {"nothing-found", "audio-late", "backlog"}  # of a busy machine


def test_the_command_exits_with_1_on_a_fault(tmp_path: Path) -> None:
    looked(tmp_path, call_of(1, ULAW))
    done = run("doctor", tmp_path / "x.json")
    assert done.returncode == 1
    assert "[caller-ulaw]" in " ".join(done.stdout.split())
    assert "Name slin in the dialplan: c(slin)" in " ".join(done.stdout.split())


def test_a_folder_of_calls_is_looked_at_as_one(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.json").write_text(json.dumps(call_of(number, *[ULAW] * (number > 0))))
    (tmp_path / "other.json").write_text("[]")
    (tmp_path / "0.wav").write_bytes(b"RIFF")
    (found,) = look_at_file(tmp_path)
    assert found.id == "caller-ulaw"
    assert found.what.endswith(" (in 2 of 3 calls)")


def test_a_folder_that_may_not_be_read_is_not_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("calls").mkdir(mode=0o000)
    with as_nobody(tmp_path):
        (found,) = look_at_file(Path("calls"))
    assert (found.status, found.what) == (Status.UNKNOWN, "permission denied")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (found,) = look_at_file(tmp_path / "pipe")
    assert (found.id, found.what) == ("file-unread", f"{tmp_path}/pipe is not a file")


@pytest.mark.parametrize("side", list(Side), ids=str)
def test_what_a_capture_lost_of_a_call_is_a_warning(tmp_path: Path, side: Side) -> None:
    (found,) = as_capture(tmp_path, with_a_hole(side))
    assert (found.id, found.status) == ("capture-incomplete", Status.WARNING)
    assert f": {5 * 323} bytes of the {side} are missing from the capture: tcpdump -s 0" in found.evidence[0]


def test_a_side_whose_audio_is_missing_was_not_looked_at(tmp_path: Path) -> None:
    (found,) = as_capture(tmp_path, cut())
    assert (found.id, found.status, len(found.evidence)) == ("capture-incomplete", Status.UNKNOWN, 2)


def test_one_direction_alone_is_not_a_whole_call(tmp_path: Path) -> None:
    (found,) = as_capture(tmp_path, pcap(Talk().say(CALLER, OPENING, *speech(20)).packets))
    assert (found.id, found.status) == ("capture-incomplete", Status.WARNING)
    assert found.evidence[0].endswith("nothing that the server sent was captured")


def test_why_there_is_no_call_is_told(tmp_path: Path) -> None:
    (found,) = as_capture(tmp_path, encrypted())
    assert (found.id, found.evidence) == ("no-call", ("left out 21 packets in IPsec (ESP), encrypted",))


def test_bytes_of_a_call_are_no_recording_whatever_their_name(tmp_path: Path) -> None:
    (file := tmp_path / "call.raw").write_bytes(OPENING + b"".join(map(audio, range(50))))
    (found,) = look_at_file(file)
    assert (found.status, found.what) == (Status.OK, "nothing is wrong with the call")


def test_a_recording_under_a_short_suffix_and_one_that_has_to_be_converted_first(tmp_path: Path) -> None:
    (law := tmp_path / "prompt.ul").write_bytes(encode_mu_law(tone(440, 8000, 1.0).tobytes()))
    assert [each.what for each in look_at_file(law)] == ["nothing is wrong with the recording"]
    (other := tmp_path / "prompt.wv").write_bytes(b"wvpk" + bytes(40))
    (found,) = look_at_file(other)
    assert "it is WavPack; convert it: ffmpeg -i" in found.what
