"""What is wrong with the codec that `c()` names, or does not (`audiosocket_request`, chan_audiosocket.c)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from audiosocket_cli.asterisk.dialplan_check.complaint import Complaint, Facts
from audiosocket_cli.asterisk.dialplan_check.uses import Use
from audiosocket_cli.asterisk.releases import Behaviour, since
from audiosocket_cli.codec import RATE_BY_KIND, kind_name
from audiosocket_cli.finding import Status

_WITH_KIND: Final = tuple(kind_name(kind) for kind in RATE_BY_KIND)

_WITHOUT_KIND: Final = frozenset(
    [
        "ulaw",
        "alaw",
        "g722",
        "gsm",
        "opus",
        "g723",
        "g726",
        "g726aal2",
        "adpcm",
        "lpc10",
        "g729",
        "ilbc",
        "siren7",
        "siren14",
        "g719",
        "codec2",
        "speex",
        "speex16",
        "speex32",
        "silk8",
        "silk12",
        "silk16",
        "silk24",
    ]
)
"""Audio that Asterisk knows (codec_builtin.c) and AudioSocket has no kind for (`ast_audiosocket_send_frame`)."""

_NO_AUDIO: Final = frozenset(
    ["h261", "h263", "h263p", "h264", "h265", "mpeg4", "vp8", "vp9", "jpeg", "png", "red", "t140", "t38"]
)
"""What Asterisk knows, too, and takes for the format of a call without sound."""

_CODEC: Final = re.compile(r"c\((?P<codec>[^)]*)\)?")

_MEANT: Final = {
    "slin8": "slin", "l16": "slin16", "pcm": "slin", "pcm16": "slin", "linear": "slin", "slinear": "slin",
    "slin44100": "slin44", "slin16000": "slin16", "slin8000": "slin", "slin48000": "slin48", "g722": "slin16",
    "opus": "slin48",
}  # fmt: skip


def codec_of(use: Use) -> str | None:
    """Return what `c()` names: empty where it names nothing, None where there is no `c()`."""
    match = _CODEC.search(use.options or "")
    return match["codec"] if match else None


def no_codec(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find a driver that is left to take the caller's first codec."""
    if use.is_channel and not use.is_misformed and not codec_of(use) and use.server:
        named = (use.options or "").lower() in _WITH_KIND
        yield Complaint(
            Status.FAULT,
            "has no c(…): the driver takes the caller's codec, and labels µ-law, A-law or G.722 as slin: noise",
            f"write c({use.options}) there" if named else "name a format that AudioSocket has, such as c(slin)",
        )


def many_codecs(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find two codecs in one `c()`."""
    codec = codec_of(use) if use.is_channel else None
    if (codec and len(_names_in(codec)) > 1) or (codec is not None and "&" in _beside(use)):
        yield Complaint(
            Status.FAULT,
            "c(…) names several codecs: it takes one, and & begins another destination",
            "name one",
        )


def _beside(use: Use) -> str:
    """Return what follows a `c(` that an `&` of Dial() has cut off."""
    options = use.options or ""
    cut = options.count("(") > options.count(")")
    return use.step.data if cut else ""


def without_kind(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find a codec that AudioSocket cannot carry as what it is."""
    codec = (codec_of(use) or "").lower() if use.is_channel else ""
    if codec in _NO_AUDIO:
        yield Complaint(Status.FAULT, f"{codec} is not audio: the call has no sound", "name a format such as slin")
    if codec in _WITHOUT_KIND:
        yield Complaint(
            Status.FAULT,
            f"AudioSocket has no kind for {codec}: its frames are labelled slin, which is noise",
            "name a format that AudioSocket has",
        )


def unknown_codec(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find a name that no Asterisk has for a codec."""
    codec = codec_of(use) if use.is_channel else None
    if not codec or "$" in codec or len(_names_in(codec)) > 1:
        return
    if codec.lower() not in _WITHOUT_KIND | _NO_AUDIO and codec.lower() not in _WITH_KIND:
        yield Complaint(
            Status.FAULT,
            f"Asterisk has no codec {codec!r:.40}: the call fails",
            f"name one of {', '.join(_WITH_KIND)}: slin is 8 kHz, slin16 is 16 kHz",
        )


def rate_unsupported(use: Use, facts: Facts) -> Iterator[Complaint]:
    """Find a rate that the release cannot label."""
    codec = (codec_of(use) or "").lower() if use.is_channel else ""
    if codec in _WITH_KIND[1:] and facts.release and not facts.release.has(Behaviour.RATES):
        yield Complaint(
            Status.FAULT,
            f"Asterisk {facts.release} labels {codec} as slin, which is 8 kHz: a server hears it at the wrong speed",
            f"write c(slin), or update: {since(Behaviour.RATES)} or later",
        )


def righted(use: Use, facts: Facts) -> str:
    """Return a codec to write: the one that is there where it will do."""
    has_rates = facts.release is None or facts.release.has(Behaviour.RATES)
    names = [*_names_in(codec_of(use) or use.options or ""), ""]
    if "$" in (codec_of(use) or ""):
        return codec_of(use) or ""
    wanted = next((each for each in names if each in _WITH_KIND), _MEANT.get(names[0], "slin"))
    return wanted if has_rates else "slin"


def _names_in(codec: str) -> list[str]:
    return [each.lower() for each in re.split(r"[&,|:+;\s]+", codec) if each] if "$" not in codec else [codec]
