"""Libraries that may be missing: loaded when they are first used, and named with what installs them.

Most calls need neither libsndfile nor soxr: plain WAV and the rates of calls are our own. So a system without them, or
where they cannot be loaded, answers and records calls all the same.
"""

from __future__ import annotations

import importlib
import shlex
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final

from audiosocket_cli.errors import MissingLibraryError


def install_line(package: str) -> str:
    """Return the line that installs a package of PyPI beside this one: in a checkout, a virtual environment or any."""
    return f"{shlex.quote(sys.executable or 'python3')} -m pip install {shlex.quote(package)}"


class _Library:
    """A module that is loaded with the first use of anything in it. Raises `MissingLibraryError`."""

    def __init__(self, name: str, purpose: str, system_package: str | None = None) -> None:
        self.__name, self.__purpose, self.__system_package = name, purpose, system_package

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self.__load(), attribute)

    def __load(self) -> Any:
        try:
            return importlib.import_module(self.__name)
        except ImportError as error:
            if error.name == self.__name:
                cure = f"is not installed: {install_line(self.__name)}"
            else:
                cure = f"cannot be loaded ({first_line(error)}): {install_line(self.__name)} --force-reinstall"
            raise MissingLibraryError(f"{self.__name}, {self.__purpose}, {cure}") from None
        except OSError as error:  # soundfile found no libsndfile: not the one of its wheel, nor the system's
            raise MissingLibraryError(
                f"{self.__name}, {self.__purpose}, cannot be loaded ({first_line(error)}): install the system's "
                f"{self.__system_package}, as apt-get install {self.__system_package}"
            ) from None


def import_problem(error: ImportError) -> str | None:
    """Say in one line which library cannot be loaded, and what may help; None when it is a module of our own."""
    frames = traceback.walk_tb(error.__traceback__)
    names = [error.name or "", *(str(frame.f_globals.get("__name__")) for frame, _ in frames)]
    outside = [name.split(".")[0] for name in names if name and name.split(".")[0] not in _NOT_TO_BLAME]
    if (error.name or "").startswith("audiosocket_cli") or not outside:
        return None
    reason = first_line(error.__cause__ or error)
    return f"cannot load {outside[0]} ({reason}): {install_line(outside[0])} --force-reinstall"


_NOT_TO_BLAME: Final = {"audiosocket_cli", "importlib", "click", "__main__", "runpy", "contextlib"}
"""Whose frames are between ours and those of a library that cannot be loaded."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text: some libraries explain themselves over pages."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


if TYPE_CHECKING:
    import sounddevice as sounddevice
    import soundfile as soundfile
    import soxr as soxr
else:
    sounddevice = _Library("sounddevice", "which plays on sound cards and records from them", "libportaudio2")
    soundfile = _Library("soundfile", "which reads and writes sound files", "libsndfile1")
    soxr = _Library("soxr", "which converts sample rates", "libsoxr0")
