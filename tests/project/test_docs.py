"""The README and the documentation: sizes, links, names of options, files, and what they claim of the code."""

from __future__ import annotations

import ast
import doctest
import json
import os
import re
import struct
import subprocess
import sys
import urllib.request
from pathlib import Path

import click
import numpy as np
import pytest
import soundfile

from audiosocket_cli import __all__ as public_names
from audiosocket_cli.cli import COMMANDS, root
from audiosocket_cli.errors import ExitCode
from audiosocket_cli.ui.pages import TOPICS, examples_in, summary_of
from support.pages import BLOCKS, DOCS, EXAMPLES, FILES, FINDINGS, PAGES, ROOT, anchors
from support.peers import free_port
from support.running import Serve, need, run

README = PAGES[ROOT / "README.md"]
EXEMPT = {"changes"}
"""Pages that grow with time."""

with click.Context(root) as context:
    COMMAND_OF = {name: root.get_command(context, name) for name in COMMANDS}
OPTIONS_OF = {
    name: {option for param in command.params for option in param.opts if option.startswith("--")}
    for name, command in COMMAND_OF.items()
    if command
}
OF_ALL = {"--help", "--version"}
OF_OTHERS = {"--headless", "--host", "--master", "--master-host", "--expect-workers", "--worker", "--now", "--stdout",
             "--editable", "--quiet", "--port", "--running", "--since", "--no-deps", "--wheel-dir", "--tag",
             "--build-arg", "--read-only", "--cap-drop", "--publish", "--volume", "--time", "--namespace",
             "--filename", "--nthreads", "--nworkers", "--subjects", "--defaults", "--dupe-window"}  # fmt: skip
"""Options of other programs that pages name."""

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")

ALL_PAGES = PAGES | FINDINGS

each_page = pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.stem)


def test_the_readme_is_a_front_page() -> None:
    assert len(README.encode()) <= 8192


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent == DOCS], ids=lambda page: page.stem)
def test_each_page_is_a_short_read_about_one_thing(page: Path) -> None:
    if page.stem not in EXEMPT:
        assert 2048 <= len(PAGES[page].encode()) <= 8192
    title, summary, _ = PAGES[page].split("\n\n", 2)
    assert re.fullmatch(r"# .+", title)
    assert re.fullmatch(r"[A-Z].+\.", summary)


def test_each_page_is_a_topic_and_no_command_has_its_name() -> None:
    assert sorted(TOPICS) == sorted(path.stem for path in DOCS.glob("*.md"))
    assert not set(TOPICS) & set(COMMANDS)


def test_what_else_is_among_the_pages_are_pictures_that_one_shows() -> None:
    others = {path.name for path in DOCS.iterdir() if path.suffix != ".md" and path.is_file()}
    shown = {name for text in PAGES.values() for name in re.findall(r"^!\[[^\]]+\]\((\S+)\)$", text, re.MULTILINE)}
    assert others == shown


def test_each_example_is_named_by_a_page_and_has_no_name_of_a_file_in_one() -> None:
    named = {name for text in PAGES.values() for name in examples_in(text)}
    assert named == set(EXAMPLES)
    assert not EXAMPLES.keys() & FILES.keys()


def test_each_topic_takes_one_line_of_a_terminal() -> None:
    longest = max(map(len, TOPICS))
    assert [topic for topic in TOPICS if 4 + longest + len(summary_of(PAGES[DOCS / f"{topic}.md"])) > 80] == []


@each_page
def test_each_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", ALL_PAGES[page], flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), target
        assert page.name == "README.md" or linked.is_relative_to(DOCS), f"{target} is not in the wheel"
        assert not anchor or anchor in anchors(ALL_PAGES[linked]), target


def test_each_topic_can_be_reached_from_the_readme() -> None:
    reached, new = set[Path](), {ROOT / "README.md"}
    while new:
        reached |= new
        links = {page: re.findall(r"\]\(([\w/-]+\.md)", PAGES[page]) for page in new}
        found = {(page.parent / name).resolve() for page, names in links.items() for name in names}
        new = (found & PAGES.keys()) - reached
    assert reached == set(PAGES)


@each_page
def test_each_option_that_is_named_exists(page: Path) -> None:
    known = set().union(*OPTIONS_OF.values()) | OF_ALL | OF_OTHERS | options_of_scripts()
    assert set(OPTION.findall(ALL_PAGES[page])) - known == set()


def options_of_scripts() -> set[str]:
    """Return the options that our scripts have."""
    sources = [path for path in (ROOT / "scripts").rglob("*") if path.is_file() and path.suffix in ("", ".py")]
    return {found for path in sources for found in OPTION.findall(path.read_text(errors="replace"))}


COMMANDS_SHOWN = sorted(
    {
        line.strip()
        for text in ALL_PAGES.values()
        for code in re.findall(r"`([^`\n]+)`|^([^`\n]+)$", text, re.MULTILINE)
        for line in re.split(r" \\?\| | > | < |; |, and|  #", code[0] or code[1])
        if re.match(rf"(?:\$ |\.venv/bin/)?(?:audiosocket )?(?:{'|'.join(COMMANDS)}) \S", line.strip())
    }
)
"""All that looks like a command line of ours, in code or in a block of it."""


@pytest.mark.parametrize("line", COMMANDS_SHOWN)
def test_each_command_line_has_options_of_its_command(line: str) -> None:
    words = line.replace("audiosocket ", "", 1).removeprefix("$ ").removeprefix(".venv/bin/").split()
    own = " ".join(words).split("--exec ")[0].split(" -- ")[0]
    assert set(OPTION.findall(own)) <= OPTIONS_OF[words[0]] | OF_ALL


def commands_said() -> set[str]:
    """Return the command lines that texts of the code hold in backquotes."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / "audiosocket_cli").rglob("*.py")]
    texts = [node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return {found for text in texts if isinstance(text, str) for found in re.findall(r"`audiosocket ([^`]+)`", text)}


@pytest.mark.parametrize("line", sorted(commands_said()))
def test_each_command_line_that_the_code_says_has_options_of_its_command(line: str) -> None:
    command = line.split()[0]
    assert command in [*OPTIONS_OF, "help"]
    assert set(OPTION.findall(line)) <= OPTIONS_OF[command] | OF_ALL


@pytest.mark.parametrize("command", COMMANDS)
def test_each_option_of_a_command_is_named_on_a_page_about_it(command: str) -> None:
    about = "\n".join(text for text in PAGES.values() if re.search(rf"\b{command}\b", text))
    assert OPTIONS_OF[command] - set(OPTION.findall(about)) == set()


def test_no_help_is_copied() -> None:
    for text in PAGES.values():
        assert "Usage: audiosocket" not in text
        assert "Show this message and exit" not in text


@pytest.mark.parametrize("code", ExitCode, ids=lambda code: code.name.lower())
def test_each_exit_code_is_explained(code: ExitCode) -> None:
    table = PAGES[DOCS / "exit-codes.md"].partition("## ")[0]
    assert re.search(rf"^\|[^|]*\b{int(code)}\b", table, re.MULTILINE)


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "library.md"], ids=lambda page: page.stem)
def test_the_library_example_works(page: Path) -> None:
    examples = "\n".join(block.code for block in BLOCKS if block.page == page and block.info == "pycon")
    test = doctest.DocTestParser().get_doctest(examples, {}, page.name, str(page), 0)
    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0


def test_the_library_page_names_all_that_is_public() -> None:
    assert [name for name in public_names if f"`{name}" not in PAGES[DOCS / "library.md"]] == []


def test_the_page_on_json_names_each_schema_and_each_key_of_a_result() -> None:
    page = PAGES[DOCS / "json.md"] + PAGES[DOCS / "json-results.md"]
    sources = [path.read_text() for path in (ROOT / "audiosocket_cli").rglob("*.py")]
    schemas = {schema for source in sources for schema in re.findall(r'"(audiosocket\.[a-z-]+/\d)"', source)}
    assert len(schemas) > 5
    assert [schema for schema in sorted(schemas) if f"`{schema}`" not in page] == []
    results = (ROOT / "audiosocket_cli" / "ui" / "results.py").read_text()
    keys = set(re.findall(r'"([a-z_]+)":', results.partition("def play_json")[2].partition("def _expectation_json")[0]))
    assert {"padded_s", "expectations"} <= keys
    assert [key for key in sorted(keys) if f"`{key}`" not in page] == []


def test_the_page_on_json_names_each_key_of_a_call(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--record", "calls", "--capture", "captures", "--calls", "1")
    assert run("inject-dtmf", "1", serving.target, "--after", "0.1", "--wait", "0.1").returncode == 0
    assert serving.end(0)[0] == 0
    (path,) = tmp_path.glob("calls/*.json")
    call = json.loads(path.read_text())
    keys = {*call, *call["caller"], *call["server"], *call["recording"], *call["capture"]}
    assert [key for key in sorted(keys) if f"`{key}`" not in PAGES[DOCS / "json.md"]] == []


def test_each_file_has_a_name_of_its_own() -> None:
    assert len(FILES) == sum(" " in block.info for block in BLOCKS)


@pytest.mark.parametrize("name", [name for name in FILES | EXAMPLES if name.endswith(".py")])
def test_each_python_file_is_python(name: str) -> None:
    ast.parse((FILES | EXAMPLES)[name])


def test_the_locustfile_is_that_of_the_scripts() -> None:
    ours = (ROOT / "scripts" / "locustfile.py").read_text()
    assert ast.dump(ast.parse(ours)).endswith(ast.dump(ast.parse(FILES["locustfile.py"])).removeprefix("Module(body=["))


def test_the_server_of_the_library_page_echoes(tmp_path: Path) -> None:
    port = free_port()
    assert "9092" in FILES["echo.py"]
    process = subprocess.Popen([sys.executable, "-c", FILES["echo.py"].replace("9092", str(port))])
    try:
        for _ in range(60):  # it may not be there yet
            done = run("play", f"127.0.0.1:{port}", "--record", tmp_path / "heard.wav", "--wait", "0.5")
            if done.returncode != 3:
                break
    finally:
        process.kill()
        process.wait()
    assert done.returncode == 0, done.stderr
    heard, _ = soundfile.read(tmp_path / "heard.wav", dtype="int16")
    assert np.abs(heard).max() > 10_000


def test_each_metric_that_a_page_names_is_served(serve: Serve) -> None:
    port = free_port()
    serve("--metrics", f"127.0.0.1:{port}", "--events", f"nats://127.0.0.1:{free_port()}/calls", "--spool", "spool")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        served = set(re.findall(r"^# TYPE (\w+)", answer.read().decode(), re.MULTILINE))
    named = {name for text in PAGES.values() for name in re.findall(r"\baudiosocket_(?!cli)\w+", text)}
    assert len(named) > 8
    assert named - served - {f"{name}_total" for name in served} == {"audiosocket_testbed"} & named


def test_each_filter_of_the_page_on_wireshark_is_one(tmp_path: Path) -> None:
    dissector = tmp_path / "audiosocket.lua"
    dissector.write_text(run("wireshark").stdout)
    capture = tmp_path / "empty.pcap"
    capture.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
    filters = re.findall(r"`(!?audiosocket[^`]*[^`*])`", PAGES[DOCS / "dissector.md"].partition("| filter |")[2])
    filters = [each for each in filters if not each.startswith("audiosocket.port") and "wireshark" not in each]
    assert len(filters) > 10
    for each in filters:
        done = subprocess.run(
            [need("tshark"), "-X", f"lua_script:{dissector}", "-r", capture, "-Y", each],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (each, done.stderr)


@pytest.mark.parametrize("listening", ["", "haproxy-pods.cfg"], ids=["servers", "pods"])
def test_the_configuration_of_haproxy_is_one(tmp_path: Path, listening: str) -> None:
    config = tmp_path / "haproxy.cfg"
    first, section, rest = EXAMPLES["haproxy.cfg"].partition("listen audiosocket\n")
    config.write_text(first + (FILES[listening] if listening else section + rest))
    done = subprocess.run([need("haproxy"), "-c", "-f", config], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_commands_of_the_readme_are_those_of_the_scripts() -> None:
    assert "scripts/setup && .venv/bin/audiosocket serve --record ./calls\n" in README
    assert "\nscripts/test\n" in README
    assert "exec scripts/test" in (ROOT / ".ci" / "run").read_text()


def test_each_script_that_a_page_names_is_there_and_can_be_run() -> None:
    for text in PAGES.values():
        for name in re.findall(r"`?scripts/([a-z][\w/-]*(?:\.py)?)", text):
            path = ROOT / "scripts" / name
            assert path.exists(), name
            assert path.suffix == ".py" or os.access(path, os.X_OK), name


def test_the_testbed_explains_itself() -> None:
    for arguments in ([], ["call"]):
        done = subprocess.run(
            [sys.executable, ROOT / "scripts" / "asterisk-testbed", *arguments, "--help"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0
        assert "call" in done.stdout
