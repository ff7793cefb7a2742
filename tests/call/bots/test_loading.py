"""Which function `serve --bot` names, and one line for each way in which there is none."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audiosocket_cli.call.bots.loading import check_function, load_function, name_of
from audiosocket_cli.errors import UsageError

BOT = """
import helper_of_bot
from functools import partial

async def answer(call):
    return helper_of_bot.WORD

class Bots:
    async def menu(self, call): return "menu"

class Called:
    async def __call__(self, call): return "called"

bots, called = Bots(), Called()
def sync(call): pass
async def generator(call): yield b""
async def two(call, other): pass
with_one = partial(two, other=1)
number = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    (tmp_path / "helper_of_bot.py").write_text("WORD = 'hello'")
    (tmp_path / "bot_1.py").write_text(BOT)
    (tmp_path / "json.py").write_text("async def answer(call): return 'ours'")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "mine.py").write_text("import beside\nasync def answer(call): return beside.WORD")
    (tmp_path / "sub" / "beside.py").write_text("WORD = 'beside'")
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def run(function: Any) -> object:
    try:
        function(None).send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("spec", "result"),
    [
        ("bot_1:answer", "hello"),
        ("bot_1.py:answer", "hello"),
        ("./bot_1.py:answer", "hello"),
        ("bot_1:bots.menu", "menu"),
        ("bot_1:called", "called"),
        ("bot_1:with_one", None),
        ("sub/mine.py:answer", "beside"),
        ("json.py:answer", "ours"),
    ],
)
def test_a_function_is_found_and_can_be_awaited(spec: str, result: object) -> None:
    assert run(load_function(spec)) == result


def test_a_file_is_found_by_its_whole_path(folder: Path) -> None:
    assert run(load_function(f"{folder}/sub/mine.py:answer")) == "beside"


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("bot_1", "'bot_1' is not a bot: write module:function, or path/to/file.py:function"),
        ("bot_1:", "'bot_1:' is not a bot: write module:function, or path/to/file.py:function"),
        (":answer", "':answer' is not a bot: write module:function, or path/to/file.py:function"),
        ("a b:answer", "'a b:answer' is not a bot: write module:function, or path/to/file.py:function"),
        ("nothing:x", "cannot load the bot nothing:x: there is no module nothing in {folder} or on Python's path"),
        ("bot_1.x:x", "cannot load the bot bot_1.x:x: there is no module bot_1.x in {folder} or on Python's path"),
        ("none.py:x", "cannot load the bot none.py:x: there is no file none.py"),
        ("bot_1:answr", "cannot load the bot bot_1:answr: bot_1 has no answr: did you mean answer?"),
        ("json:x", "cannot load the bot json:x: json has no x: it is a module of Python; for the file write json.py:…"),
        ("bot_1:x", "cannot load the bot bot_1:x: bot_1 has no x; its async functions: answer, two, with_one"),
        ("helper_of_bot:x", "cannot load the bot helper_of_bot:x: helper_of_bot has no x, nor any async function"),
        ("bot_1:sync", "cannot load the bot bot_1:sync: sync is not async: write async def sync(call)"),
        ("bot_1:Bots", "cannot load the bot bot_1:Bots: Bots is not async: write async def Bots(call)"),
        (
            "bot_1:generator",
            "cannot load the bot bot_1:generator: generator yields: what it has to say, it says by await call.say(…)",
        ),
        ("bot_1:number", "cannot load the bot bot_1:number: number is not a function: it is of type int"),
        ("bot_1:two", "cannot load the bot bot_1:two: two has to take one argument, the call"),
    ],
)
def test_what_is_no_bot_is_told_in_one_line(folder: Path, spec: str, problem: str) -> None:
    with pytest.raises(UsageError) as error:
        load_function(spec)
    assert str(error.value) == problem.replace("{folder}", str(folder))


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("x = (\n", "SyntaxError: '(' was never closed at bad.py:1"),
        ("\nimport nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found' at bad.py:2"),
        ("from json import nothing", "ImportError: cannot import name 'nothing' from 'json'"),
        ("\n\n1 / 0", "ZeroDivisionError: division by zero at bad.py:3"),
        ("import sys\nsys.exit('no key')", "SystemExit: no key at bad.py:2"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines at bad.py:1"),
        ("raise ValueError", "ValueError at bad.py:1"),
        ("import helper_bad", "NameError: name 'nothing' is not defined at helper_bad.py:2"),
    ],
    ids=lambda text: text.split("\n")[0][:30],
)
@pytest.mark.parametrize("name", ["bad", "bad.py"])
def test_a_module_that_cannot_be_imported_is_told_in_one_line(
    folder: Path, source: str, problem: str, name: str
) -> None:
    (folder / "bad.py").write_text(source)
    (folder / "helper_bad.py").write_text("\nnothing")
    with pytest.raises(UsageError) as error:
        load_function(f"{name}:answer")
    assert str(error.value).startswith(f"cannot load the bot {name}:answer: {problem}")
    assert "\n" not in str(error.value)
    assert "bad" not in sys.modules


async def nested(call: object) -> None:
    pass


def test_a_function_is_known_by_its_name_and_checked_without_a_file() -> None:
    assert name_of(nested) == f"{__name__}:nested"
    check_function("the bot x", "x", nested)
    check_function("the bot x", "x", functools.partial(nested))
    with pytest.raises(UsageError, match="not async"):
        check_function("the bot x", "x", lambda call: None)
