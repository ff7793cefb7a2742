"""`audiosocket help`: the pages that come with the package, as text, through a pager, and the files that they hold."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest
import soundfile

from audiosocket_cli.cli import COMMANDS, TOPICS_ABOUT
from audiosocket_cli.finding_pages import finding_ids, sentence_of
from audiosocket_cli.ui.pages import TOPICS, plain_lines, summary_of
from support.pages import DOCS, EXAMPLES, FILES, FINDINGS, PAGES
from support.running import COMMAND, run


def test_without_a_topic_it_lists_them_with_a_line_each() -> None:
    done = run("help")
    assert (done.returncode, done.stderr) == (0, "")
    first, *lines, last = done.stdout.splitlines()
    assert first == "Topics of audiosocket help TOPIC:"
    assert [line.split(maxsplit=1) for line in lines] == [
        [topic, summary_of(PAGES[DOCS / f"{topic}.md"])] for topic in TOPICS
    ]
    assert max(map(len, lines)) <= 80
    assert "help COMMAND" in last


@pytest.mark.parametrize("topic", TOPICS)
def test_each_topic_is_plain_text_where_there_is_no_terminal(topic: str) -> None:
    done = run("help", topic, COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    page = PAGES[DOCS / f"{topic}.md"]
    assert done.stdout.startswith(page.split("\n")[0].removeprefix("# ") + "\n")
    assert "\x1b" not in done.stdout
    outside_code = [line for line in done.stdout.splitlines() if not line.startswith("    ")]
    assert [line for line in outside_code if "](" in line or "**" in line or line.startswith("#")] == []
    assert [line for line in outside_code if len(line) > 80] == []
    for code in re.findall(r"^```[^\n]*\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        assert "".join(f"    {line}".rstrip() + "\n" for line in code.rstrip().splitlines()) in done.stdout


def test_words_of_a_page_are_all_there() -> None:
    page = PAGES[DOCS / "security.md"]
    shown = " ".join(" ".join(plain_lines(page)).split())
    assert "who can call" in shown.lower()
    assert "a firewall, or --allow-from with your" in shown


def test_a_link_to_a_page_says_how_to_read_it() -> None:
    done = run("help", "bots", COLUMNS="100")
    assert "use a separate descriptor: see help bot-protocol." in " ".join(done.stdout.split())
    assert "users of Locust (https://locust.io)" in " ".join(run("help", "locust").stdout.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_answered_with_its_options(command: str) -> None:
    assert run("help", command).stdout == run(command, "--help").stdout


def test_each_command_names_pages_that_tell_more() -> None:
    assert list(TOPICS_ABOUT) == list(COMMANDS)
    assert {topic for topics in TOPICS_ABOUT.values() for topic in topics} <= set(TOPICS)
    assert f"More: audiosocket help {', '.join(TOPICS_ABOUT['dump'])}\n" in run("dump", "--help").stdout


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("bot", "did you mean bots?"),
        ("recrd", "did you mean record?"),
        ("SYSTEMD", "did you mean systemd?"),
        ("no-codec", "that is a finding: audiosocket help finding no-codec"),
        ("[caller-ulaw]", "that is a finding: audiosocket help finding caller-ulaw"),
        ("espeak-ng", "read about it in first-call"),
        ("qqq", "audiosocket help lists them"),
    ],
)
def test_an_unknown_topic_is_one_line_with_a_hint(word: str, hint: str) -> None:
    done = run("help", word)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"there is no topic '{word}': {hint}" in done.stderr


def test_finding_lists_ids_with_a_sentence_each() -> None:
    done = run("help", "finding")
    assert (done.returncode, done.stderr) == (0, "")
    _, *lines, last = done.stdout.splitlines()
    assert [line.split(maxsplit=1) for line in lines] == [[each, sentence_of(each)] for each in finding_ids()]
    assert "help findings" in last


@pytest.mark.parametrize("finding_id", finding_ids())
def test_each_finding_is_plain_text_where_there_is_no_terminal(finding_id: str) -> None:
    shown = "\n".join(plain_lines(FINDINGS[DOCS / "finding" / f"{finding_id}.md"], "finding"))
    assert shown.startswith(f"{finding_id}\n")
    assert "](" not in shown
    assert "Spectrogram" not in shown
    assert f"`help {finding_id}" not in shown


@pytest.mark.parametrize("word", ["caller-ulaw", "CALLER-ULAW", "[caller-ulaw]"])
def test_a_finding_is_shown_by_its_id_as_it_stands_in_a_line(word: str) -> None:
    done = run("help", "finding", word, COLUMNS="100")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("caller-ulaw\n")
    assert "    same => n,Dial(AudioSocket/127.0.0.1:9092/${UUID()}/c(slin),,g)\n" in done.stdout
    assert "See help findings." in " ".join(done.stdout.split())


def test_a_link_from_a_finding_to_another_says_how_to_read_it() -> None:
    shown = " ".join(run("help", "finding", "server-frame-length", COLUMNS="100").stdout.split())
    assert "are a fault: help finding frame-too-long." in shown
    assert "help finding caller-ulaw, the most frequent" in " ".join(run("help", "findings").stdout.split())


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("caller-ulau", "did you mean caller-ulaw?"),
        ("burst", "did you mean server-bursts?"),
        ("clock", "did you mean clock-drift?"),
        ("no-sound", "did you mean one-way-sound?"),
        ("Milliwatt", "read about it in sound-changed"),
        ("Poll timed out while waiting for data", "read about it in server-splits-frames"),
        ("dtmf", "read about it in bad-digit, digits-lost, "),
        ("qqq", "audiosocket help finding lists them"),
        ("", "audiosocket help finding lists them"),
        ("../findings", "did you mean"),
    ],
)
def test_an_unknown_finding_is_one_line_with_a_hint(word: str, hint: str) -> None:
    done = run("help", "finding", word)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"there is no finding '{word}': {hint}" in done.stderr


def test_what_follows_another_topic_is_refused() -> None:
    done = run("help", "bots", "caller-ulaw")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "audiosocket help finding ID" in done.stderr


def test_a_sound_is_written_and_not_over_another_file(tmp_path: Path) -> None:
    path = tmp_path / "ulaw.wav"
    done = run("help", "finding", "caller-ulaw", "--sound", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"wrote {path}\n")
    info = soundfile.info(path)
    assert (info.samplerate, info.channels, info.duration) == (8000, 1, 2.2)
    again = run("help", "finding", "byte-swapped", "--sound", path)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "add --force" in again.stderr
    before = path.read_bytes()
    assert run("help", "finding", "byte-swapped", "--sound", path, "--force").returncode == 0
    assert path.read_bytes() != before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("finding", "uuid-fixed"), "uuid-fixed cannot be heard"),
        (("finding",), "name one, as in audiosocket help finding caller-ulaw"),
        ((), "name one"),
        (("finding", "no-such"), "there is no finding 'no-such'"),
    ],
)
def test_a_sound_that_there_is_not_is_one_line(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    done = run("help", *words, "--sound", tmp_path / "x.wav")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert says in done.stderr
    assert not (tmp_path / "x.wav").exists()


@pytest.mark.parametrize("name", FILES | EXAMPLES)
def test_each_file_of_a_page_is_printed_as_it_is(name: str) -> None:
    done = run("help", "--file", name)
    assert (done.returncode, done.stdout, done.stderr) == (0, (FILES | EXAMPLES)[name], "")


def test_a_file_that_no_page_holds_is_one_line_with_those_there_are() -> None:
    done = run("help", "--file", "nginx.conf")
    assert (done.returncode, done.stdout) == (2, "")
    assert all(name in done.stderr for name in FILES | EXAMPLES)
    assert "choose from audiosocket.socket, audiosocket.service" in run("help", "systemd", "--file", "x").stderr


def on_a_terminal(*words: str, **env: str) -> str:
    """Return what a command shows on a terminal of 80 columns."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *words], stdin=its, stdout=its, stderr=its,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24", **env},
    )  # fmt: skip
    os.close(its)
    shown = b""
    try:
        while data := os.read(ours, 65536):
            shown += data
    except OSError:  # nobody has the other end any more
        pass
    os.close(ours)
    assert process.wait(60) == 0
    return shown.decode().replace("\r\n", "\n")


def test_a_terminal_shows_it_through_the_pager(tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\necho paged\ncat\n")
    pager.chmod(0o755)
    shown = on_a_terminal("help", "bots", PAGER=str(pager), MANPAGER="")
    assert shown.startswith("paged\n")
    assert "\x1b[" not in shown  # which this pager may not know
    assert "Programs as bots" in shown


def test_without_its_pager_a_terminal_shows_it_all() -> None:
    assert "A caller who presses 2" in on_a_terminal("help", "bots", PAGER="no-such-pager -x", MANPAGER="")


def test_less_is_given_colours_unless_they_are_not_wanted(tmp_path: Path) -> None:
    less = tmp_path / "less"
    less.write_text('#!/bin/sh\necho "LESS=$LESS"\ncat\n')
    less.chmod(0o755)
    shown = on_a_terminal("help", "bots", PAGER=str(less), MANPAGER="", NO_COLOR="")
    assert "\x1b[1" in shown
    assert re.search(r"\x1b\[36mserve --exec\x1b", shown)
    assert not re.search(r"\x1b\[(?:\d+;)*4[0-7]m", shown)  # no background: terminals are dark or light
    shown = on_a_terminal("help", "bots", PAGER=str(less), MANPAGER="", NO_COLOR="1")
    assert "\x1b[36m" not in shown
