"""`audiosocket report`: which page comes of what, where its sound is, and what is refused in one line."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.check.nature import Nature
from audiosocket_cli.check.results import report_json
from audiosocket_cli.model import Side
from support.captured import UUID_2, a_call, a_normal_call, sent, speech, steady, whole, write_lines
from support.checked import MUST_ID, PASS, result
from support.checked import report as check_report
from support.lacking import encrypted
from support.markup import parsed, text_of
from support.reported import UUID, a_conversation, write_call
from support.running import run


def made(*args: str | Path, **env: str) -> tuple[Path, str]:
    """Make a page, and return it with what was said."""
    page = Path(args[-1])
    done = run("report", *args[:-1], "-o", page, **env)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return page, done.stderr


def shown(page: Path) -> str:
    return text_of(parsed(page.read_bytes()))


def source_of(page: Path) -> str | None:
    audio = next(parsed(page.read_bytes()).iter("audio"), None)
    return None if audio is None else audio.get("src")


@pytest.mark.parametrize("given", [["call.wav"], ["call.json"], ["call.wav", "call.json"]], ids=" ".join)
def test_a_call_by_its_recording_its_json_or_both(tmp_path: Path, given: list[str]) -> None:
    write_call(tmp_path / "calls")
    page, said = made(*(tmp_path / "calls" / name for name in given), tmp_path / "pages" / "call.html")
    assert f"Call {UUID}" in shown(page)
    assert source_of(page) == "../calls/call.wav"
    assert re.fullmatch(r"wrote \S+call\.html \(0\.\d MB\)\n", said)
    assert page.stat().st_mode & 0o777 == 0o600


def test_the_sound_can_be_in_the_page(tmp_path: Path) -> None:
    wav, _ = write_call(tmp_path)
    page, _ = made(wav, "--embed", tmp_path / "call.html")
    assert (source_of(page) or "").startswith("data:audio/wav;base64,")


def test_a_json_whose_recording_is_elsewhere_is_given_with_it(tmp_path: Path) -> None:
    wav, path = write_call(tmp_path / "calls")
    moved = wav.rename(tmp_path / "moved.wav")
    page, _ = made(path, tmp_path / "gone.html")
    assert "there is no file call.wav" in shown(page)
    page, _ = made(path, moved, tmp_path / "found.html")
    assert "there is no file" not in shown(page)
    assert source_of(page) == "./moved.wav"


def test_what_browsers_do_not_play_is_written_beside_the_page(tmp_path: Path) -> None:
    aiff = tmp_path / "call.aiff"
    soundfile.write(aiff, a_conversation(), 8000)
    page, said = made(aiff, tmp_path / "page.html")
    assert source_of(page) == "./page.wav"
    assert "and its sound to " in said
    assert (soundfile.read(tmp_path / "page.wav", dtype="int16")[0] == a_conversation()).all()
    done = run("report", aiff, "-o", tmp_path / "other.html", "--force")
    assert done.returncode == 0
    (tmp_path / "third.wav").write_bytes(b"mine")
    done = run("report", aiff, "-o", tmp_path / "third.html")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "third.wav exists, where the page's sound goes" in done.stderr
    assert (tmp_path / "third.wav").read_bytes() == b"mine"


def test_a_captured_call_has_its_sound_beside_the_page(tmp_path: Path) -> None:
    lines = write_lines(tmp_path / "call.jsonl", a_normal_call())
    page, _ = made(lines, tmp_path / "page.html")
    assert source_of(page) == "./page.wav"
    assert soundfile.info(tmp_path / "page.wav").channels == 2
    embedded, _ = made(lines, "--embed", tmp_path / "other.html")
    assert (source_of(embedded) or "").startswith("data:audio/wav")
    assert not (tmp_path / "other.wav").exists()


def test_a_capture_of_several_calls_is_a_day_and_one_can_be_chosen(tmp_path: Path) -> None:
    lines = write_lines(tmp_path / "pbx.jsonl", [*a_normal_call(), *a_normal_call(1.0, UUID_2)])
    page, _ = made(lines, tmp_path / "day.html")
    assert "Calls in pbx.jsonl" in shown(page)
    page, _ = made(lines, "--call", "2222", tmp_path / "call.html")
    assert f"Call {UUID_2}" in shown(page)
    done = run("report", lines, "-o", tmp_path / "x.html", "--embed")
    assert (done.returncode, done.stderr) == (
        2,
        "audiosocket: error: --embed is for one call, and there are 2: choose with --call\n",
    )
    done = run("report", lines, "-o", tmp_path / "x.html", "--call", "9")
    assert done.returncode == 6
    assert not (tmp_path / "x.html").exists()


def test_a_capture_comes_from_standard_input(tmp_path: Path) -> None:
    lines = write_lines(tmp_path / "call.jsonl", a_normal_call())
    done = run("report", "-", "-o", "-", "--embed", stdin=lines.read_bytes())
    assert (done.returncode, done.stderr) == (0, "")
    assert "Call 11111111" in text_of(parsed(done.stdout.encode()))


def test_a_cut_capture_is_shown_up_to_the_cut(tmp_path: Path) -> None:
    lines = write_lines(tmp_path / "call.jsonl", a_normal_call())
    pcapng = tmp_path / "call.pcapng"
    assert run("dump", lines, "--to", "pcapng", pcapng).returncode == 0
    pcapng.write_bytes(pcapng.read_bytes()[:-1000])
    done = run("report", pcapng, "-o", tmp_path / "page.html")
    assert done.returncode == 5
    assert "Call 11111111" in shown(tmp_path / "page.html")


def test_a_folder_is_a_day_and_its_calls_can_have_pages(tmp_path: Path) -> None:
    write_call(tmp_path / "calls", "one")
    write_call(tmp_path / "calls", "two")
    _, said = made(tmp_path / "calls", tmp_path / "day.html")
    assert "2 calls" in said
    done = run("report", tmp_path / "calls", "-o", f"{tmp_path}/day/")
    assert (done.returncode, done.stdout) == (0, "")
    pages = sorted((tmp_path / "day" / "calls").iterdir())
    assert [each.name for each in pages] == ["one.html", "two.html"]
    assert source_of(pages[0]) == "../../calls/one.wav"


def test_a_check_is_its_matrix(tmp_path: Path) -> None:
    kept = tmp_path / "check.json"
    kept.write_text(json.dumps(report_json(check_report([result(MUST_ID, PASS)]), Nature())))
    page, _ = made(kept, tmp_path / "check.html")
    assert MUST_ID in shown(page)


def test_a_page_that_is_there_is_kept(tmp_path: Path) -> None:
    wav, _ = write_call(tmp_path)
    (tmp_path / "call.html").write_text("mine")
    done = run("report", wav, "-o", tmp_path / "call.html")
    assert (done.returncode, (tmp_path / "call.html").read_text()) == (2, "mine")
    assert "exists; choose another name or add --force" in done.stderr
    made(wav, "--force", tmp_path / "call.html")
    assert UUID in shown(tmp_path / "call.html")


def test_the_page_is_opened_in_the_browser_of_the_user(tmp_path: Path) -> None:
    wav, _ = write_call(tmp_path)
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/opened\n')
    browser.chmod(0o700)
    page, _ = made(wav, "--open", tmp_path / 'a "page" #1.html', BROWSER=f"{browser} %s")
    assert (tmp_path / "opened").read_text() == page.as_uri()


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["nothing.wav"], 5, "cannot read nothing.wav: no such file or directory"),
        (["call.wav", "calls"], 2, "there is no page of a folder (calls) and a recording (call.wav) together"),
        (["call.wav", "call2.wav"], 2, "there is no page of 2 calls given one by one"),
        (["call.wav", "--call", "1"], 2, "--call chooses a call of a capture: leave it out"),
        (["check.json", "--embed"], 2, "--embed puts the sound of calls into a page: leave it out"),
        (["check.json"], 5, "check.json is not a result of check --json"),
        (["noise"], 6, "there is no call in noise: a page can be made of"),
        (["text"], 6, "there is no call in text: a page can be made of a recording"),
        (["six.wav"], 5, "six.wav has 6 channels: a call has two sides"),
        (["garbage.wav"], 5, "cannot read garbage.wav: "),
        (["-", "-"], 2, "standard input can be read once"),
        ([""], 2, "an INPUT has no name"),
        (["call.wav", "--force", "-o", "call.wav"], 2, "cannot write call.wav: the page is made of that file"),
        (["call.json", "--force", "-o", "./call.wav"], 2, "the page is made of that file; name another one"),
        (["call.wav", "--force", "-o", "calls/../call.json"], 2, "the page is made of that file"),
        (["calls", "--force", "-o", "calls/call.wav"], 2, "the page is made of that file"),
        (["check.json", "--force", "-o", "check.json"], 2, "the page is made of that file"),
        (["call.wav", "-o", "calls"], 2, "calls is a folder, and this is one page: name a file in it"),
        (["check.json", "-o", "new/"], 2, "new/ is a folder, and this is one page: name a file in it"),
        (["call.wav", "-o", ""], 2, "Invalid value for '-o' / '--output': it is empty: name a file"),
        (["call.aiff", "-o", "-"], 2, "the sound cannot be a file beside a page on standard output: add --embed"),
        (["call.aiff", "-o", "/dev/full"], 2, "the sound cannot be a file beside a page that is not a file"),
        (["calls", "-o", "-"], 2, "the page of a folder goes to a file or a folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], code: int, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("call", "call2"):
        write_call(tmp_path, name)
    write_call(tmp_path / "calls")
    soundfile.write("six.wav", np.zeros((100, 6)), 8000)
    soundfile.write("call.aiff", a_conversation(3.0), 8000)
    Path("check.json").write_text('{"schema": "audiosocket.check/1"}')
    Path("noise").write_bytes(np.random.default_rng(1).bytes(5000))
    Path("text").write_text("dear reader\n" * 50)
    Path("garbage.wav").write_bytes(b"RIFF\xff\xff\xff\xffWAVE" + os.urandom(100))
    done = run("report", *args, *([] if "-o" in args else ["-o", "page.html"]))
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert len(done.stderr.splitlines()[-1]) < 300
    assert "Traceback" not in done.stderr
    assert not Path("page.html").exists()


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg"])
def test_a_damaged_recording_is_shown_up_to_the_damage(tmp_path: Path, kind: str) -> None:
    sound = np.random.default_rng(3).normal(0, 0.1, (60_000, 2))
    path = tmp_path / f"call.{kind}"
    soundfile.write(path, sound, 8000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    done = run("report", path, "-o", tmp_path / "page.html")
    assert done.returncode == 5, done.stderr
    text = shown(tmp_path / "page.html")
    assert "it is cut short" in text
    length = re.search(r"8000 Hz, ([0-9.]+) s", text)
    assert length is not None
    assert 3 < float(length[1]) < 4.5


def test_floating_point_beyond_all_scales_is_sound_at_the_limit(tmp_path: Path) -> None:
    sound = np.full((16_000, 2), np.nan, np.float64)
    sound[4000:8000] = [1e300, -np.inf]
    for number, kind in enumerate(("FLOAT", "DOUBLE")):
        with np.errstate(over="ignore"):
            soundfile.write(tmp_path / f"{number}.wav", sound, 8000, subtype=kind)
        for more in ([], ["--embed"]):
            page, said = made(tmp_path / f"{number}.wav", "--force", *more, tmp_path / f"{number}.html")
            assert (len(said.splitlines()), "peak 0.0 dBFS" in shown(page)) == (1, True)
    _, said = made(tmp_path, tmp_path / "day.html")
    assert "Warning" not in said


@pytest.mark.parametrize("rate_hz", [0, 1, 0xFFFFFFFF])
def test_a_rate_that_no_sound_has_is_told_in_a_day(tmp_path: Path, rate_hz: int) -> None:
    wav, _ = write_call(tmp_path)
    data = bytearray(wav.read_bytes())
    data[24:28] = rate_hz.to_bytes(4, "little")
    wav.write_bytes(data)
    _, said = made(tmp_path, tmp_path / "day.html")
    assert "1 recording that cannot be shown" in said


def test_what_came_by_standard_input_is_not_linked(tmp_path: Path) -> None:
    wav, _ = write_call(tmp_path)
    page = tmp_path / "pages" / "page.html"
    done = run("report", "-", "-o", page, stdin=wav.read_bytes())
    assert done.returncode == 0, done.stderr
    assert source_of(page) == "./page.wav"
    assert [each.get("href") for each in parsed(page.read_bytes()).iter("a")] == []
    samples = soundfile.read(page.with_suffix(".wav"), dtype="int16")[0]
    assert (samples == soundfile.read(wav, dtype="int16")[0]).all()
    done = run("report", "-", "-o", "-", stdin=wav.read_bytes())
    assert (done.returncode, done.stdout) == (2, "")
    assert "add --embed" in done.stderr


def test_the_sound_of_a_page_never_replaces_the_recording_of_a_call(tmp_path: Path) -> None:
    wav, _ = write_call(tmp_path)
    recorded = wav.read_bytes()
    write_lines(tmp_path / "call.jsonl", a_normal_call())
    page, _ = made(tmp_path / "call.jsonl", "--force", tmp_path / "call.html")
    assert source_of(page) == "./call.sound.wav"
    assert wav.read_bytes() == recorded


def test_a_page_that_cannot_be_written_leaves_no_sound(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "call.aiff", a_conversation(3.0), 8000)
    (tmp_path / "call.html").write_text("mine")
    assert run("report", tmp_path / "call.aiff", "-o", tmp_path / "call.html").returncode == 2
    assert sorted(each.name for each in tmp_path.iterdir()) == ["call.aiff", "call.html"]


@pytest.mark.parametrize("name", ['a "b" #1?%<x>', "two\nlines", "\u202eevil", "-o", "caf\udce9"])
def test_names_of_any_characters(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    write_call(folder, "call")
    page, said = made(folder / "call.wav", folder / f"{name}.html")
    assert source_of(page) == "./call.wav"
    assert all(line.isprintable() for line in said.splitlines())


def test_why_there_is_no_call_to_show_is_said_first(tmp_path: Path) -> None:
    (tmp_path / "x.pcap").write_bytes(encrypted())
    done = run("report", tmp_path / "x.pcap", "-o", tmp_path / "page.html")
    assert done.stderr.splitlines()[0] == f"{tmp_path}/x.pcap: left out 21 packets in IPsec (ESP), encrypted"


def test_a_pause_of_days_is_told_on_the_page_and_ends_its_sound(tmp_path: Path) -> None:
    call = a_call()
    frames = [*speech(1.0), *speech(1.0)]
    times_s = [*steady(0.02, 50), *steady(3 * 86_400.0, 50)]
    path = write_lines(tmp_path / "call.jsonl", whole(call, sent(call, Side.CALLER, frames, times_s), [], 3 * 86_400.0))
    page, _ = made(path, tmp_path / "page.html")
    assert "follows a pause of 3.0 days, where its file ends" in shown(page)
    assert soundfile.info(tmp_path / "page.wav").duration == pytest.approx(1.0, abs=0.1)
