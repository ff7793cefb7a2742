"""What Asterisk writes to its log about AudioSocket, and what each line means. The one table of it.

Source: `res/res_audiosocket.c`, `apps/app_audiosocket.c` and `channels/chan_audiosocket.c` of every release tag from
18.0.0 to 23.4.1, certified ones too, and lines of other files that have to do with it. Texts are as the source has
them; where one release quotes a value and another does not, the quotes stand here.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final, NamedTuple


class Role(Enum):
    """What a line is among those of its call."""

    CAUSE = auto()
    """It says what went wrong."""
    FOLLOWS = auto()
    """It says that something failed of a cause that another line names; alone, it has an id of its own."""
    END = auto()
    """The call ended in order, unless another line names a cause."""
    NEWS = auto()
    """Nothing is wrong."""


class LogLine(NamedTuple):
    """One line that Asterisk can write."""

    text: str
    """As in the source, with %s and %d."""
    function: str
    """The function that writes it."""
    role: Role
    finding: str
    """The id of the finding that it means, where nothing in its call says otherwise; empty for news."""


_C, _F, _E, _N = Role.CAUSE, Role.FOLLOWS, Role.END, Role.NEWS

_RES: Final = (
    # handle_audiosocket_connection and ast_audiosocket_connect: getting connected
    LogLine(
        "AudioSocket connection to '%s' timedout after MAX_CONNECT_TIMEOUT_MSEC (%d) milliseconds.",
        "handle_audiosocket_connection", _C, "server-black-hole",
    ),
    LogLine("Connect to '%s' failed: %s", "handle_audiosocket_connection", _C, "server-unreachable"),
    LogLine("Connection to '%s' failed with error: %s", "handle_audiosocket_connection", _C, "server-unreachable"),
    LogLine(
        "Connecting to '%s' failed for url '%s': %s", "handle_audiosocket_connection", _C, "server-refuses"
    ),
    LogLine("Failed to start autoservice for channel '%s'", "ast_audiosocket_connect", _E, "caller-gone-early"),
    LogLine("Failed to stop autoservice for channel '%s'", "ast_audiosocket_connect", _E, "caller-gone-early"),
    LogLine("No AudioSocket server provided", "ast_audiosocket_connect", _C, "no-server"),
    LogLine(
        "Failed to resolve AudioSocket service using '%s' - requires a valid hostname and port",
        "ast_audiosocket_connect", _C, "server-name-unknown",
    ),
    LogLine("No port provided for '%s'", "ast_audiosocket_connect", _C, "no-port"),
    LogLine("Unable to create socket: '%s'", "ast_audiosocket_connect", _C, "too-many-files"),
    LogLine("Failed to set TCP_NODELAY on AudioSocket: %s", "ast_audiosocket_connect", _N, ""),
    LogLine(
        "Connection to '%s' failed with unexpected error: %s", "ast_audiosocket_connect", _C, "server-unreachable"
    ),
    LogLine("Failed to connect to AudioSocket service", "ast_audiosocket_connect", _F, "server-unreachable"),
    # ast_audiosocket_init
    LogLine("No UUID for AudioSocket", "ast_audiosocket_init", _C, "uuid-malformed"),
    LogLine("Failed to parse UUID '%s'", "ast_audiosocket_init", _C, "uuid-malformed"),
    # ast_audiosocket_send_frame
    LogLine(
        "Failed to write data to AudioSocket because: %s", "ast_audiosocket_send_frame", _C, "server-closes-unread"
    ),
    LogLine("Failed to write data to AudioSocket", "ast_audiosocket_send_frame", _C, "server-closes-unread"),
    LogLine("Unsupported frame type %d for AudioSocket", "ast_audiosocket_send_frame", _C, "comfort-noise"),
    LogLine("Unsupported frame type %s (%d) for AudioSocket", "ast_audiosocket_send_frame", _N, ""),
    # ast_audiosocket_receive_frame_with_hangup, and ast_audiosocket_receive_frame of old releases
    LogLine(
        "Failed to read header from AudioSocket because: %s",
        "ast_audiosocket_receive_frame_with_hangup", _C, "server-closes-unread",
    ),
    LogLine(
        "Failed to read type header from AudioSocket", "ast_audiosocket_receive_frame", _C, "server-closes-unread"
    ),
    LogLine(
        "Received AudioSocket message other than hangup or audio, refer to protocol specification for valid message "
        "types", "ast_audiosocket_receive_frame_with_hangup", _C, "server-sends-unknown-kind",
    ),
    LogLine(
        "Received non-audio AudioSocket message", "ast_audiosocket_receive_frame", _C, "server-sends-unknown-kind"
    ),
    LogLine(
        "Invalid message length received from AudioSocket server.",
        "ast_audiosocket_receive_frame_with_hangup", _C, "server-sends-empty-audio",
    ),
    LogLine("Failed to allocate for data from AudioSocket", "ast_audiosocket_receive_frame", _C, "out-of-memory"),
    LogLine(
        "Poll timed out while waiting for data",
        "ast_audiosocket_receive_frame_with_hangup", _C, "server-splits-frames",
    ),
    LogLine(
        "Poll timed out while waiting for header data", "ast_audiosocket_receive_frame_with_hangup", _N, ""
    ),
    LogLine("Poll error: %s", "ast_audiosocket_receive_frame_with_hangup", _C, "descriptor-closed-twice"),
    LogLine(
        "Failed to read payload from AudioSocket: %s",
        "ast_audiosocket_receive_frame_with_hangup", _C, "server-dies-in-frame",
    ),
    LogLine("Failed to read data from AudioSocket", "ast_audiosocket_receive_frame", _C, "server-splits-frames"),
    LogLine("Failed to read data length from AudioSocket", "ast_audiosocket_receive_frame", _C, "server-splits-frames"),
    LogLine(
        "Insufficient payload read from AudioSocket",
        "ast_audiosocket_receive_frame_with_hangup", _C, "server-dies-in-frame",
    ),
    LogLine("Insufficient data read from AudioSocket", "ast_audiosocket_receive_frame", _C, "server-dies-in-frame"),
    LogLine("Loading AudioSocket Support module", "load_module", _N, ""),
    LogLine("Unloading AudioSocket Support module", "unload_module", _N, ""),
)  # fmt: skip
"""res_audiosocket.c"""

_APP: Final = (
    LogLine("UUID is required", "audiosocket_exec", _C, "uuid-malformed"),
    LogLine("Failed to set write format to SLINEAR for channel '%s'", "audiosocket_exec", _C, "codec-missing"),
    LogLine("Failed to set read format to SLINEAR for channel '%s'", "audiosocket_exec", _C, "codec-missing"),
    LogLine("Failed to restore write format for channel '%s'", "audiosocket_exec", _N, ""),
    LogLine("Failed to restore read format for channel '%s'", "audiosocket_exec", _N, ""),
    LogLine("Channel is not answered", "audiosocket_run", _C, "no-answer"),
    LogLine("Channel is missing", "audiosocket_run", _E, "caller-gone-early"),
    LogLine("Failed to initialize AudioSocket", "audiosocket_run", _F, "server-closes-unread"),
    LogLine("Failed to intialize AudioSocket", "audiosocket_run", _F, "server-closes-unread"),
    LogLine(
        "Failed to receive frame from channel '%s' connected to AudioSocket server '%s'",
        "audiosocket_run", _E, "normal-end",
    ),
    LogLine(
        "Failed to forward frame from channel '%s' to AudioSocket server '%s'",
        "audiosocket_run, audiosocket_write", _F, "server-closes-unread",
    ),
    LogLine("Failed to forward channel frame from %s to AudioSocket", "audiosocket_run", _F, "server-closes-unread"),
    LogLine(
        "Failed to receive frame from AudioSocket server '%s' connected to channel '%s'",
        "audiosocket_run, audiosocket_read", _F, "server-closes-unread",
    ),
    # Before 20.14, 21.9 and 22.4 a hangup of the server ends so, too.
    LogLine(
        "Failed to receive frame from AudioSocket message forchannel %s", "audiosocket_run", _E, "normal-end"
    ),
    LogLine(
        "Failed to forward frame from AudioSocket server '%s' to channel '%s'", "audiosocket_run", _E, "normal-end"
    ),
    LogLine("Failed to forward frame to channel %s", "audiosocket_run", _E, "normal-end"),
    LogLine(
        "Reached timeout after %d ms of no activity on AudioSocket connection between '%s' and '%s'",
        "audiosocket_run", _C, "server-silent",
    ),
)  # fmt: skip
"""app_audiosocket.c"""

_CHAN: Final = (
    LogLine("Destination is required for the 'AudioSocket' channel", "audiosocket_request", _C, "no-server"),
    LogLine("Destination '%s' could not be parsed", "audiosocket_request", _C, "server-name-unknown"),
    LogLine("UUID is required for the 'AudioSocket' channel", "audiosocket_request", _C, "uuid-malformed"),
    LogLine("'AudioSocket' channel options '%s' parse error", "audiosocket_request", _C, "bracket-missing"),
    LogLine("Codec '%s' not found for AudioSocket connection to '%s'", "audiosocket_request", _C, "unknown-codec"),
    LogLine("No codec available for AudioSocket connection to '%s'", "audiosocket_request", _C, "no-codec"),
    LogLine("Failed to allocate AudioSocket channel pvt", "audiosocket_request", _C, "out-of-memory"),
    LogLine("Unable to register channel class AudioSocket", "load_module", _C, "module-missing"),
    LogLine(
        "Failed to forward DTMF frame from channel '%s' to AudioSocket server '%s'",
        "audiosocket_send_dtmf", _F, "server-closes-unread",
    ),
)  # fmt: skip
"""chan_audiosocket.c"""

_OTHERS: Final = (
    LogLine("No application 'AudioSocket' for extension (%s)", "pbx.c: pbx_extension_helper", _C, "module-missing"),
    LogLine("No channel type registered for 'AudioSocket'", "channel.c: ast_request", _C, "module-missing"),
    LogLine("Error loading module '%s': %s", "loader.c: load_dynamic_module", _C, "module-missing"),
    LogLine("Error loading module '%s', missing %s: %s", "loader.c: load_dynamic_module", _C, "module-missing"),
    LogLine("Module '%s' could not be loaded.", "loader.c: load_resource", _C, "module-missing"),
    LogLine("Module '%s' already loaded and running.", "loader.c: load_resource", _N, ""),
    LogLine("Function UUID not registered", "pbx_functions.c: ast_func_read", _C, "func-missing"),
    LogLine(
        "Unable to create channel of type 'AudioSocket' (cause %d - %s)",
        "app_dial.c: dial_exec_full", _F, "server-unreachable",
    ),
    LogLine("Unable to request channel AudioSocket/%s", "channel.c: __ast_request_and_dial", _F, "server-unreachable"),
    LogLine("No path to translate from %s to %s", "channel.c: ast_channel_make_compatible", _C, "codec-missing"),
    LogLine(
        "No translator path exists for channel type AudioSocket (native %s) to %s",
        "channel.c: request_channel", _C, "codec-missing",
    ),
    LogLine(
        "Exceptionally long voice queue length%s queuing to %s", "channel.c: __ast_queue_frame", _C, "server-bursts"
    ),
    LogLine("Exceptionally long queue length%s queuing to %s", "channel.c: __ast_queue_frame", _C, "server-bursts"),
    LogLine("read() failed: Bad file descriptor", "alertpipe.c: ast_alertpipe_read", _C, "descriptor-closed-twice"),
    LogLine(
        "read() failed flushing alertpipe: Bad file descriptor",
        "alertpipe.c: ast_alertpipe_flush", _C, "descriptor-closed-twice",
    ),
    LogLine('getaddrinfo("%s", "%s", ...): %s', "netsock2.c: ast_sockaddr_resolve", _C, "server-name-unknown"),
    LogLine("Port missing in %s", "netsock2.c: ast_sockaddr_split_hostport", _C, "no-port"),
    LogLine("Out of buffer space", "translate.c: framein", _C, "frame-too-long"),
)  # fmt: skip
"""Lines of other files, whose texts do not all name AudioSocket."""

LINES: Final = (*_RES, *_APP, *_CHAN, *_OTHERS)

_PLACE: Final = re.compile(r"('?)(%[sd])('?)")

_KEY_WORDS: Final = 3
"""A line is looked up by its first words."""

_NO_WORD: Final = b"getaddrinfo("
"""The beginning of the one text that has no space before its first value."""


class Known(NamedTuple):
    """A line of a log that is in the table."""

    line: LogLine
    values: tuple[bytes, ...]
    """What stands for each %s and %d, in order."""


def find_line(text: bytes) -> Known | None:
    """Return what the text of a log line is, without what stands before it (time, level, file); None for others."""
    words = text.split(b" ", _KEY_WORDS)[:_KEY_WORDS]
    if text.startswith(_NO_WORD):
        words = [_NO_WORD]
    for count in range(len(words), 0, -1):
        for line, pattern in _BY_WORDS.get(b" ".join(words[:count]), ()):
            match = pattern.match(text)
            if match:
                return Known(line, match.groups())
    return None


def _pattern(text: str) -> re.Pattern[bytes]:
    """Return what finds a text."""
    parts, at = [], 0
    for place in _PLACE.finditer(text):
        parts.append(re.escape(text[at : place.start()]))
        at = place.end()
        ends, quoted = at == len(text), bool(place[1])
        if place[2] == "%d":
            parts.append(r"(-?\d+)")
        elif quoted:
            parts.append(r"'?([^'\r\n]*)'?" if ends else r"'?(.*?)'?")
        else:
            parts.append(r"([^\r\n]*)" if ends else r"(.*?)")
    parts.append(re.escape(text[at:]))
    return re.compile("".join(parts).encode())


def _by_words() -> dict[bytes, list[tuple[LogLine, re.Pattern[bytes]]]]:
    table: dict[bytes, list[tuple[LogLine, re.Pattern[bytes]]]] = {}
    for line in LINES:
        whole = line.text.partition("%")[0].rstrip("'\"").split(" ")
        literal = whole if "%" not in line.text else whole[:-1]  # the last may be the beginning of a word
        words = literal[:_KEY_WORDS] or whole
        table.setdefault(" ".join(words).encode(), []).append((line, _pattern(line.text)))
    for found in table.values():
        found.sort(key=lambda each: -len(each[0].text))  # the longer text says more
    return table


_BY_WORDS: Final = _by_words()
