"""The same pipecat bot for Asterisk's chan_websocket: uvicorn talk_asterisk:app --port 7860

pip install pipecat-asterisk uvicorn, and what smalltalk.py needs; talk_pipecat.py has the bot
"""

from fastapi import WebSocket
from pipecat.frames.frames import InputTransportMessageFrame
from pipecat_asterisk import AsteriskWebsocketTransport
from talk_pipecat import app, talk


@app.websocket("/asterisk")
async def asterisk(websocket: WebSocket) -> None:
    await websocket.accept(subprotocol="media")
    await talk(AsteriskWebsocketTransport(websocket), InputTransportMessageFrame)  # MEDIA_START
