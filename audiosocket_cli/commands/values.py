"""Values that a shell may offer: files, the calls in a capture, sound cards. Nothing here fails: an odd file offers
nothing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final

import click
from click.shell_completion import CompletionItem

from audiosocket_cli.errors import AudioSocketError

_MAX_ITEMS: Final = 200_000
"""Frames of a capture that are looked at: a few tenths of a second."""


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell offer files."""
    return [CompletionItem(incomplete, type="file")]


def calls(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the UUIDs of the calls in the captures that the line names, each with who called."""
    from audiosocket_cli.capture.items import Opened
    from audiosocket_cli.capture.opening import open_capture

    # click gives up a line that ends in an option without its value, and leaves all else of it in `args`.
    given = ctx.params.get("captures") or ctx.params.get("captured") or ctx.args
    found = []
    for name in (given,) if isinstance(given, str) else given:
        if name == "-":
            continue
        try:
            opened = [item.call for item in islice(open_capture(name), _MAX_ITEMS) if isinstance(item, Opened)]
        except (AudioSocketError, OSError):
            continue
        found += [
            CompletionItem(str(call.uuid), help=f"called by {call.caller or 'somebody'}")
            for call in opened
            if call.uuid and str(call.uuid).startswith(incomplete.lower())
        ]
    return found


def sound_cards(kind: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return what offers the sound cards that have an `input`, or an `output`."""

    def offer(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from audiosocket_cli.audio.sound_card import devices

        try:
            found = [each for each in devices() if each.has(kind)]
        except AudioSocketError:
            return []
        return [CompletionItem(each.name) for each in found if each.name.lower().startswith(incomplete.lower())]

    return offer
