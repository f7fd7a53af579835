// @ts-nocheck It runs on Bun, whose types are not here.
// What Bun has built in, as its manual shows it.
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    if (!server.upgrade(request)) return new Response(null, { status: 426 });
  },
  websocket: {
    maxPayloadLength: 64 * 1024 * 1024,
    message(socket, message) {
      socket.send(message);
    },
  },
});
console.log(`ws://127.0.0.1:${server.port}/`);
