"""Who has logged in: the password once, then a cookie; and how often a password may be tried."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

SESSION_S: Final = 12 * 3600.0
"""How long a browser stays logged in."""

_MAX_SESSIONS: Final = 1000
"""Sessions at once; the oldest ends when there is one more."""

TRIES: Final = 5
"""Wrong passwords that one address may send at once, and then one every `TRY_S` seconds."""

TRY_S: Final = 10.0
_MAX_ADDRESSES: Final = 1000
_SAY_AGAIN_S: Final = 60.0
"""Seconds between two lines about guesses, whoever they are from."""


class Sessions:
    """Checks passwords, and knows who has given the right one. For one thread."""

    def __init__(
        self, token: str, clock: Callable[[], float] = time.monotonic,
        say: Callable[[str], object] = lambda line: None,
    ) -> None:  # fmt: skip
        """`token` is the password; an empty one means that there is none. `say` gets a line on guesses."""
        self._token = _digest(token)
        self.needs_password = bool(token)
        self._clock = clock
        self._say = say
        self._said_s = float("-inf")
        self._ends_s: OrderedDict[bytes, float] = OrderedDict()
        """When each session ends, by the digest of its cookie: who reads our memory, or times us, has no cookie."""
        self._wrong: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Of each address that was wrong lately: how many tries it had left, and when that was."""

    def wait_s(self, address: str) -> float:
        """Return after how many seconds an address may try again; 0.0: now."""
        left = self._tries_left(address)
        return 0.0 if left >= 1 else (1 - left) * TRY_S

    def is_right(self, password: str, address: str) -> bool:
        """Whether this is the password; a wrong one counts against the address."""
        if hmac.compare_digest(_digest(password), self._token):
            return True
        self._wrong[address] = (self._tries_left(address) - 1, self._clock())
        self._wrong.move_to_end(address)
        if len(self._wrong) > _MAX_ADDRESSES:
            self._wrong.popitem(last=False)
        if self.wait_s(address) and self._clock() >= self._said_s + _SAY_AGAIN_S:
            self._said_s = self._clock()
            self._say(f"too many wrong passwords for --web from {address}: each further one waits {TRY_S:g} s")
        return False

    def begin(self) -> str:
        """Begin a session, and return the text of its cookie."""
        cookie = secrets.token_urlsafe(32)
        self._ends_s[_digest(cookie)] = self._clock() + SESSION_S
        if len(self._ends_s) > _MAX_SESSIONS:
            self._ends_s.popitem(last=False)
        return cookie

    def knows(self, cookie: str) -> bool:
        """Whether this is the cookie of a session that goes on."""
        digest = _digest(cookie)
        ends_s = self._ends_s.get(digest)
        if ends_s is None:
            return False
        if ends_s > self._clock():
            return True
        del self._ends_s[digest]
        return False

    def end(self, cookie: str) -> None:
        """End a session."""
        self._ends_s.pop(_digest(cookie), None)

    def _tries_left(self, address: str) -> float:
        left, at_s = self._wrong.get(address, (float(TRIES), 0.0))
        return min(TRIES, left + (self._clock() - at_s) / TRY_S)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
