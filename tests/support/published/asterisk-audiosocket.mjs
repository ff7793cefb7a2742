// A server by asterisk-audiosocket that echoes, as its own example does.
import { AudioSocketServer } from 'asterisk-audiosocket';

const server = new AudioSocketServer({ port: Number(process.argv[2]) });
server.on('connection', (call) => {
  call.on('audio', (pcm) => void call.play(pcm));
  call.on('error', (error) => console.error(error.message));
});
await server.listen();
