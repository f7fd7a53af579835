// @ts-nocheck It runs on Node.js, and the types of its packages are not here.
// What the packages from npm are, as their manuals show them, on one port each.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { WebSocketServer } = require("ws");
const { Server } = require("socket.io");
const { buildSchema } = require("graphql");
const { useServer } = require("graphql-ws/use/ws");
const [certificates] = process.argv.slice(2);
const read = (name) => readFileSync(`${certificates}/${name}`);

const echo = (socket) => {
  socket.on("message", (data, binary) => socket.send(data, { binary }));
};
const servers = {
  ws: createServer(),
  refusing: createServer(),
  mutual: createSecureServer({
    cert: read("localhost.pem"),
    key: read("localhost.key"),
    ca: read("ca.pem"),
    requestCert: true,
  }),
  socketIO: createServer(),
  graphQL: createServer(),
};
const { ws, refusing, mutual, socketIO, graphQL } = servers;
new WebSocketServer({ server: ws }).on("connection", echo);
new WebSocketServer({ server: mutual }).on("connection", echo);
new WebSocketServer({
  server: refusing,
  verifyClient: (_, answer) => answer(false, 401, "token expired"),
});
new Server(socketIO);
useServer(
  { schema: buildSchema("type Query { hello: String }") },
  new WebSocketServer({ server: graphQL, path: "/graphql" }),
);
const ports = {};
for (const [name, server] of Object.entries(servers)) {
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  ports[name] = server.address().port;
}
console.log(JSON.stringify(ports));
