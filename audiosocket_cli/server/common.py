"""What all parts of a server use."""

from __future__ import annotations

from typing import NamedTuple

from audiosocket_cli.server.account import Account
from audiosocket_cli.server.admission import Admission
from audiosocket_cli.server.limits import CallLimits
from audiosocket_cli.server.options import ServeOptions


class Common(NamedTuple):
    """What it was told to do, what came of it, how many may call, and who."""

    options: ServeOptions
    account: Account
    call_limits: CallLimits
    admission: Admission
