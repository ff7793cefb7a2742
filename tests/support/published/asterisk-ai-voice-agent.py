"""A server by the codec of asterisk-ai-voice-agent that echoes. It reads and writes as its AudioSocketTransport."""

import asyncio
import sys

from asterisk_ai_voice_agent.audiosocket import Frame, FrameType, audio_frame, parse_uuid


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        first = await Frame.read(reader)
        if first.type != FrameType.UUID or not parse_uuid(first.payload):
            return
        while (frame := await Frame.read(reader)).type != FrameType.HANGUP:
            if frame.type == FrameType.AUDIO:
                writer.write(audio_frame(frame.payload).encode())
                await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionResetError):
        pass
    finally:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


asyncio.run(main())
