"""What somebody wants a dialplan for: servers, a release, and the words that go into its lines, all of them checked."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

from audiosocket_cli.asterisk.dialplan.lines import address
from audiosocket_cli.asterisk.dialplan.plan import Style
from audiosocket_cli.asterisk.facts import DEFAULT_PORT
from audiosocket_cli.asterisk.releases import NEWEST, Behaviour, Release, since
from audiosocket_cli.errors import UsageError

DEFAULT_API_PORT: Final = 9080
"""The port of `serve --api` in our documentation."""

_EXTENSION: Final = re.compile(r"_?[\w.!*#+\[\]-]{1,79}", re.ASCII)
_CONTEXT: Final = re.compile(r"[A-Za-z0-9_-]{1,79}")
_NO_CONTEXTS: Final = frozenset(["general", "globals"])
"""Sections of extensions.conf that are not contexts, in any case of letters (`pbx_load_config`)."""

_ALL: Final = frozenset(["_.", "_!"])
"""Patterns that Asterisk warns of: they take what it calls by itself, too, such as `h` when a call ends."""

_AEL_WORDS: Final = frozenset(
    [
        "abstract",
        "break",
        "case",
        "catch",
        "context",
        "continue",
        "else",
        "eswitches",
        "extend",
        "for",
        "globals",
        "goto",
        "hint",
        "if",
        "ignorepat",
        "iftime",
        "includes",
        "jump",
        "local",
        "macro",
        "pattern",
        "random",
        "regexten",
        "return",
        "switch",
        "switches",
        "while",
    ]
)
"""Words of the language, which cannot be names in it (res/ael/ael.flex)."""

_FOLDER: Final = re.compile(r"(?:/[A-Za-z0-9_.+-]+){1,20}")
"""A path that needs no quotes, neither in the dialplan nor in a shell."""

_USUAL: Final[dict[Style, tuple[str, str]]] = {
    "extensions": ("100", "phones"),
    "freepbx": ("9092", "from-internal-custom"),
    "ael": ("100", "phones"),
}
"""The extension and its context, by style. On FreePBX numbers such as 100 belong to phones."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the lines have to do with, made by `wish`."""

    servers: tuple[str, ...]
    release: Release
    style: Style
    extension: str
    context: str
    codec: str
    variables: str
    api: str

    @property
    def server(self) -> str:
        """The server, or the first of them."""
        return self.servers[0]


def wish(
    servers: tuple[str, ...] = (),
    release: Release = NEWEST,
    style: Style = "extensions",
    *,
    extension: str | None = None,
    context: str | None = None,
    codec: str | None = None,
    variables: str | None = None,
    api: str | None = None,
) -> Wish:
    """Check what is wanted, and fill in what is usual. Raises `UsageError`."""
    usual_extension, usual_context = _USUAL[style]
    servers = tuple(map(address, servers)) or (f"127.0.0.1:{DEFAULT_PORT}",)
    host = servers[0].rpartition(":")[0]
    made = Wish(
        servers=servers,
        release=release,
        style=style,
        extension=usual_extension if extension is None else extension,
        context=usual_context if context is None else context,
        codec=codec or "slin",
        variables="/var/spool/audiosocket" if variables is None else variables,
        api=f"{host}:{DEFAULT_API_PORT}" if api is None else address(api),
    )
    _check(made)
    return made


def _check(made: Wish) -> None:
    if not _EXTENSION.fullmatch(made.extension) or not _has_whole_brackets(made.extension):
        raise UsageError(f"{made.extension!r:.80} is not an extension: write one such as 100 or _1XX")
    if made.extension in _ALL:
        raise UsageError(
            f"the pattern {made.extension} takes even the end of a call: write _X{made.extension[1:]} for any number"
        )
    if not _CONTEXT.fullmatch(made.context):
        raise UsageError(f"{made.context!r:.80} is not a context: write one such as phones, of A-Z, a-z, 0-9, _ and -")
    if made.context.lower() in _NO_CONTEXTS:
        raise UsageError(f"[{made.context}] of extensions.conf is not a context: write another, such as phones")
    for name in (made.context, made.extension) if made.style == "ael" else ():
        if name.lower() in _AEL_WORDS:
            raise UsageError(f"{name} is a word of AEL, and is not a name there: write another")
    if not _FOLDER.fullmatch(made.variables):
        raise UsageError(
            f"--variables {made.variables!r:.80} is not a folder for a dialplan: write a whole path such as "
            "/var/spool/audiosocket, without spaces"
        )
    twice = [server for server, count in Counter(made.servers).items() if count > 1]
    if twice:
        raise UsageError(f"{twice[0]} is named twice: name two servers, or one")
    if made.codec != "slin" and not made.release.has(Behaviour.RATES):
        raise UsageError(
            f"Asterisk {made.release} sends {made.codec} with the kind of 8 kHz, which is noise: use --codec slin, or "
            f"update it (Asterisk {since(Behaviour.RATES)})"
        )


def _has_whole_brackets(extension: str) -> bool:
    """Whether each `[` of a pattern is closed: until it is, a comma does not end the extension (`pbx_strsep`)."""
    return re.search(r"[\[\]]", re.sub(r"\[[^\[\]]+\]", "", extension)) is None
