"""pace/: a server speaks as a phone plays: one 20 ms frame each 20 ms, each whole."""

from __future__ import annotations

from typing import Final

from audiosocket_cli.asterisk.facts import BURST_MS, FRAME_GAP_MS, MAX_BURST_MS, PTIME_MS, is_burst
from audiosocket_cli.asterisk.releases import Behaviour, Release, since
from audiosocket_cli.check.conversation import unless_late
from audiosocket_cli.check.model import Case, Level, Observation, failed, passed, unknown
from audiosocket_cli.check.pacing import MAX_GAP_S, Pace, pace_of, usual_ms, worst_burst_s
from audiosocket_cli.check.probe import MAX_BYTES, Patience, Probe
from audiosocket_cli.check.trial import Trial
from audiosocket_cli.codec import is_audio, kind_name

_MAX_DRIFT: Final = 0.005
_MIN_DRIFT_S: Final = 0.025
"""Less than this over a whole call may be a late frame."""
_MIN_RUN_S: Final = 2.5
_MIN_SHARE: Final = 0.25
_USUAL_MS: Final = (10, 20, 30, 40, 60)
_ROUNDING_MS: Final = 0.1
_OUR_LATENESS_S: Final = 0.03
_FRAME_MS: Final = f"one frame each {PTIME_MS} ms"


async def _listen(trial: Trial, patience: Patience | None = None) -> Probe:
    """Speak for a while, as a caller does who is heard all the time."""
    probe = await trial.call(patience=patience)
    await trial.speak(probe, round(trial.times.pace_s * 1000 / PTIME_MS))
    await probe.until_ended(0.3)
    return probe


def _nothing_heard(probe: Probe) -> Observation | None:
    if any(is_audio(frame.kind) for frame in probe.frames):
        return None
    return unknown("the server sent no audio in this call: let it speak, or echo")


async def _rate(trial: Trial) -> Observation:
    probe = await _listen(trial)
    pace = pace_of(probe.frames)
    if pace.lasted_s < max(_MIN_RUN_S, _MIN_SHARE * trial.times.pace_s):
        return _nothing_heard(probe) or _too_short(pace, probe)
    drift = pace.rate - 1
    faster = "faster" if drift > 0 else "slower"
    observed = f"{pace.lasted_s:.1f} s of audio came {abs(drift) * 100:.2f} % {faster} than it plays"
    if abs(drift) <= _MAX_DRIFT or abs(drift) * pace.lasted_s <= _MIN_DRIFT_S:
        return passed(observed)
    return _unless_we_were_late(probe, failed(observed), abs(drift) * pace.lasted_s, observed)


def _too_short(pace: Pace, probe: Probe) -> Observation:
    observed = f"the server spoke for {pace.lasted_s:.1f} s at most without a pause, too short to tell"
    return _unless_we_were_late(probe, unknown(f"{observed}: let it speak on"), MAX_GAP_S, observed)


async def _bursts(trial: Trial) -> Observation:
    probe = await _listen(trial)
    burst_s = worst_burst_s(probe.frames)
    observed = f"at most {burst_s * 1000:.0f} ms of audio came ahead of the clock"
    if probe.flooded:
        return failed(f"the server sent more than {MAX_BYTES >> 20} MiB within {probe.since_s:.1f} s")
    if not is_burst(burst_s):
        return _nothing_heard(probe) or passed(observed)
    return _unless_we_were_late(probe, failed(observed), burst_s - BURST_MS / 1000, observed)


def _unless_we_were_late(probe: Probe, judged: Observation, excess_s: float, observed: str) -> Observation:
    """Return a judgement, or that this machine may have caused what was observed: a pause or a burst that is too long
    by `excess_s`."""
    return unless_late(observed, probe) if probe.lateness_s > max(_OUR_LATENESS_S, excess_s / 2) else judged


async def _frame_length(trial: Trial) -> Observation:
    probe = await _listen(trial)
    found = usual_ms(probe.frames)
    if found is None:
        return _nothing_heard(probe) or unknown("the server sent empty frames only")
    ms, size, kind = found
    observed = f"most frames have {size} bytes, {ms:.4g} ms of {kind_name(kind)}"
    is_usual = any(abs(ms - usual) < _ROUNDING_MS for usual in _USUAL_MS)
    return passed(observed) if is_usual else failed(observed)


def _patience_of(release: Release) -> Patience:
    """Return how long a release waits for the rest of a frame."""
    return Patience(
        None if release.has(Behaviour.SPLIT_HEADER) else 0.0,
        FRAME_GAP_MS / 1000 if release.has(Behaviour.SPLIT_PAYLOAD) else 0.0,
    )


async def _whole_frames(trial: Trial) -> Observation:
    patience = _patience_of(trial.release)
    probe = await _listen(trial, patience)
    nothing = _nothing_heard(probe)
    if probe.cuts:
        cut = probe.cuts[0]
        waited = f"within {FRAME_GAP_MS} ms" if patience.payload_s else "at once"
        return failed(
            f"{len(probe.cuts)} of {len(probe.frames)} frames did not come whole: the first after "
            f"{cut.at_s - probe.passed.connected_s:.2f} s, of which {cut.arrived_bytes} bytes came, no more {waited}"
        )
    return nothing or passed(f"all {len(probe.frames)} frames came whole")


PACE_CASES: Final = (
    Case(
        id="pace/rate",
        level=Level.SHOULD,
        requirement="Audio is sent as fast as it plays.",
        expected=f"Continuous audio comes within {_MAX_DRIFT * 100:g} % of its pace.",
        asterisk="audiosocket_run writes each frame onward at once: the server is the only clock",
        cure=f"send frame n at start + n * {PTIME_MS} ms on the monotonic clock; do not sleep {PTIME_MS} ms after each",
        run=_rate,
        finding="audio-slow",
        alone=True,
        shown_by_replay=True,
    ),
    Case(
        id="pace/bursts",
        level=Level.SHOULD,
        requirement="Audio comes in no bursts.",
        expected=f"No more than {BURST_MS} ms of audio come ahead of the clock.",
        asterisk=f"softmix_bridge_write_voice drops what is queued beyond {MAX_BURST_MS} ms",
        cure=f"send {_FRAME_MS}, also after a pause: never what is missing all at once",
        run=_bursts,
        finding="server-bursts",
        alone=True,
        shown_by_replay=True,
    ),
    Case(
        id="pace/frame-length",
        level=Level.SHOULD,
        requirement=f"Frames hold {PTIME_MS} ms.",
        expected="Most frames hold 10, 20, 30, 40 or 60 ms of audio.",
        asterisk="audiosocket_run makes one RTP packet of each frame, and phones expect 20 ms",
        cure=f"send {_FRAME_MS}: 320 bytes of slin, 640 of slin16",
        run=_frame_length,
        finding="server-frame-length",
        alone=True,
        shown_by_replay=True,
    ),
    Case(
        id="pace/whole-frames",
        level=Level.MUST,
        requirement="Each frame comes whole.",
        expected=f"No {FRAME_GAP_MS} ms without a byte pass between a header and the end of its payload (in older "
        "releases: no gap at all).",
        asterisk='ast_audiosocket_receive_frame_with_hangup: "Poll timed out while waiting for data"',
        cure="join header and payload, send them with one send, and set TCP_NODELAY",
        run=_whole_frames,
        finding="server-splits-frames",
        versions=f"all; {FRAME_GAP_MS} ms are allowed since {since(Behaviour.SPLIT_PAYLOAD)}, a split header since "
        f"{since(Behaviour.SPLIT_HEADER)}",
        alone=True,
    ),
)
