"""A function to talk to: audiosocket serve --bot-rate 8000 --bot talk_function:answer"""

import asyncio

from smalltalk import Conversation, Ears, Reply, speak

from audiosocket_cli import BotCall


async def answer(call: BotCall) -> None:
    conversation = Conversation()

    async def say(reply: Reply) -> None:
        await call.say(await asyncio.to_thread(speak, reply.text))
        if reply.result is not None:
            call.hangup(result=reply.result)  # once that has been said

    async def take_keys() -> None:
        async for key in call.digits():
            await call.flush()
            await say(conversation.press(key))

    keys = asyncio.create_task(take_keys())
    await say(conversation.begin())
    ears = await asyncio.to_thread(Ears)  # other calls go on meanwhile
    async for samples in call.audio():
        for word in await asyncio.to_thread(ears.hear, samples, conversation.expected):
            if word is None:
                await call.flush()  # the caller interrupts
            else:
                await say(conversation.answer(word))
    keys.cancel()
