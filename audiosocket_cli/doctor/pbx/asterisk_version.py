"""Which release an Asterisk is, and what is known to be wrong with it."""

from __future__ import annotations

from audiosocket_cli.asterisk.release_faults import FAULTS, Fault, Interface, faults_of
from audiosocket_cli.asterisk.releases import Release
from audiosocket_cli.doctor.pbx.asterisk_cli import AsteriskCli
from audiosocket_cli.doctor.pbx.asterisk_use import Use
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.text import counted


async def look_at_version(cli: AsteriskCli, use: Use) -> list[Diagnosis]:
    """Look at the release; `use` is what the dialplan names. Raises `NoAnswerError`."""
    version, release = await cli.version(), await cli.release()
    if release is None:
        return [
            Diagnosis(
                "release-fault", Status.UNKNOWN, f"what is known of its release: {version:.80} names none",
                ("a build from git may be older or newer than a release's number",),
            )
        ]  # fmt: skip
    return [judge_release(version, release, use)]


def judge_release(version: str, release: Release, use: Use) -> Diagnosis:
    """Say which known faults a release has that newer ones of its branch, or of another, have not."""
    faults = [fault for fault in faults_of(release) if _concerns(fault, use)]
    mended = [fault for fault in faults if fault.ends is not None]
    if not mended:
        left = f"; {counted(len(faults), 'known fault')} that no release is without" if faults else ""
        return Diagnosis("release-fault", Status.OK, f"{version:.80} runs{left}")
    return Diagnosis(
        "release-fault", Status.WARNING, f"Asterisk {release} has {counted(len(mended), 'fault')} that an update mends",
        tuple(f"{fault.what} (until {fault.fixed_in}): {fault.cure}" for fault in mended),
        f"update it{_update(release, use)}, or heed what stands after each of them",
    )  # fmt: skip


def _concerns(fault: Fault, use: Use) -> bool:
    """Whether a fault is one of what the dialplan uses; where that is not known, it may be."""
    if not use.is_some:
        return True
    return {
        Interface.ALL: True,
        Interface.APPLICATION: use.application,
        Interface.DRIVER: use.driver or use.ari,
        Interface.ARI: use.ari,
    }[fault.interface]


def _update(release: Release, use: Use) -> str:
    """Return " to 22.10 or newer": the release of its branch that has none of them, and none that came in between."""
    firsts = [fault.fixed_in_branch(release) for fault in FAULTS if fault.ends is not None and _concerns(fault, use)]
    if not all(firsts):
        return ""
    newest = max(firsts, key=lambda text: tuple(map(int, text.split("."))))
    return f" to {newest} or newer"
