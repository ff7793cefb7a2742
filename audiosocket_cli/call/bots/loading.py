"""Finds the async function that `serve --bot` names, and says in one line what is wrong with it."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from pathlib import Path
from stat import S_ISREG
from types import ModuleType
from typing import cast

from audiosocket_cli.call.bots.block_watch import OURS
from audiosocket_cli.call.bots.function import BotFunction
from audiosocket_cli.disk import status_of
from audiosocket_cli.errors import UsageError


def load_function(spec: str) -> BotFunction:
    """Return what `module:function` or `path/to/file.py:function` names. The working directory is searched first.

    Raises `UsageError` where there is no such function, it is not async, it does not take one argument, or its module
    cannot be imported.
    """
    source, _, name = spec.rpartition(":")
    if not source or not name:
        raise UsageError(f"{spec!r} is not a bot: write module:function, or path/to/file.py:function")
    module = _file(spec, Path(source)) if source.endswith(".py") or os.sep in source else _module(spec, source)
    function: object = module
    for part in name.split("."):
        if not hasattr(function, part):
            other = _why_another(module, source)
            raise UsageError(f"cannot load the bot {spec}: {source} has no {name}{other or _others(module, name)}")
        function = getattr(function, part)
    check_function(f"the bot {spec}", name, function)
    return cast(BotFunction, function)


def _module(spec: str, name: str) -> ModuleType:
    if not re.fullmatch(r"\w+(\.\w+)*", name):
        raise UsageError(f"{spec!r} is not a bot: write module:function, or path/to/file.py:function")
    _search_first(Path.cwd())
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            raise UsageError(f"cannot load the bot {spec}: {_why(error)}") from None
        hint = f"; for the file write {name}.py:…" if os.path.exists(f"{name}.py") else ""
        raise UsageError(
            f"cannot load the bot {spec}: there is no module {error.name} in {Path.cwd()} or on Python's path{hint}"
        ) from None
    except (Exception, SystemExit) as error:
        raise UsageError(f"cannot load the bot {spec}: {_why(error)}") from None


def _file(spec: str, path: Path) -> ModuleType:
    status = status_of(path)
    if status is None or not S_ISREG(status.st_mode):
        raise UsageError(f"cannot load the bot {spec}: there is no file {path}")
    _search_first(path.resolve().parent)
    name = path.stem if path.stem.isidentifier() and path.stem not in sys.modules else f"bot_{abs(hash(path)):x}"
    found = importlib.util.spec_from_file_location(name, path.resolve())
    if found is None or found.loader is None:
        raise UsageError(f"cannot load the bot {spec}: {path} is not a Python file; its name has to end in .py")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UsageError(f"cannot load the bot {spec}: {_why(error)}") from None
    return module


def _search_first(folder: Path) -> None:
    if str(folder) not in sys.path[:1]:
        sys.path.insert(0, str(folder))


def _why(error: BaseException) -> str:
    """Say in one line what went wrong while a module was imported, and where in the user's own files."""
    if isinstance(error, SyntaxError):
        where = f" at {os.path.basename(error.filename or '?')}:{error.lineno}"
        return f"{type(error).__name__}: {error.msg}{where}"
    text = " ".join(str(error).split())
    what = f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    own = [place for place in places if not place[0].startswith((OURS, "<frozen", os.path.dirname(os.__file__)))]
    return f"{what} at {os.path.basename(own[-1][0])}:{own[-1][1]}" if own else what


def _others(module: ModuleType, name: str) -> str:
    """Return which function was probably meant, or those that there are."""
    there = [each for each, value in vars(module).items() if inspect.iscoroutinefunction(value)]
    near = difflib.get_close_matches(name, there, 1, 0.5)
    if near:
        return f": did you mean {near[0]}?"
    return f"; its async functions: {', '.join(there)}" if there else ", nor any async function"


def _why_another(module: ModuleType, name: str) -> str:
    """Say that a module is not the file of that name in the working directory, if so: it was loaded before."""
    path = Path(f"{name}.py")
    if not os.path.isfile(path) or os.path.realpath(getattr(module, "__file__", None) or "") == os.path.realpath(path):
        return ""
    return f": it is a module of Python; for the file write {path}:…"


def name_of(function: object) -> str:
    """Return how a function would be written as a bot: `module:function`."""
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{getattr(function, '__module__', '?')}:{name}"


def check_function(what: str, name: str, function: object) -> None:
    """Raise `UsageError` unless this is an async function of one argument; `what` and `name` are for its text."""
    if not callable(function):
        raise UsageError(f"cannot load {what}: {name} is not a function: it is of type {type(function).__name__}")
    is_async = inspect.iscoroutinefunction(inspect.unwrap(function)) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - of an object that is called as a function
    )
    if inspect.isasyncgenfunction(inspect.unwrap(function)):
        raise UsageError(f"cannot load {what}: {name} yields: what it has to say, it says by await call.say(…)")
    if inspect.isclass(function) or not is_async:
        last = name.rpartition(":")[2].rpartition(".")[2]
        plain = last if last.isidentifier() else "answer"
        raise UsageError(f"cannot load {what}: {name} is not async: write async def {plain}(call)")
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        raise UsageError(f"cannot load {what}: {name} has to take one argument, the call") from None
    except ValueError:  # a signature that nobody knows
        return
