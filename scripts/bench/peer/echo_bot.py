"""The bot that scripts/bench/run measures: it sends back what it hears."""

from __future__ import annotations

from audiosocket_cli import BotCall


async def echo(call: BotCall) -> None:
    """Say each 20 ms as soon as they were heard."""
    async for frame in call.audio():
        await call.say(frame)
