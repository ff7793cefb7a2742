"""A test call as Asterisk's dialplan: the near leg talks to the server, the far leg is the caller."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from asterisk_testbed.steps import Step
from audiosocket_cli.asterisk.dialplan import lines as dialplan

FORMATS = [*dialplan.FORMATS, "ulaw", "alaw", "none"]

# The caller waits this long after answering, so that the near leg is connected to the server before the first step.
LEAD_SECONDS = 0.5


WEBSOCKETS = "websocket_client.conf"
"""The file that says where each connection of chan_websocket leads."""


def step_dialplan(index: int, step: Step, folder: str) -> list[str]:
    """The dialplan lines of one step; `folder` is the call's folder as Asterisk sees it."""
    # Echo() has no end of its own: the absolute timeout sends the channel to extension T, and that back to RESUME.
    echo = [f"n,Set(RESUME=step{index})", "n,Set(TIMEOUT(absolute)={0})", "n,Echo()"]
    lines = {
        "tone": ["n,Playtones({0})", "n,Wait({1})", "n,StopPlaytones()"],
        "silence": ["n,Playtones(0)", "n,Wait({0})", "n,StopPlaytones()"],
        "pause": ["n,Wait({0})"],
        "digits": ["n,SendDTMF({0})"],
        "record": ["n,Playtones(0)", f"n,Record({folder}/step{index}.wav,0,{{0}},qk)", "n,StopPlaytones()"],
        "play": [f"n,Playback({folder}/play{index})"],
        "echo": [*echo, f"n(step{index}),Set(TIMEOUT(absolute)=0)"],
        "hangup": [],
    }
    return [line.format(*step.args) for line in lines[step.kind]]


@dataclass
class Call:
    server: str
    interface: str
    format: str
    uuid: str
    steps: list[Step]
    answer: bool
    record_far: bool
    timeout: float
    control: str = "json"
    """How chan_websocket writes its events: json or plain-text."""
    own_dialplan: str = ""
    """What the near leg does, in place of connecting to the server: text of extensions.conf."""
    enter: str = ""
    """Where it begins there: context,extension."""
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])


def near_dialplan(call: Call) -> list[str]:
    if call.own_dialplan:
        return entering_dialplan(call)
    codec = None if call.format == "none" else call.format
    if call.interface == "websocket":
        application = f"Dial(WebSocket/{call.id}/c({call.format})f({call.control}),,g)"
    elif call.interface == "app":
        application = dialplan.application(call.server, call.uuid)
    else:
        application = dialplan.dial(call.server, call.uuid, codec=codec)
    return [
        f"[{call.id}-near]",
        f"exten => near,1,Log(NOTICE,testbed {call.id} near_start)",
        f" same => n,{application}",
        f" same => n,Log(NOTICE,testbed {call.id} near_continue ${{DIALSTATUS}})",
        " same => n,Hangup()",
        f"exten => h,1,Log(NOTICE,testbed {call.id} near_hangup ${{DIALSTATUS}})",
    ]


def websocket_section(call: Call) -> list[str]:
    """Return where chan_websocket connects to for a call."""
    return [f"[{call.id}]", "type = websocket_client", f"uri = {call.server}", "protocols = media",
            "connection_type = per_call_config"]  # fmt: skip


def entering_dialplan(call: Call) -> list[str]:
    """The dialplan of a near leg that goes to an own one. Its end is told by a handler: that one may have no `h`."""
    return [
        f"[{call.id}-near]",
        f"exten => near,1,Log(NOTICE,testbed {call.id} near_start)",
        f" same => n,Set(TESTBED=testbed {call.id})",
        f" same => n,Set(CHANNEL(hangup_handler_push)={call.id}-near,gone,1)",
        f" same => n,Goto({call.enter},1)",
        f"exten => gone,1,Log(NOTICE,testbed {call.id} near_hangup ${{DIALSTATUS}})",
        " same => n,Return()",
        *call.own_dialplan.splitlines(),
    ]


def far_dialplan(call: Call, folder: str) -> list[str]:
    lines = [f"[{call.id}-far]", "exten => far,1,Answer()"]
    if call.record_far:
        lines.append(f" same => n,MixMonitor(,r({folder}/far.wav))")
        lines.append(f" same => n,Log(NOTICE,testbed {call.id} far_recording)")
    lines.append(f" same => n,Wait({LEAD_SECONDS})")
    for index, step in enumerate(call.steps):
        lines.append(f" same => n,Log(NOTICE,testbed {call.id} start {index})")
        lines += [f" same => {line}" for line in step_dialplan(index, step, folder)]
        lines.append(f" same => n,Log(NOTICE,testbed {call.id} end {index})")
        if step.kind == "hangup":
            break
    lines += [" same => n,Hangup()", "exten => T,1,Goto(far,${RESUME})"]
    lines.append(f"exten => h,1,Log(NOTICE,testbed {call.id} far_hangup)")
    if call.record_far:
        # Closes the file, which otherwise happens some time after the end of the call.
        lines += [" same => n,StopMixMonitor()", f" same => n,Log(NOTICE,testbed {call.id} far_recorded)"]
    return lines
