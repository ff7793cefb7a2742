"""Where recordings go: names and their fields, numbers for names that are taken, parents, races and --force."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import soundfile

from audiosocket_cli.audio.growing_wav import GrowingWav
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.recording.destinations import FileOutput, PipeOutput, Sink
from audiosocket_cli.disk import HalfMade
from audiosocket_cli.errors import UsageError
from audiosocket_cli.model import Call, Side
from support.fakes import UUID_1
from support.nobody import as_nobody
from support.running import run

SAMPLES = bytes(range(200)) * 8


def new_call(peer: str = "192.0.2.7:40312") -> Call:
    return Call(Side.SERVER, peer, UUID_1, datetime(2026, 3, 1, 12, 30, 45, tzinfo=UTC), Pacer(0.0))


def record(output: FileOutput, call: Call | None = None) -> Path:
    """Make a short recording and return its file."""
    sink = output.open(call or new_call(), 8000, 1)
    sink.append(SAMPLES)
    sink.close()
    sink.finish()
    (path,) = sink.paths
    return path


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")


# Names


@pytest.mark.parametrize(
    ("name", "file", "shown"),
    [
        ("call.wav", "call.wav", "call.wav"),
        ("call.WAV", "call.WAV", "call.WAV"),
        ("a b/c/call.flac", "a b/c/call.flac", "a b/c/call.flac"),
        ("calls/", f"calls/{UUID_1}.wav", "calls"),
        ("calls//", f"calls/{UUID_1}.wav", "calls"),
        ("there", f"there/{UUID_1}.wav", "there"),
        (".", f"{UUID_1}.wav", "."),
        ("{uuid}.wav", f"{UUID_1}.wav", "{uuid}.wav"),
        ("call-{uuid}.wav", f"call-{UUID_1}.wav", "call-{uuid}.wav"),
        ("{peer}.opus", "192.0.2.7_40312.opus", "{peer}.opus"),
        ("x{uuid}{uuid}.ogg", f"x{UUID_1}{UUID_1}.ogg", "x{uuid}{uuid}.ogg"),
        ("{peer}/", f"192.0.2.7_40312/{UUID_1}.wav", "{peer}"),
        ("{peer}/call.wav", "192.0.2.7_40312/call.wav", "{peer}/call.wav"),
        ("half{.wav", "half{.wav", "half{.wav"),
    ],
    ids=lambda value: value,
)
def test_a_name_says_where_the_recording_is(tmp_path: Path, name: str, file: str, shown: str) -> None:
    (tmp_path / "there").mkdir()
    output = FileOutput(name)
    assert str(output) == shown
    output.prepare()
    assert record(output) == Path(file)
    assert names(tmp_path) == [file]
    assert Path(file).stat().st_mode & 0o777 == 0o600


def test_date_and_time_are_the_local_ones_of_the_calls_start(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "XXX-13")  # 13 hours ahead of UTC
    time.tzset()
    try:
        assert record(FileOutput("{date} {time}.wav")).name == "2026-03-02 01-30-45.wav"
    finally:
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()


@pytest.mark.parametrize(
    ("peer", "field"),
    [
        ("[2001:db8::1]:9092", "_2001_db8_1_9092"),
        ("../../etc/passwd:1", ".._.._etc_passwd_1"),
        ("pbx.example.net:9092", "pbx.example.net_9092"),
    ],
    ids=["ipv6", "traversal", "name"],
)
def test_a_peer_makes_a_name_of_one_piece(tmp_path: Path, peer: str, field: str) -> None:
    assert record(FileOutput("{peer}.wav"), new_call(peer)) == Path(f"{field}.wav")
    assert names(tmp_path) == [f"{field}.wav"]


@pytest.mark.parametrize(
    ("name", "single"), [("call.wav", True), ("calls/", False), ("{time}.wav", False), ("{date}/call.wav", False)]
)
def test_one_file_is_for_one_call_and_has_no_json(name: str, single: bool) -> None:
    output = FileOutput(name)
    assert (output.single, output.has_json, output.has_stdout) == (single, not single, False)


def test_a_pipe_is_for_one_call_and_has_no_json() -> None:
    output = PipeOutput(1)
    assert (output.single, output.has_json, output.has_stdout) == (True, False, True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "cannot record to a file without a name: name a file, or a folder with a slash after it"),
        ("{id}.wav", "{id}.wav has an unknown field {id}: choose from {uuid}, {date}, {time}, {peer}"),
        ("{}.wav", "{}.wav has an unknown field {}: choose from {uuid}, {date}, {time}, {peer}"),
        ("{ uuid }/", "{ uuid }/{uuid}.wav has an unknown field { uuid }: choose from {uuid}, {date}, {time}, {peer}"),
        (
            "call",
            (
                "cannot record to call: write its name with .wav, .flac, .ogg, .opus, .mp3 or the like, "
                "or call/ for a folder"
            ),
        ),
        ("{uuid}", "cannot record to {uuid}: write its name with .wav, .flac, .ogg, .opus, .mp3 or the like"),
        (".wav", "cannot record to .wav: write its name with .wav, .flac, .ogg, .opus, .mp3 or the like"),
    ],
    ids=["empty", "unknown-field", "empty-field", "blank-in-field", "no-suffix", "no-suffix-but-field", "suffix-only"],
)
def test_a_name_that_cannot_be_is_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        FileOutput(name)


@pytest.mark.parametrize(
    ("folder", "file"),
    [
        ("calls", f"calls/{UUID_1}.wav"),
        ("calls.d", f"calls.d/{UUID_1}.wav"),
        ("calls/{uuid}.flac", f"calls/{UUID_1}.flac"),
        ("calls/{peer}", f"calls/192.0.2.7_40312/{UUID_1}.wav"),
    ],
    ids=["folder", "folder-with-a-dot", "name", "folder-of-a-field"],
)
def test_a_folder_for_calls_may_be_one_that_is_not_there(tmp_path: Path, folder: str, file: str) -> None:
    output = FileOutput.in_folder(Path(folder))
    output.prepare()
    record(output)
    assert names(tmp_path) == [file]


# Names that are taken


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_calls_of_one_name_are_numbered(tmp_path: Path, suffix: str) -> None:
    output = FileOutput(f"{{uuid}}{suffix}")
    assert [record(output).name for _ in range(3)] == [f"{UUID_1}{number}{suffix}" for number in ("", "-2", "-3")]
    for path in tmp_path.iterdir():
        assert soundfile.info(path).frames == 800


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_calls_at_the_same_time_are_numbered(suffix: str) -> None:
    output = FileOutput(f"{{uuid}}{suffix}")
    sinks = [output.open(new_call(), 8000, 1) for _ in range(3)]
    for sink in sinks:
        sink.append(SAMPLES)
        sink.close()
        sink.finish()
    assert [sink.paths[0].name for sink in sinks] == [f"{UUID_1}{number}{suffix}" for number in ("", "-2", "-3")]


@pytest.mark.parametrize("taken", [f"{UUID_1}.flac", f"{UUID_1}.json", f"{UUID_1}.unconverted.wav"])
@pytest.mark.parametrize("make", ["file", "folder", "dead-link"])
def test_whatever_has_the_name_it_is_kept_and_the_next_number_taken(tmp_path: Path, taken: str, make: str) -> None:
    if make == "file":
        Path(taken).write_text("theirs")
    elif make == "folder":
        Path(taken).mkdir()
    else:
        Path(taken).symlink_to("nowhere")
    assert record(FileOutput("{uuid}.flac")).name == f"{UUID_1}-2.flac"
    assert names(tmp_path) == [f"{UUID_1}-2.flac", *([] if make == "folder" else [taken])]
    assert make != "file" or Path(taken).read_text() == "theirs"


def test_many_who_race_for_a_name_get_one_each(tmp_path: Path) -> None:
    """Two processes may record into one folder: only the disk can say whose a name is."""
    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda: paths.append(record(FileOutput("{uuid}.flac")))) for _ in range(16)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, paths)) == names(tmp_path)
    assert len(set(paths)) == 16
    assert {soundfile.info(path).frames for path in paths} == {800}


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_one_file_that_came_since_the_start_is_an_error_and_not_overwritten(tmp_path: Path, suffix: str) -> None:
    output = FileOutput(f"call{suffix}")
    output.prepare()
    Path(f"call{suffix}").write_text("theirs")
    with pytest.raises(FileExistsError) as caught:
        output.open(new_call(), 8000, 1)
    assert caught.value.strerror == "File exists"
    assert names(tmp_path) == [f"call{suffix}"]
    assert Path(f"call{suffix}").read_text() == "theirs"


# Recordings of more than one file


def test_a_folder_where_a_second_part_would_be_is_refused_before_the_call(tmp_path: Path) -> None:
    Path("o.part2.wav").mkdir()
    with pytest.raises(UsageError, match=r"^cannot record to o\.wav: o\.part2\.wav is a folder; move that away$"):
        FileOutput("o.wav", overwrite=True).prepare()


@pytest.mark.parametrize("name", ["call.wav", "call.flac"])
@pytest.mark.parametrize("part", ["part2", "part3", "part2-2"])
def test_old_parts_are_refused_without_force_and_replaced_with_it(tmp_path: Path, name: str, part: str) -> None:
    """Left in place they would pass for what continues the new recording."""
    old = Path(f"call.{'' if name == 'call.wav' else 'unconverted.'}{part}.wav")
    old.write_text("old")
    Path("call.part2.wav.txt").write_text("theirs")
    with pytest.raises(UsageError, match=re.escape(f"cannot record to {name}: {old} exists; move that away or add")):
        FileOutput(name).prepare()
    assert old.read_text() == "old"
    output = FileOutput(name, overwrite=True)
    output.prepare()
    assert old.read_text() == "old"  # until there is a call
    assert record(output) == Path(name)
    assert names(tmp_path) == ["call.part2.wav.txt", name] if name == "call.wav" else [name, "call.part2.wav.txt"]


def test_with_force_an_old_part_is_replaced_by_the_new_one(tmp_path: Path) -> None:
    Path("o.part2.wav").write_text("of an earlier recording")
    output = FileOutput("o.wav", overwrite=True)
    output.prepare()
    sink = output.open(new_call(), 8000, 1)
    assert isinstance(sink, GrowingWav)
    sink._max_data_bytes = 1000  # for 4 GiB
    sink.append(b"\1\2" * 800)
    sink.close()
    assert [str(path) for path in sink.paths] == ["o.wav", "o.part2.wav"] == names(tmp_path)[::-1]
    assert soundfile.info("o.part2.wav").frames == 300


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_name_with_old_parts_is_taken(tmp_path: Path, suffix: str) -> None:
    part = Path(f"{UUID_1}.part2.wav" if suffix == ".wav" else f"{UUID_1}.unconverted.part2.wav")
    part.write_text("old")
    assert record(FileOutput(f"{{uuid}}{suffix}")).name == f"{UUID_1}-2{suffix}"
    assert part.read_text() == "old"


# Recordings with JSON


def end(output: FileOutput, sink: Sink, content: dict[str, int]) -> Path:
    sink.append(SAMPLES)
    sink.close()
    sink.finish()
    return output.write_json(sink.paths[0], content)


def test_the_jsons_name_is_taken_with_the_recordings(tmp_path: Path) -> None:
    suffixes = [".wav", ".flac", ".wav", ".ogg"]
    outputs = [FileOutput(f"{{uuid}}{suffix}") for suffix in suffixes]  # of as many servers
    sinks = [output.open(new_call(), 8000, 1, with_json=True) for output in outputs]
    with_none = FileOutput("{uuid}.aiff").open(new_call(), 8000, 1)
    made = [end(output, sink, {"n": n}) for n, (output, sink) in enumerate(zip(outputs, sinks, strict=True))]
    with_none.close()
    with_none.finish()
    stems = [f"{UUID_1}{number}" for number in ("", "-2", "-3", "-4")]
    assert [path.name for path in made] == [f"{stem}.json" for stem in stems]
    assert [sink.paths[0].name for sink in sinks] == [
        stem + suffix for stem, suffix in zip(stems, suffixes, strict=True)
    ]
    assert [json.loads(path.read_text())["n"] for path in made] == [0, 1, 2, 3]
    assert with_none.paths[0].name == f"{UUID_1}-5.aiff"
    assert len(names(tmp_path)) == 9
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())


def test_many_who_race_for_a_pair_of_names_get_one_each(tmp_path: Path) -> None:
    made: list[tuple[Path, Path]] = []

    def one(number: int) -> None:
        output = FileOutput("{uuid}" + (".wav", ".flac")[number % 2])
        sink = output.open(new_call(), 8000, 1, with_json=True)
        path = end(output, sink, {"n": number})
        made.append((sink.paths[0], path))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({path.stem for pair in made for path in pair}) == 16
    assert all(sound.stem == json_file.stem for sound, json_file in made)
    assert len(names(tmp_path)) == 32


def test_json_of_a_peers_name_keeps_all_of_it() -> None:
    output = FileOutput("{peer}.flac")
    sink = output.open(new_call(), 8000, 1, with_json=True)
    assert end(output, sink, {}) == Path("192.0.2.7_40312.json")


def test_json_whose_folder_was_taken_away_and_made_again_is_written(tmp_path: Path) -> None:
    output = FileOutput("calls/")
    sink = output.open(new_call(), 8000, 1, with_json=True)
    Path("calls").rename("elsewhere")
    sink.close()
    with pytest.raises(FileNotFoundError):
        output.write_json(sink.paths[0], {})
    Path("calls").mkdir()
    assert output.write_json(sink.paths[0], {}) == Path(f"calls/{UUID_1}.json")


# What processes that died have left


def leave(tmp_path: Path, script: str) -> subprocess.Popen[str]:
    """Run a process that makes something, until it says so."""
    here = Path(__file__).resolve()
    head = f"import sys, time; sys.path[:0] = {[str(here.parent), str(here.parents[2])]!r}\n"
    head += f"from {here.stem} import *\n"
    process = subprocess.Popen(
        [sys.executable, "-c", head + textwrap.dedent(script) + "\nprint('made', flush=True); time.sleep(100)"],
        stdout=subprocess.PIPE, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "made\n"
    return process


def test_what_a_live_process_makes_is_left_alone_and_what_a_dead_one_left_is_cleared(tmp_path: Path) -> None:
    script = """
        output = FileOutput("calls/{date}/{uuid}.flac")
        sink = output.open(new_call(), 8000, 1, with_json=True)
        sink.append(SAMPLES)
        half = HalfMade.unnamed(sink.paths[0].parent, ".flac")
    """
    process = leave(tmp_path, script)
    made = names(tmp_path)
    FileOutput("calls/{date}/{uuid}.flac").prepare()
    assert names(tmp_path) == made
    assert len(made) == 3
    process.kill()
    process.communicate()
    FileOutput("calls/{date}/{uuid}.flac").prepare()
    assert names(tmp_path) == [f"calls/2026-03-01/{UUID_1}.unconverted.wav"]  # it holds sound
    assert soundfile.info(names(tmp_path)[0]).frames == 800


def test_json_that_only_lacks_its_name_gets_it(tmp_path: Path) -> None:
    Path(f"{UUID_1}.json.part").write_text('{"schema": "audiosocket.call/1"}')
    Path(f"{UUID_1}-2.json.part").write_text('{"schema": "audiosock')
    Path(f"{UUID_1}-3.json.part").write_text("{}")
    Path(f"{UUID_1}-4.json.part").write_text("[" * 100_000)
    Path(f"{UUID_1}-3.json").write_text("theirs")
    FileOutput("{uuid}.wav").prepare()
    assert names(tmp_path) == [f"{UUID_1}-3.json", f"{UUID_1}.json"]
    assert Path(f"{UUID_1}.json").read_text() == '{"schema": "audiosocket.call/1"}'
    assert Path(f"{UUID_1}-3.json").read_text() == "theirs"


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    theirs = ["notes.json.part", "a.part", ".audiosocket-notes.txt", ".audiosocket-", "x.json", f"{UUID_1}.wav.part"]
    for name in theirs:
        Path(name).write_text("theirs")
    Path(".audiosocket-0123abcd.flac").symlink_to("notes.json.part")
    Path(f"{UUID_1}.json.part").mkdir()
    os.mkfifo(f"{UUID_1}-2.json.part")
    before = sorted(os.listdir())
    FileOutput("{uuid}.wav").prepare()
    FileOutput("{uuid}.flac").prepare()
    FileOutput("one.flac").prepare()
    assert sorted(os.listdir()) == before


# Before a call


@pytest.mark.parametrize(
    ("name", "taken", "message"),
    [
        ("call.wav", "call.wav", "it exists; choose another name or add --force"),
        ("call.flac", "call.flac", "it exists; choose another name or add --force"),
        ("call.flac", "call.unconverted.wav", "call.unconverted.wav exists; move that away or add --force"),
    ],
    ids=["wav", "flac", "left-of-a-crash"],
)
@pytest.mark.parametrize("link", [False, True], ids=["file", "dead-link"])
def test_one_file_that_is_there_is_refused_before_anything_connects(
    name: str, taken: str, message: str, link: bool
) -> None:
    if link:
        Path(taken).symlink_to("nowhere")
    else:
        Path(taken).write_text("old")
    with pytest.raises(UsageError, match=re.escape(f"cannot record to {name}: {message}")):
        FileOutput(name).prepare()
    assert link or Path(taken).read_text() == "old"


@pytest.mark.parametrize("taken", ["call.flac", "call.unconverted.wav"])
def test_force_overwrites_once_there_is_a_call(tmp_path: Path, taken: str) -> None:
    Path(taken).write_text("old")
    output = FileOutput("call.flac", overwrite=True)
    output.prepare()
    assert Path(taken).read_text() == "old"
    assert record(output) == Path("call.flac")
    assert soundfile.info("call.flac").frames == 800
    assert names(tmp_path) == ["call.flac"]


def test_force_writes_a_new_file_and_not_through_a_link(tmp_path: Path) -> None:
    Path("theirs.wav").write_text("theirs")
    Path("call.wav").symlink_to("theirs.wav")
    output = FileOutput("call.wav", overwrite=True)
    output.prepare()
    record(output)
    assert Path("theirs.wav").read_text() == "theirs"
    assert not Path("call.wav").is_symlink()


@pytest.mark.parametrize("name", ["calls/", "{uuid}.wav"])
def test_force_has_nothing_to_do_where_each_call_gets_a_name(name: str) -> None:
    with pytest.raises(UsageError, match="a taken name gets a number; leave out --force"):
        FileOutput(name, overwrite=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("file/", "cannot record to file: it is a file; name a folder"),
        ("file/call.wav", "cannot record to file/call.wav: file is a file; name a folder"),
        ("file/calls/call.wav", "cannot record to file/calls/call.wav: not a directory"),
        ("/proc/calls/call.wav", "cannot record to /proc/calls/call.wav: no such file or directory"),
        ("/dev/null/", "cannot record to /dev/null: it is a file; name a folder"),
        ("x" * 250 + ".flac", f"cannot record to {'x' * 250}.flac: file name too long"),
    ],
    ids=["file-as-folder", "file-as-parent", "file-further-up", "proc", "device", "long-name"],
)
def test_a_place_that_cannot_be_written_to_is_refused_before_anything_connects(name: str, message: str) -> None:
    Path("file").write_text("theirs")
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        FileOutput(name).prepare()


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o500)
    with as_nobody(), pytest.raises(UsageError, match=r"^cannot record to theirs/call\.wav: permission denied$"):
        FileOutput("theirs/call.wav").prepare()


def test_preparing_makes_the_parents_and_leaves_nothing_else(tmp_path: Path) -> None:
    FileOutput("a/b/{date}/call.wav").prepare()
    assert (tmp_path / "a" / "b").is_dir()
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["a", "a/b"]


def test_parents_that_went_away_are_made_again(tmp_path: Path) -> None:
    output = FileOutput("calls/call.wav")
    output.prepare()
    (tmp_path / "calls").rmdir()
    record(output)
    assert names(tmp_path) == ["calls/call.wav"]


# What was left unconverted


def test_a_recording_that_a_dead_process_has_not_converted_is_named_and_kept(tmp_path: Path) -> None:
    left = [f"calls/{UUID_1}{number}.unconverted.wav" for number in ("-2", "")]
    theirs = [f"calls/{name}.unconverted.wav" for name in ("other", f"{UUID_1}-3", f"{UUID_1}-4")]
    Path("calls").mkdir()
    for name in (*left, *theirs):
        GrowingWav(Path(name), 8000).close()
    told = Path(f"calls/{UUID_1}-3.json")
    told.write_text("{}")
    alive = HalfMade(Path(f"calls/{UUID_1}-4.json.part"))
    output = FileOutput("calls/{uuid}.flac")
    output.prepare()
    assert list(map(str, output.unconverted)) == left
    done = run("record", "calls/", "127.0.0.1:1")
    alive.drop()
    assert done.returncode == 3
    assert done.stderr.splitlines()[0] == (
        f"{left[0]} and 1 more were left unconverted by a process that died: kept as WAV, to be played or converted"
    )
    assert all(map(os.path.exists, (*left, *theirs)))


@pytest.mark.parametrize("name", ["calls/", "calls/{date}/{uuid}.flac"], ids=["folder", "name"])
def test_further_recordings_of_the_same_calls_have_a_word_in_their_names(name: str) -> None:
    output = FileOutput(name)
    beside = output.beside("mirror")
    suffix = Path(name).suffix or ".wav"
    made = [record(each) for each in (output, beside, beside)]
    assert [path.name for path in made] == [
        f"{UUID_1}{suffix}", f"{UUID_1}.mirror{suffix}", f"{UUID_1}.mirror-2{suffix}"
    ]  # fmt: skip
    assert len({path.parent for path in made}) == 1
    assert beside.write_json(made[1], {}).name == f"{UUID_1}.mirror.json"
