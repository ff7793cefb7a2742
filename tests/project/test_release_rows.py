"""scripts/releases: what it reads in C source, asked of made excerpts, and of Asterisk's own in ASTERISK_SOURCE."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from audiosocket_cli.asterisk.release_faults import FAULTS
from audiosocket_cli.asterisk.releases import Behaviour

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.append(str(SCRIPTS))

from asterisk_source import c_text, cli, rows, trees  # noqa: E402

SOURCE = os.environ.get("ASTERISK_SOURCE")
RESOURCE, APPLICATION, DRIVER, ARI = rows.RESOURCE, rows.APPLICATION, rows.DRIVER, rows.ARI


@dataclass
class Excerpts:
    """A tree of made files."""

    files: dict[str, str]
    name: str = "23.4.1"

    def read(self, path: str) -> str | None:
        return self.files.get(path)


def in_function(name: str, body: str) -> str:
    return f"static int {name}(int a,\n\tint *b)\n{{\n\t{body}\n}}\n"


def receive(body: str) -> dict[str, str]:
    return {RESOURCE: in_function("ast_audiosocket_receive_frame_with_hangup", body)}


def send(body: str, driver: str = "") -> dict[str, str]:
    return {RESOURCE: in_function("ast_audiosocket_send_frame", body), DRIVER: driver}


def connect(body: str) -> dict[str, str]:
    return {RESOURCE: in_function("ast_audiosocket_connect", body)}


def run(body: str) -> dict[str, str]:
    text = f"{body}\n\tast_waitfor_nandfds(&chan, 1, &svc, 1, NULL, &outfd, &ms);"
    return {APPLICATION: f"#define LIMIT 1500\n{in_function('audiosocket_run', text)}"}


def external_media(handler: str, place: str = "") -> dict[str, str]:
    first = in_function("external_media_audiosocket_tcp", place)
    return {ARI: first + in_function("ast_ari_channels_external_media", handler)}


def modules(info: str) -> dict[str, str]:
    return dict.fromkeys((RESOURCE, APPLICATION, DRIVER), f"/*** MODULEINFO\n\t{info}\n ***/\n")


PLACED = "place(args->app, args->data, 0);"
KIND = "if (*kind != AUDIO) {{ {} }} if (*length < 1) {{ {} }}"
LOOP = "while ({}) {{ n = read(svc, {}); if (errno == EAGAIN) {{ int r = ast_wait_for_input(svc, 5); continue; }} }}"
PLAIN_LOOP = "while (i < *length) { n = read(svc, data + i, *length - i); if (n == -1) { break; } }"
ADDRESSES = "for (;;) {{ if (bad) {{ close(s); continue; }} else {{ close(s); {} }} }} if (i == num_addrs) {{ {} }}"
POLLED = "while (i < 3) { if (poll_result == 1) { continue; } else if (poll_result == 0) { X } else { oops(); } }"

YES_AND_NO: list[tuple[Behaviour, dict[str, str], dict[str, str]]] = [
    (
        Behaviour.BUILT,
        modules("<support_level>extended</support_level>"),
        modules("<defaultenabled>no</defaultenabled>"),
    ),
    (
        Behaviour.EXTERNAL_MEDIA,
        external_media('if (!strcmp(what, "audiosocket")) { go(); }'),
        external_media("/* \"audiosocket\" is to come */ go();"),
    ),
    (
        Behaviour.EXTERNAL_MEDIA_CHECKED,
        external_media("go();", "if (ast_strlen_zero(args->data)) { return 1; }"),
        external_media("if (ast_strlen_zero(args->app)) { return; }", "size = strlen(args->data);"),
    ),
    (
        Behaviour.EXTERNAL_MEDIA_BODY,
        external_media("x_parse_body(v, args); if (ast_strlen_zero(args->app)) { }", PLACED),
        external_media("if (ast_strlen_zero(args->app)) { } x_parse_body(v, args);", PLACED),
    ),
    (
        Behaviour.TRY_EXEC,
        {RESOURCE: "", "apps/app_exec.c": 'char name[] = "TryExec";'},
        {RESOURCE: "", "apps/app_exec.c": 'char name[] = "Exec"; /* "TryExec" */'},
    ),
    (Behaviour.IDLE_CPU, run("int ms = 0; ms = -1;"), run("int ms = 0;")),
    (
        Behaviour.UUID_FUNCTION,
        {RESOURCE: "", "funcs/func_uuid.c": 'static struct f = { .name = "UUID", };'},
        {RESOURCE: ""},
    ),
    (
        Behaviour.STRICT,
        receive(KIND.format("return NULL;", "return NULL;")),
        receive(KIND.format("skip = 1;", "return &ast_null_frame;")),
    ),
    (Behaviour.SILENCE_LIMIT, run("int ms = LIMIT; ms = LIMIT;"), run("int ms = 0; ms = -1;")),
    (
        Behaviour.GOES_ON,
        run("int ms = 0; if (hangup) { return 0; }"),
        run("int ms = 0; if (!f) { return -1; }"),
    ),
    (
        Behaviour.DIGITS,
        send("switch (f->frametype) { case AST_FRAME_DTMF: go(); }", ".send_digit_end = go,"),
        send("write(svc, buf, 3);"),
    ),
    (
        Behaviour.SPLIT_PAYLOAD,
        receive(LOOP.format("i < *length", "data + i, *length - i")),
        receive(PLAIN_LOOP),
    ),
    (Behaviour.NODELAY, connect("setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, 4);"), connect("/* TCP_NODELAY? */")),
    (
        Behaviour.WEBSOCKET,
        {RESOURCE: "", "channels/chan_websocket.c": '.type = "WebSocket",'},
        {RESOURCE: "", "channels/chan_websocket.c": '.type = "Web",'},
    ),
    (
        Behaviour.RATES,
        {
            RESOURCE: in_function("ast_audiosocket_send_frame", "a = ast_format_slin192;")
            + in_function("ast_audiosocket_receive_frame", "b = ast_format_slin192;")
        },
        {
            RESOURCE: in_function("ast_audiosocket_send_frame", "a = ast_format_slin;")
            + in_function("ast_audiosocket_receive_frame", "b = ast_format_slin;")
        },
    ),
    (Behaviour.HEADER_WAIT, receive(LOOP.format("i < 3", "header, 3")), receive("n = read(svc, &header, 3);")),
    (
        Behaviour.DEVICE_STATE,
        {DRIVER: in_function("audiosocket_request", "set(chan, AST_FLAG_DISABLE_DEVSTATE_CACHE);")},
        {DRIVER: in_function("audiosocket_request", "set(chan);")},
    ),
    (
        Behaviour.SPLIT_HEADER,
        receive(LOOP.format("i < 3", "header + i, 3 - i")),
        receive(LOOP.format("i < 3", "header, 3")),
    ),
    (
        Behaviour.COMFORT_NOISE,
        send("switch (f->frametype) { case AST_FRAME_VOICE: go(); break; case AST_FRAME_CNG: return 0; default: }"),
        send("switch (f->frametype) { case AST_FRAME_VOICE: go(); break; default: return -1; }"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("behaviour", "yes", "no"), YES_AND_NO, ids=[each[0].name for each in YES_AND_NO])
def test_a_row_is_confirmed_denied_or_left_open(behaviour: Behaviour, yes: dict[str, str], no: dict[str, str]) -> None:
    assert rows.ROWS[behaviour](Excerpts(yes)) is True
    assert rows.ROWS[behaviour](Excerpts(no)) is False
    assert rows.ROWS[behaviour](Excerpts({})) is None


@pytest.mark.parametrize(
    ("fault", "yes", "no"),
    [
        (
            "mute-until-server-speaks",
            receive(POLLED.replace("X", "continue;")),
            receive(POLLED.replace("X", "if (++idle > 4) { return &ast_null_frame; } continue;")),
        ),
        (
            "closes-twice",
            connect(ADDRESSES.format("break;", "close(s); return -1;")),
            connect(ADDRESSES.format("break;", "return -1;")),
        ),
    ],
)
def test_an_open_fault_is_seen(fault: str, yes: dict[str, str], no: dict[str, str]) -> None:
    assert rows.OPEN_FAULTS[fault](Excerpts(yes)) is True
    assert rows.OPEN_FAULTS[fault](Excerpts(no)) is False
    assert rows.OPEN_FAULTS[fault](Excerpts({})) is None


def test_each_row_and_each_open_fault_has_its_question() -> None:
    assert set(rows.ROWS) == set(Behaviour)
    assert set(rows.OPEN_FAULTS) == {fault.id for fault in FAULTS if fault.ends is None}


def test_what_nobody_foresaw_is_left_open() -> None:
    assert rows.is_strict(Excerpts(receive("judge(kind, length);"))) is None
    assert rows.waits_for_input(Excerpts(run("int ms = how_long();"))) is None
    assert rows.sends_digits(Excerpts(send("case AST_FRAME_DTMF: go();", driver="no digits here"))) is None
    assert rows.has_all_rates(Excerpts(receive("b = ast_format_slin192;"))) is None


def test_comments_and_strings_do_not_mislead() -> None:
    text = 'int f(void) /* } */\n{\n\tputs("/* no comment */"); // {\n\treturn g(";");\n}\n'
    assert c_text.function(text, "f") == 'puts("/* no comment */"); return g(";");'
    assert c_text.function("int f(void);\n", "f") is None
    assert c_text.block("a (x) { b { c } d } e", r"a \(x\)") == " b { c } d "
    assert c_text.block("a (x) { b", r"a \(x\)") is None


def all_no(directory: Path) -> None:
    """Write a tree that has no row of the table but the modules."""
    for path, text in modules("<support_level>extended</support_level>").items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
    (directory / ".version").write_text("22.10.1\n")


def test_a_tree_is_shown_beside_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    all_no(tmp_path)
    assert cli.main([str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["22.10.1                   source       table", "BUILT                     yes          yes"]
    assert "UUID_FUNCTION             no           yes   <-- differs" in lines
    assert "STRICT                    cannot tell  yes   <-- differs" in lines
    assert len(lines) == 1 + len(rows.ROWS) + len(rows.OPEN_FAULTS)


def test_tags_are_read_from_a_bare_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work, bare = tmp_path / "work", tmp_path / "bare"
    work.mkdir()
    all_no(work)
    (work / "funcs").mkdir()
    (work / "funcs" / "func_uuid.c").write_text('.name = "UUID"')

    def git(*args: str) -> None:
        own = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *own, *args], cwd=work, check=True, capture_output=True)

    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "one")
    for tag in ("20.11.0", "20.12.0", "20.12.0-rc1", "certified-20.7-cert1", "1.8.0", "something"):
        git("tag", tag)
    subprocess.run(["git", "clone", "-q", "--bare", work, bare], check=True)
    assert [tree.name for tree in trees.trees_at(bare)] == ["20.11.0", "20.12.0", "certified-20.7-cert1"]
    assert len(list(trees.trees_at(bare, candidates=True))) == 4
    assert cli.main([str(bare)]) == 1
    told = capsys.readouterr().out
    assert "UUID_FUNCTION             20.11.0, certified-20.7-cert1\n" in told
    assert "20.11.0 UUID_FUNCTION: source yes, table no\n" in told
    assert "20.12.0 UUID_FUNCTION" not in told
    assert "certified-20.7-cert1 BUILT: source yes, table no\n" in told


@pytest.mark.parametrize("args", [["/nowhere"], ["."], [".", "--release", "twenty"]])
def test_what_is_no_source_is_refused_in_a_line(
    args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(args) == 2
    told = capsys.readouterr().err
    assert told.startswith("scripts/releases: ")
    assert told.count("\n") == 1


def test_the_script_says_what_it_does() -> None:
    done = subprocess.run([SCRIPTS / "releases", "--help"], capture_output=True, text=True, check=True)
    assert "Show which rows of the table of releases Asterisk's source confirms" in done.stdout


@pytest.mark.skipif(SOURCE is None, reason="ASTERISK_SOURCE does not say where Asterisk's source is")
def test_asterisks_source_confirms_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(SOURCE)]) == 0, capsys.readouterr().out
