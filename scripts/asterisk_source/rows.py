"""What a source tree says of each row: one small question a row, answered yes, no, or "cannot tell" (None).

A question looks at what makes the behaviour, not at a version or at a change log.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Final

from asterisk_source.c_text import block, case, constant, function, without_comments
from asterisk_source.trees import Tree
from audiosocket_cli.asterisk.releases import Behaviour

RESOURCE: Final = "res/res_audiosocket.c"
APPLICATION: Final = "apps/app_audiosocket.c"
DRIVER: Final = "channels/chan_audiosocket.c"
ARI: Final = "res/ari/resource_channels.c"

Question = Callable[[Tree], bool | None]


def _of(tree: Tree, path: str, *names: str) -> str | None:
    """Return the body of the first of some functions that the file has."""
    text = tree.read(path)
    return next((body for name in names if (body := function(text, name)) is not None), None)


def _receive(tree: Tree) -> str | None:
    return _of(tree, RESOURCE, "ast_audiosocket_receive_frame_with_hangup", "ast_audiosocket_receive_frame")


def _send(tree: Tree) -> str | None:
    return _of(tree, RESOURCE, "ast_audiosocket_send_frame")


def _connect(tree: Tree) -> str | None:
    return _of(tree, RESOURCE, "ast_audiosocket_connect")


def _has(body: str | None, pattern: str) -> bool | None:
    return None if body is None else re.search(pattern, body) is not None


def _exists(tree: Tree, path: str, pattern: str) -> bool | None:
    """Whether a file is there and has the pattern; where even AudioSocket is missing, nobody can tell."""
    text = tree.read(path)
    if text is not None:
        return _has(without_comments(text), pattern)
    return None if tree.read(RESOURCE) is None else False


def is_built(tree: Tree) -> bool | None:
    """Whether none of the three modules is left out by default (menuselect reads MODULEINFO)."""
    texts = [tree.read(path) for path in (RESOURCE, APPLICATION, DRIVER)]
    if None in texts or not all(text and "MODULEINFO" in text for text in texts):
        return None
    return not any(text and re.search(r"<defaultenabled>\s*no\s*<", text) for text in texts)


def takes_external_media(tree: Tree) -> bool | None:
    return _has(_of(tree, ARI, "ast_ari_channels_external_media"), r'"audiosocket"')


def checks_external_media(tree: Tree) -> bool | None:
    """Whether `data` is looked at before its length is taken."""
    bodies = [_of(tree, ARI, name) for name in ("ast_ari_channels_external_media", "external_media_audiosocket_tcp")]
    if None in bodies:
        return None
    return any(_has(body, r"ast_strlen_zero\( ?args->data ?\)") for body in bodies)


def takes_external_media_body(tree: Tree) -> bool | None:
    """Whether the body is read before `app` is asked for, and `data` goes to the application."""
    handler = _of(tree, ARI, "ast_ari_channels_external_media")
    place = _of(tree, ARI, "external_media_audiosocket_tcp")
    if handler is None or place is None:
        return None
    read, asked = handler.find("_parse_body("), handler.find("ast_strlen_zero(args->app)")
    if read < 0 or asked < 0:
        return None
    return read < asked and "args->app, args->data," in place


def wait_ms(tree: Tree) -> int | None:
    """Return how long the application waits for input: 0 not at all, -1 without an end; None where that is unclear."""
    body = _of(tree, APPLICATION, "audiosocket_run")
    if body is None or "ast_waitfor_nandfds" not in body or "&ms" not in body:
        return None
    values = re.findall(r"\bms = (-?\w+);", body)
    return constant(tree.read(APPLICATION), values[-1]) if values else None


def waits_for_input(tree: Tree) -> bool | None:
    limit_ms = wait_ms(tree)
    return None if limit_ms is None else limit_ms != 0


def has_silence_limit(tree: Tree) -> bool | None:
    limit_ms = wait_ms(tree)
    return None if limit_ms is None else limit_ms > 0


def goes_on(tree: Tree) -> bool | None:
    """Whether a hangup or EOF of the server is told apart, and ends the application with 0."""
    body = _of(tree, APPLICATION, "audiosocket_run")
    ending = block(body, r"if \( ?hangup ?\)")
    return _has(ending, r"return 0;") if ending is not None else _has(body, r"\bhangup\b")


def is_strict(tree: Tree) -> bool | None:
    """Whether an unknown kind and a length of 0 end the call (NULL), rather than being passed over."""
    body = _receive(tree)
    if body is None:
        return None
    kinds = block(body, r"if \( ?\*?kind != \w+ ?\)") or case(block(body, r"switch \( ?\*?kind ?\)"), "default")
    empty = block(body, r"if \( ?\*?(?:length|len) < 1 ?\)")
    if kinds is None or empty is None:
        return None
    return "return NULL;" in kinds and "return NULL;" in empty


def sends_digits(tree: Tree) -> bool | None:
    """Whether both the frame and the driver's part are there."""
    frame, driver = _has(_send(tree), r"case AST_FRAME_DTMF\w*:"), tree.read(DRIVER)
    if frame is None or driver is None:
        return None
    return frame if frame is (".send_digit_end" in without_comments(driver)) else None


def _has_wait(loop: str | None) -> bool | None:
    """Whether a loop waits when nothing is there yet (EAGAIN), and then goes on."""
    return _has(loop, r"\bEAGAIN\b.*\bast_wait_for_input\(.*\bcontinue;")


def takes_split_payload(tree: Tree) -> bool | None:
    return _has_wait(block(_receive(tree), r"while \( ?i < \*?(?:length|len) ?\)"))


def waits_for_header(tree: Tree) -> bool | None:
    body = _receive(tree)
    loop = block(body, r"while \( ?i < 3 ?\)")
    return _has_wait(loop) if loop is not None else _has(body, r"\bwhile \( ?i < (?:3|sizeof)")


def takes_split_header(tree: Tree) -> bool | None:
    """Whether a second read goes on where the first ended."""
    body = _receive(tree)
    return _has(body, r"read\( ?svc, ?header \+ i, ?3 - i ?\)")


def has_all_rates(tree: Tree) -> bool | None:
    """Whether the highest rate is both sent and taken."""
    sent, taken = (_has(body, r"\bast_format_slin192\b") for body in (_send(tree), _receive(tree)))
    return sent if sent is taken else None


def leaves_out_comfort_noise(tree: Tree) -> bool | None:
    """Whether what is neither voice nor a digit is passed over (0); without a switch all is sent as audio."""
    body = block(_send(tree), r"switch \( ?f->frametype ?\)")
    if body is None:
        return _has(_send(tree), r"\bAST_FRAME_CNG\b")
    noise = case(body, "case AST_FRAME_CNG") or case(body, "default")
    return None if noise is None else "return 0;" in noise


def closes_twice(tree: Tree) -> bool | None:
    """Whether a descriptor that was closed in the loop over addresses is closed again after it."""
    body = _connect(tree)
    last = block(body, r"if \( ?i == num_addrs ?\)")
    if body is None or last is None:
        return None
    return bool(re.search(r"close\(s\); continue;", body)) and "close(s);" in last


def waits_without_end(tree: Tree) -> bool | None:
    """Whether a header that never comes is waited for without an end: each 5 ms without input go on."""
    loop = block(_receive(tree), r"while \( ?i < 3 ?\)")
    if loop is None:
        return False if _receive(tree) is not None else None
    nothing = block(loop, r"else if \( ?poll_result == 0 ?\)")
    return None if nothing is None else "return" not in nothing and "continue;" in nothing


ROWS: Final[dict[Behaviour, Question]] = {
    Behaviour.BUILT: is_built,
    Behaviour.EXTERNAL_MEDIA: takes_external_media,
    Behaviour.EXTERNAL_MEDIA_CHECKED: checks_external_media,
    Behaviour.EXTERNAL_MEDIA_BODY: takes_external_media_body,
    Behaviour.TRY_EXEC: partial(_exists, path="apps/app_exec.c", pattern=r'"TryExec"'),
    Behaviour.IDLE_CPU: waits_for_input,
    Behaviour.UUID_FUNCTION: partial(_exists, path="funcs/func_uuid.c", pattern=r'\.name = "UUID"'),
    Behaviour.STRICT: is_strict,
    Behaviour.SILENCE_LIMIT: has_silence_limit,
    Behaviour.GOES_ON: goes_on,
    Behaviour.DIGITS: sends_digits,
    Behaviour.SPLIT_PAYLOAD: takes_split_payload,
    Behaviour.NODELAY: lambda tree: _has(_connect(tree), r"\bTCP_NODELAY\b"),
    Behaviour.WEBSOCKET: partial(_exists, path="channels/chan_websocket.c", pattern=r'\.type = "WebSocket"'),
    Behaviour.RATES: has_all_rates,
    Behaviour.HEADER_WAIT: waits_for_header,
    Behaviour.DEVICE_STATE: lambda tree: _has(
        _of(tree, DRIVER, "audiosocket_request"), r"\bAST_FLAG_DISABLE_DEVSTATE_CACHE\b"
    ),
    Behaviour.SPLIT_HEADER: takes_split_header,
    Behaviour.COMFORT_NOISE: leaves_out_comfort_noise,
}
"""Each row, asked of a tree."""

OPEN_FAULTS: Final[dict[str, Question]] = {
    "mute-until-server-speaks": waits_without_end,
    "closes-twice": closes_twice,
}
"""The faults of `audiosocket_cli.asterisk.release_faults` that no row ends, asked of a tree: yes means: it has it."""
