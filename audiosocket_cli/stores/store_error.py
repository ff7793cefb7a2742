"""What goes wrong with an object store, in one line that can be shown, and whether trying again may help."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from audiosocket_cli.errors import NetworkError
from audiosocket_cli.text import printable

_MAX_TEXT: Final = 300


class StoreFault(Enum):
    """What kind of failure it is."""

    AWAY = "the store does not answer, or says that it cannot at the moment"
    DENIED = "the keys are wrong, or allow too little"
    NO_BUCKET = "there is no such bucket"
    MISSING = "there is no such object"
    EXISTS = "there is an object of this name already, with other content"
    DAMAGED = "the store holds something else than was sent"
    TOO_LONG = "no store takes so long a name"
    OTHER = "anything else"


class StoreError(NetworkError, OSError):
    """An object store did not do what it was asked for; its text is one line that can be shown."""

    def __init__(self, message: str, fault: StoreFault, odd_name: str | None = None) -> None:
        super().__init__(message)
        self.fault = fault
        self.odd_name = odd_name
        """The whole name of an object that obstore does not take, where a listing came upon one."""

    @property
    def is_away(self) -> bool:
        """Whether the store is away: the same may succeed later, without anybody doing anything."""
        return self.fault is StoreFault.AWAY

    @property
    def is_missing(self) -> bool:
        """Whether there is no such object."""
        return self.fault is StoreFault.MISSING

    @property
    def is_taken(self) -> bool:
        """Whether there is an object of this name with other content."""
        return self.fault is StoreFault.EXISTS


def store_error(url: str, error: BaseException) -> StoreError:
    """Make one line of an error of obstore's about the object or bucket `url`.

    obstore's own text holds URLs, which may be signed, the store's answer over several lines, and all of it again as
    Rust shows it.
    """
    text = str(error).partition("\n\nDebug source:")[0]
    debug = str(error)[len(text) :]
    fault = _fault(error, text, debug)
    odd = _ODD_NAME.search(text) if type(error).__name__ == "InvalidPathError" else None
    return StoreError(f"{printable(url)}: {_in_words(url, fault, text, debug)}", fault, odd[1] if odd else None)


_ODD_NAME: Final = re.compile(r'Path "(.*)"(?:: Encountered illegal character sequence| contained empty path segment)',
                              re.DOTALL)  # fmt: skip


def _fault(error: BaseException, text: str, debug: str) -> StoreFault:
    status, code = _status(text), _code(text)
    kind = type(error).__name__
    if code in ("NoSuchBucket", "ContainerNotFound") or "bucket does not exist" in text:
        return StoreFault.NO_BUCKET
    if kind in ("PermissionDeniedError", "UnauthenticatedError") or status in (401, 403) or _lacks_keys(text):
        return StoreFault.AWAY if code in _LATER else StoreFault.DENIED
    if isinstance(error, FileNotFoundError) or status == 404:
        return StoreFault.MISSING
    if kind in ("AlreadyExistsError", "PreconditionError"):
        return StoreFault.EXISTS
    if status is not None:
        return (
            StoreFault.AWAY if status >= 500 or status in (408, 409, 425, 429) or code in _LATER else StoreFault.OTHER
        )
    return StoreFault.AWAY if _NOT_SENT.search(text + debug) else StoreFault.OTHER


_LATER: Final = {"RequestTimeout", "RequestTimeTooSkewed", "SlowDown", "InternalError", "ServerBusy"}
"""Codes of answers of the 4xx kind after which the same may succeed. A clock that is wrong gets set."""

_NOT_SENT: Final = re.compile(
    r"HTTP error|error sending request|timed out|operation timed out|connection|error decoding response body|"
    r"request or response body error|dns error|ConnectError|Io\(",
    re.IGNORECASE,
)

_CAUSES: Final = (
    (r"ConnectionRefused|Connection refused", "the connection is refused"),
    (r"dns error|failed to lookup address", "the name of its host is not found"),
    (r"ConnectionReset|Connection reset", "it reset the connection"),
    (r"TimedOut|timed out", "it does not answer in time"),
    (r"certificate|UnknownIssuer", "its certificate is not trusted"),
    (r"NetworkUnreachable|HostUnreachable|No route to host|Network is unreachable", "the network does not reach it"),
    (r"IncompleteMessage|UnexpectedEof|BrokenPipe|Broken pipe|connection closed", "it closed the connection"),
)


def _in_words(url: str, fault: StoreFault, text: str, debug: str) -> str:
    if _lacks_keys(text):
        return f"there are no keys: set them in the environment, as {_KEYS[url[:2]]}"
    if "Account must be specified" in text:
        return "there is no account: set it in the environment, as AZURE_STORAGE_ACCOUNT_NAME"
    if text.startswith("Encountered object with invalid path"):
        return (
            "nothing can be listed beside an object whose name has an empty part, .. or a control character: name a "
            f"folder without it ({_clean_text(text.partition(': ')[2])})"
        )
    status, code = _status(text), _code(text)
    said = _clean(_MESSAGE.search(text))
    if status is None:
        for pattern, words in _CAUSES:
            if re.search(pattern, text + debug):
                return words
        return _clean_text(text)
    answer = " ".join(filter(None, [str(status), code or _reason(text)])) + (f" ({said})" if said else "")
    if fault is StoreFault.MISSING:
        return f"there is no such object: {answer}"
    if fault is StoreFault.NO_BUCKET:
        return f"there is no such bucket: {answer}"
    if fault is StoreFault.EXISTS:
        return f"there is an object of this name already: {answer}"
    hint = ": the keys are wrong, or allow too little" if fault is StoreFault.DENIED and not code else ""
    return f"the store answered {answer}{hint}"


_KEYS: Final = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_KEY",
}

_STATUS: Final = re.compile(r"status code: (\d{3}) ?([A-Za-z -]*)")
_CODE: Final = re.compile(r'<Code>([\w.]{1,60})</Code>|"code": *"([\w.]{1,60})"')
_MESSAGE: Final = re.compile(r'<Message>(.*?)</Message>|"message": *"(.*?)"', re.DOTALL)


def _status(text: str) -> int | None:
    match = _STATUS.search(text)
    return int(match[1]) if match else None


def _reason(text: str) -> str:
    match = _STATUS.search(text)
    return match[2].strip() if match else ""


def _code(text: str) -> str | None:
    match = _CODE.search(text)
    return (match[1] or match[2]) if match else None


def _lacks_keys(text: str) -> bool:
    """Without keys obstore asks the cloud's own machine for some, and says that this does not answer."""
    return "169.254.169.254" in text or "metadata.google.internal" in text or "Missing credentials" in text


def _clean(match: re.Match[str] | None) -> str:
    return _clean_text(match[1] or match[2] or "") if match else ""


def _clean_text(text: str) -> str:
    """Return a text of others as one short line, without the query of a URL, which may be a signature."""
    text = re.sub(r"(https?://[^\s?]*)\?\S*", r"\1?…", " ".join(text.split()))
    text = re.sub(r"://[^/\s@]*@", "://…@", text)
    return printable(text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…").rstrip(".")
