"""Which release an Asterisk is, and what is known to be wrong with it."""

from __future__ import annotations

from audiosocket_cli.asterisk.releases import NEWEST, Release
from audiosocket_cli.doctor.asterisk_cli import AsteriskCli
from audiosocket_cli.finding import Diagnosis, Status


async def look_at_version(cli: AsteriskCli) -> list[Diagnosis]:
    """Look at the release. Raises `NoAnswerError`."""
    version, release = await cli.version(), await cli.release()
    if release is None:
        return [
            Diagnosis(
                "release-fault", Status.UNKNOWN, f"Asterisk {version:.80} runs, a version that names no release",
                ("what is known of releases cannot be told of it",),
            )
        ]  # fmt: skip
    return [judge_release(version, release)]


def judge_release(version: str, release: Release) -> Diagnosis:
    """Say which known faults a release has."""
    newer = ", newer than what is known here" if not release.certified and release.major > NEWEST.major else ""
    return Diagnosis("release-fault", Status.OK, f"Asterisk {version:.80} runs ({release}{newer})")
