// @ts-nocheck It runs on Node.js, and the types of its package are not here.
// The npm package ws on Node.js, as its README shows it.
import { createRequire } from "node:module";

const { WebSocketServer } = createRequire(import.meta.url)("ws");

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
server.on("listening", () => {
  console.log(`ws://127.0.0.1:${server.address().port}/`);
});
server.on("connection", (socket) => {
  socket.on("error", console.error);
  socket.on("message", (data, isBinary) => {
    socket.send(data, { binary: isBinary });
  });
});
