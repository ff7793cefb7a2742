"""One test call, from its dialplan to what came of it."""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path
from typing import Any

from asterisk_testbed.base import TestbedError, locked
from asterisk_testbed.dialplan import Call, far_dialplan, near_dialplan
from asterisk_testbed.installation import Asterisk
from asterisk_testbed.log import LOG_FIELDS, NOT_CONNECTED, audiosocket_entries, call_events, read_log
from asterisk_testbed.process import running_state
from asterisk_testbed.steps import Step

HANGUP_SECONDS = 5

OUR_EVENTS = {"near_start", "near_continue", "near_hangup", "far_recording", "far_recorded", "far_hangup"}


def place_call(asterisk: Asterisk, call: Call) -> dict[str, Any]:
    """Place the call, wait for its end and describe it."""
    folder = asterisk.run / "calls" / call.id
    folder.mkdir()
    try:
        for index, step in enumerate(call.steps):
            if step.source:
                shutil.copyfile(step.source, folder / f"play{index}.wav")
        offset = asterisk.log.stat().st_size
        load_dialplan(asterisk, call, folder)
        placed_at = time.time()
        originate(asterisk, call)
        failure = wait_for_end(asterisk, call, offset)
        result = {"placed_at": placed_at} | describe_call(call, read_log(asterisk.log, offset), folder)
        return result | ({"failure": failure} if failure else {})
    finally:
        hang_up(asterisk, call)
        tidy_call(folder)


def load_dialplan(asterisk: Asterisk, call: Call, folder: Path) -> None:
    lines = near_dialplan(call) + far_dialplan(call, asterisk.inside(folder))
    # Asterisk must not read the file of another call while that one is being written.
    with locked(asterisk.base / "lock"):
        folder.with_suffix(".conf").write_text("\n".join([*lines, ""]))
        asterisk.cli("dialplan reload")


def tidy_call(folder: Path) -> None:
    """Remove all of a call's files but its recordings."""
    for path in (folder.with_suffix(".conf"), *folder.glob("play*")):
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def originate(asterisk: Asterisk, call: Call) -> None:
    # Without an answer the near leg runs on the side of the Local channel that is ringing.
    near, far = f"near@{call.id}-near", f"far@{call.id}-far"
    legs = f"Local/{far}/n extension {near}" if call.answer else f"Local/{near}/n extension {far}"
    asterisk.cli(f"channel originate {legs}")


def wait_for_end(asterisk: Asterisk, call: Call, offset: int) -> str | None:
    """Wait until both legs have ended; what went wrong when they do not."""
    ends = {"near_hangup"}
    if call.answer:
        ends.add("far_recorded" if call.record_far else "far_hangup")
    deadline = time.monotonic() + call.timeout
    failure = None
    while not ends <= call_events(read_log(asterisk.log, offset), call.id).keys():
        if not running_state(asterisk):
            return f"Asterisk ended during the call: see {asterisk.log}"
        if time.monotonic() > deadline:
            if failure:
                return failure
            failure = f"the call did not end in {call.timeout:g} s and was hung up"
            hang_up(asterisk, call)
            deadline = time.monotonic() + HANGUP_SECONDS
        time.sleep(0.05)
    return failure


def hang_up(asterisk: Asterisk, call: Call) -> None:
    """Hang up what is left of the call; nothing after a normal end."""
    with contextlib.suppress(TestbedError):
        for line in asterisk.cli("core show channels concise").splitlines():
            if call.id in line:
                asterisk.cli(f"channel request hangup {line.split('!')[0]}")


def describe_call(call: Call, entries: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """What `call` prints; all times are epoch seconds, None for what did not happen."""
    events = call_events(entries, call.id)
    at = {name: event["at"] for name, event in events.items()}
    # Asterisk numbers its calls and marks each log entry with the number: that tells calls at the same time apart.
    numbers = {event["call"] for event in events.values()}
    complaints = audiosocket_entries([entry for entry in entries if entry["call"] in numbers])
    end = events.get("near_continue") or events.get("near_hangup") or {"value": ""}
    return {
        "uuid": call.uuid,
        "server": call.server,
        "interface": call.interface,
        "format": call.format if call.interface == "channel" else "slin",
        "near_started_at": at.get("near_start"),
        "near_ended_at": at.get("near_continue", at.get("near_hangup")),
        "far_ended_at": at.get("far_hangup"),
        "ended_at": max((at[name] for name in ("near_hangup", "far_hangup") if name in at), default=None),
        "dialplan_continued": "near_continue" in at,
        "dial_status": end["value"] or None,
        "steps": [describe_step(index, step, at) for index, step in enumerate(call.steps)],
        "told": {name: event["value"] for name, event in events.items() if name not in OUR_EVENTS and " " not in name},
        "recordings": find_recordings(call, at, folder),
        "audiosocket_log": [{name: entry[name] for name in LOG_FIELDS} for entry in complaints],
        "failure": next((entry["message"] for entry in complaints if NOT_CONNECTED.search(entry["message"])), None),
    }


def describe_step(index: int, step: Step, at: dict[str, float]) -> dict[str, Any]:
    return {
        "step": step.kind,
        "args": step.args,
        "started_at": at.get(f"start {index}"),
        "ended_at": at.get(f"end {index}"),
    }


def find_recordings(call: Call, at: dict[str, float], folder: Path) -> list[dict[str, Any]]:
    """The WAV files of the record steps, then that of --record-far."""
    files = [(index, folder / f"step{index}.wav", at.get(f"start {index}")) for index in range(len(call.steps))]
    recordings = [{"step": i, "path": str(path), "started_at": began} for i, path, began in files if path.exists()]
    if (folder / "far.wav").exists():
        recordings.append({"step": None, "path": str(folder / "far.wav"), "started_at": at.get("far_recording")})
    return recordings


def move_recordings(result: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for recording in result["recordings"]:
        target = folder.resolve() / f"{result['uuid']}-{Path(recording['path']).name}"
        shutil.move(recording["path"], target)
        with contextlib.suppress(OSError):
            Path(recording["path"]).parent.rmdir()
        recording["path"] = str(target)
