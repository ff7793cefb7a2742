"""A pipecat bot to talk to, which speaks Twilio's protocol: uvicorn talk_pipecat:app --port 7860

pip install 'pipecat-ai[websocket]' uvicorn, and what smalltalk.py needs
"""

import asyncio
import os

from fastapi import FastAPI, WebSocket
from pipecat.frames.frames import (
    ClientConnectedFrame,
    EndWorkerFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.base_transport import BaseTransport
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner
from smalltalk import RATE_HZ, Conversation, Ears, Reply, speak

app = FastAPI()


class Talker(FrameProcessor):
    """The bot: it takes the caller's audio and keys, and says its replies."""

    def __init__(self, starts_with: type[Frame]) -> None:
        super().__init__()
        self._starts_with: type[Frame] | None = starts_with
        self._ears, self._conversation = Ears(), Conversation()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            for word in self._ears.hear(frame.audio, self._conversation.expected):
                if word is None:
                    await self.broadcast_interruption()
                else:
                    await self._say(self._conversation.answer(word))
            return
        await self.push_frame(frame, direction)
        if isinstance(frame, InputDTMFFrame):
            await self.broadcast_interruption()
            await self._say(self._conversation.press(frame.button.value))
        elif self._starts_with is not None and isinstance(frame, self._starts_with):
            self._starts_with = None
            await self._say(self._conversation.begin())

    async def _say(self, reply: Reply) -> None:
        speech = await asyncio.to_thread(speak, reply.text)
        await self.push_frame(TTSStartedFrame())
        await self.push_frame(TTSAudioRawFrame(speech, RATE_HZ, 1))
        await self.push_frame(TTSStoppedFrame())
        if reply.result is not None:
            await asyncio.sleep(len(speech) / 2 / RATE_HZ + 0.2)  # some transports drop what has not been played
            await self.push_frame(EndWorkerFrame())


async def talk(transport: BaseTransport, starts_with: type[Frame]) -> None:
    """Talk to one caller; begin at a frame of type `starts_with`: what is said before it is not heard."""
    pipeline = Pipeline([transport.input(), Talker(starts_with), transport.output()])
    rates = PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ)
    worker = PipelineWorker(pipeline, params=rates)

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(transport: BaseTransport, websocket: WebSocket) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


@app.websocket("/twilio")
async def twilio(websocket: WebSocket) -> None:
    await websocket.accept()
    _, call = await parse_telephony_websocket(websocket)
    serializer = TwilioFrameSerializer(
        call["stream_id"],
        call["call_id"],
        account_sid=os.environ.get("TWILIO_ACCOUNT_SID", "AC"),
        auth_token=os.environ.get("TWILIO_AUTH_TOKEN", "none"),
        base_url=os.environ["TWILIO_BASE_URL"],  # where calls are hung up: audiosocket serve --bridge-api
    )
    params = FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=serializer)
    await talk(FastAPIWebsocketTransport(websocket, params), ClientConnectedFrame)
