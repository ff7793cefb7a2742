// An echo server by another make: asterisk-audiosocket from npm, in its cheapest form (a frame back for each frame).
import { AudioSocketServer } from 'asterisk-audiosocket';

const server = new AudioSocketServer({ port: Number(process.argv[2]) });
server.on('connection', (call) => {
  call.on('audio', (pcm) => call.writeFrame(pcm));
  call.on('error', () => call.hangup());
});
await server.listen();
console.log(`ready ${server.address.port}`);
