"""Which test calls are placed: what Asterisk is told for each, and the connections that come of it.

None needs a dialplan. The CLI's `channel originate` dials a channel of AudioSocket, and runs an application on it:
`Echo()` sends back what we say, `SendDTMF()` presses keys, `Milliwatt()` plays a tone of Asterisk's own, and
`AudioSocket()` connects to us once more, so that each of two connections hears what the other says.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Final

from audiosocket_cli.asterisk.releases import Behaviour, Release
from audiosocket_cli.codec import RATE_BY_KIND, Kind, kind_name
from audiosocket_cli.doctor.calls.call_leg import CallLeg, Together
from audiosocket_cli.net.address import Address

DIGITS: Final = "0123456789*#"

_STAY_S: Final = 2.0
"""How long Asterisk's own tone is listened to."""

_WIDE: Final = 0x12
"""slin16: the rate besides 8 kHz at which Asterisk has to convert."""


class Aim(Enum):
    """What a call is to show."""

    ECHO = "Echo"
    BOTH = "AudioSocket"
    TONE = "Milliwatt"
    KEYS = "SendDTMF"

    @property
    def module(self) -> str:
        """The module that has its application."""
        return f"app_{self.value.lower()}"


@dataclass(frozen=True, slots=True)
class PlacedCall:
    """A call that Asterisk is told to place."""

    aim: Aim
    legs: tuple[CallLeg, ...]
    """First that of the channel driver, then, for `Aim.BOTH`, that of the application."""
    command: str
    """What the CLI is told."""

    @property
    def title(self) -> str:
        """What it is, in the words of a dialplan: Echo() with c(slin16)."""
        return f"{self.aim.value}() with c({kind_name(self.legs[0].kind)})"


def plan_calls(dial: Address, release: Release | None, applications: Collection[str]) -> list[PlacedCall]:
    """Return the calls for a release (None: unknown) that has these applications. Asterisk reaches us at `dial`."""
    has_rates = release is None or release.has(Behaviour.RATES)
    kinds = list(RATE_BY_KIND) if has_rates else [int(Kind.SLIN)]
    some = [kind for kind in (int(Kind.SLIN), _WIDE) if kind in kinds]
    calls = [_call(dial, Aim.ECHO, CallLeg(kind, seed=number)) for number, kind in enumerate(kinds)]
    for number, kind in enumerate(some):
        both = Together()
        near = CallLeg(kind, seed=100 + number, together=both)
        calls.append(_call(dial, Aim.BOTH, near, CallLeg(Kind.SLIN, seed=200 + number, together=both)))
    calls += [_call(dial, Aim.TONE, CallLeg(kind, stay_s=_STAY_S)) for kind in some]
    calls.append(_call(dial, Aim.KEYS, CallLeg(Kind.SLIN)))
    return [call for call in calls if call.aim.value in applications]


def _call(dial: Address, aim: Aim, *legs: CallLeg) -> PlacedCall:
    channel = f"AudioSocket/{dial}/{legs[0].uuid}/c({kind_name(legs[0].kind)})"
    data = {
        # At 50 ms apart and 100 ms long, the shortest keys that any receiver has to hear (ITU-T Q.24).
        Aim.KEYS: f" {DIGITS},50,100",
        Aim.BOTH: f" {legs[-1].uuid},{dial}",
    }.get(aim, "")
    return PlacedCall(aim, legs, f"channel originate {channel} application {aim.value}{data}")
