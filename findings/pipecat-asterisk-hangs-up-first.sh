#!/bin/sh
# pipecat-asterisk 0.1.4 (PyPI, Python 3.12 or newer) with pipecat-ai 1.14.0: a bot that says a sentence, not its first, and then
# ends, sends HANGUP at once, before Asterisk can have played it. Asterisk's chan_websocket drops its queue at HANGUP, so the
# caller hears none of it. It waits for its own idea of that queue only where its task has run since the sentence was queued.
# Seen: "3.0 s of speech, HANGUP 0.0 s after it began". Exits with 1 when that changes. $PYTHON names the Python.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'pipecat-ai[websocket]==1.14.0' pipecat-asterisk==0.1.4 uvicorn==0.54.0
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio, json, sys, time
import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.frames.frames import EndWorkerFrame, InputTransportMessageFrame, TTSAudioRawFrame, TTSStartedFrame, TTSStoppedFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.workers.runner import WorkerRunner
from pipecat_asterisk import AsteriskWebsocketTransport
from websockets.asyncio.client import connect

logger.remove()
app = FastAPI()


class Speaker(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, InputTransportMessageFrame):
            await asyncio.sleep(1)  # as for a later sentence: its queue is known to be empty
            await self.push_frame(TTSStartedFrame())
            await self.push_frame(TTSAudioRawFrame(b"\1\0" * 24000, 8000, 1))
            await self.push_frame(TTSStoppedFrame())
            await self.push_frame(EndWorkerFrame())


@app.websocket("/")
async def bot(websocket: WebSocket):
    await websocket.accept()
    transport = AsteriskWebsocketTransport(websocket)
    pipeline = Pipeline([transport.input(), Speaker(), transport.output()])
    params = PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(PipelineWorker(pipeline, params=params))
    await runner.run()


async def main():
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    began = ended = None
    async with connect(f"ws://127.0.0.1:{port}/") as asterisk:
        start = {"event": "MEDIA_START", "connection_id": "c", "channel": "c", "channel_id": "1", "format": "slin",
                 "optimal_frame_size": 320, "ptime": 20, "channel_variables": {}}
        await asterisk.send(json.dumps(start))
        async with asyncio.timeout(20):
            async for message in asterisk:
                if isinstance(message, bytes):
                    began = began or time.monotonic()
                elif "HANGUP" in message:
                    ended = time.monotonic()
                    break
    server.should_exit = True
    await serving
    after_s = 0.0 if began is None else ended - began
    print(f"3.0 s of speech, HANGUP {after_s:.1f} s after it began")
    sys.exit(after_s > 1.0)


asyncio.run(main())
PYTHON
