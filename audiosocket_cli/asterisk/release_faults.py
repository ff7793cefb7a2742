"""Known faults of Asterisk's releases that a user of AudioSocket meets, each with what to do about it.

A fault lasts from one row of the table in `releases` to another, so that there is one table of versions. What Asterisk
does on purpose (a call without any sound ends after 2 s, …) is not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from audiosocket_cli.asterisk.releases import CHANGES, Behaviour, Release, since


class Interface(StrEnum):
    """Whom a fault concerns: users of what."""

    ALL = "all"
    APPLICATION = "application"  # AudioSocket()
    DRIVER = "channel driver"  # Dial(AudioSocket/…), and ARI's
    ARI = "ARI"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what happens, whom it concerns, and what to do."""

    id: str
    """A short name; it never changes."""
    what: str
    """What happens, in one sentence without a full stop."""
    cure: str
    """What to do on a release that has it, in one sentence without a full stop."""
    where: str
    """The file in Asterisk's source, and in brackets the function."""
    interface: Interface = Interface.ALL
    begins: Behaviour | None = None
    """With what it came; None: it was there from the beginning."""
    ends: Behaviour | None = None
    """With what it went; None: no release is without it."""
    issue: str = ""
    """Where it is reported: asterisk#2089."""

    def is_in(self, release: Release) -> bool:
        """Whether `release` has it."""
        has_begun = self.begins is None or release.has(self.begins)
        return has_begun and not (self.ends is not None and release.has(self.ends))

    @property
    def fixed_in(self) -> str:
        """The first releases without it: "20.19, 22.9, 23.3"; empty while no release is."""
        return "" if self.ends is None else since(self.ends)

    @property
    def releases(self) -> str:
        """The releases with it, in words: "since 20.17, 22.7, 23.1", "before 20.14, 21.9, 22.4, 23.0", "all"."""
        begin = "" if self.begins is None else f"since {since(self.begins)}"
        end = f"before {self.fixed_in}" if self.ends else ""
        return "; ".join(filter(None, (begin, end))) or "all"

    def fixed_in_branch(self, release: Release) -> str:
        """The first release of the same branch without it, as "22.9"; empty where the branch has none."""
        first = None if self.ends is None else CHANGES[self.ends].first.get(release.major)
        return "" if first is None or release.certified else f"{release.major}.{first}"


def faults_of(release: Release) -> list[Fault]:
    """Return the known faults of a release, the gravest first."""
    return [fault for fault in FAULTS if fault.is_in(release)]


_RECEIVE: Final = "res/res_audiosocket.c (ast_audiosocket_receive_frame_with_hangup)"
_SEND: Final = "res/res_audiosocket.c (ast_audiosocket_send_frame)"
_CONNECT: Final = "res/res_audiosocket.c (ast_audiosocket_connect)"
_EXTERNAL_MEDIA: Final = "res/ari/resource_channels.c (external_media_audiosocket_tcp)"

FAULTS: Final = (
    Fault(
        "ari-crash",
        "Asterisk crashes when externalMedia with encapsulation=audiosocket has no data",
        "always give the call's UUID as data",
        _EXTERNAL_MEDIA,
        Interface.ARI,
        ends=Behaviour.EXTERNAL_MEDIA_CHECKED,
        issue="ASTERISK-29514",
    ),
    Fault(
        "busy-wait",
        "each call of AudioSocket() takes a whole processor core, as the application looks for input without a pause",
        "use Dial(AudioSocket/…/c(slin)) in place of AudioSocket()",
        "apps/app_audiosocket.c (audiosocket_run)",
        Interface.APPLICATION,
        ends=Behaviour.IDLE_CPU,
        issue="asterisk#234",
    ),
    Fault(
        "spins-on-close",
        "a server that closes without a hangup frame leaves the call up, and Asterisk reads the closed connection "
        "without a pause, with a whole processor core, until the caller hangs up",
        "let the server send a hangup frame (00 00 00) before it closes",
        "res/res_audiosocket.c (ast_audiosocket_receive_frame)",
        ends=Behaviour.STRICT,
        issue="asterisk#234",
    ),
    Fault(
        "mute-until-server-speaks",
        "Asterisk may wait for the server's first bytes without an end, and sends it nothing meanwhile: one call in "
        "three to five of a server that waits for the caller stays mute; it also holds the channel, so that ARI "
        "requests were seen to stall for minutes",
        "let the server send silence at once after the UUID, one frame every 20 ms",
        _RECEIVE,
        begins=Behaviour.HEADER_WAIT,
        issue="asterisk#2089, asterisk#2078",
    ),
    Fault(
        "closes-twice",
        "a failed connection is closed twice, which can close a descriptor of another call: other calls end early, "
        "with 'Bad file descriptor' in the log",
        "keep the server's port open at all times, across restarts too",
        _CONNECT,
    ),
    Fault(
        "ends-on-empty-read",
        "a read before the server's data is there ends the call, with 'Resource temporarily unavailable' in the log",
        "let the server send a frame every 20 ms from the beginning",
        _RECEIVE,
        begins=Behaviour.STRICT,
        ends=Behaviour.HEADER_WAIT,
    ),
    Fault(
        "split-payload",
        "a frame of which not all bytes have arrived ends the call",
        "let the server set TCP_NODELAY and send each frame in one piece of 20 ms; avoid slow networks between",
        _RECEIVE,
        ends=Behaviour.SPLIT_PAYLOAD,
    ),
    Fault(
        "split-header",
        "a frame whose three header bytes arrive in two pieces is misread, which mostly ends the call",
        "let the server send header and payload in one call of send, with TCP_NODELAY set",
        _RECEIVE,
        ends=Behaviour.SPLIT_HEADER,
    ),
    Fault(
        "comfort-noise",
        "comfort noise from the phone ends the call, with 'Unsupported frame type 10' in the log",
        "turn silence suppression off in the phone or trunk, or use AudioSocket(), which ignores it",
        _SEND,
        Interface.DRIVER,
        begins=Behaviour.DIGITS,
        ends=Behaviour.COMFORT_NOISE,
    ),
    Fault(
        "comfort-noise-as-audio",
        "comfort noise from the phone reaches the server as audio frames of length 0 or of a few bytes",
        "let the server skip such frames, or turn silence suppression off in the phone or trunk",
        _SEND,
        Interface.DRIVER,
        ends=Behaviour.DIGITS,
    ),
    Fault(
        "digits-lost",
        "keys that the caller presses do not reach the server",
        "read keys in the dialplan, before or after the call to the server (Read(), with a phone on the channel)",
        _SEND,
        ends=Behaviour.DIGITS,
    ),
    Fault(
        "dialplan-ends",
        "the dialplan does not go on after AudioSocket(), not even when the server hung up",
        "use Dial(AudioSocket/…/c(slin),,g), or TryExec(AudioSocket(…))",
        "apps/app_audiosocket.c (audiosocket_run)",
        Interface.APPLICATION,
        ends=Behaviour.GOES_ON,
    ),
    Fault(
        "rates-labelled-slin",
        "audio of any rate is sent, and taken, as kind 10: c(slin16) is heard at half its speed",
        "write c(slin)",
        _SEND,
        Interface.DRIVER,
        ends=Behaviour.RATES,
    ),
    Fault(
        "device-state-grows",
        "each call leaves a device state in memory for good; after about 100,000 calls the log says 'Excessive "
        "refcount'",
        "restart Asterisk from time to time",
        "channels/chan_audiosocket.c (audiosocket_request)",
        Interface.DRIVER,
        ends=Behaviour.DEVICE_STATE,
        issue="asterisk#1638",
    ),
    Fault(
        "delayed-frames",
        "frames may wait for others before they are sent, as TCP_NODELAY is not set",
        "let the server's system acknowledge at once, or accept up to 40 ms of delay",
        _CONNECT,
        ends=Behaviour.NODELAY,
    ),
)
"""The gravest first."""
