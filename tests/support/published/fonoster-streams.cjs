// A server by @fonoster/streams that echoes: its own example, in which what is heard is written back.
const { AudioSocket } = require('@fonoster/streams');

const server = new AudioSocket();
server.onConnection((request, stream) => {
  stream.onData((data) => stream.write(data));
  stream.onError((error) => console.error(error.message));
});
server.listen(Number(process.argv[2]), '127.0.0.1');
